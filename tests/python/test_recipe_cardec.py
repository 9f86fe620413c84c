"""CarDEC takes batches out of genes of high and of low variance, and finds planted clusters."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from toys import fit, fitted, small, trained

import waddington as wd
from waddington import recipes
from waddington.cells import Cells
from waddington.latents import Posterior
from waddington.minibatches import minibatches
from waddington.parts import replace
from waddington.recipes.cardec import Centres
from waddington.trainer import Trainer
from waddington.verbs import restrict

GENES, MARKERS = 60, 20
SMALL = {"n_clusters": 4, "n_variable": MARKERS, "n_latent": 8, "n_hidden": 32}


@cache
def world(n=500, seed=1):
    """Four types told by the first 20 genes; of the other 40 the mean differs between batches."""
    rng = np.random.default_rng(seed)
    kind, batch = rng.integers(4, size=n), rng.integers(2, size=n)
    profiles = np.zeros((4, GENES))
    profiles[:, :MARKERS] = rng.normal(0, 0.8, (4, MARKERS))
    away = np.zeros(GENES)
    away[MARKERS:] = rng.choice([-1.0, 1.0], GENES - MARKERS) * rng.uniform(0.5, 1.5, 40)
    x = 4 + profiles[kind] + batch[:, None] * away + 0.6 * rng.normal(size=(n, GENES))
    named = {"batch": np.array(["a", "b"])[batch], "kind": np.array(list("wxyz"))[kind]}
    values = sparse.csr_matrix(np.maximum(x, 0).astype(np.float32))
    return Cells({"rna": values}, covariates=named)


@cache
def model(clustering=100.0):
    recipe = recipes.cardec("batch", **SMALL, clustering=clustering, pretraining=30, epochs=30)
    return fit(recipe, world(), batch_size=64)


def explained(x, cells):
    """Share of the variance of each gene that the batch explains, (genes,)."""
    first = cells.covariates["batch"] == "a"
    between = first.mean() * (~first).mean() * (x[first].mean(0) - x[~first].mean(0)) ** 2
    return between / x.var(0)


def test_denoised_genes_of_low_variance_do_not_tell_the_batch():
    cells = world()
    before = explained(np.asarray(cells.views["rna"].todense()), cells)[MARKERS:]
    after = explained(wd.denoise(model(), cells, batch="a"), cells)[MARKERS:]
    assert before.mean() > 0.3 and after.mean() < 0.05


def test_clusters_are_at_least_those_of_an_autoencoder_and_k_means():
    cells, found = world(), wd.clusters(model(), world())
    plain = fit(recipes.autoencoder(likelihood="normal", n_latent=8), cells, epochs=60)
    means = KMeans(4, n_init=10, random_state=0).fit_predict(wd.latent(plain, cells))
    kind = cells.covariates["kind"]
    ours = adjusted_rand_score(kind, found.cluster)
    assert ours > 0.95 and ours >= adjusted_rand_score(kind, means) - 1e-9
    assert found.method == "centres" and found.probabilities.shape == (500, 4)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-5)
    assert (np.diff(np.bincount(found.cluster)) <= 0).all()


def test_centres_make_assignments_sharper():
    sure = [wd.clusters(model(w), world()).probabilities.max(1).mean() for w in (0.0, 300.0)]
    assert sure[1] > sure[0] + 0.05


def test_scales_are_those_of_each_batch_and_variable_genes_those_that_vary():
    cells = world()
    x = np.asarray(cells.views["rna"].todense())
    trainer = trained(small(recipes.cardec("batch", **SMALL), epochs=1), cells, held_out=0)
    scales = trainer.network.encoders["rna"].scales
    for i, name in enumerate("ab"):
        mine = x[cells.covariates["batch"] == name]
        np.testing.assert_allclose(scales.loc[i], mine.mean(0), rtol=1e-4)
        np.testing.assert_allclose(scales.sd[i], mine.std(0), rtol=1e-3)
    assert scales.high.sum() == MARKERS and scales.high[:MARKERS].sum() >= 14


def test_the_likelihood_is_that_of_standardised_values():
    cells = world().take(np.arange(20))
    m = model()
    (some,) = minibatches(cells, m.levels, 99)
    with torch.no_grad():
        made = m.network.decode(m.network.encode(some).loc, some)["rna"]
    scales = m.network.decoders["rna"].scales
    level = some.codes["batch"]
    x = torch.from_numpy(np.asarray(cells.views["rna"].todense()))
    normal = torch.distributions.Normal(made.mean, scales.sd[level])
    torch.testing.assert_close(made.log_prob(some.views["rna"]), normal.log_prob(x).sum(-1))


def test_there_are_no_centres_before_the_second_phase():
    part = Centres(6, 4).build(10)
    q = part(torch.randn(5, 10))
    assert isinstance(q, Posterior) and q.loc.abs().max() < 1
    torch.testing.assert_close(q.memberships, torch.full((5, 4), 0.25))
    spots = np.repeat(np.eye(4, 6), 20, 0)
    before = part.centres.clone()
    part.settle(0, lambda: spots)
    assert torch.equal(part.centres, before)


def test_centres_start_at_communities():
    part = Centres(8, 4).build(10)
    rng = np.random.default_rng(0)
    spots = np.repeat(np.eye(4, 8) * 0.9, 30, 0) + 0.01 * rng.normal(size=(120, 8))
    part.settle(1, lambda: spots)
    near = torch.cdist(part.centres, torch.eye(4) * 0.9).min(0).values.detach()
    assert float(near.max()) < 0.05 and float(part.found) == 1
    kept = part.centres.clone()
    part.settle(2, lambda: -spots)  # they are found once
    assert torch.equal(part.centres, kept)


def test_a_run_resumed_in_the_second_phase_ends_as_if_it_had_not_stopped(tmp_path):
    case, steps = fitted("cardec"), []
    run = Trainer(case.recipe, case.cells, seed=1)
    while run.phase == 0 or len(steps) < 4:
        run.advance(0)
        steps += [run.step] if run.phase else []
    wd.save_checkpoint(run, tmp_path / "run")
    again = wd.resume(tmp_path / "run", case.cells)
    again.advance()
    for k, v in again.model().weights.items():
        np.testing.assert_array_equal(v, case.model.weights[k], err_msg=k)


def test_absent_genes_are_taken_for_average():
    m, cells = model(), world()
    keep = np.arange(5, GENES)
    names = tuple(cells.features["rna"][i] for i in keep)
    few = restrict(m, names)
    some = replace(cells, views={"rna": cells.views["rna"][:, keep]}, features={"rna": names})
    scales = m.network.encoders["rna"].scales
    average = np.asarray(cells.views["rna"].todense())
    for i, name in enumerate("ab"):
        here = cells.covariates["batch"] == name
        average[np.ix_(here, np.arange(5))] = scales.loc[i, :5].numpy()
    full = replace(cells, views={"rna": sparse.csr_matrix(average)})
    np.testing.assert_allclose(wd.latent(few, some), wd.latent(m, full), atol=1e-4)


def test_bad_sizes_are_refused():
    with pytest.raises(wd.InputError, match="n_clusters must be at least 2, got 1"):
        recipes.cardec(n_clusters=1)
    with pytest.raises(wd.InputError, match="n_variable must be at least 1, got 0"):
        recipes.cardec(n_variable=0)
    with pytest.raises(wd.InputError, match="has levels that the model was not trained on: 'c'"):
        odd = {**world().covariates, "batch": np.full(500, "c")}
        wd.latent(model(), replace(world(), covariates=odd))


def test_it_is_not_compared_with_a_trivial_model_on_another_scale():
    """That has the scales of all cells; within batches, a gene that is absent has hardly any."""
    assert "held_out_nll" in model().record and "trivial_nll" not in model().record
    recipe = recipes.cardec(**SMALL, pretraining=2, epochs=2)
    assert "trivial_nll" in fit(recipe, world(), batch_size=64).record
