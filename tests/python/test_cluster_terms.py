"""Terms of clusters against loops."""

import math

import numpy as np
import pytest
import torch
from toys import cells as toy_cells

from waddington.cluster_terms import Entropy, SelfTraining, WithinCode
from waddington.errors import InputError
from waddington.minibatches import minibatches
from waddington.trace import Trace

M = next(minibatches(toy_cells(30), toy_cells(30).levels(), 99))
G = torch.Generator().manual_seed(0)


def test_entropy_is_that_of_the_shares_of_units():
    even = torch.ones(30, 8)
    assert float(Entropy("h")(Trace(h=even), M)) == pytest.approx(math.log(8), rel=1e-6)
    one = torch.zeros(30, 8)
    one[:, 3] = 5.0
    assert float(Entropy("h")(Trace(h=one), M)) == pytest.approx(0, abs=1e-6)
    h = torch.rand(30, 8, generator=G)
    p = h.numpy().sum(0) / h.numpy().sum()
    assert float(Entropy("h")(Trace(h=h), M)) == pytest.approx(-(p * np.log(p)).sum(), rel=1e-5)
    assert float(Entropy("h")(Trace(h=7 * h), M)) == pytest.approx(-(p * np.log(p)).sum(), rel=1e-5)


def test_entropy_has_a_finite_slope_where_no_unit_is_on():
    for h in (torch.zeros(30, 4), torch.eye(30)[:, :4]):
        h.requires_grad_()
        Entropy("h")(Trace(h=h), M).backward()
        assert torch.isfinite(h.grad).all()


@pytest.mark.parametrize("units", [3, 40])
@pytest.mark.parametrize("transform", ["none", "log1p"])
def test_within_code_is_the_loop(units, transform):
    h = torch.rand(30, units, generator=G, dtype=torch.float64)
    term = WithinCode("h", transform=transform, widths=(0.01, 0.1))
    x, a, total = M.views["rna"].dense().double().numpy(), (h / h.max()).numpy(), 0.0
    x = np.log1p(x) if transform == "log1p" else x
    for i in range(30):
        for j in range(30):
            near = ((a[i] - a[j]) ** 2).mean()
            like = (math.exp(-near / 0.01) + math.exp(-near / 0.1)) / 2
            total += ((x[i] - x[j]) ** 2).mean() * like
    assert float(term(Trace(h=h), M)) == pytest.approx(total / 900, rel=1e-6)


def test_within_code_is_least_when_codes_follow_the_data():
    x = M.views["rna"].dense()
    right = (x - x.min()) / x.max()
    wrong = right[torch.randperm(30, generator=G)]
    term = WithinCode("h")
    assert float(term(Trace(h=right), M)) < float(term(Trace(h=wrong), M))
    same = float(term(Trace(h=torch.ones(30, 3)), M))
    assert same == pytest.approx(float(torch.cdist(x, x).square().mean() / x.shape[1]), rel=1e-4)


def test_an_unknown_transform_is_refused():
    with pytest.raises(InputError, match="transform must be one of log1p, none, got 'sqrt'"):
        WithinCode("h", transform="sqrt")


def test_self_training_is_the_divergence_from_sharper_shares():
    logits = 2 * torch.randn(30, 4, generator=G, dtype=torch.float64)
    q = logits.softmax(-1).numpy()
    p = q**2 / q.sum(0)
    p = p / p.sum(1, keepdims=True)
    want = (p * np.log(p / q)).sum() / 30
    term = SelfTraining("share")
    assert float(term(Trace(share=torch.from_numpy(q)), M)) == pytest.approx(want, rel=1e-9)
    even = torch.full((30, 4), 0.25)
    assert float(term(Trace(share=even), M)) == pytest.approx(0, abs=1e-6)


def test_self_training_pulls_cells_to_what_they_are_nearest_to():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(15, 1).requires_grad_()
    SelfTraining("share")(Trace(share=logits.softmax(-1)), M).backward()
    assert (logits.grad[::2, 0] < 0).all() and (logits.grad[1::2, 1] < 0).all()
