"""Opponents: the five forms against their formulas, and who feels what."""

import numpy as np
import pytest
import torch
from toys import cells as toy_cells

from waddington.cells import Dims
from waddington.errors import InputError
from waddington.layers import mlp
from waddington.minibatches import minibatches
from waddington.opponents import (
    GAN,
    PRIOR,
    Flip,
    Fool,
    LeastSquaresGAN,
    Opponent,
    WassersteinGP,
)  # fmt: skip
from waddington.schedules import Clock
from waddington.trace import Trace

CELLS = toy_cells(24)
M = next(minibatches(CELLS, CELLS.levels(), 99))
DIMS = Dims({"rna": 37}, {"batch": (2,), "cell_type": (3,)})
G = torch.Generator().manual_seed(0)
SEEN, REAL = (torch.randn(8, 3, generator=G, dtype=torch.float64) for _ in range(2))
WEIGHT = torch.randn(3, 1, generator=G, dtype=torch.float64)


def score(x):
    """A curved function of three features, (cells, 1)."""
    return torch.tanh(x) @ WEIGHT


def mean(x):
    return float(x.detach().mean())


def test_gan_is_cross_entropy_and_its_pull_does_not_saturate():
    p = lambda x: torch.sigmoid(score(x))
    want = -mean(p(REAL).log()) - mean((1 - p(SEEN)).log())
    assert float(GAN().own(score, SEEN, REAL)) == pytest.approx(want)
    assert float(GAN().pull(score, SEEN, REAL)) == pytest.approx(-mean(p(SEEN).log()))


def test_least_squares():
    want = 0.5 * (mean((score(REAL) - 1) ** 2) + mean(score(SEEN) ** 2))
    assert float(LeastSquaresGAN().own(score, SEEN, REAL)) == pytest.approx(want)
    pull = 0.5 * mean((score(SEEN) - 1) ** 2)
    assert float(LeastSquaresGAN().pull(score, SEEN, REAL)) == pytest.approx(pull)


def test_the_gradient_penalty_measures_the_slope_of_each_cell():
    torch.manual_seed(3)
    got = WassersteinGP(7.0).own(score, SEEN, REAL)
    torch.manual_seed(3)
    a = torch.rand(8, 1, dtype=torch.float64)
    between, step = a * REAL + (1 - a) * SEEN, 1e-6
    slope = torch.stack(
        [
            (score(between + step * e) - score(between - step * e))[:, 0] / (2 * step)
            for e in torch.eye(3, dtype=torch.float64)
        ],
        1,
    )
    penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
    want = mean(score(SEEN)) - mean(score(REAL)) + 7 * float(penalty)
    assert float(got.detach()) == pytest.approx(want, rel=1e-7)
    assert float(WassersteinGP().pull(score, SEEN, REAL)) == pytest.approx(-mean(score(SEEN)))


def test_the_penalty_has_a_gradient_in_the_critic():
    w = WEIGHT.clone().requires_grad_()
    steep = lambda x: x @ w  # slope |w| everywhere
    (WassersteinGP(1.0).own(steep, SEEN, SEEN)).backward()
    norm = WEIGHT.norm()
    torch.testing.assert_close(w.grad, 2 * (norm - 1) * WEIGHT / norm)


LOGITS = torch.randn(6, 3, generator=G)
TRUTH = torch.tensor([0, 1, 2, 2, -1, 1])


def log_p():
    return LOGITS.log_softmax(-1)[TRUTH >= 0], TRUTH[TRUTH >= 0]


@pytest.mark.parametrize("form", [Flip(), Fool()])
def test_readers_of_levels_minimise_cross_entropy_where_the_level_is_known(form):
    p, y = log_p()
    want = -float(p[range(5), y].mean())
    assert float(form.own(lambda x: LOGITS, SEEN, TRUTH)) == pytest.approx(want)


def test_flip_pulls_the_other_way():
    own = Flip().own(lambda x: LOGITS, SEEN, TRUTH)
    assert float(Flip().pull(lambda x: LOGITS, SEEN, TRUTH)) == pytest.approx(-float(own))


def test_fool_wants_the_other_levels_to_look_right():
    p, y = log_p()
    others = [-(row.sum() - row[k]) / 2 for row, k in zip(p, y, strict=True)]
    got = Fool().pull(lambda x: LOGITS, SEEN, TRUTH)
    assert float(got) == pytest.approx(float(sum(others)) / 6, rel=1e-5)


def test_no_gradient_of_the_opponent_s_own_loss_reaches_the_network():
    z = torch.randn(24, 4, generator=G).requires_grad_()
    net = Opponent("z", "batch").build(4, DIMS)
    value, named = net.own(Trace(z=z), M, Clock())
    value.backward()
    assert z.grad is None and all(p.grad is not None for p in net.parameters())
    assert set(named) == {"z vs batch own"}
    net.pull(Trace(z=z), M).backward()
    assert z.grad.abs().sum() > 0


def test_against_a_view_the_truth_is_its_data_and_against_the_prior_its_draws():
    seen = {}

    class Spy(GAN):
        def own(self, f, seen_, truth):
            seen["truth"] = truth
            return f(seen_).mean()

    against = lambda what: Opponent("x", what, Spy()).build(37, DIMS)
    x = torch.zeros(24, 37)
    against("rna").own(Trace(x=x), M, Clock())
    np.testing.assert_array_equal(seen["truth"], CELLS.views["rna"].toarray())
    draws = torch.randn(24, 37)
    against(PRIOR).own(Trace({"x": x, PRIOR: draws}), M, Clock())
    assert seen["truth"] is draws


def test_sizes_follow_what_is_told_apart():
    assert Opponent("z", "cell_type", Flip()).build(4, DIMS).out.weight.shape == (3, 64)
    critic = Opponent("z", "rna", WassersteinGP(), stack=mlp(5)).build(4, DIMS)
    assert critic.out.weight.shape == (1, 5) and critic.out.bias is None
    assert Opponent("z", "batch").covariates == ("batch",)
    assert Opponent("rna.mean", "rna", GAN()).covariates == ()


def test_real_counts_are_looked_at_on_the_scale_that_is_asked_for():
    net = Opponent("made", against="rna", form=GAN(), transform="log1p").build(37, DIMS)
    got = net._truth(Trace(), M)
    torch.testing.assert_close(got, torch.log1p(M.views["rna"].dense()))
    plain = Opponent("made", against="rna", form=GAN()).build(37, DIMS)._truth(Trace(), M)
    torch.testing.assert_close(plain, M.views["rna"].dense())


def test_a_scale_that_is_not_known_is_refused():
    with pytest.raises(InputError, match="transform must be one of"):
        Opponent("made", against="rna", transform="sqrt")
