"""What is between matrix products, in C; see dense.c. Everything is float32, without gaps."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from torch import Tensor

from . import native

ACTS = ("linear", "relu", "elu", "leaky_relu", "tanh", "sigmoid", "softplus")
"""Activations that dense.c knows, in its order."""


@dataclass
class Norm:
    """A batch normalisation: gain, bias and running moments (units,), and this minibatch's."""

    gain: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    mean: Tensor
    inverse: Tensor
    momentum: float
    epsilon: float


def add_rows(x: Tensor, rows: Tensor, codes: Tensor | None = None) -> None:
    """Add rows[codes], (cells, units), to x; without codes, the one row."""
    native.loaded().wad_add_rows(*x.shape, *map(native.address, (x, rows, codes)))


def sum_rows(x: Tensor, codes: Tensor | None, sums: Tensor) -> None:
    """Sums of the rows of x by code, (levels, units); without codes, (units,)."""
    levels = 1 if codes is None else len(sums)
    native.loaded().wad_sum_rows(*x.shape, levels, *map(native.address, (x, codes, sums)))


class Block:
    """What is done to the product of a layer: y = noise * act(norm(x)), all (cells, units)."""

    def __init__(self, act: str, norm: Norm | None) -> None:
        self.act, self.norm = act, norm

    def forward(self, x: Tensor, noise: Tensor | None, y: Tensor) -> Tensor:
        """Fill y."""
        self.task = task(x, self.act, self.norm, noise)
        dense(self.task, x, y)
        return y

    def backward(
        self, x: Tensor, y: Tensor, d: Tensor, d_norm: tuple[Tensor | None, Tensor | None]
    ) -> Tensor:
        """Turn d, the gradient of y, into that of x; those of gain and bias go to d_norm."""
        dense_gradient(self.task, x, y, d, d_norm)
        return d


def task(x: Tensor, act: str, norm: Norm | None, noise: Tensor | None) -> native.DenseTask:
    """What is done to x, (cells, units): norm, act, and noise times all that."""
    made = native.DenseTask(cells=x.shape[0], units=x.shape[1], noise=native.address(noise))
    made.act = ACTS.index(act)
    for name, value in vars(norm).items() if norm else ():
        setattr(made, name, native.address(value) if isinstance(value, Tensor) else value)
    return made


def dense(what: native.DenseTask, x: Tensor, y: Tensor) -> None:
    """y = noise * act(norm(x)), (cells, units)."""
    native.loaded().wad_dense(ctypes.byref(what), x.data_ptr(), y.data_ptr())


def dense_gradient(
    what: native.DenseTask,
    x: Tensor,
    y: Tensor,
    d: Tensor,
    d_norm: tuple[Tensor | None, Tensor | None] = (None, None),
) -> None:
    """Turn d, the gradient of y, into that of x; d_norm are those of gain and bias."""
    given = map(native.address, (x, y, d, *d_norm))
    native.loaded().wad_dense_gradient(ctypes.byref(what), *given)


def gaussian(q: Tensor, noise: Tensor, sd: float, out: tuple[Tensor, Tensor, Tensor]) -> None:
    """From q (cells, 2 latent): z and scale, (cells, latent), and KL to N(0, sd), (cells,)."""
    n, twice = q.shape
    addresses = map(native.address, out)
    native.loaded().wad_gaussian(n, twice // 2, q.data_ptr(), noise.data_ptr(), sd, *addresses)


def gaussian_gradient(
    q: Tensor, noise: Tensor, sd: float, scale: Tensor, d_z: Tensor, weight: float, d_q: Tensor
) -> None:
    """Gradient of q, (cells, 2 latent), from that of z and the weight of each cell's KL."""
    n, twice = q.shape
    given = (q.data_ptr(), noise.data_ptr(), sd, scale.data_ptr(), d_z.data_ptr(), weight)
    native.loaded().wad_gaussian_gradient(n, twice // 2, *given, d_q.data_ptr())
