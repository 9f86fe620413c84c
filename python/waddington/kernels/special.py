"""What every kernel needs of the stored values: gamma functions, where they are, constants."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from ..cells import Rows

Kept = TypeVar("Kept")
SHIFT = 4
"""Arguments are raised by this much before Stirling's series, which then is exact in float32."""

KNOWN = 1024
"""Below this, factorials are looked up."""


def gamma_steps(x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """lgamma(theta + x) - lgamma(theta), and its derivative in theta; both (values,).

    In float32 the difference of two lgammas of a large theta would be all rounding, so it is formed
    as such: Stirling's series at theta + 4 and theta + x + 4, and the four factors left out.
    """
    if x.dtype == torch.float64:
        top = theta + x
        steps = torch.lgamma(top) - torch.lgamma(theta)
        return steps, torch.digamma(top) - torch.digamma(theta)
    ends = torch.stack([theta, theta + x])  # the same for both, in half as many calls
    factors, slopes = _left_out(ends)
    low, high = shifted = ends.add_(SHIFT)
    inverse = shifted.reciprocal()
    i, j = inverse
    growth, series, more = torch.log1p(x * i), *_tails(inverse)
    steps = (low.log() - 1).mul_(x).addcmul_(high - 0.5, growth)
    steps.add_(series[1] - series[0]).add_((factors[0] / factors[1]).log_())
    rise = (x * i).mul_(j).mul_(0.5).add_(growth)
    slopes += more.neg_()
    return steps, rise.add_(slopes[0] - slopes[1])


def log_factorial(rows: Rows) -> Tensor:
    """lgamma(x + 1) of the stored values, (values,); a constant of the data, computed once."""
    return kept(rows, "log_factorial", lambda: _log_factorial(rows.values))


def _log_factorial(x: Tensor) -> Tensor:
    """Looked up for counts that are small and whole, in half the time."""
    if x.device.type == "cpu" and len(x):
        low, high = torch.aminmax(x)
        if low >= 0 and high < KNOWN and torch.equal((codes := x.int()).to(x.dtype), x):
            return _table(x.dtype).index_select(0, codes)
    return torch.lgamma(x + 1)


@cache
def _table(dtype: torch.dtype) -> Tensor:
    """log n! for n below KNOWN."""
    return torch.lgamma(torch.arange(1, KNOWN + 1, dtype=torch.float64)).to(dtype)


def place(rows: Rows) -> Tensor:
    """Where each stored value is in a flat (cells, features) matrix, (values,)."""
    return kept(rows, "place", lambda: rows.row * rows.n_features + rows.indices)


def kept(rows: Rows, name: str, make: Callable[[], Kept]) -> Kept:
    """What `make` returned the first time, kept with the rows, which never change."""
    if name not in vars(rows):
        vars(rows)[name] = make()
    return vars(rows)[name]


def pick(dense: Tensor, rows: Rows) -> Tensor:
    """The entries where a value is stored, (values,), of (cells, features) or (1, features)."""
    at = rows.indices if len(dense) == 1 else place(rows)
    return dense.reshape(-1).index_select(0, at)


def by_cell(stored: Tensor, rows: Rows) -> Tensor:
    """Sums of the stored values of each cell, (cells,)."""
    if stored.device.type == "cpu":  # in a quarter of the time
        return torch.segment_reduce(stored, "sum", offsets=rows.indptr)
    return stored.new_zeros(len(rows)).index_add_(0, rows.row, stored)


def whole(x: Tensor) -> Tensor:
    """Contiguous, and in float32 if it was in a shorter type."""
    return (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).contiguous()


def wanted(*inputs: Tensor | None) -> bool:
    """Whether somebody will ask for gradients."""
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs)


def _left_out(z: Tensor) -> tuple[Tensor, Tensor]:
    """z (z + 1) (z + 2) (z + 3), and the sum of the reciprocals of those factors."""
    ends = (z + 3).mul_(z)
    product = (ends + 2).mul_(ends)
    return product, (z * 2).add_(3).mul_(ends.mul_(2).add_(2)).div_(product)


def _tails(i: Tensor) -> tuple[Tensor, Tensor]:
    """Stirling's series for lgamma(1 / i) beyond its logarithms, and its derivative in 1 / i."""
    square = i * i
    series = (square / -1260).add_(1 / 360).mul_(square).neg_().add_(1 / 12).mul_(i)
    slopes = (square / -252).add_(1 / 120).mul_(square).sub_(1 / 12).mul_(square)
    return series, slopes
