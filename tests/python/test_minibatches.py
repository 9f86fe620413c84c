"""Minibatches: every cell once, never one alone, the same rows however they are gathered."""

import platform
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from toys import cells as toy_cells

from waddington import minibatches as room
from waddington.cells import Cells
from waddington.minibatches import cut, minibatches, shuffled


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of about 30 cells, so that few cells make several blocks."""
    monkeypatch.setattr(room, "FEWEST", 30)
    monkeypatch.setattr(room, "BLOCK_VALUES", 1)


@given(st.integers(0, 3000), st.integers(2, 300))
def test_every_cell_once_and_none_alone(n, size):
    bounds = cut(n, size)
    assert [i for a, b in bounds for i in range(a, b)] == list(range(n))
    lengths = [b - a for a, b in bounds]
    assert all(2 <= k <= size + 1 for k in lengths) or n < 2
    assert len([k for k in lengths if k != size]) <= 1


@pytest.mark.parametrize("n,sizes", [(129, [129]), (257, [128, 129]), (130, [128, 2]), (1, [1])])
def test_a_lonely_last_cell_joins_the_minibatch_before_it(n, sizes):
    assert [b - a for a, b in cut(n, 128)] == sizes


def test_minibatches_are_rows_of_the_data_in_the_order_asked_for(small_blocks):
    data, order = toy_cells(101), np.random.default_rng(0).permutation(101)
    dense, at = data.views["rna"].toarray(), 0
    codes = data.codes(data.levels())
    for m in minibatches(data, data.levels(), 10, order):
        here = order[at : at + len(m)]
        np.testing.assert_array_equal(m.views["rna"].dense(), dense[here])
        np.testing.assert_array_equal(m.index, here)
        np.testing.assert_array_equal(m.library["rna"][:, 0], dense[here].sum(1))
        np.testing.assert_array_equal(m.codes["batch"], codes["batch"][here])
        np.testing.assert_allclose(m.values["age"], data.values["age"][here])
        np.testing.assert_allclose(m.size_factor[:, 0], data.size_factor[here], rtol=1e-6)
        at += len(m)
    assert at == 101


def test_data_that_can_not_be_written_to_are_read():
    cells = toy_cells(10)
    for a in (cells.views["rna"].data, cells.views["rna"].indices):
        a.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (batch,) = minibatches(cells, cells.levels(), 10)
    assert (batch.views["rna"].dense().numpy() == cells.views["rna"].toarray()).all()


def test_skipping_leaves_out_the_first_ones(small_blocks):
    every, rest = (list(minibatches(toy_cells(60), {}, 7, skip=k)) for k in (0, 4))
    assert [m.index.tolist() for m in rest] == [m.index.tolist() for m in every[4:]]


def test_cells_that_lack_a_view_say_so():
    data = Cells(
        {"rna": sparse.csr_matrix(np.eye(4))}, present={"rna": np.array([1, 0, 1, 1], bool)}
    )
    (m,) = minibatches(data, {}, 9)
    assert m.has("rna").tolist() == [True, False, True, True]


def test_doubles_stay_exact_until_the_network_s_own_precision():
    x = sparse.csr_matrix(np.array([[2.0**24 + 1, 0], [1, 1]]))
    torch.set_default_dtype(torch.float64)
    try:
        (m,) = minibatches(Cells({"rna": x}), {}, 9)
        assert m.views["rna"].values[0] == 2.0**24 + 1
    finally:
        torch.set_default_dtype(torch.float32)
    (m,) = minibatches(Cells({"rna": x}), {}, 9)
    assert m.views["rna"].values.dtype == torch.float32


def order_of(codes, n, seed=0, size=20, block=10_000):
    return shuffled(codes, n, np.random.default_rng(seed), size, block)


def test_spreading_puts_every_level_into_every_minibatch():
    codes = np.r_[np.zeros(90, int), np.ones(10, int)]
    order = order_of([codes], 100)
    assert sorted(order) == list(range(100))
    assert all(codes[order[i : i + 20]].sum() == 2 for i in range(0, 100, 20))
    two = [codes, np.tile([0, 1], 50)]
    order = order_of(two, 100)
    both = (two[0] * two[1])[order].reshape(5, 20).sum(1)
    assert abs(both - 1).max() <= 1


def test_orders_are_random_and_governed_by_the_generator():
    a, b, c = (order_of([], 50, seed) for seed in (1, 1, 2))
    assert (a == b).all() and (a != c).any() and sorted(c) == list(range(50))
    for block in (60, 200, 4000):
        assert sorted(order_of([], 1111, block=block)) == list(range(1111))


FAULTS = """
import resource, torch
from waddington.minibatches import reuse_memory

def pages():
    for _ in range(20):
        blocks = [torch.ones(1_000_000) for _ in range(6)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

reuse_memory()
before = pages()
print(pages() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_of_one_minibatch_serves_the_next():
    command, here = [sys.executable, "-c", FAULTS], ROOT / "python"
    said = subprocess.run(command, capture_output=True, text=True, cwd=here, check=True)
    assert int(said.stdout) < 1_000  # most layouts of memory need 116,000 without
