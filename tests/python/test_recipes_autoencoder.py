"""The autoencoder against principal components."""

import numpy as np
import pytest
from toys import fit, real

from waddington import recipes, simulate, verbs
from waddington.schedules import Cosine


def reconstruction(model, x):
    return ((x - verbs.reconstruct(model, real(x))) ** 2).sum()


def test_a_linear_one_is_pca():
    x = simulate.linear_gaussian(800, 20, 3, seed=0).cells.views["rna"].toarray()
    recipe = recipes.autoencoder(likelihood="normal", hidden=(), n_latent=3)
    model = fit(recipe, real(x), lr=Cosine(1e-2, 1e-5), epochs=60, batch_size=50)
    s, v = np.linalg.svd(x - x.mean(0), full_matrices=False)[1:]
    assert reconstruction(model, x) == pytest.approx((s[3:] ** 2).sum(), rel=0.01)
    w = np.linalg.qr(model.weights["decoders.rna.head.maps.mean.weight"])[0]
    angle = np.degrees(np.arccos(np.linalg.svd(v[:3] @ w)[1].min()))
    assert angle < 5


def test_hidden_layers_follow_a_bent_line_that_components_can_not():
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 1.5 * np.pi, 600)
    x = np.column_stack([t * np.cos(2 * t), t * np.sin(2 * t), rng.normal(0, 0.05, 600)])
    recipe = recipes.autoencoder(likelihood="normal", hidden=(64, 32), n_latent=1)
    model = fit(recipe, real(x), lr=Cosine(5e-3, 1e-5), epochs=80, batch_size=50)
    s = np.linalg.svd(x - x.mean(0), compute_uv=False)
    assert reconstruction(model, x) < 0.5 * (s[1:] ** 2).sum()


def test_it_has_no_prior_and_no_divergence():
    recipe = recipes.autoencoder()
    assert recipe.latent.prior is None and [t.name for t in recipe.terms] == ["nll rna"]
