"""What every kernel needs of the stored values: gamma functions, where they are, constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from ..cells import Rows

Kept = TypeVar("Kept")
SHIFT = 4
"""Arguments are raised by this much before Stirling's series, which then is exact in float32."""


def gamma_steps(x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """lgamma(theta + x) - lgamma(theta), and its derivative in theta; both (values,).

    In float32 the difference of two lgammas of a large theta would be all rounding, so it is formed
    as such: Stirling's series at theta + 4 and theta + x + 4, and the four factors left out.
    """
    top = theta + x
    if x.dtype == torch.float64:
        steps = torch.lgamma(top) - torch.lgamma(theta)
        return steps, torch.digamma(top) - torch.digamma(theta)
    (low_factors, low_slope), (top_factors, top_slope) = _left_out(theta), _left_out(top)
    low, high = theta + SHIFT, top + SHIFT
    i, j = low.reciprocal(), high.reciprocal()
    growth = torch.log1p(x * i)
    steps = x * (low.log() - 1) + (high - 0.5) * growth + _tail(j) - _tail(i)
    steps += (low_factors / top_factors).log_()
    slopes = growth + 0.5 * x * i * j + _tail_slope(j) - _tail_slope(i) + low_slope - top_slope
    return steps, slopes


def log_factorial(rows: Rows) -> Tensor:
    """lgamma(x + 1) of the stored values, (values,); a constant of the data, computed once."""
    return kept(rows, "log_factorial", lambda: torch.lgamma(rows.values + 1))


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
    return stored.new_zeros(len(rows)).index_add_(0, rows.row, stored)


def whole(x: Tensor) -> Tensor:
    """Contiguous, and in float32 if it was in a shorter type."""
    return (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).contiguous()


def wanted(*inputs: Tensor | None) -> bool:
    """Whether somebody will ask for gradients."""
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs)


def _left_out(z: Tensor) -> tuple[Tensor, Tensor]:
    """z (z + 1) (z + 2) (z + 3), and the sum of the reciprocals of those factors."""
    ends = z * (z + 3)
    product = ends * (ends + 2)
    return product, (2 * z + 3) * (2 * ends + 2) / product


def _tail(i: Tensor) -> Tensor:
    """Stirling's series for lgamma(1 / i) beyond its logarithms."""
    square = i * i
    return i * (1 / 12 - square * (1 / 360 - square / 1260))


def _tail_slope(i: Tensor) -> Tensor:
    square = i * i
    return -square * (1 / 12 - square * (1 / 120 - square / 252))
