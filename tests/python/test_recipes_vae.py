"""The VAE against probabilistic principal components, whose likelihood is known exactly."""

import numpy as np
import pytest
from toys import data_for, fit, small, trained

from waddington import recipes, simulate, verbs
from waddington.likelihoods import NormalHead
from waddington.schedules import Cosine
from waddington.terms import KL


@pytest.fixture(scope="module")
def linear():
    made = simulate.linear_gaussian(1000, 20, 3, seed=0)
    recipe = recipes.vae(
        likelihood="normal", hidden=(), n_latent=3, dropout=0.0, warm_up=0.0
    )  # no hidden layer: x ~ N(W z + b, 1)
    model = fit(recipe, made.cells, lr=Cosine(1e-2, 1e-5), epochs=60, batch_size=50)
    return made, model


def test_the_elbo_is_within_one_percent_of_the_exact_likelihood(linear):
    made, model = linear
    exact = made.truth["log_likelihood"].mean()
    assert verbs.elbo(model, made.cells, n_samples=20).mean() == pytest.approx(exact, rel=0.01)


def test_importance_weights_close_the_gap_from_below(linear):
    made, model = linear
    bound = verbs.elbo(model, made.cells, n_samples=50).mean()
    tighter = [verbs.log_likelihood(model, made.cells, n).mean() for n in (1, 10, 200)]
    assert tighter[0] == pytest.approx(bound, abs=0.2)
    assert tighter[0] < tighter[1] < tighter[2]
    w = model.weights["decoders.rna.head.maps.mean.weight"]
    b = model.weights["decoders.rna.head.maps.mean.bias"]
    x = made.cells.views["rna"].toarray()
    own = simulate.gaussian_log_density(x, b, w @ w.T + np.eye(20))
    assert tighter[2] == pytest.approx(own.mean(), abs=0.03)  # of the model itself, exactly known


def test_the_subspace_is_the_true_one(linear):
    made, model = linear
    w = np.linalg.qr(model.weights["decoders.rna.head.maps.mean.weight"])[0]
    true = np.linalg.qr(made.truth["loadings"].T)[0]
    assert np.linalg.svd(true.T @ w)[1].min() > 0.99


def test_more_beta_uses_fewer_dimensions_and_reconstructs_worse():
    made = simulate.linear_gaussian(600, 20, 4, seed=1)
    found = {}
    for beta in (0.2, 1.0, 20.0):
        recipe = recipes.vae(
            likelihood="normal", hidden=(), n_latent=4, dropout=0.0, warm_up=0.0, beta=beta
        )
        record = fit(recipe, made.cells, lr=1e-2, epochs=30, batch_size=50).record
        found[beta] = record["held_out_nll"], record["active_units"]
    scores, active = zip(*(found[b] for b in (0.2, 1.0, 20.0)), strict=True)
    assert scores == tuple(sorted(scores))
    assert active[0] == active[1] == 4 > active[2]


def test_a_capacity_is_reached_and_kept():
    recipe = recipes.vae(capacity=4.0, beta=50.0, n_latent=4, hidden=(16,), dropout=0.0)
    model = fit(recipe, data_for(recipe), lr=5e-3, epochs=40, batch_size=64)
    kl = [r["kl z"] for r in model.history if r["cells"] == "training"]
    assert np.mean(kl[-5:]) == pytest.approx(4.0, abs=0.5)


def test_what_the_arguments_say():
    recipe = recipes.vae(prior_sd=0.5, beta=4.0, warm_up=0.0, likelihood="normal")
    assert recipe.latent.prior.sd == 0.5
    assert recipe.terms[1] == KL(weight=4.0)
    assert recipe.head("rna") == NormalHead() and recipe.encoders[0].transform == "none"
    assert [layer.units for layer in recipes.vae(hidden=(9, 5)).decoders[0].stack.layers] == [5, 9]


def test_a_stack_of_one_s_own_takes_the_place_of_the_hidden_layers():
    from waddington.layers import mlp

    own = mlp(7, act="elu", dropout=0.2)
    recipe = recipes.vae(encoder=own, n_latent=32, prior_sd=0.8)
    assert recipe.encoders[0].stack == own
    model = trained(small(recipe, epochs=1), data_for(recipe)).model()
    assert model.weights["encoders.rna.stack.0.linear.weight.rna"].shape == (37, 7)
