"""What is between the large products of a step, by torch, where no compiler is; see `in_c`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..cells import Rows
from ..kernels import product
from ..kernels.linear import bag, dense_is_faster
from ..kernels.native_counts import Gradients, Inputs
from ..kernels.native_dense import Norm
from ..kernels.negative_binomial import counts_in_torch
from ..latents import Posterior, kl_normal
from ..layers import ACTIVATIONS

Early = None
"""Weights move when all gradients are there."""

_back = torch.ops.aten
SLOPES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "linear": lambda d, x, y: d,
    "relu": lambda d, x, y: _back.threshold_backward(d, y, 0),
    "elu": lambda d, x, y: _back.elu_backward(d, 1, 1, 1, False, x),
    "leaky_relu": lambda d, x, y: _back.leaky_relu_backward(d, x, 0.01, False),
    "tanh": lambda d, x, y: _back.tanh_backward(d, y),
    "sigmoid": lambda d, x, y: _back.sigmoid_backward(d, y),
    "softplus": lambda d, x, y: _back.softplus_backward(d, x, 1, 20),
}
"""From d, the gradient of y = act(x), to that of x."""


def linear(rows: Rows, weight: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
    """Rows times weight (features, units), plus bias (units,); (cells, units)."""
    if dense_is_faster(rows):
        return product(rows.dense(), weight.t(), bias, out)
    made = bag(weight, rows.indptr, rows.indices, rows.values)
    return out.copy_(made) if bias is None else torch.add(made, bias, out=out)


def linear_gradient(rows: Rows, upstream: Tensor, out: Tensor) -> Tensor:
    """Gradient of the weight of `linear`, (features, units), from upstream (cells, units)."""
    if dense_is_faster(rows):
        return product(rows.dense().t(), upstream.t(), out=out)
    return bag(upstream, *rows.csc)


def add_rows(x: Tensor, rows: Tensor, codes: Tensor | None = None) -> None:
    """Add rows[codes], (cells, units), to x; without codes, the one row."""
    x.add_(rows if codes is None else rows.index_select(0, codes))


def sum_rows(x: Tensor, codes: Tensor | None, sums: Tensor) -> None:
    """Sums of the rows of x by code, (levels, units); without codes, (units,)."""
    if codes is None:
        torch.sum(x, 0, out=sums)
    else:
        sums.zero_().index_add_(0, codes, x)


class Block:
    """What is done to the product of a layer: y = noise * act(norm(x)), all (cells, units)."""

    def __init__(self, act: str, norm: Norm | None) -> None:
        self.act, self.norm = act, norm

    def forward(self, x: Tensor, noise: Tensor | None, y: Tensor) -> Tensor:
        """y."""
        n, self.noise, self.before = self.norm, noise, x
        if n is not None:
            running = n.running_mean, n.running_var
            given = x, n.gain, n.bias, *running, True, n.momentum, n.epsilon
            self.before, *self.moments = torch.native_batch_norm(*given)
        self.after = ACTIVATIONS[self.act](self.before)
        return self.after if noise is None else torch.mul(self.after, noise, out=y)

    def backward(
        self, x: Tensor, y: Tensor, d: Tensor, d_norm: tuple[Tensor | None, Tensor | None]
    ) -> Tensor:
        """The gradient of x from d, that of y; those of gain and bias go to d_norm."""
        n = self.norm
        d = d if self.noise is None else d.mul_(self.noise)
        d = SLOPES[self.act](d, self.before, self.after)
        if n is None:
            return d
        running = n.running_mean, n.running_var
        given = d, x, n.gain, *running, *self.moments, True, n.epsilon, [True] * 3
        d, *mine = _back.native_batch_norm_backward(*given)
        for room, gradient in zip(d_norm, mine, strict=True):
            if room is not None:
                room.copy_(gradient)
        return d


def gaussian(q: Tensor, noise: Tensor, sd: float, out: tuple[Tensor, Tensor, Tensor]) -> None:
    """From q (cells, 2 latent): z and scale, (cells, latent), and KL to N(0, sd), (cells,)."""
    z, scale, divergence = out
    loc, raw = q.chunk(2, -1)
    torch.add(torch.nn.functional.softplus(raw), 1e-4, out=scale)
    torch.addcmul(loc, scale, noise, out=z)
    divergence.copy_(kl_normal(Posterior(loc, scale), 0.0, sd))


def gaussian_gradient(
    q: Tensor, noise: Tensor, sd: float, scale: Tensor, d_z: Tensor, weight: float, d_q: Tensor
) -> None:
    """Gradient of q, (cells, 2 latent), from that of z and the weight of each cell's KL."""
    (loc, raw), (d_loc, d_raw) = q.chunk(2, -1), d_q.chunk(2, -1)
    share = weight / sd**2
    torch.add(d_z, loc, alpha=share, out=d_loc)
    d_scale = (d_z * noise).add_(scale, alpha=share).sub_(scale.reciprocal(), alpha=weight)
    torch.mul(d_scale, raw.sigmoid(), out=d_raw)


def counts(given: Inputs, weight: Tensor, room: Gradients) -> tuple[Tensor, Gradients]:
    """Log probability of each cell, (cells,), and the gradients of their weighted sum."""
    for bias, values in ((given.bias, given.logits), (given.zero_bias, given.zero_logits)):
        if bias is not None and values is not None:
            values.add_(bias)
    log_p, made = counts_in_torch(given, weight, True)
    assert made is not None  # they were asked for
    made = made._replace(bias=room.bias, zero_bias=room.zero_bias)
    for bias, values in ((room.bias, made.logits), (room.zero_bias, made.zero_logits)):
        if bias is not None and values is not None:
            torch.sum(values, 0, out=bias)
    room.log_theta.copy_(made.log_theta)
    return log_p, made
