"""scVI on counts whose frequencies, types and batch effects are known."""

import numpy as np
import pytest
from toys import fit

from waddington import metrics, recipes, simulate, verbs
from waddington.schedules import Linear


@pytest.fixture(scope="module")
def made():
    return simulate.counts(800, 60, 3, 2, depth=800, seed=1)


@pytest.fixture(scope="module")
def model(made):
    recipe = recipes.scvi(batch="batch", n_latent=5, n_hidden=64)
    return fit(recipe, made.cells, lr=5e-3, epochs=50, batch_size=64)


def log_error(got, want, cells):
    return np.abs(np.log(got / want))[cells].mean()


def test_frequencies_are_recovered(made, model):
    got, want = verbs.denoise(model, made.cells, library=1.0), made.truth["frequency"]
    assert got.sum(1) == pytest.approx(1.0, rel=1e-4)
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.97
    assert np.corrcoef(np.log(got).ravel(), np.log(want).ravel())[0, 1] > 0.97


def test_theta_is_recovered(model):
    theta = np.exp(model.weights["decoders.rna.head.tables.log_theta.blocks.0"])
    assert np.median(theta) == pytest.approx(5.0, rel=0.25)


@pytest.mark.parametrize("batch", [0, 1])
def test_cells_decoded_as_of_another_batch_are_what_they_would_have_been(made, model, batch):
    t, other = made.truth, made.truth["batch"] != batch
    want = simulate.softmax(t["profiles"][t["type"]] + t["effects"][batch])
    got = verbs.denoise(model, made.cells, library=1.0, batch=f"batch{batch}")
    assert log_error(got, want, other) < 0.15  # per gene, about 15 %
    assert log_error(got, want, other) < 0.3 * log_error(t["frequency"], want, other)


def test_decoding_a_cell_as_of_its_own_batch_changes_nothing(made, model):
    as0, as1 = (verbs.denoise(model, made.cells, batch=b) for b in ("batch0", "batch1"))
    own = np.where((made.truth["batch"] == 0)[:, None], as0, as1)
    np.testing.assert_allclose(verbs.denoise(model, made.cells), own, rtol=1e-5)


def test_types_are_kept_and_batches_are_less_visible_than_in_the_data(made, model):
    z = verbs.latent(model, made.cells)
    assert metrics.cluster_scores(z, made.cells.covariates["cell_type"])["ari"] > 0.95
    log = simulate.log_normalised(made.cells).views["rna"]
    before = metrics.neighbour_purity(metrics.principal_components(log, 5), made.truth["batch"])
    assert metrics.neighbour_purity(z, made.truth["batch"]) < before - 0.1


def test_it_beats_the_trivial_model(model):
    assert model.record["held_out_nll"] < model.record["trivial_nll"] - 10
    assert "better than feature means x library" in model.summary()["held out"]


def test_zero_inflation_is_not_invented(made):
    recipe = recipes.scvi(batch="batch", n_latent=5, n_hidden=64, likelihood="zinb")
    model = fit(recipe, made.cells, lr=3e-3, epochs=30, batch_size=64)
    from waddington.minibatches import minibatches

    (m,) = minibatches(made.cells, model.levels, 9999)
    d = model.network.decode(model.network.encode(m).loc, m)["rna"]
    assert float(d.zero_logits.detach().sigmoid().mean()) < 0.05


def test_what_the_arguments_say():
    recipe = recipes.scvi("donor", ("age",), n_layers=2, encode_covariates=True, warm_up=0.5)
    assert (recipe.covariates, recipe.numbers) == (("donor",), ("age",))
    assert len(recipe.encoders[0].stack.layers) == len(recipe.decoders[0].stack.layers) == 2
    assert recipe.encoders[0].stack.inject == recipe.decoders[0].stack.inject == "every"
    assert recipe.terms[1].weight == Linear(over=0.5)
    assert recipes.scvi("donor").encoders[0].stack.inject is None
