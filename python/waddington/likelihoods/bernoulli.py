"""Features that are there or not, as open chromatin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from .. import kernels
from ..cells import Rows
from ..parts import part
from .rates import report


@dataclass(frozen=True)
class Presence:
    """Zeros and ones with logits (cells, features)."""

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """Probability of a one, (cells, features)."""
        return self.logits.sigmoid()

    @property
    def variance(self) -> Tensor:
        """(cells, features)."""
        return self.mean * (1 - self.mean)

    def log_prob(self, values: Rows) -> Tensor:
        """Log probability of each cell, in nats, (cells,)."""
        return kernels.bernoulli(self.logits, values)

    def sample(self) -> Tensor:
        """One draw, (cells, features)."""
        return torch.bernoulli(self.mean)


@part
class Bernoulli:
    """Zeros and ones."""

    counts: ClassVar[bool] = False
    library: ClassVar[str] = "none"

    def maps(self) -> tuple[str, ...]:
        return ("logits",)

    def tables(self) -> Mapping[str, str | None]:
        return {}

    def start(self, data: sparse.csr_matrix, library: np.ndarray) -> Mapping[str, np.ndarray]:
        """How often each feature is there, as logits, (features,)."""
        ones = np.asarray(data.sum(0), dtype=float).ravel()
        return {"logits": np.log((ones + 0.5) / (data.shape[0] - ones + 0.5))}

    def validate(self, data: sparse.csr_matrix) -> None:
        report(
            data,
            lambda x: (x != 0) & (x != 1),
            "are neither 0 nor 1",
            "the Bernoulli head needs presence or absence: binarise them with x > 0",
        )

    def distribution(self, library: Tensor | None, logits: Tensor) -> Presence:
        return Presence(logits)
