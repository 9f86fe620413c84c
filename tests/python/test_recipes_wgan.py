"""WGAN-GP: no mode is lost, and what is generated looks more and more like the data."""

import numpy as np
import pytest
from toys import agrees, fit, real

from waddington import metrics, recipes, simulate, verbs
from waddington.errors import InputError
from waddington.verbs import paths


@pytest.mark.slow
def test_no_mode_of_a_ring_is_lost():
    ring = simulate.ring(1024, 8, 0.1)
    recipe = recipes.wgan(
        n_latent=4, generator=(64, 64), critic=(64, 64), n_critic=3, penalty=1.0,
        learning_rate=2e-3, likelihood="normal",
    )  # fmt: skip
    model = fit(recipe, ring.cells, epochs=150)
    made, x = verbs.sample(model, n=1000, seed=1), ring.cells.views["rna"].toarray()
    shares = metrics.coverage(made, x, ring.cells.covariates["mode"])
    assert min(shares.values()) > 0.04
    off = np.linalg.norm(made[:, None] - ring.truth["centres"], axis=-1).min(1)
    assert np.median(off) < 0.6  # neighbouring centres are 1.5 apart


def test_between_two_states_generated_cells_stay_near_the_way_that_cells_go():
    """Half a circle: cells of both ends are found in the generator, and decoded in between."""
    rng = np.random.default_rng(0)
    turn = rng.uniform(0, np.pi, 400)
    x = 3 + 2 * np.column_stack([np.cos(turn), np.sin(turn)]) + 0.05 * rng.normal(size=(400, 2))
    recipe = recipes.wgan(
        n_latent=1, generator=(64, 64), critic=(64, 64), n_critic=3, penalty=0.3,
        learning_rate=5e-3, likelihood="normal",
    )  # fmt: skip
    cells = real(x.astype(np.float32))
    model = fit(recipe, cells, epochs=200)
    ends = [np.flatnonzero(turn < 0.15), np.flatnonzero(turn > np.pi - 0.15)]
    for i in ends:  # 4 apart
        again = verbs.question.decode(model, cells.take(i), verbs.invert(model, cells.take(i)))
        assert np.linalg.norm(again - x[i], axis=1).mean() < 1.0
    off = lambda way: np.abs(np.linalg.norm(way - 3, axis=1) - 2).mean()
    line = paths.straight(*(x[i].mean(0) for i in ends), 11)
    assert off(verbs.interpolate(model, cells, *ends)) < 0.7 * off(line)


@pytest.mark.slow
def test_every_type_is_generated():
    made = simulate.counts(800, 30, 4, 1, depth=500, seed=4)
    logs = simulate.log_normalised(made.cells)
    x, types = logs.views["rna"].toarray(), made.cells.covariates["cell_type"]
    recipe = recipes.wgan(
        n_latent=16, generator=(64, 64), critic=(64, 64), learning_rate=2e-3, n_critic=3,
        likelihood="normal",
    )  # fmt: skip
    auc, gap = {}, {}
    for epochs in (4, 100):
        model = fit(recipe, logs, epochs=epochs)
        new = verbs.sample(model, n=800, seed=1)
        gap[epochs] = np.abs(new.mean(0) - x.mean(0)).mean()
        auc[epochs] = metrics.two_sample_auc(x[:, :2], new[:, :2])
    assert min(metrics.coverage(new, x, types).values()) > 0.1
    assert gap[100] < 0.5 * gap[4] and gap[100] < 0.25
    assert auc[100] < auc[4] and auc[100] < 0.95
    halves = metrics.two_sample_auc(x[::2, :2], x[1::2, :2])
    assert halves == pytest.approx(0.5, abs=0.08)


def test_what_it_can_not_do_it_says():
    recipe = recipes.wgan()
    assert recipe.encoders == () and recipe.terms == () and recipe.phases[0].stop is None
    assert recipe.phases[0].every == 5 and recipe.opponents[0].form.penalty == 10
    assert recipe.opponents[0].stack.layers[0].norm is None  # no batch norm in a critic


@pytest.mark.slow
def test_counts_come_from_counts_with_their_zeros_depths_and_spread():
    """Beside other real cells that the generator never saw, and the real cells of training."""
    cells = simulate.counts(1200, 40, 3, 1, depth=60.0, seed=1).cells
    train, other = cells.take(np.arange(600)), cells.take(np.arange(600, 1200))
    x, types = other.views["rna"].toarray(), other.covariates["cell_type"]
    recipe = recipes.wgan(8, (64, 64), (64, 64), n_critic=2, learning_rate=5e-3)
    model = fit(recipe, train, epochs=150, batch_size=64)
    new, old = verbs.sample(model, n=600, seed=1), train.views["rna"].toarray()
    assert (new == np.round(new)).all() and (new >= 0).all()
    assert metrics.energy_distance(np.log1p(new), np.log1p(x)) < 0.05
    assert abs((new == 0).mean() - (x == 0).mean()) < 0.05
    np.testing.assert_allclose(new.sum(1).mean(), x.sum(1).mean(), rtol=0.15)
    assert min(metrics.coverage(np.log1p(new), np.log1p(x), types).values()) > 0.2
    assert metrics.two_sample_auc(old, x) < 0.55 < metrics.two_sample_auc(new, x) < 0.88
    agrees(new, x, old, worst=4)


def test_counts_and_nothing_else_make_counts():
    logs = simulate.log_normalised(simulate.counts(60, 20, seed=1).cells)
    with pytest.raises(InputError, match="are not whole numbers"):
        fit(recipes.wgan(), logs)
    with pytest.raises(InputError, match="likelihood must be one of nb, poisson, normal"):
        recipes.wgan(likelihood="zinb")
