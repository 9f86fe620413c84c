"""Overdispersed counts with extra zeros."""

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
from .dispersion import LIFT, check_dispersion, maps_of, start_log_theta, tables_of
from .negative_binomial import NBCounts
from .rates import Rates, check_counts, check_library, start_logits

START_ZERO_LOGIT = -5.0


@dataclass(frozen=True)
class ZINBCounts:
    """Counts that are 0 with probability sigmoid(zero_logits), else `present`, (cells, genes)."""

    present: NBCounts
    zero_logits: Tensor

    @property
    def logits(self) -> Tensor:
        """What the decoder said of the expected counts, (cells, genes)."""
        return self.present.logits

    @property
    def log_theta(self) -> Tensor:
        """Log inverse dispersion, (1, genes) or (cells, genes)."""
        return self.present.log_theta

    @property
    def frequency(self) -> Tensor:
        """Expected share of the library but for extra zeros, (cells, genes)."""
        return self.present.frequency

    @property
    def zero_prob(self) -> Tensor:
        """Extra-zero probability, (cells, genes)."""
        return self.zero_logits.sigmoid()

    @property
    def mean(self) -> Tensor:
        """Expected counts, (cells, genes)."""
        return (1 - self.zero_prob) * self.present.mean

    @property
    def variance(self) -> Tensor:
        """Variance of the counts, (cells, genes)."""
        there, mean = 1 - self.zero_prob, self.present.mean
        return there * (self.present.variance + (1 - there) * mean**2)

    def log_prob(self, counts: Rows) -> Tensor:
        """Log probability of each cell, in nats, (cells,)."""
        r = self.present.rates
        return kernels.zinb(r.logits, self.log_theta, self.zero_logits, r.library, counts, r.share)

    def sample(self) -> Tensor:
        """One draw, (cells, genes)."""
        return self.present.sample() * (torch.rand_like(self.zero_logits) >= self.zero_prob)


@part
class ZeroInflatedNegativeBinomial:
    """Counts of a negative binomial, or an extra zero with a probability per cell and gene.

    Args:
        dispersion: What theta varies by, as in `NegativeBinomial`.
        library: What multiplies the mean, as in `NegativeBinomial`.
    """

    dispersion: str = "gene"
    library: str = "observed"
    counts: ClassVar[bool] = True
    lift: ClassVar[Mapping[str, float]] = LIFT

    def check(self) -> None:
        check_dispersion(self.dispersion)
        check_library(self.library)

    def maps(self) -> tuple[str, ...]:
        return ("logits", "zero_logits", *maps_of(self.dispersion))

    def tables(self) -> Mapping[str, str | None]:
        return tables_of(self.dispersion)

    def start(self, data: sparse.csr_matrix, library: np.ndarray) -> Mapping[str, np.ndarray]:
        """The trivial negative binomial, (features,) each, with hardly any extra zeros."""
        logits = start_logits(data, library)
        return {
            "logits": logits,
            "log_theta": start_log_theta(data, library, logits),
            "zero_logits": np.full(len(logits), START_ZERO_LOGIT),
        }

    def validate(self, data: sparse.csr_matrix) -> None:
        check_counts(data, "the zero-inflated negative binomial")

    def distribution(
        self, library: Tensor | None, logits: Tensor, log_theta: Tensor, zero_logits: Tensor
    ) -> ZINBCounts:
        rates = Rates.of(logits, library, self.library)
        return ZINBCounts(NBCounts(rates, log_theta), zero_logits)
