"""Cells in files: what is read is what was written, training the same as in memory, memory flat."""

import os
import subprocess
import sys
from dataclasses import replace

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from shelf import GENES, N, shelf, stored

import waddington as wd
from waddington.cells import Cells
from waddington.errors import InputError
from waddington.minibatches import CHUNKS, LANES, Coded, held_out_cells, minibatches, shuffled
from waddington.recipe import adjust
from waddington.recipes import scvi
from waddington.simulate import log_normalised
from waddington.stream import FileRows, ahead, blocks_of, opened, rows_at


@pytest.fixture(scope="module")
def adata():
    return stored()


@pytest.fixture(scope="module")
def files(adata, tmp_path_factory):
    return shelf(adata, tmp_path_factory.mktemp("files"))


# Reading ---------------------------------------------------------------------------------------


def test_logs_are_made_of_cells_in_a_file_as_of_cells_in_memory(files):
    cells = Cells.from_file(files["plain"])
    loaded = replace(cells, views={"rna": rows_at(cells.views["rna"], slice(None))})
    made, wanted = (log_normalised(c).views["rna"].toarray() for c in (cells, loaded))
    assert made.any()
    np.testing.assert_array_equal(made, wanted)


@pytest.mark.parametrize("kind", ["plain", "gzip", "dense", "long", "10x"])
def test_rows_are_those_of_the_matrix(kind, files, adata, monkeypatch):
    monkeypatch.setattr("waddington.stream.GAP", 20)  # so that some gaps are read and some not
    monkeypatch.setattr("waddington.stream.PIECE", 500)
    cells = Cells.from_file(files[kind])
    rows, dense = cells.views["rna"], adata.X.toarray()
    assert rows.shape == (N, GENES) and len(cells) == N
    rng = np.random.default_rng(1)
    for index in (
        np.arange(N), rng.permutation(N), rng.integers(0, N, 50), np.array([], int), np.array([9]),
        slice(3, 400, 7),
    ):  # fmt: skip
        got = rows.gather(index)
        assert got.has_canonical_format or kind == "10x"
        np.testing.assert_array_equal(got.toarray(), dense[index])
    np.testing.assert_allclose(rows.sum(1)[:, 0], dense.sum(1))
    np.testing.assert_allclose(rows.sum(0)[0], dense.sum(0))


def test_stored_values_are_counted_without_reading_them(files, adata):
    for kind in ("plain", "gzip", "dense"):
        rows = Cells.from_file(files[kind]).views["rna"]
        assert rows.nnz == adata.X.nnz
        assert rows[np.arange(0, N, 3)].nnz == adata.X[::3].nnz


def test_subsets_are_chosen_before_anything_is_read(files, adata):
    rows, dense = FileRows.open(files["plain"]), adata.X.toarray()
    some = rows[np.array([5, 3, 600])][:, np.array([7, 1])]
    assert some.shape == (3, 2)
    np.testing.assert_array_equal(
        rows_at(some, slice(None)).toarray(), dense[[5, 3, 600]][:, [7, 1]]
    )
    np.testing.assert_array_equal(
        some[1:, ::-1].gather([0, 1]).toarray(), dense[[3, 600]][:, [1, 7]]
    )


@pytest.mark.parametrize("index", [slice(0, 5), slice(600, None), slice(3, 3), slice(1, 9, 2)])
def test_rows_in_memory_may_be_asked_for_by_slice(adata, index):
    got = rows_at(adata.X, index)
    assert got.has_canonical_format and got.shape[1] == adata.n_vars
    np.testing.assert_array_equal(got.toarray(), adata.X.toarray()[index])


def test_blocks_cover_all_rows_in_order(files, adata):
    for x in (FileRows.open(files["gzip"]), adata.X):
        parts = list(blocks_of(x, 1000))
        assert len(parts) > 3 and max(b.nnz for _, b in parts) < 1100
        assert [a for a, _ in parts] == np.cumsum([0, *(b.shape[0] for _, b in parts)])[
            :-1
        ].tolist()
        np.testing.assert_array_equal(
            sparse.vstack([b for _, b in parts]).toarray(), adata.X.toarray()
        )


def test_damage_is_noticed(tmp_path, files):
    path = tmp_path / "short.h5ad"
    path.write_bytes(files["plain"].read_bytes())
    with h5py.File(path, "a") as file:
        values = file["X/data"][:-1]
        del file["X/data"]
        file["X/data"] = values
    with pytest.raises(InputError, match="damaged or cut short"):
        Cells.from_file(path)


def test_values_are_checked_wherever_they_are(tmp_path, adata, monkeypatch):
    monkeypatch.setattr("waddington.stream.PIECE", 500)
    wrong = adata.copy()
    dense = adata.X.toarray()
    dense[500, 7] = -1.0
    wrong.X = sparse.csr_matrix(dense)
    wrong.write_h5ad(tmp_path / "wrong.h5ad")
    for data in (wrong, tmp_path / "wrong.h5ad"):
        with pytest.raises(
            InputError, match="are negative, such as -1 of feature 'g7' in cell 'c500'"
        ):
            wd.train(data, scvi(epochs=1))


def test_empty_cells_and_genes_are_told_of(tmp_path, adata, monkeypatch):
    monkeypatch.setattr("waddington.stream.PIECE", 500)
    dense = adata.X.toarray()
    dense[[600, 40]], dense[:, 3] = 0, 0
    bare = ad.AnnData(sparse.csr_matrix(dense), adata.obs, adata.var)
    bare.write_h5ad(tmp_path / "bare.h5ad")
    with pytest.warns(UserWarning) as told:
        wd.train(tmp_path / "bare.h5ad", scvi(epochs=1), seed=0)
    said = " ".join(str(w.message) for w in told)
    assert "2 of 700 cells have no rna counts ('c40', 'c600')" in said
    assert "1 of 40 rna features have no counts in any cell" in said


# The order -------------------------------------------------------------------------------------


def test_small_data_are_permuted_as_a_whole():
    rng = np.random.default_rng
    orders = np.stack([shuffled([], 6, rng(s), 2, 6) for s in range(4000)])
    where = np.stack([(orders == i).mean(0) for i in range(6)])
    np.testing.assert_allclose(where, 1 / 6, atol=0.03)


def test_large_data_are_shuffled_by_chunks_within_a_block():
    n, size, block = 50_000, 128, 8192
    order = shuffled([], n, np.random.default_rng(0), size, block)
    assert sorted(order) == list(range(n))
    chunk = block // CHUNKS
    for a in range(0, n - block, block):
        inside = np.unique(order[a : a + block] // chunk)
        assert CHUNKS <= len(inside) <= CHUNKS + 2
        assert np.abs(np.corrcoef(np.arange(block), order[a : a + block])[0, 1]) < 0.05
    each = [len(np.unique(order[a : a + size] // chunk)) for a in range(0, n - size, size)]
    assert np.median(each) > 70  # of 128 cells; 81 if chunks were drawn at random


def test_processes_that_share_minibatches_read_chunks_of_their_own():
    n, size, block = 20_000, 128, 4096
    order = shuffled([], n, np.random.default_rng(0), size, block)
    chunks = [
        order[:block].reshape(-1, LANES, size // LANES)[:, i] // (block // CHUNKS)
        for i in range(LANES)
    ]
    seen = [set(np.unique(c)) for c in chunks]
    assert all(len(a & b) <= 1 for i, a in enumerate(seen) for b in seen[:i])


def test_levels_are_spread_over_blocks_and_minibatches():
    codes = np.repeat([0, 1], [18_000, 2_000])  # sorted by level, as files often are
    order = shuffled([codes], 20_000, np.random.default_rng(0), 100, 4000)
    assert sorted(order) == list(range(20_000))
    for a in range(0, 20_000, 100):
        assert 6 <= codes[order[a : a + 100]].sum() <= 14


def test_held_out_cells_are_single_in_small_data_and_runs_in_large(monkeypatch):
    rng = np.random.default_rng
    few = held_out_cells(5000, 0.1, rng(0))
    assert len(np.unique(few)) == 500 and (np.diff(few) > 1).mean() > 0.8
    assert held_out_cells(3, 0.9, rng(0)).size == 1
    monkeypatch.setattr("waddington.minibatches.RUNS", 50)
    many = held_out_cells(5000, 0.1, rng(0))
    assert len(np.unique(many)) == 500 and many.max() < 5000
    assert (many.reshape(50, 10) == many[::10, None] + np.arange(10)).all()


def test_minibatches_from_a_file_are_those_from_memory(files, adata, monkeypatch):
    monkeypatch.setattr(Coded, "block", 150)
    order = np.random.default_rng(0).permutation(N)
    filed, kept = (
        Cells.from_file(files["gzip"], categorical=["batch"]),
        Cells.from_anndata(adata, None, ["batch"]),
    )
    for part in ((0, 1), (1, 3)):
        pairs = zip(
            minibatches(filed, filed.levels(), 64, order, skip=3, part=part),
            minibatches(kept, kept.levels(), 64, order, skip=3, part=part),
            strict=True,
        )
        for a, b in pairs:
            x, y = a.views["rna"], b.views["rna"]
            assert torch.equal(x.indices, y.indices) and torch.equal(x.values, y.values)
            assert torch.equal(x.indptr, y.indptr) and torch.equal(
                a.library["rna"], b.library["rna"]
            )
            assert torch.equal(a.codes["batch"], b.codes["batch"]) and torch.equal(a.index, b.index)


def test_parts_of_minibatches_make_them_up(adata):
    cells = Cells.from_anndata(adata)
    whole = [m.index.tolist() for m in minibatches(cells, {}, 64)]
    parts = [[m.index.tolist() for m in minibatches(cells, {}, 64, part=(i, 3))] for i in range(3)]
    assert [[*a, *b, *c] for a, b, c in zip(*parts, strict=True)] == whole


# Training and verbs ----------------------------------------------------------------------------


def test_training_from_a_file_is_bit_identical(files, adata, monkeypatch):
    monkeypatch.setattr(Coded, "block", 150)
    recipe = adjust(scvi(batch="batch"), epochs=2, batch_size=32)
    backed = ad.read_h5ad(files["plain"], backed="r")
    models = [
        wd.train(data, recipe, seed=3, threads=1)
        for data in (adata, files["plain"], files["gzip"], backed)
    ]
    for model in models[1:]:
        assert model.history == models[0].history
        assert model.record["trivial_nll"] == models[0].record["trivial_nll"]
        for k, v in models[0].weights.items():
            np.testing.assert_array_equal(model.weights[k], v)
    asked = adata[:, ::-1].copy()  # another order of genes, other genes besides
    for verb in (wd.latent, wd.denoise):
        want = verb(models[0], adata)
        np.testing.assert_array_equal(verb(models[0], files["gzip"]), want)
        np.testing.assert_array_equal(verb(models[0], backed), want)
        np.testing.assert_allclose(verb(models[0], asked), want, rtol=1e-4, atol=1e-5)
    backed.file.close()


def test_a_file_with_other_genes_is_asked_by_name(files, adata, tmp_path):
    model = wd.train(adata, scvi(epochs=1), seed=0)
    order = np.random.default_rng(0).permutation(GENES)
    other = ad.concat(
        [
            ad.AnnData(adata.X[:, order], adata.obs, adata.var.iloc[order]),
            ad.AnnData(adata.X[:, :3].tocsr(), adata.obs, pd.DataFrame(index=list("xyz"))),
        ],
        axis=1,
    )
    other.X = sparse.csr_matrix(other.X)
    other.write_h5ad(tmp_path / "other.h5ad")
    np.testing.assert_allclose(
        wd.latent(model, tmp_path / "other.h5ad"), wd.latent(model, adata), rtol=1e-4, atol=1e-5
    )


# Threads and memory ----------------------------------------------------------------------------


def test_the_next_block_is_made_ahead_and_errors_reach_the_reader():
    assert list(ahead(lambda x: x * 2, range(5))) == [0, 2, 4, 6, 8]
    assert list(ahead(str, [])) == []

    def fail(x):
        if x == 2:
            raise InputError("two")
        return x

    got = ahead(fail, range(4))
    assert [next(got), next(got)] == [0, 1]
    with pytest.raises(InputError, match="two"):
        next(got)


def test_nothing_is_held_open(files):
    cells = Cells.from_file(files["plain"])
    stream = minibatches(cells, {}, 64)
    next(stream)
    stream.close()
    with h5py.File(files["plain"], "a"):
        pass
    with opened(files["plain"]) as file:
        assert "X" in file


MEMORY = """
import sys
import numpy as np
from waddington.cells import Cells
from waddington.checks import check_training
from waddington.minibatches import Coded, minibatches, shuffled
from waddington.recipes import scvi
cells = Cells.from_file(sys.argv[1])
check_training(cells, scvi())
data = Coded.of(cells, {})
order = shuffled([], len(cells), np.random.default_rng(0), 512, 512 * data.per_block(512))
print(sum(float(m.library["rna"].sum()) for m in minibatches(data, {}, 512, order)))
print(next(int(x.split()[1]) for x in open("/proc/self/status") if x.startswith("VmHWM")) / 1024)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_cells(tmp_path, root):
    rng, peaks = np.random.default_rng(0), []
    block = sparse.random(5000, 200, 0.5, "csr", np.float32, rng, lambda n: 1.0 + rng.poisson(2, n))
    for copies in (8, 24):
        path = tmp_path / f"{copies}.h5ad"
        ad.AnnData(sparse.vstack([block] * copies, format="csr")).write_h5ad(path)
        run = subprocess.run(
            [sys.executable, "-c", MEMORY, path],
            env={**os.environ, "PYTHONPATH": str(root / "python")},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        total, peak = map(float, run.stdout.split())
        assert total == pytest.approx(copies * block.sum(), rel=1e-6)
        peaks.append(peak)
    whole = 16 * block.nnz * 8 / 2**20  # what reading it all would have added, 61 MB
    assert peaks[1] - peaks[0] < 0.4 * whole


def test_verbs_that_need_all_values_read_them(files, adata):
    here, there = adata.copy(), ad.read_h5ad(files["plain"], backed="r")
    here.obs["donor"] = [f"d{i % 3}" for i in range(N)]
    here.obs["kind"] = ["a", "b"] * (N // 2)
    there.obs = here.obs
    model = wd.train(adata, adjust(scvi(batch="batch"), epochs=1), seed=3)
    change = {"condition": "batch", "source": "a", "target": "b", "cell_type": "kind"}
    asks = (
        lambda x: wd.transform(model, x, {"batch": "a"}),
        lambda x: wd.differential_expression(model, x, "batch", "a").columns["raw_a"],
        lambda x: wd.donor_differences(model, x, "kind", "a", "b", "donor")["bulk_t"],
        lambda x: wd.predict_perturbation(model, x, **change).cells,
        lambda x: wd.perturbation_map(model, x, "batch", "a", "kind").similarity,
    )
    for ask in asks:
        np.testing.assert_array_equal(ask(there), ask(here))
    there.file.close()
