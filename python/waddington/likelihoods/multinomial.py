"""How a given number of counts spreads over features."""

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
from .rates import Expected, Rates, check_counts, start_logits


@dataclass(frozen=True)
class MultinomialCounts(Expected):
    """Counts that share out a cell's total, which is taken from the data."""

    @property
    def variance(self) -> Tensor:
        """Variance of the counts, (cells, features)."""
        return self.mean * (1 - self.frequency)

    def log_prob(self, counts: Rows) -> Tensor:
        """Log probability of each cell given its total, in nats, (cells,)."""
        return kernels.multinomial(self.logits, counts)

    def sample(self) -> Tensor:
        """One draw, (cells, features); totals are rounded."""
        assert self.rates.library is not None  # the head observes it
        total = self.rates.library.round()
        most = int(total.max())
        drawn = torch.multinomial(self.frequency, most, replacement=True)
        counted = (torch.arange(most, device=total.device) < total).to(self.logits.dtype)
        return torch.zeros_like(self.logits).scatter_add_(1, drawn, counted)


@part
class Multinomial:
    """Counts that share out a cell's total by softmax(logits)."""

    counts: ClassVar[bool] = True
    library: ClassVar[str] = "observed"

    def maps(self) -> tuple[str, ...]:
        return ("logits",)

    def tables(self) -> Mapping[str, str | None]:
        return {}

    def start(self, data: sparse.csr_matrix, library: np.ndarray) -> Mapping[str, np.ndarray]:
        """The overall share of each feature."""
        return {"logits": start_logits(data, library)}

    def validate(self, data: sparse.csr_matrix) -> None:
        check_counts(data, "the multinomial")

    def distribution(self, library: Tensor, logits: Tensor) -> MultinomialCounts:
        return MultinomialCounts(Rates.of(logits, library, self.library))
