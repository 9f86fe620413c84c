"""Generators without an encoder: which z a cell came from."""

import numpy as np
import pytest
from scipy import sparse
from toys import fit, fitted

import waddington as wd
from waddington import recipes, simulate, verbs
from waddington.cells import RNA, Cells
from waddington.coders import Decoder
from waddington.conditions import conditions
from waddington.errors import InputError
from waddington.latents import Gaussian
from waddington.layers import mlp
from waddington.likelihoods import NormalHead, Poisson
from waddington.model import Model, weights_of
from waddington.network import Network
from waddington.recipe import Recipe

RNG = np.random.default_rng(0)
GENES = tuple("abcdefgh")
Z = RNG.normal(size=(40, 3))
W, B = RNG.normal(size=(8, 3)), RNG.normal(size=8)
SHIFT = RNG.normal(size=(2, 8))
STATE = np.arange(40) % 2
LEVELS = ("control", "stimulated")
POINT = NormalHead("linear", sd=0.0)


def linear(head, told=None):
    """A generator whose linear predictor is W z + b, and what a condition adds; not trained."""
    decoder = Decoder(mlp(inject="every" if told else None), head)
    recipe = Recipe("linear", (), Gaussian(3), (decoder,), conditions=conditions(told))
    levels = {told: (LEVELS,)} if told else {}
    model = Model(recipe, {}, {RNA: GENES}, levels)
    weights = weights_of(Network(recipe, model.dims))
    known = {"weight": W, "bias": B, "blocks.0": SHIFT}
    for name in weights:
        (weights[name],) = [v.astype(np.float32) for k, v in known.items() if name.endswith(k)]
    return Model(recipe, weights, {RNA: GENES}, levels)


def cells(x):
    """Cells with a condition."""
    column = np.array(LEVELS)[STATE[: len(x)]]
    return Cells({RNA: sparse.csr_matrix(x.astype(np.float32))}, {RNA: GENES}, {"state": column})


def test_a_linear_generator_is_inverted_exactly():
    got = wd.invert(linear(POINT), cells(Z @ W.T + B))
    np.testing.assert_allclose(got, Z, atol=2e-3)


def test_off_its_plane_a_cell_goes_to_the_nearest_point():
    x = Z @ W.T + B + RNG.normal(size=(40, 8))
    want = np.linalg.lstsq(W, (x - B).T, rcond=None)[0].T
    np.testing.assert_allclose(wd.invert(linear(POINT), cells(x)), want, atol=2e-3)


def test_a_prior_draws_towards_it():
    x = Z @ W.T + B
    ridge = np.linalg.solve(W.T @ W + 0.5 * 3.0 * np.eye(3), W.T @ (x - B).T).T
    np.testing.assert_allclose(wd.invert(linear(POINT), cells(x), prior=3.0), ridge, atol=2e-3)


def test_the_condition_of_a_cell_is_no_part_of_its_z():
    x = Z @ W.T + B + SHIFT[STATE]
    model = linear(POINT, "state")
    z = wd.invert(model, cells(x))
    np.testing.assert_allclose(z, Z, atol=2e-3)
    other = verbs.question.decode(
        model, cells(x), z, lambda m: m.as_if({"state": 1})
    )  # the same cells, stimulated
    np.testing.assert_allclose(other, Z @ W.T + B + SHIFT[1], atol=0.02)


def test_counts_are_inverted_where_they_are_most_likely():
    rate = np.exp(Z @ W.T * 0.3 + B + 6)
    model = linear(Poisson("none"))
    weights = {k: v * 0.3 if k.endswith("weight") else v + 6 for k, v in model.weights.items()}
    model = Model(model.recipe, weights, model.features, model.levels)
    counts = np.random.default_rng(1).poisson(rate).astype(float)
    got = wd.invert(model, cells(counts))
    assert np.abs(got - Z).mean() < 0.1
    score = lambda z: (np.exp(z @ W.T * 0.3 + B + 6) - counts) @ W  # its gradient
    assert np.abs(score(got)).max() < 0.05 * np.abs(score(Z)).max()


def test_positions_are_encoded_where_they_can_be():
    case = fitted("scvi")
    want = verbs.latent(case.model, case.cells)
    np.testing.assert_array_equal(verbs.positions(case.model, case.cells), want)
    model, data = linear(POINT), cells(Z @ W.T + B)
    np.testing.assert_array_equal(verbs.positions(model, data), wd.invert(model, data))


def test_a_conditional_generator_predicts_the_same_cells_in_another_condition():
    x = Z @ W.T + B + SHIFT[STATE]
    made = wd.predict_perturbation(linear(POINT, "state"), cells(x), "state", *LEVELS)
    control = STATE == 0
    np.testing.assert_array_equal(made.index, np.flatnonzero(control))
    np.testing.assert_allclose(made.cells, Z[control] @ W.T + B + SHIFT[1], atol=0.02)
    np.testing.assert_allclose(made.unchanged, x[control], atol=0.02)
    np.testing.assert_allclose(made.latent, Z[control], atol=5e-3)
    assert made.method == "inversion"


def test_a_generator_that_knows_no_condition_moves_cells_by_the_mean_shift():
    z = Z + 2.0 * STATE[:, None]
    made = wd.predict_perturbation(linear(POINT), cells(z @ W.T + B), "state", *LEVELS)
    shift = z[STATE == 1].mean(0) - z[STATE == 0].mean(0)
    np.testing.assert_allclose(made.shift, shift, atol=5e-3)
    np.testing.assert_allclose(made.cells, (z[STATE == 0] + shift) @ W.T + B, atol=0.03)


def test_more_steps_come_closer_with_a_trained_generator():
    logs = simulate.log_normalised(simulate.counts(200, 37, seed=1).cells)
    model, few = fit(recipes.wgan(likelihood="normal"), logs, epochs=6), logs.take(np.arange(30))
    x = few.views[RNA].toarray()
    off = lambda z: np.square(verbs.question.decode(model, few, z) - x).sum(1)
    near, nearer = (off(wd.invert(model, few, steps=n, seed=1)) for n in (1, 100))
    assert (nearer <= near + 1e-4).all() and nearer.mean() < 0.95 * near.mean()


@pytest.mark.parametrize(
    "options,said",
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"prior": -1.0}, r"prior must be at least 0, got -1\.0"),
        ({"view": "protein"}, "linear decodes 'rna', not 'protein'"),
    ],
)
def test_what_can_not_be_asked_is_named(options, said):
    with pytest.raises(InputError, match=said):
        wd.invert(linear(POINT), cells(Z @ W.T + B), **options)


def test_without_a_prior_there_is_no_start():
    case = fitted("autoencoder")
    with pytest.raises(InputError, match="its latent space has no prior"):
        wd.invert(case.model, case.cells)
