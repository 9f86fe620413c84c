"""New cells: from the prior, near given ones, and of the levels that are asked for."""

import numpy as np
import pytest
from toys import agrees, fit, fitted

from waddington import recipes, simulate, verbs
from waddington.errors import InputError


@pytest.fixture
def case():
    return fitted("scvi with batches")


def test_new_cells_are_counts_with_libraries_as_in_training(case):
    new = verbs.sample(case.model, n=2000, seed=1)
    assert new.shape == (2000, 37) and (new == np.round(new)).all() and (new >= 0).all()
    total = np.asarray(case.cells.views["rna"].sum(1)).ravel()
    quantiles = np.quantile(total, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(np.quantile(new.sum(1), [0.1, 0.5, 0.9]), quantiles, rtol=0.12)
    means = np.asarray(case.cells.views["rna"].mean(0)).ravel()
    assert np.corrcoef(new.mean(0), means)[0, 1] > 0.95


def test_the_seed_governs_all_draws(case):
    a, b, c = (verbs.sample(case.model, n=20, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_given_cells_lend_library_and_covariates(case):
    new = verbs.sample(case.model, case.cells, expected=True)
    total = np.asarray(case.cells.views["rna"].sum(1)).ravel()
    np.testing.assert_allclose(new.sum(1), total, rtol=1e-4)
    assert verbs.sample(case.model, case.cells, n=7).shape == (7, 37)


def test_near_cells_are_near(case):
    near = verbs.sample(case.model, case.cells, near=True, expected=True)
    far = verbs.sample(case.model, case.cells, expected=True)
    own = verbs.denoise(case.model, case.cells)
    off = lambda made: np.abs(np.log(made / own)).mean()
    assert off(near) < 0.75 * off(far)


def test_every_new_cell_gets_the_level_that_is_asked_for():
    made = simulate.counts(400, 40, 1, 2, seed=2)
    model = fit(
        recipes.scvi("batch", n_latent=2, n_hidden=16),
        made.cells,
        lr=5e-3,
        epochs=30,
        batch_size=32,
    )
    for batch in (0, 1):
        new = verbs.sample(model, n=2000, seed=0, batch=f"batch{batch}")
        share = np.log(new.mean(0) / new.mean(0).sum())
        want = np.log(simulate.softmax(made.truth["profiles"][0] + made.truth["effects"][batch]))
        assert np.abs(share - want).mean() < 0.15


def test_generated_types_are_those_of_the_data():
    from waddington import metrics

    made = simulate.counts(500, 30, 3, 1, depth=500, seed=0)
    model = fit(recipes.vae(n_latent=2, hidden=(32,)), made.cells, lr=5e-3, epochs=30)
    new = np.log1p(verbs.sample(model, n=500, seed=0))
    real = np.log1p(made.cells.views["rna"].toarray())
    shares = metrics.coverage(new, real, made.cells.covariates["cell_type"])
    assert min(shares.values()) > 0.1


def test_new_cells_are_as_real_cells_that_were_not_seen():
    """A forest hardly tells those made near cells of training from other real cells.

    Those from the prior it tells: it makes cells between types, where no cells are.
    """
    from waddington import metrics

    cells = simulate.counts(1200, 40, 3, 1, depth=300.0, seed=5).cells
    train, other = cells.take(np.arange(600)), cells.take(np.arange(600, 1200))
    model = fit(recipes.scvi(n_latent=5), train, lr=5e-3, epochs=80, batch_size=64)
    old, real = (c.views["rna"].toarray() for c in (train, other))
    made = {near: verbs.sample(model, train, near=near, seed=1) for near in (True, False)}
    auc = [metrics.two_sample_auc(x[:300], real[:300]) for x in (old, made[True], made[False])]
    assert auc[0] < 0.58 and auc[1] < 0.7 < auc[2] < 0.9
    agrees(made[True], real, old)


@pytest.mark.parametrize(
    "options,said",
    [
        ({"near": True}, "near=True needs cells to be near to"),
        ({"n": 0}, "n must be at least 1, got 0"),
        ({"batch": "b7"}, "'batch' has no level 'b7'"),
        ({"view": "protein"}, "scvi decodes 'rna', not 'protein'"),
    ],
)
def test_what_can_not_be_asked_is_named(case, options, said):
    with pytest.raises(InputError, match=said):
        verbs.sample(case.model, **options)


def test_without_a_prior_there_is_nothing_to_draw_from():
    case = fitted("autoencoder")
    with pytest.raises(InputError, match=r"sample\(\) can't be asked of an? autoencoder model"):
        verbs.sample(case.model, n=3)
