"""Real numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..cells import Rows
from ..errors import InputError
from ..layers import ACTIVATIONS, check_choice
from ..parts import part
from .rates import check_finite

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
SMALL = 1e-3
"""Smallest mean of an activation that is never 0 or 1, and smallest sd, at the start."""
INVERSES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "elu": lambda y: np.where(y > 0, y, np.log1p(np.maximum(y, SMALL - 1))),
    "exponential": lambda y: np.log(np.maximum(y, SMALL)),
    "leaky_relu": lambda y: np.where(y > 0, y, 100 * y),
    "linear": lambda y: y,
    "relu": lambda y: np.maximum(y, SMALL),
    "sigmoid": lambda y: -np.log(1 / np.clip(y, SMALL, 1 - SMALL) - 1),
    "softplus": lambda y: np.log(np.expm1(np.maximum(y, SMALL))),
    "tanh": lambda y: np.arctanh(np.clip(y, SMALL - 1, 1 - SMALL)),
}
"""Where an activation has a mean; others start at 0."""


@dataclass(frozen=True)
class NormalData:
    """Real numbers with mean (cells, features).

    The sd is a number, or log_sd, (1, features) or (cells, features), says it.
    """

    mean: Tensor
    sd: float | None
    log_sd: Tensor | None = None

    @property
    def spread(self) -> Tensor:
        """The sd, (), (1, features) or (cells, features)."""
        if self.log_sd is not None:
            return self.log_sd.exp()
        assert self.sd is not None
        return self.mean.new_full((), self.sd)

    @property
    def variance(self) -> Tensor:
        """(cells, features)."""
        return (self.spread**2).expand_as(self.mean)

    def log_prob(self, values: Rows) -> Tensor:
        """Log density of each cell, in nats, (cells,).

        Raises:
            InputError: If the sd is 0: a point has no density.
        """
        off = values.dense().to(self.mean.dtype) - self.mean
        n = off.shape[-1]
        if self.log_sd is not None:
            off = off * (-self.log_sd).exp()
            return -0.5 * (off * off).sum(-1) - self.log_sd.sum(-1) - n * HALF_LOG_TWO_PI
        if not self.sd:
            raise InputError("a normal head with sd = 0 is a point and has no density", "sd")
        scale, constant = -0.5 / self.sd**2, n * (HALF_LOG_TWO_PI + math.log(self.sd))
        return scale * (off * off).sum(-1) - constant

    def sample(self) -> Tensor:
        """One draw, (cells, features)."""
        if self.sd == 0:
            return self.mean
        return self.mean + self.spread * torch.randn_like(self.mean)


@part
class NormalHead:
    """Real numbers with mean act(W h + b).

    Args:
        act: Activation of the mean.
        sd: Standard deviation; 0 is a point, for generators; None learns one per feature.
    """

    act: str = "linear"
    sd: float | None = 1.0
    counts: ClassVar[bool] = False
    library: ClassVar[str] = "none"

    def check(self) -> None:
        check_choice(self.act, tuple(ACTIVATIONS), "act")
        if self.sd is not None and not self.sd >= 0:
            raise InputError(f"sd must be at least 0, or None to learn it, got {self.sd!r}", "sd")

    def maps(self) -> tuple[str, ...]:
        return ("mean",)

    def tables(self) -> Mapping[str, str | None]:
        return {"log_sd": None} if self.sd is None else {}

    def start(self, data: sparse.csr_matrix, library: np.ndarray) -> Mapping[str, np.ndarray]:
        """Feature means, and sds if they are learnt, (features,)."""
        mean = np.asarray(data.mean(0), dtype=float).ravel()
        start = {"mean": INVERSES.get(self.act, np.zeros_like)(mean)}
        if self.sd is None:
            square = np.asarray(data.multiply(data).mean(0), dtype=float).ravel()
            start["log_sd"] = 0.5 * np.log(np.maximum(square - mean**2, SMALL**2))
        return start

    def validate(self, data: sparse.csr_matrix) -> None:
        check_finite(data)

    def distribution(
        self, library: Tensor | None, mean: Tensor, log_sd: Tensor | None = None
    ) -> NormalData:
        return NormalData(ACTIVATIONS[self.act](mean), self.sd, log_sd)
