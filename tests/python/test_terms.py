"""Terms against loops and formulas."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from toys import cells as toy_cells

from waddington.latents import Posterior, kl_normal
from waddington.minibatches import minibatches
from waddington.schedules import Clock, Linear
from waddington.terms import KL, MMD, NLL, losses, objective, weighted
from waddington.trace import Trace

M = next(minibatches(toy_cells(30), toy_cells(30).levels(), 99))
G = torch.Generator().manual_seed(0)


class Known:
    """A distribution whose log probabilities are given."""

    def __init__(self, values):
        self.values = values

    def log_prob(self, data):
        return self.values


def test_nll_is_the_mean_over_cells_and_skips_those_without_the_view():
    values = torch.randn(30, generator=G)
    assert NLL()(Trace(rna=Known(values)), M) == pytest.approx(-float(values.mean()))
    there = torch.arange(30) % 3 > 0
    values[~there] = -math.inf  # what a missing view would score must not matter, nor its gradient
    got = NLL()(Trace(rna=Known(values)), replace(M, present={"rna": there}))
    assert float(got) == pytest.approx(-float(values[there].sum()) / 30, rel=1e-4)


def test_kl_is_the_mean_of_what_the_prior_left():
    q = Posterior(torch.randn(30, 3, generator=G), torch.rand(30, 3, generator=G) + 0.1)
    trace = Trace({"z.kl": kl_normal(q)})
    assert KL()(trace, M) == pytest.approx(float(kl_normal(q).mean()))
    assert KL("w").name == "kl w"


def test_a_capacity_is_a_distance_that_grows():
    term = KL(weight=100.0, capacity=Linear(0.0, 25.0, over=1.0))
    values = {"kl z": torch.tensor(10.0)}
    for progress, distance in ((0.0, 10.0), (0.4, 0.0), (0.8, 10.0)):
        got = weighted([term], values, Clock(progress))["kl z"]
        assert float(got) == pytest.approx(100 * distance, abs=1e-3)
    assert objective([term], values) == pytest.approx(100 * 15.0)


def test_weights_follow_the_clock_and_the_objective_the_final_ones():
    terms = (NLL(weight=2.0), KL(weight=Linear(0.0, 4.0, over=0.5)), NLL("protein", weight=0.0))
    values = {"nll rna": 3.0, "kl z": 5.0, "nll protein": math.nan}
    assert weighted(terms, values, Clock(0.0)) == {"nll rna": 6.0}
    assert weighted(terms, values, Clock(0.25)) == {"nll rna": 6.0, "kl z": 10.0}
    assert objective(terms, values) == 6 + 20


def looped_mmd(h, codes, widths):
    """Sum over pairs of levels of the squared distance of their mean embeddings."""
    kernel = lambda a, b: np.mean([math.exp(-((a - b) ** 2).mean() / w) for w in widths])
    mean = lambda p, q: np.mean([[kernel(a, b) for b in h[codes == q]] for a in h[codes == p]])
    levels, total = np.unique(codes), 0.0
    for i, p in enumerate(levels):
        for q in levels[i + 1 :]:
            total += mean(p, p) + mean(q, q) - 2 * mean(p, q)
    return total


@pytest.mark.parametrize("codes", [[0, 1] * 6, [0] * 9 + [1] * 2 + [2], [0, 0, 2, 2, 2, 2]])
def test_mmd_is_the_loop(codes):
    codes = torch.tensor(codes)
    h = torch.randn(len(codes), 3, generator=G, dtype=torch.float64)
    cells = replace(M, codes={"batch": codes})
    got = MMD("h", "batch")(Trace(h=h), cells)
    assert float(got) == pytest.approx(looped_mmd(h.numpy(), codes.numpy(), (0.1, 1, 10)))


def test_mmd_vanishes_for_one_level_and_equal_sets_and_grows_with_a_shift():
    h = torch.randn(20, 3, generator=G)
    same = Trace(h=torch.cat([h, h]))
    half = replace(M, codes={"batch": torch.tensor([0] * 20 + [1] * 20)})
    assert float(MMD("h", "batch")(same, half)) == pytest.approx(0, abs=1e-6)
    shifted = [
        float(MMD("h", "batch")(Trace(h=torch.cat([h, h + d])), half)) for d in (0.5, 1.0, 2.0)
    ]
    assert 0 < shifted[0] < shifted[1] < shifted[2]
    one = replace(M, codes={"batch": torch.zeros(40, dtype=torch.long)})
    assert float(MMD("h", "batch")(same, one)) == pytest.approx(0, abs=1e-6)


def test_losses_are_by_name_in_the_order_of_the_terms():
    trace = Trace({"rna": Known(torch.zeros(30)), "z.kl": torch.ones(30)})
    assert {k: float(v) for k, v in losses((KL(), NLL()), trace, M).items()} == {
        "kl z": 1.0,
        "nll rna": 0.0,
    }
    assert MMD("z", "batch").name == "mmd z by batch" and MMD("z", "batch").covariates == ("batch",)
