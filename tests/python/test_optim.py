"""Optimisers against torch's, all options, over many steps."""

import pytest
import torch
from torch import nn

from waddington.errors import InputError
from waddington.optim import Adam, Nadam, RmsProp, Sgd

STEPS, LR = 30, 0.03


def problem():
    """Parameters, and a function that gives them the gradients of a step."""
    g = torch.Generator().manual_seed(0)
    shapes = [(4, 3), (5,), ()]
    mine = [nn.Parameter(torch.randn(s, generator=g, dtype=torch.float64)) for s in shapes]
    grads = [
        [torch.randn(s, generator=g, dtype=torch.float64) for s in shapes] for _ in range(STEPS)
    ]
    return mine, grads


def moved(part, update=None):
    """Where STEPS steps of ours lead."""
    mine, grads = problem()
    optimiser = part.build(mine)
    if update:
        optimiser.update = lambda *a: getattr(optimiser, update)(*a)
    for now in grads:
        for p, g in zip(mine, now, strict=True):
            p.grad = g.clone()
        optimiser.step(LR)
    return mine


def theirs(make):
    """Where torch's lead."""
    mine, grads = problem()
    optimiser = make(mine)
    for now in grads:
        for p, g in zip(mine, now, strict=True):
            p.grad = g.clone()
        optimiser.step()
    return mine


def assert_equal(got, want, rtol=1e-9):
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=1e-11)


@pytest.mark.parametrize("update", ["_fused", "_listed"])
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_is_torch_s(update, decoupled, decay, amsgrad):
    how = {"betas": (0.8, 0.95), "eps": 0.01, "weight_decay": decay, "amsgrad": amsgrad}
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    ours = moved(Adam(decoupled=decoupled, **how), update)
    assert_equal(ours, theirs(lambda p: kind(p, lr=LR, **how)))


@pytest.mark.parametrize("momentum,nesterov", [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_sgd_is_torch_s_while_the_rate_stays(momentum, nesterov, decay):
    how = {"momentum": momentum, "nesterov": nesterov, "weight_decay": decay}
    assert_equal(moved(Sgd(**how)), theirs(lambda p: torch.optim.SGD(p, lr=LR, **how)))


def test_nadam_is_torch_s():
    ours = moved(Nadam(betas=(0.8, 0.95), eps=1e-6))
    make = lambda p: torch.optim.NAdam(p, lr=LR, betas=(0.8, 0.95), eps=1e-6)
    assert_equal(ours, theirs(make), rtol=1e-6)  # torch keeps its product of momenta in float32


def test_rmsprop_adds_epsilon_under_the_root():
    mine, grads = problem()
    square = [torch.zeros_like(p) for p in mine]
    for now in grads:
        for p, g, s in zip(mine, now, square, strict=True):
            s.mul_(0.9).add_(0.1 * g * g)
            p.data -= LR * g / (s + 0.2).sqrt()
    assert_equal(moved(RmsProp(eps=0.2)), mine)


@pytest.mark.parametrize("part", [Adam(amsgrad=True), Nadam(), Sgd(momentum=0.9), RmsProp()])
def test_a_stored_state_goes_on_where_it_was(part):
    whole = moved(part)
    mine, grads = problem()
    optimiser = part.build(mine)
    for i, now in enumerate(grads):
        if i == STEPS // 2:
            again = part.build(mine)
            again.load(optimiser.state())
            optimiser = again
        for p, g in zip(mine, now, strict=True):
            p.grad = g.clone()
        optimiser.step(LR)
    for a, b in zip(mine, whole, strict=True):
        assert torch.equal(a, b)


def test_parameters_without_a_gradient_stay():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimiser = Adam().build([a, b])
    a.grad = torch.ones(2)
    optimiser.step(0.1)
    assert torch.equal(b, torch.ones(2)) and (a < 1).all()
    optimiser.zero_grad()
    assert a.grad is None
    optimiser.step(0.1)  # nobody has one: nothing happens
    assert optimiser.steps == 2


@pytest.mark.parametrize("part", [Adam, Nadam, Sgd, RmsProp])
def test_a_rate_that_is_not_positive_is_refused(part):
    with pytest.raises(InputError, match="the learning rate must be positive, got 0") as caught:
        part(lr=0)
    assert caught.value.argument == "learning_rate"


def test_building_an_optimiser_does_not_load_torch_s_compiler():
    import subprocess
    import sys

    code = (
        "import sys; sys.path.insert(0, 'python'); import torch; from waddington.optim import Adam;"
        "p = torch.nn.Parameter(torch.ones(2)); o = Adam().build([p]); p.grad = torch.ones(2);"
        "o.step(0.1); print('torch._dynamo' in sys.modules)"
    )
    from conftest import ROOT

    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "False", run.stderr
