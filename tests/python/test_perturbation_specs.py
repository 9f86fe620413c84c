"""What published systems promise, on simulated truth, and where they have to fail visibly."""

from functools import cache

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.cells import RNA, Cells
from waddington.verbs.perturb import predict_perturbation

TOLD = {
    "condition": "condition", "source": "control", "target": "stimulated", "cell_type": "cell_type",
}  # fmt: skip


def counted(log_share, depth, seed, **covariates):
    """Poisson counts of cells with these log shares, (cells, genes)."""
    counts = np.random.default_rng(seed).poisson(depth * simulate.softmax(log_share))
    told = {k: np.asarray(v) for k, v in covariates.items()}
    return Cells({RNA: sparse.csr_matrix(counts.astype(np.float32))}, covariates=told)


# A curved manifold ------------------------------------------------------------------------------


@cache
def arc(gap):
    """Cells along a quarter of a circle, with or without those in the middle, and a model."""
    rng = np.random.default_rng(3)
    turn, genes = np.sort(rng.uniform(0, 1, 900)), 60
    centre = np.linspace(-0.2, 1.2, genes)
    share = lambda t: -(((np.atleast_1d(t)[:, None] - centre) / 0.25) ** 2)
    seen = np.abs(turn - 0.5) > (0.25 if gap else 0.0)
    cells = counted(share(turn[seen]), 1500.0, 4)
    model = fit(recipes.vae(2, hidden=(64,)), cells, epochs=60, batch_size=64, lr=3e-3)
    return turn[seen], share, cells, model


def ends(turn):
    return [np.flatnonzero(turn < 0.12), np.flatnonzero(turn > 0.88)]


def off(profile, want):
    return np.square(np.log(profile + 1e-4) - np.log(want + 1e-4)).mean()


@pytest.mark.parametrize(("path", "part"), [("manifold", 0.05), ("linear", 0.5), ("slerp", 0.7)])
def test_half_way_is_nearer_the_truth_than_half_of_both_ends(path, part):
    turn, share, cells, model = arc(gap=False)
    start, stop = ends(turn)
    way = wd.interpolate(model, cells, start, stop, steps=5, library=1.0, path=path)
    x = cells.views[RNA].toarray()
    flat = np.mean([(x[i] / x[i].sum(1, keepdims=True)).mean(0) for i in (start, stop)], 0)
    want = simulate.softmax(share(0.5))[0]
    assert off(way[2], want) < part * off(flat, want)


def test_half_way_over_a_gap_is_off_the_manifold():
    novel = {}
    for gap in (False, True):
        turn, _, cells, model = arc(gap)
        way = wd.path_between(model, cells, *ends(turn), steps=9, path="manifold")
        novel[gap] = way[1][3:6]
    assert novel[True].max() == 1 and novel[False].max() < 0.95


# Far from all that was measured -----------------------------------------------------------------


def far_type(away):
    """Four types that respond alike; the last one is `away` times as far from the others."""
    rng = np.random.default_rng(5)
    genes, n = 50, 80
    kinds = rng.normal(size=(4, genes)) * np.array([1, 1, 1, away])[:, None]
    change = np.where(np.arange(genes) < 12, 1.5, 0.0)
    kind, state = np.repeat(np.arange(4), 2 * n), np.tile(np.repeat([0, 1], n), 4)
    cells = counted(
        kinds[kind] + state[:, None] * change,
        1500.0,
        6,
        cell_type=np.array([f"type{k}" for k in range(4)])[kind],
        condition=np.array(["control", "stimulated"])[state],
    )
    return cells.take(np.flatnonzero((kind < 3) | (state == 0)))


def test_a_type_unlike_all_that_were_measured_is_called_off_the_manifold():
    for away, called in ((3.0, True), (0.3, False)):
        cells = far_type(away)
        model = fit(recipes.vae(4, hidden=(32,)), cells, epochs=3, batch_size=64, lr=3e-3)
        made = predict_perturbation(model, cells, **TOLD, of="type3", trust=0.5)
        assert any("off the manifold" in note for note in made.notes) is called
        assert (made.responses["type3"].novelty > 1) is called


# Effects that add up, and one pair that does more -----------------------------------------------

SIX = "ABCDEF"
PAIRS = [f"{a}+{b}" for i, a in enumerate(SIX) for b in SIX[i + 1 :]]
HELD = ("A+B", "C+D", "E+F", "A+C", "B+F")
ODD = "C+D"


@cache
def screened():
    """Six perturbations and all pairs of them; one pair that is held out interacts."""
    rng = np.random.default_rng(7)
    genes, n = 50, 40
    effect = {s: rng.normal(size=genes) * 0.8 for s in SIX} | {"control": np.zeros(genes)}
    state = np.repeat(["control", *SIX, *PAIRS], n)
    share = np.stack([sum(effect[s] for s in k.split("+")) for k in state])
    share[state == ODD] += 1.5 * rng.normal(size=genes)
    cells = counted(rng.normal(size=genes) + share, 1500.0, 8, condition=state)
    seen = cells.take(np.flatnonzero(~np.isin(state, HELD)))
    recipe = recipes.cpa(n_latent=8, hidden=(64,), dropout=0.0)
    return cells, seen, fit(recipe, seen, epochs=150, batch_size=64, lr=3e-3)


def test_pairs_add_up_and_the_one_that_interacts_stands_out():
    cells, seen, model = screened()
    scores, residual = {}, {}
    for pair in HELD:
        made = predict_perturbation(model, seen, "condition", "control", pair)
        found = wd.evaluate_perturbation(made, cells, n_splits=3, n_top=20)
        scores[pair] = found["predicted"]["r2_change"]
        residual[pair] = found["predicted"]["energy"]
    others = [k for k in HELD if k != ODD]
    assert min(scores[k] for k in others) > 0.9
    assert scores[ODD] < 0.6
    assert residual[ODD] > 3 * max(residual[k] for k in others)


def test_the_decoder_alone_adds_pairs_up_too():
    """With all trust in what the model composed, beside the sum of the singles in gene space."""
    cells, seen, model = screened()
    scores = {}
    for pair in (k for k in HELD if k != ODD):
        made = predict_perturbation(model, seen, "condition", "control", pair, trust=1.0)
        found = wd.evaluate_perturbation(made, cells, n_splits=3, n_top=20)
        scores[pair] = {k: found[k]["r2_change"] for k in ("predicted", "control + sum of shifts")}
        assert scores[pair]["predicted"] > found["control + mean of shifts"]["r2_change"] + 0.1
    assert np.mean([s["predicted"] for s in scores.values()]) > 0.88
    assert min(s["control + sum of shifts"] for s in scores.values()) > 0.9


def test_a_draw_of_the_basal_position_hardly_tells_the_perturbation():
    _, seen, model = screened()
    state = seen.covariates["condition"]
    logs = simulate.log_normalised(seen).views[RNA].toarray()
    told = lambda x: cross_val_score(LogisticRegression(max_iter=300), x, state, cv=3).mean()
    chance = 1 / len(np.unique(state))
    assert told(wd.latent(model, seen, of="sample")[0]) < chance + 0.1
    assert told(logs) > 0.9
