"""Adam in C: a step of one tensor, and one joined with the gradient of a sparse linear map."""

from __future__ import annotations

import ctypes
import math

from torch import Tensor

from ..cells import Rows
from . import native


def step(
    lr: float,
    steps: int,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> native.AdamStep:
    """The constants of step number `steps`, from 1; `decoupled` decay is that of AdamW."""
    return native.AdamStep(
        rate=lr / (1 - betas[0] ** steps),
        beta1=betas[0],
        beta2=betas[1],
        root=1 / math.sqrt(1 - betas[1] ** steps),
        epsilon=eps,
        decay=0.0 if decoupled else weight_decay,
        shrink=lr * weight_decay if decoupled else 0.0,
    )


def adam(
    weight: Tensor, first: Tensor, second: Tensor, gradient: Tensor, by: native.AdamStep
) -> None:
    """Move a weight and its two moments, in place; all of one shape, float32, without gaps."""
    given = map(native.address, (weight, first, second, gradient))
    native.loaded().wad_adam(weight.numel(), *given, ctypes.byref(by), native.threads())


def linear_adam(
    rows: Rows,
    upstream: Tensor,
    weight: Tensor,
    moments: tuple[Tensor, Tensor],
    by: native.AdamStep,
) -> None:
    """Move the weight of a sparse linear map, (features, units), without forming its gradient."""
    given = (*native.by_feature(rows), upstream, weight, *moments)
    addresses = map(native.address, given)
    native.loaded().wad_linear_adam(*weight.shape, *addresses, ctypes.byref(by), native.threads())
