"""Perturbations whose likeness is known, with few controls, and what is refused."""

from functools import cache

import numpy as np
import pytest
from scipy import sparse
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.cells import RNA, Cells
from waddington.errors import InputError
from waddington.verbs import effects as module
from waddington.verbs.groups import Pair

LEVELS = ("control", "strong", "weak", "reverse", "other", "nothing")
GENES, TYPES = 60, 3
TOLD = ("state", "control", "kind")


@cache
def world():
    """Counts: `weak` does half of what `strong` does, `reverse` the contrary, `nothing` nothing."""
    rng = np.random.default_rng(0)
    n = 1440
    state, kind = np.arange(n) % len(LEVELS), rng.integers(TYPES, size=n)
    profile = rng.normal(0, 1, (TYPES, GENES))
    one, two = np.zeros((2, GENES))
    one[:12] = rng.choice([-1.0, 1.0], 12)
    two[20:32] = rng.choice([-1.0, 1.0], 12)
    effects = np.stack([0 * one, 1.4 * one, 0.7 * one, -1.2 * one, 1.4 * two, 0 * one])
    frequency = simulate.softmax(profile[kind] + effects[state])
    counts = rng.poisson(1500 * frequency).astype(np.float32)
    names = np.array(LEVELS)[state], np.array([f"kind{i}" for i in kind])
    features = {RNA: tuple(f"g{i}" for i in range(GENES))}
    covariates = {"state": names[0], "kind": names[1]}
    return Cells({RNA: sparse.csr_matrix(counts)}, features, covariates)


@cache
def model(recipe="vae"):
    make = {
        "vae": lambda: recipes.vae(8, hidden=(64,)),
        "cvae": lambda: recipes.cvae("state", hidden=(64,)),
        "cpa": lambda: recipes.cpa("state", n_latent=8, hidden=(64,)),
        "wgan": lambda: recipes.wgan(likelihood="normal"),
    }[recipe]
    cells = simulate.log_normalised(world()) if recipe == "wgan" else world()
    return fit(make(), cells, epochs=2 if recipe == "wgan" else 15, batch_size=64, lr=3e-3)


def cosine(found, a, b, of="similarity"):
    names = found.perturbations
    return getattr(found, of)[names.index(a), names.index(b)]


@pytest.mark.parametrize("recipe", ["vae", "cvae", "cpa"])
def test_likeness_is_that_of_the_truth(recipe):
    found = wd.perturbation_map(model(recipe), world(), *TOLD)
    assert found.space == ("latent" if recipe == "vae" else "decoded")
    assert found.perturbations == ("nothing", "other", "reverse", "strong", "weak")
    for of in ("similarity", "measured"):
        assert cosine(found, "strong", "weak", of) > 0.85
        assert cosine(found, "strong", "reverse", of) < -0.8
        assert abs(cosine(found, "strong", "other", of)) < 0.35
        both = getattr(found, of)
        np.testing.assert_allclose(both, both.T)
    size = dict(zip(found.perturbations, found.size, strict=True))
    assert size["strong"] > size["weak"] > size["nothing"]
    assert (found.n_cells == 240).all()


def test_what_does_nothing_is_like_nothing():
    found = wd.perturbation_map(model(), world(), *TOLD)
    assert np.isnan(cosine(found, "nothing", "strong"))
    assert np.isnan(cosine(found, "nothing", "nothing"))
    assert any("'nothing'" in note and "no effect" in note for note in found.notes)


def test_noise_of_shared_controls_makes_nothing_alike():
    rng = np.random.default_rng(1)
    gram, naive = [], []
    for _ in range(60):
        z = rng.normal(size=(60, 10))
        control, a, b = np.arange(20), np.arange(20, 40), np.arange(40, 60)
        pairs = {"a": (Pair("", control, a),), "b": (Pair("", control, b),)}
        effects = module.differences(pairs, module.in_latent(z))
        gram.append(effects.products)
        naive.append(effects.vectors @ effects.vectors.T)
    mean, sd = np.mean(gram, 0), np.std(gram, 0) / np.sqrt(60)
    assert (np.abs(mean) < 3.5 * sd).all()
    assert (np.mean(naive, 0) > 5 * sd).all()


def test_types_share_their_controls_only_where_both_have_them():
    z = np.random.default_rng(2).normal(size=(50, 4))
    rows = np.split(np.arange(50), 5)
    pairs = {
        "a": (Pair("x", rows[0], rows[1]), Pair("y", rows[2], rows[3])),
        "b": (Pair("x", rows[0], rows[4]),),
    }
    where = module.in_latent(z)
    effects = module.differences(pairs, where)
    noise = [where(r)[1].sum() for r in rows]
    np.testing.assert_allclose(effects.bias[0, 1], noise[0] / 2)
    np.testing.assert_allclose(effects.bias[0, 0], sum(noise[:4]) / 4)
    np.testing.assert_allclose(effects.bias[1, 1], noise[0] + noise[4])


def test_embeddings_of_a_composed_model_are_its_effects():
    found = wd.perturbation_map(model("cpa"), world(), *TOLD, space="latent")
    net = model("cpa").network.decoders[RNA].effects
    known = net.spec.singles(model("cpa").levels)
    rows = net.embeddings.detach().numpy()[[known.index(k) for k in found.perturbations]]
    np.testing.assert_allclose(found.effects, rows, rtol=1e-6)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    clear = found.perturbations.index("nothing") + 1
    assert np.isnan(found.similarity[0]).all()
    np.testing.assert_allclose(found.similarity[clear:, clear:], (unit @ unit.T)[1:, 1:], atol=1e-5)


@pytest.mark.parametrize("recipe", ["vae", "cvae", "cpa"])
@pytest.mark.parametrize("wanted", ["strong", "other", "reverse"])
def test_the_perturbation_that_was_given_is_found_in_a_type_left_out(recipe, wanted):
    cells = world()
    state, kind = cells.covariates["state"], cells.covariates["kind"]
    ends = ((kind == "kind1") & (state == k) for k in ("control", wanted))
    found = wd.perturbation_map(model(recipe), cells, *TOLD, *ends)
    for end in ("", ", measured"):
        covered = found.targets["covered" + end]
        assert found.perturbations[int(np.argmax(covered))] == wanted
        assert 0.3 < covered.max() < 1.1
        assert found.targets["cosine" + end][found.perturbations.index(wanted)] > 0.6
    i = found.perturbations.index("nothing")
    assert abs(found.targets["covered, measured"][i]) < 0.1


def test_cells_of_the_goal_teach_nothing():
    cells = world()
    state = cells.covariates["state"]
    ends = state == "control", state == "strong"
    found = wd.perturbation_map(model(), cells, *TOLD, *ends)
    assert "strong" not in found.perturbations
    assert any("'strong'" in note for note in found.notes)


def test_what_is_refused():
    cells, ask = world(), wd.perturbation_map
    with pytest.raises(InputError, match="no cells of 'untreated'"):
        ask(model(), cells, "state", "untreated")
    with pytest.raises(InputError, match="'dose' is not a column"):
        ask(model(), cells, "dose", "control")
    with pytest.raises(InputError, match="space must be one of"):
        ask(model(), cells, *TOLD, space="gene")
    with pytest.raises(InputError, match="train cvae"):
        ask(model(), cells, *TOLD, space="decoded")
    with pytest.raises(InputError, match='use space="decoded"'):
        ask(model("cvae"), cells, *TOLD, space="latent")
    with pytest.raises(InputError, match='use space="decoded"'):
        ask(model("cpa"), cells, *TOLD, [0, 1], [2, 3], space="latent")
    with pytest.raises(InputError, match="goal is missing"):
        ask(model(), cells, *TOLD, start=[0, 1])
    with pytest.raises(InputError, match="start has 1 cells"):
        ask(model(), cells, *TOLD, start=[0], goal=[1, 2])
    with pytest.raises(InputError, match="no encoder"):
        ask(model("wgan"), simulate.log_normalised(cells), *TOLD)
    alone = cells.take(np.flatnonzero(cells.covariates["state"] == "control"))
    with pytest.raises(InputError, match="no level of 'state'"):
        ask(model(), alone, *TOLD)
