"""Overdispersed counts."""

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
from .dispersion import LIFT, check_dispersion, maps_of, start_log_theta, tables_of
from .rates import (
    Expected,
    Rates,
    check_counts,
    check_library,
    draw_counts,
    draw_gamma,
    draw_logs,
    start_logits,
)


@dataclass(frozen=True)
class NBCounts(Expected):
    """Counts with expected values `rates` and variance mean + mean²/theta.

    log_theta is (1, genes) or (cells, genes).
    """

    log_theta: Tensor

    @property
    def variance(self) -> Tensor:
        """Variance of the counts, (cells, genes)."""
        return self.mean + self.mean**2 / self.log_theta.exp()

    def log_prob(self, counts: Rows) -> Tensor:
        """Log probability of each cell, in nats, (cells,)."""
        r = self.rates
        return kernels.nb(r.logits, self.log_theta, r.library, counts, r.share)

    def sample(self) -> Tensor:
        """One draw, a Gamma-Poisson mixture, (cells, genes)."""
        return draw_counts(self._drawn_rate())

    @property
    def log_draw(self) -> Tensor:
        """log(1 + a draw), with a gradient, (cells, genes); another draw whenever it is read."""
        return draw_logs(self._drawn_rate())

    def _drawn_rate(self) -> Tensor:
        """Gamma draws around the mean, with a gradient, (cells, genes)."""
        theta = self.log_theta.exp().expand_as(self.logits)
        return draw_gamma(theta) * self.mean / theta


@part
class NegativeBinomial:
    """Counts with variance mean + mean²/theta.

    Args:
        dispersion: What theta varies by: "gene", "gene-cell" (a linear map of h), or "gene-" and
            the name of a covariate, as "gene-batch".
        library: "observed": mean = library size * softmax(logits); "size_factor": mean =
            size factor * exp(logits); "none": mean = exp(logits).
    """

    dispersion: str = "gene"
    library: str = "observed"
    counts: ClassVar[bool] = True
    lift: ClassVar[Mapping[str, float]] = LIFT

    def check(self) -> None:
        check_dispersion(self.dispersion)
        check_library(self.library)

    def maps(self) -> tuple[str, ...]:
        return ("logits", *maps_of(self.dispersion))

    def tables(self) -> Mapping[str, str | None]:
        return tables_of(self.dispersion)

    def start(self, data: sparse.csr_matrix, library: np.ndarray) -> Mapping[str, np.ndarray]:
        """Gene means times library size (cells, 1), and the most likely theta of each gene."""
        logits = start_logits(data, library)
        return {"logits": logits, "log_theta": start_log_theta(data, library, logits)}

    def validate(self, data: sparse.csr_matrix) -> None:
        check_counts(data, "the negative binomial")

    def distribution(self, library: Tensor | None, logits: Tensor, log_theta: Tensor) -> NBCounts:
        return NBCounts(Rates.of(logits, library, self.library), log_theta)
