"""Batches moved onto each other in the latent space; when that is right, and when it is not."""

from functools import cache

import numpy as np
import pytest
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.metrics import neighbour_purity
from waddington.parts import replace
from waddington.verbs.correct_batch import shifts

BATCH = np.repeat(["a", "b"], [120, 80])


def planted(share=(0.5, 0.5), seed=0):
    """Positions of two types in two batches a constant vector apart; shares of type y differ."""
    rng = np.random.default_rng(seed)
    kind = np.where(rng.random(200) < np.where(BATCH == "a", *share), "y", "x")
    alone = rng.normal(size=(200, 3)) + 10 * np.where(kind == "y", 1, 0)[:, None] * [1, 0, 0]
    return alone, alone + np.where(BATCH == "b", 1, 0)[:, None] * [0.0, 5.0, -2.0], kind


def test_a_constant_vector_is_removed_exactly_if_the_mean_is_known():
    alone, z, _ = planted()
    centred = z - np.where(BATCH == "b", 1, 0)[:, None] * (
        alone[BATCH == "b"].mean(0) - alone[BATCH == "a"].mean(0)
    )  # both batches of one composition, to the last cell
    away, left = shifts(centred, BATCH, np.full(200, ""))
    want = np.where(BATCH == "b", 1, 0)[:, None] * [0.0, 5.0, -2.0]
    np.testing.assert_allclose(away, want, atol=1e-10)
    assert left == ()


def test_with_other_shares_the_mean_takes_biology_along_unless_labels_are_given():
    alone, z, kind = planted((0.9, 0.1))
    wrong, _ = shifts(z, BATCH, np.full(200, ""))
    right, _ = shifts(z, BATCH, kind, "a")
    off = lambda away: np.abs((z - away - alone)[BATCH == "b"]).mean(0)
    assert off(wrong)[0] > 7  # cells of b are moved by nearly the distance of the types
    assert off(right).max() < 1.0


def test_labels_that_the_reference_lacks_stay():
    _, z, kind = planted()
    kind = np.where((kind == "y") & (BATCH == "b"), "only b", kind)
    away, left = shifts(z, BATCH, kind, "a")
    assert left == ("only b",) and (away[kind == "only b"] == 0).all()
    assert (away[BATCH == "a"] == 0).all()
    largest, none = shifts(z, BATCH, kind)
    assert none == () and (largest[kind == "only b"] == 0).all()


@cache
def world():
    sim = simulate.counts(500, 50, n_types=3, n_batches=2, depth=1500, seed=3)
    return sim, fit(recipes.scvi(n_latent=5, n_hidden=48, epochs=40), sim.cells, batch_size=64)


def test_correction_mixes_batches_keeps_types_and_decodes_them_alike():
    sim, model = world()
    cells, covariates = sim.cells, sim.cells.covariates
    out = wd.correct_batch(model, cells, "batch", label="cell_type")
    purity = lambda z, k: neighbour_purity(z, covariates[k])
    before = wd.latent(model, cells)
    assert purity(before, "batch") > 0.8 and purity(out.latent, "batch") < 0.65
    assert purity(out.latent, "cell_type") > 0.95
    first = covariates["batch"] == "batch0"
    logs = lambda x: np.log(x / x.sum(1, keepdims=True))
    gap = lambda x: np.abs(logs(x)[first].mean(0) - logs(x)[~first].mean(0)).mean()
    assert gap(out.expression) < 0.4 * gap(wd.denoise(model, cells))
    assert out.expression.shape == (500, 50) and out.left == ()


def test_cells_of_the_reference_are_decoded_as_they_are():
    sim, model = world()
    out = wd.correct_batch(model, sim.cells, "batch", reference="batch1")
    stay = sim.cells.covariates["batch"] == "batch1"
    np.testing.assert_array_equal(out.latent[stay], wd.latent(model, sim.cells)[stay])
    plain = wd.denoise(model, sim.cells)
    np.testing.assert_allclose(out.expression[stay], plain[stay], rtol=1e-4)


def test_what_is_not_there_is_named():
    sim, model = world()
    with pytest.raises(wd.InputError, match="'lane' is not a column of the data"):
        wd.correct_batch(model, sim.cells, "lane")
    with pytest.raises(wd.InputError, match="'batch' has no cells of 'batch7'; it has"):
        wd.correct_batch(model, sim.cells, "batch", reference="batch7")
    blank = {**sim.cells.covariates, "cell_type": np.full(500, "")}
    with pytest.raises(wd.InputError, match="'cell_type' is missing for 500 cells"):
        wd.correct_batch(model, replace(sim.cells, covariates=blank), "batch", "cell_type")
    with pytest.raises(wd.InputError, match="a wgan model can't correct batches: it has no enc"):
        wd.correct_batch(replace(model, recipe=recipes.wgan()), sim.cells, "batch")
