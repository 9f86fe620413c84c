"""Cells carried into another batch come nearer to what they would have been there."""

from functools import cache

import numpy as np
import pytest
from toys import fit, fitted

import waddington as wd
from waddington import recipes, simulate
from waddington.cells import RNA
from waddington.errors import InputError


@cache
def world(told):
    sim = simulate.counts(500, 60, n_types=3, n_batches=2, depth=2000.0, seed=6)
    recipe = recipes.scvi(batch="batch") if told else recipes.vae(8, (64,))
    return sim, fit(recipe, sim.cells, epochs=40, batch_size=64, lr=5e-3)


def error(counts, sim, rows):
    """Mean squared error of log mean shares per type, against the truth of batch 0."""
    kind, off = sim.truth["type"][rows], []
    share = counts[rows] / counts[rows].sum(1, keepdims=True)
    for k in range(3):
        want = simulate.softmax(sim.truth["profiles"][k] + sim.truth["effects"][0])
        off.append(np.square(np.log(share[kind == k].mean(0)) - np.log(want)).mean())
    return np.mean(off)


@pytest.mark.parametrize("told", [True, False], ids=["decoded", "moved"])
def test_cells_come_nearer_to_the_other_batch(told):
    sim, model = world(told)
    rows = np.flatnonzero(sim.truth["batch"] == 1)
    made = wd.transform(model, sim.cells, {"batch": "batch0"}, cell_type="cell_type")
    x = sim.cells.views[RNA].toarray()
    assert error(made, sim, rows) < 0.5 * error(x, sim, rows)
    np.testing.assert_array_equal(np.delete(made, rows, 0), np.delete(x, rows, 0))
    assert (made == np.floor(made)).all() and made.min() >= 0
    types = sim.truth["type"][rows]
    own = np.corrcoef(np.log1p(x[rows]).ravel(), np.log1p(made[rows]).ravel())[0, 1]
    assert own > 0.7 and len(types) == len(rows)


def test_expected_counts_are_means_of_draws():
    sim, model = world(True)
    few = sim.cells.take(np.arange(20))
    to = {"batch": "batch0"}
    want = wd.transform(model, few, to, draw=False)
    draws = np.mean([wd.transform(model, few, to, seed=i) for i in range(100)], 0)
    assert np.abs(draws - want).max() < 6 * np.sqrt(want.max() / 100)


def test_values_move_by_the_difference_of_what_is_expected():
    case = fitted("autoencoder normal")
    made = wd.transform(case.model, case.cells, {"batch": "batch0"})
    assert made.shape == (201, 37) and np.isfinite(made).all()


def test_what_cannot_be_done_is_refused():
    sim, model = world(False)
    with pytest.raises(InputError, match="'batch' has no cells of 'x'"):
        wd.transform(model, sim.cells, {"batch": "x"})
    with pytest.raises(InputError, match="one of them at a time"):
        wd.transform(model, sim.cells, {"batch": "batch0", "cell_type": "type0"})
    case = fitted("wgan")
    with pytest.raises(InputError, match="wgan model can't transform"):
        wd.transform(case.model, case.cells, {"batch": "batch0"})
