"""A model of its own data passes; one whose head is wrong is told so, in words."""

import numpy as np
import pytest
from scipy import sparse
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.parts import replace


@pytest.fixture(scope="module")
def cells():
    return simulate.counts(500, 50, n_types=3, n_batches=1, depth=600, theta=2.0, seed=9).cells


def model_of(cells, **options):
    return fit(recipes.scvi(n_latent=5, n_hidden=48, epochs=30, **options), cells, batch_size=64)


@pytest.fixture(scope="module")
def world(cells):
    model = model_of(cells)
    made = wd.sample(model, cells, seed=5)
    own = replace(cells, views={"rna": sparse.csr_matrix(made)})
    return model, own, wd.check_model(model, own, seed=1)


def test_intervals_of_a_model_s_own_data_are_calibrated(world):
    table = world[2].table
    assert 0.88 < table["coverage 90%"]["data"] < 0.92
    assert 0.46 < table["coverage 50%"]["data"] < 0.56
    assert np.abs(world[2].uniform - 0.05).max() < 0.015
    assert world[2].uniform.sum() == pytest.approx(1)


def test_a_model_s_own_data_raise_no_flags(world):
    assert world[2].flags == ()
    for name in ("zeros", "cv", "library"):
        row = world[2].table[name]
        assert row["replicates"] == pytest.approx(row["data"], rel=0.05)


def test_statistics_of_the_data_are_those_of_the_data(world):
    _, own, checks = world
    x = own.views["rna"].toarray()
    np.testing.assert_allclose(checks.genes["mean_data"], x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(checks.genes["variance_data"], x.var(0), rtol=1e-4)
    np.testing.assert_allclose(checks.genes["zeros_data"], (x == 0).mean(0))
    np.testing.assert_allclose(checks.library[:, 0], x.sum(1), rtol=1e-6)


def test_decoded_means_vary_less_than_data_and_replicates_as_much(world):
    genes = world[2].genes
    assert (genes["variance_decoded"] < genes["variance_data"]).mean() > 0.95
    ratio = genes["variance_replicates"] / genes["variance_data"]
    assert 0.8 < np.median(ratio) < 1.25


def test_a_poisson_head_on_overdispersed_counts_is_flagged(cells):
    checks = wd.check_model(model_of(cells, likelihood="poisson"), cells)
    assert any("replicates vary less than the data" in f for f in checks.flags)
    assert any("intervals hold" in f for f in checks.flags)


def test_extra_zeros_are_flagged(cells):
    x = cells.views["rna"].toarray() * (np.random.default_rng(0).random((500, 50)) > 0.4)
    many = replace(cells, views={"rna": sparse.csr_matrix(x)})
    checks = wd.check_model(model_of(cells), many)
    assert any("more zeros than their replicates; try zinb" in f for f in checks.flags)


def test_what_can_t_be_checked_is_refused(cells, world):
    with pytest.raises(wd.InputError, match="n_samples must be at least 2, got 1"):
        wd.check_model(world[0], cells, n_samples=1)
    normal = fit(recipes.vae(likelihood="normal"), cells, epochs=1)
    with pytest.raises(wd.InputError, match="can't be checked: its head is not of counts"):
        wd.check_model(normal, cells)
