"""Bottlenecks, posteriors and priors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cells import Dims, Minibatch
from .contracts import PriorPart, Sizes
from .errors import InputError
from .layers import linear
from .parts import part
from .trace import Trace

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Posterior:
    """q(z | cells): normal with `loc` and `scale`, (cells, n); a scale of None is a point."""

    loc: Tensor
    scale: Tensor | None = None

    def rsample(self) -> Tensor:
        """One draw per cell, (cells, n); noise is per cell and per dimension."""
        if self.scale is None:
            return self.loc
        return torch.addcmul(self.loc, self.scale, torch.randn_like(self.loc))

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density at z, (cells,)."""
        return log_normal(z, self.loc, self.spread)

    @property
    def spread(self) -> Tensor:
        """The scale of what is not a point, (cells, n)."""
        assert self.scale is not None
        return self.scale


def log_normal(x: Tensor, loc: Tensor | float, scale: Tensor) -> Tensor:
    """Log density of independent normals, summed over the last axis."""
    return (-0.5 * ((x - loc) / scale) ** 2 - scale.log() - HALF_LOG_2PI).sum(-1)


def kl_normal(q: Posterior, loc: Tensor | float = 0.0, sd: Tensor | float = 1.0) -> Tensor:
    """KL(q || N(loc, sd)), summed over latent dimensions, (cells,)."""
    r = (q.spread / sd) ** 2
    return 0.5 * (r + ((q.loc - loc) / sd) ** 2 - 1 - r.log()).sum(-1)


@part
class Normal:
    """The prior z ~ N(0, sd)."""

    sd: float = 1.0

    def check(self) -> None:
        if self.sd <= 0:
            raise InputError(f"prior_sd must be positive, got {self.sd!r}", "prior_sd")

    def build(self, n: int, dims: Dims) -> NormalPrior:
        return NormalPrior(n, self.sd)


class NormalPrior(nn.Module):
    """See `Normal`. A prior leaves "z.kl", (cells,), in the trace; it samples and has a density."""

    def __init__(self, n: int, sd: float) -> None:
        super().__init__()
        self.n, self.sd = n, sd

    def forward(self, q: Posterior, z: Tensor, trace: Trace) -> None:
        """From the posterior, a draw z of it, and everything computed before."""
        trace["z.kl"] = kl_normal(q, 0.0, self.sd)

    def sample(self, cells: Minibatch) -> Tensor:
        """One z per cell, (cells, n)."""
        like = cells.size_factor
        return self.sd * torch.randn(len(cells), self.n, device=like.device, dtype=like.dtype)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density at z, (cells,)."""
        return log_normal(z, 0.0, torch.full_like(z, self.sd))


@part
class Gaussian:
    """q(z | x) = N(loc, softplus(.) + 1e-4), and its prior."""

    n: int = 10
    prior: PriorPart = Normal()

    def check(self) -> None:
        _check_size(self.n)

    def build(self, n_in: Sizes) -> GaussianLatent:
        return GaussianLatent(n_in, self.n)


class GaussianLatent(nn.Module):
    """See `Gaussian`."""

    def __init__(self, n_in: Sizes, n: int) -> None:
        super().__init__()
        self.linear = linear(n_in, 2 * n)

    def forward(self, h: Tensor) -> Posterior:
        """From the encoder's output, (cells, n_in)."""
        loc, scale = self.linear(h).chunk(2, -1)
        return Posterior(loc, F.softplus(scale.contiguous()) + 1e-4)


@part
class Point:
    """z is a function of x; no prior, no KL."""

    n: int = 10
    prior: None = None

    def check(self) -> None:
        _check_size(self.n)

    def build(self, n_in: Sizes) -> PointLatent:
        return PointLatent(n_in, self.n)


class PointLatent(nn.Module):
    """See `Point`."""

    def __init__(self, n_in: Sizes, n: int) -> None:
        super().__init__()
        self.linear = linear(n_in, n)

    def forward(self, h: Tensor) -> Posterior:
        """From the encoder's output, (cells, n_in)."""
        return Posterior(self.linear(h))


def _check_size(n: int) -> None:
    if n < 1:
        raise InputError(f"n_latent must be at least 1, got {n!r}", "n_latent")
