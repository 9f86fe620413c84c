"""Conditions: W[h; onehot] written as a sum, and the tables that grow."""

import numpy as np
import pytest
import torch
from toys import cells as toy_cells

from waddington.cells import Dims
from waddington.conditions import Continuous, Embedded, Embeddings, OneHot, Shift, Table, conditions
from waddington.layers import Dense
from waddington.minibatches import minibatches

CELLS = toy_cells(40)
LEVELS = CELLS.levels()
DIMS = Dims({"rna": 37}, {k: tuple(map(len, v)) for k, v in LEVELS.items()})
M = next(minibatches(CELLS, LEVELS, 99))


def test_conditions_add_what_concatenating_one_hot_would():
    layer = Dense(5, act="linear").build(4, (OneHot("batch"), OneHot("condition")), DIMS)
    h = torch.randn(40, 4)
    hot = [torch.nn.functional.one_hot(M.codes[k], 2).float() for k in ("batch", "condition")]
    tables = [layer.shift.of[k].rows for k in ("batch", "condition")]
    w = torch.cat([layer.linear.weight, *(t.T for t in tables)], 1)
    want = torch.cat([h, *hot], 1) @ w.T + layer.linear.bias
    torch.testing.assert_close(layer(h, M), want)


def test_a_table_for_all_cells_has_one_row():
    table = Table(None, DIMS, 3)
    table.fill(torch.tensor([1.0, 2, 3]))
    assert table(M).tolist() == [[1, 2, 3]]


def test_new_levels_are_a_parameter_of_their_own_that_starts_at_the_mean():
    table = Table("batch", Dims({}, {"batch": (2, 1)}), 3, sd=1.0)
    old = table.blocks[0].clone()
    table.fill_newest()
    assert [tuple(b.shape) for b in table.blocks] == [(2, 3), (1, 3)]
    assert torch.equal(table.blocks[0], old)
    torch.testing.assert_close(table.rows[2], old.mean(0))
    table.rows[2].sum().backward()
    assert not table.blocks[0].grad.any() and table.blocks[1].grad.all()


def test_embedded_levels_are_the_same_points_for_all_layers():
    embeddings = Embeddings([Embedded("batch", 3), OneHot("condition")], DIMS)
    told = embeddings(M)
    assert told.values["batch"].shape == (40, 3)
    same = M.codes["batch"] == M.codes["batch"][0]
    assert (told.values["batch"][same] == told.values["batch"][0]).all()
    shift = Shift([Embedded("batch", 3)], 4, DIMS)
    want = told.values["batch"] @ shift.of["batch"].linear.weight.T
    torch.testing.assert_close(shift(torch.zeros(40, 4), told), want)
    assert Embeddings([OneHot("batch")], DIMS)(M) is M


def test_numbers_are_standardised_by_the_cells_of_training():
    shift = Shift([Continuous("age")], 2, DIMS)
    vector = shift.of["age"]
    vector.prepare(CELLS, LEVELS)
    z = (CELLS.values["age"] - CELLS.values["age"].mean()) / CELLS.values["age"].std()
    want = z @ vector.linear.weight.detach().numpy().T
    np.testing.assert_allclose(shift(torch.zeros(40, 2), M).detach(), want, rtol=1e-4, atol=1e-5)


def test_a_constant_number_adds_nothing_and_breaks_nothing():
    from dataclasses import replace

    flat = replace(CELLS, values={"age": np.full((40, 1), 7.0, np.float32)})
    vector = Continuous("age").build(2, DIMS)
    vector.prepare(flat, LEVELS)
    assert not vector(next(minibatches(flat, LEVELS, 99))).any()


@pytest.mark.parametrize(
    "given,want",
    [
        ((None, ()), ()),
        (("batch", "age"), (OneHot("batch"), Continuous("age"))),
        ((("a", "b"), ()), (OneHot("a"), OneHot("b"))),
        (((), None), ()),
    ],
)
def test_names_become_conditions(given, want):
    assert conditions(*given) == want
