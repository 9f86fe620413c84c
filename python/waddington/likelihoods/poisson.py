"""Counts without overdispersion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse
from torch import Tensor

from .. import kernels
from ..cells import Rows
from ..parts import part
from .rates import (
    Expected,
    Rates,
    check_counts,
    check_library,
    draw_counts,
    draw_logs,
    start_logits,
)


@dataclass(frozen=True)
class PoissonCounts(Expected):
    """Counts whose variance is their mean."""

    @property
    def variance(self) -> Tensor:
        """Variance of the counts, (cells, genes)."""
        return self.rates.mean

    def log_prob(self, counts: Rows) -> Tensor:
        """Log probability of each cell, in nats, (cells,)."""
        return kernels.poisson(self.logits, self.rates.library, counts, self.rates.share)

    def sample(self) -> Tensor:
        """One draw, (cells, genes)."""
        return draw_counts(self.mean)

    @property
    def log_draw(self) -> Tensor:
        """log(1 + a draw), with a gradient, (cells, genes); another draw whenever it is read."""
        return draw_logs(self.mean)


@part
class Poisson:
    """Counts whose variance is their mean.

    Args:
        library: "observed": mean = library size * softmax(logits); "size_factor": mean =
            size factor * exp(logits); "none": mean = exp(logits).
    """

    library: str = "observed"
    counts: ClassVar[bool] = True

    def check(self) -> None:
        check_library(self.library)

    def maps(self) -> tuple[str, ...]:
        return ("logits",)

    def tables(self) -> Mapping[str, str | None]:
        return {}

    def start(self, data: sparse.csr_matrix, library: np.ndarray) -> Mapping[str, np.ndarray]:
        """Gene means times library size, (cells, 1)."""
        return {"logits": start_logits(data, library)}

    def validate(self, data: sparse.csr_matrix) -> None:
        check_counts(data, "the Poisson")

    def distribution(self, library: Tensor | None, logits: Tensor) -> PoissonCounts:
        return PoissonCounts(Rates.of(logits, library, self.library))
