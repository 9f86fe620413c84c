"""A planted rare type is found, by the model and by what it is compared with."""

from functools import cache

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from toys import fit, fitted

import waddington as wd
from waddington import recipes, simulate
from waddington.errors import InputError
from waddington.verbs.rareness import _seldom

RNG = np.random.default_rng(0)


@cache
def planted():
    """300 cells of two types, and 6 of a third."""
    sim = simulate.counts(600, 60, n_types=3, n_batches=1, depth=1500.0, seed=4)
    rare = np.flatnonzero(sim.truth["type"] == 2)[:6]
    rows = np.sort(np.concatenate([np.flatnonzero(sim.truth["type"] < 2)[:300], rare]))
    cells = sim.cells.take(rows)
    model = fit(recipes.vae(6, (32,)), cells, epochs=40, batch_size=64, lr=5e-3)
    return cells, model, np.isin(rows, rare)


@pytest.mark.parametrize("method", ["density", "neighbours", "components"])
def test_a_planted_type_is_rare(method):
    cells, model, rare = planted()
    found = wd.rareness(model, cells, method)
    assert average_precision_score(rare, found) > 0.5


def test_the_sketch_beats_chance():
    cells, model, rare = planted()
    assert average_precision_score(rare, wd.rareness(model, cells, "sketch")) > 2 * rare.mean()


def test_depth_does_not_make_a_cell_rare():
    cells, model, rare = planted()
    library = np.asarray(cells.views["rna"].sum(1)).ravel()
    found = wd.rareness(model, cells)
    assert abs(np.corrcoef(np.log(library)[~rare], found[~rare])[0, 1]) < 0.5


def test_the_density_is_the_mean_of_the_other_posteriors():
    from scipy.stats import multivariate_normal

    z, sd = RNG.normal(size=(5, 2)), RNG.uniform(0.5, 2, (5, 2))
    others = [
        np.mean([multivariate_normal(z[j], sd[j] ** 2).pdf(z[i]) for j in range(5) if j != i])
        for i in range(5)
    ]
    got = _seldom(z, sd, np.random.default_rng(0))
    np.testing.assert_allclose(got, -np.log(np.array(others) * 4 / 5), rtol=1e-9)


def test_an_unknown_way_is_refused():
    case = fitted("vae")
    with pytest.raises(InputError, match="method must be one of neighbours, density"):
        wd.rareness(case.model, case.cells, "x")
