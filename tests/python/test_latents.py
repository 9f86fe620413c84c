"""Bottlenecks and priors against closed forms, torch.distributions and draws."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal as TorchNormal
from torch.distributions import kl_divergence
from toys import cells as toy_cells

from waddington.cells import Dims
from waddington.errors import InputError
from waddington.latents import Gaussian, Normal, Point, Posterior, kl_normal, log_normal
from waddington.minibatches import minibatches
from waddington.trace import Trace

DIMS = Dims({}, {})
G = torch.Generator().manual_seed(0)
LOC = torch.randn(6, 4, generator=G, dtype=torch.float64)
SCALE = torch.rand(6, 4, generator=G, dtype=torch.float64) + 0.2
Q = Posterior(LOC, SCALE)


@pytest.mark.parametrize("sd", [0.8, 1.0, 2.5])
def test_kl_is_the_closed_form(sd):
    want = kl_divergence(TorchNormal(LOC, SCALE), TorchNormal(0.0, sd)).sum(-1)
    torch.testing.assert_close(kl_normal(Q, 0.0, sd), want)
    trace = Trace()
    Normal(sd).build(4, DIMS)(Q, LOC, trace)
    torch.testing.assert_close(trace["z.kl"], want)


def test_kl_is_what_draws_say():
    prior = Normal(0.8).build(4, DIMS).double()
    torch.manual_seed(0)
    draws = torch.stack([Q.rsample() for _ in range(4000)])
    got = torch.stack([Q.log_prob(z) - prior.log_prob(z) for z in draws])
    error = got.std(0) / len(got) ** 0.5
    assert ((got.mean(0) - kl_normal(Q, 0.0, 0.8)).abs() < 4 * error).all()


def test_log_densities_are_torch_s():
    z = torch.randn(6, 4, generator=G, dtype=torch.float64)
    torch.testing.assert_close(Q.log_prob(z), TorchNormal(LOC, SCALE).log_prob(z).sum(-1))
    prior = Normal(0.8).build(4, DIMS)
    torch.testing.assert_close(prior.log_prob(z), TorchNormal(0.0, 0.8).log_prob(z).sum(-1))
    torch.testing.assert_close(
        log_normal(z, LOC, SCALE), TorchNormal(LOC, SCALE).log_prob(z).sum(-1)
    )


def test_draws_have_the_mean_and_the_spread_and_are_independent():
    torch.manual_seed(1)
    draws = torch.stack([Q.rsample() for _ in range(4000)])
    torch.testing.assert_close(draws.mean(0), LOC, rtol=0, atol=0.08)
    torch.testing.assert_close(draws.std(0), SCALE, rtol=0.08, atol=0)
    flat = ((draws - LOC) / SCALE).reshape(4000, -1)
    correlation = np.corrcoef(flat.numpy().T) - np.eye(24)
    assert np.abs(correlation).max() < 0.08  # one number for all cells would give 1


def test_gradients_go_through_a_draw():
    loc, scale = LOC.clone().requires_grad_(), SCALE.clone().requires_grad_()
    Posterior(loc, scale).rsample().sum().backward()
    torch.testing.assert_close(loc.grad, torch.ones_like(loc))
    assert scale.grad.std() > 0.5


def test_a_gaussian_bottleneck_splits_its_map_in_mean_and_scale():
    latent, h = Gaussian(3).build(5), torch.randn(7, 5)
    q = latent(h)
    both = h @ latent.linear.weight.T + latent.linear.bias
    torch.testing.assert_close(q.loc, both[:, :3])
    torch.testing.assert_close(q.scale, torch.nn.functional.softplus(both[:, 3:]) + 1e-4)
    assert (latent(-1e4 * torch.ones(1, 5) * latent.linear.weight.sum(0).sign()).scale > 0).all()


def test_a_point_has_no_spread():
    latent, h = Point(3).build(5), torch.randn(7, 5)
    q = latent(h)
    assert q.scale is None and q.rsample() is q.loc and q.loc.shape == (7, 3)


def test_the_prior_draws_one_z_per_cell():
    cells = next(minibatches(toy_cells(50), {}, 99))
    z = Normal(0.5).build(40, DIMS).sample(cells)
    assert z.shape == (50, 40) and z.std() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    "make,argument,said",
    [
        (lambda: Gaussian(0), "n_latent", "n_latent must be at least 1, got 0"),
        (lambda: Point(-1), "n_latent", "n_latent must be at least 1, got -1"),
        (lambda: Normal(0.0), "prior_sd", "prior_sd must be positive, got 0.0"),
    ],
)
def test_sizes_that_can_not_be_are_refused(make, argument, said):
    with pytest.raises(InputError, match=said) as caught:
        make()
    assert caught.value.argument == argument
