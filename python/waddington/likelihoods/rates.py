"""Expected counts: what all count heads share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..errors import BadValue, InputError, listed

LIBRARIES = ("observed", "size_factor", "none")
CHUNK = 1 << 22
"""Stored values looked at in one go when data are checked: 16 MB."""


@dataclass(frozen=True)
class Rates:
    """Expected counts from logits, (cells, genes), and what multiplies them, (cells, 1) or None.

    With `share`, the library is shared out: mean = library * softmax(logits); without,
    mean = library * exp(logits).
    """

    logits: Tensor
    library: Tensor | None
    share: bool

    @classmethod
    def of(cls, logits: Tensor, library: Tensor | None, kind: str) -> Rates:
        """`kind` is the head's `library`: "observed", "size_factor" or "none"."""
        return cls(logits, None if kind == "none" else library, kind == "observed")

    @cached_property
    def frequency(self) -> Tensor:
        """Expected share of the library, (cells, genes)."""
        return self.logits.softmax(-1)

    @cached_property
    def mean(self) -> Tensor:
        """Expected counts, (cells, genes)."""
        rate = self.frequency if self.share else self.logits.exp()
        return rate if self.library is None else self.library * rate


@dataclass(frozen=True)
class Expected:
    """What every distribution of counts says of its expected values."""

    rates: Rates

    @property
    def logits(self) -> Tensor:
        """What the decoder said, (cells, genes)."""
        return self.rates.logits

    @property
    def frequency(self) -> Tensor:
        """Expected share of the library, (cells, genes)."""
        return self.rates.frequency

    @property
    def mean(self) -> Tensor:
        """Expected counts, (cells, genes)."""
        return self.rates.mean


def check_library(library: str) -> None:
    """Raise an InputError unless it is one of LIBRARIES."""
    if library not in LIBRARIES:
        told = f"library must be one of {listed(LIBRARIES)}, got {library!r}"
        raise InputError(told, "library")


def start_logits(counts: sparse.csr_matrix, library: np.ndarray) -> np.ndarray:
    """Log of the mean count per unit of library, (genes,); half a count is added to each gene."""
    return np.log((np.asarray(counts.sum(0), dtype=float).ravel() + 0.5) / library.sum())


def check_counts(data: sparse.csr_matrix, head: str) -> None:
    """Raise a BadValue unless all values are counts: finite, not negative, whole."""
    check_finite(data)
    raw = "give the raw counts (they may be in another layer or assay)"
    report(data, lambda x: x < 0, "are negative", f"{head} needs counts: {raw}")
    other = f"{raw}, or use a Gaussian head for transformed values"
    report(
        data, lambda x: x != np.floor(x), "are not whole numbers", f"{head} needs counts: {other}"
    )


def check_finite(data: sparse.csr_matrix) -> None:
    """Raise a BadValue if a value is missing or infinite."""
    report(
        data,
        lambda x: ~np.isfinite(x),
        "are missing or infinite",
        "remove those cells or genes, or find out how such values came about",
    )


def report(data: sparse.csr_matrix, fault, said: str, remedy: str) -> None:  # noqa: ANN001
    """Raise a BadValue if a stored value is at fault, with how many and the first of them."""
    n, first = 0, -1
    for start in range(0, len(data.data), CHUNK):
        bad = np.flatnonzero(fault(data.data[start : start + CHUNK]))
        first = start + int(bad[0]) if len(bad) and not n else first
        n += len(bad)
    if n:
        cell = int(np.searchsorted(data.indptr, first, "right")) - 1
        told = f"{n} of the {data.nnz} non-zero values {said}"
        raise BadValue(told, float(data.data[first]), cell, int(data.indices[first]), remedy)


def draw_counts(rate: Tensor) -> Tensor:
    """Poisson draws, (cells, genes)."""
    return torch.poisson(rate)


def draw_logs(rate: Tensor) -> Tensor:
    """log(1 + k) of Poisson draws k, (cells, genes), through which gradients reach the rate.

    How the mean of any f(k) follows the rate is known: d E f(k) / d rate = E f(k + 1) - E f(k). So
    the gradient is f' times the step of log(1 + k) from k to k + 1, exact for an f that is linear
    along that step; what judges the draws may then see whole counts and their zeros.
    """
    counts = draw_counts(rate.detach())
    logs = torch.log1p(counts)
    return logs + (torch.log1p(counts + 1) - logs) * (rate - rate.detach())


def draw_gamma(shape: Tensor) -> Tensor:
    """Draws of Gamma(shape, 1), through which gradients reach the shape.

    The gradient is that of Wilson and Hilferty's cube of a normal, at the quantile that was drawn;
    for shapes above 0.3 it has the exact one's mean within 7 %, and correlates with it by 0.999.

    References:
        Wilson and Hilferty (1931), PNAS 17, 684.
    """
    fixed = shape.detach()
    drawn = torch._standard_gamma(fixed)
    root = (drawn / fixed).pow(1 / 3)
    slope = root * root * (1.5 - 0.5 * root + 1 / (6 * fixed))
    return drawn + slope * (shape - fixed)
