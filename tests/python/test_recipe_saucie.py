"""SAUCIE finds planted clusters, and mixes batches without losing them."""

from functools import cache

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score
from toys import fit

import waddington as wd
from waddington import recipes
from waddington.cells import Cells
from waddington.integration import lisi
from waddington.terms import MMD

SMALL = {"hidden": (64, 32), "learning_rate": 3e-3}


def planted(shift=0.0, n=600, seed=0):
    """Five normal clusters in 30 dimensions, in two batches a constant vector apart."""
    rng = np.random.default_rng(seed)
    kind, batch = rng.integers(5, size=n), rng.integers(2, size=n)
    centres, away = rng.normal(0, 1, (5, 30)), shift * rng.normal(0, 1, 30)
    x = centres[kind] + batch[:, None] * away + 0.5 * rng.normal(size=(n, 30))
    named = {"batch": np.array(["a", "b"])[batch], "kind": np.array(list("vwxyz"))[kind]}
    return Cells({"rna": sparse.csr_matrix(x.astype(np.float32))}, covariates=named)


def agreement(model, cells):
    return adjusted_rand_score(cells.covariates["kind"], wd.clusters(model, cells).cluster)


@pytest.mark.parametrize("entropy", [0.1, 0.3, 1.0])
def test_planted_clusters_are_found_over_a_band_of_weights(entropy):
    cells = planted()
    recipe = recipes.saucie(**SMALL, entropy=entropy, within=10.0)
    model = fit(recipe, cells, epochs=100, batch_size=64)
    assert agreement(model, cells) > 0.9
    assert wd.latent(model, cells).shape == (600, 2)


@cache
def corrected(mmd):
    recipe = recipes.saucie("batch" if mmd else None, **SMALL, entropy=0.3, within=10.0, mmd=mmd)
    return fit(recipe, planted(0.8), epochs=100, batch_size=64)


def mixed(model, cells):
    return np.median(lisi(wd.latent(model, cells), cells.covariates["batch"])) - 1


def test_correction_mixes_batches_and_keeps_clusters():
    cells, plain, ours = planted(0.8), corrected(0.0), corrected(10.0)
    assert mixed(plain, cells) < 0.3 and mixed(ours, cells) > 0.8
    assert agreement(ours, cells) > max(0.9, agreement(plain, cells) - 0.01)


def test_corrected_values_do_not_tell_the_batch():
    cells, model = planted(0.8), corrected(10.0)
    first = cells.covariates["batch"] == "a"
    gap = lambda x: np.abs(x[first].mean(0) - x[~first].mean(0)).mean()
    asked = gap(wd.denoise(model, cells, batch="a"))
    assert asked < 0.25 * gap(np.asarray(cells.views["rna"].todense()))


def test_a_heavy_entropy_leaves_few_units_on():
    cells, codes = planted(), []
    for entropy in (0.1, 20.0):
        recipe = recipes.saucie(**SMALL, entropy=entropy, within=0.0)
        model = fit(recipe, cells, epochs=60, batch_size=64)
        codes.append(wd.clusters(model, cells, merge=False).cluster.max() + 1)
    assert codes[1] < codes[0] / 3


def test_what_it_is_made_of():
    recipe = recipes.saucie(batch="batch", hidden=(64, 32, 16))
    assert [t.name for t in recipe.terms] == [
        "nll rna", "entropy rna.decoder.2", "within rna.decoder.2", "mmd z by batch",
    ]  # fmt: skip
    assert [layer.units for layer in recipe.decoders[0].stack.layers] == [16, 32, 64]
    assert [layer.units for layer in recipe.encoders[0].stack.layers] == [64, 32, 16]
    assert recipe.decoders[0].stack.layers[-1].act == "relu"  # the code is on or off
    assert not [t for t in recipes.saucie().terms if isinstance(t, MMD)]
    assert recipes.saucie(likelihood="nb").encoders[0].transform == "log1p"
