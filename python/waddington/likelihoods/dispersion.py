"""Theta: by what it varies, and where it starts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..errors import InputError
from ..kernels import gamma_steps

STORED = 500_000
"""Stored counts looked at: more do not change a starting value."""
PIECE = 50_000
"""Entries looked at in one go: 400 kB for each number of them."""
BINS = 50
LOWEST, HIGHEST, STEPS = -5.0, 7.0, 13
LIFT = {"log_theta": 1.0}
"""What training adds to the trivial model's log theta at the start: cell states will explain some
of the variance. Held-out bounds of sets of 1,200 to 2,660 cells end about 2 nats better, of 12,261
cells no different (`tests/benchmarks/evaluate_start.py`)."""
PRIOR_SD = 2.0
"""Of log theta about 0: decides where a gene has hardly any counts, and nowhere else."""


def tables_of(dispersion: str) -> dict[str, str | None]:
    """The table that keeps log theta, if one does."""
    if dispersion == "gene-cell":
        return {}
    return {"log_theta": None if dispersion == "gene" else dispersion.removeprefix("gene-")}


def maps_of(dispersion: str) -> tuple[str, ...]:
    """The map that makes log theta, if one does."""
    return ("log_theta",) if dispersion == "gene-cell" else ()


def check_dispersion(dispersion: str) -> None:
    """Raise an InputError for a word that says nothing."""
    if dispersion != "gene" and not (dispersion.startswith("gene-") and len(dispersion) > 5):
        raise InputError(
            "dispersion must be 'gene', 'gene-cell', or 'gene-' and the name of a covariate such "
            f"as 'gene-batch'; got {dispersion!r}",
            "dispersion",
        )


def start_log_theta(
    counts: sparse.csr_matrix, library: np.ndarray, logits: np.ndarray
) -> np.ndarray:
    """The most likely log theta of each gene if means are library * exp(logits), (genes,).

    By bisection of the slope of the log likelihood, which is exact at the stored counts and takes
    the library at zeros from 50 quantiles. A weak prior speaks for genes without data.
    """
    step = max(1, -(-counts.nnz // STORED))
    library = library[::step].ravel()
    stored, rate, sizes = counts[::step].tocsc(), np.exp(logits), _quantiles(library)
    found = []
    for a, b in _pieces(stored.indptr):
        here = slice(stored.indptr[a], stored.indptr[b])
        gene = np.repeat(np.arange(b - a), np.diff(stored.indptr[a : b + 1]))
        expected = library[stored.indices[here]] * rate[a:b][gene]
        entries = map(torch.from_numpy, (stored.data[here], gene, expected))
        found.append(_bisected(_Entries(*entries), sizes[0][:, None] * rate[a:b], sizes[1]))
    return np.concatenate(found)


class _Entries(NamedTuple):
    """Stored counts, (values,), their genes from 0 on, and what is expected in their place."""

    counts: Tensor
    gene: Tensor
    expected: Tensor


def _pieces(indptr: np.ndarray) -> Iterator[tuple[int, int]]:
    """Bounds of runs of genes, so that one run takes little memory."""
    work = indptr[1:].astype(np.int64) + BINS * np.arange(1, len(indptr))
    cuts = np.flatnonzero(np.diff(work // PIECE)) + 1
    return pairwise([0, *cuts.tolist(), len(work)])


def _bisected(some: _Entries, at_zeros: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Where the slope is 0, (genes,); `at_zeros` is (bins, genes), `cells` (bins,)."""
    zeros, groups = torch.from_numpy(at_zeros), torch.from_numpy(cells)
    low = torch.full((zeros.shape[1],), LOWEST, dtype=torch.double)
    high = torch.full_like(low, HIGHEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        up = _slope(middle, some, zeros, groups) > 0
        low, high = torch.where(up, middle, low), torch.where(up, high, middle)
    return ((low + high) / 2).numpy()


def _slope(log_theta: Tensor, some: _Entries, at_zeros: Tensor, cells: Tensor) -> Tensor:
    """Slope of the log posterior in log theta, (genes,)."""
    theta, x = log_theta.exp(), some.counts.double()
    ratio = at_zeros / theta
    slope = theta * (cells @ (ratio / (1 + ratio) - ratio.log1p())) - log_theta / PRIOR_SD**2
    here = theta[some.gene]
    rises = gamma_steps(x.float(), here.float())[1] * here - x * here / (here + some.expected)
    return slope.index_add_(0, some.gene, rises)


def _quantiles(library: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of equal groups of cells by library, and their sizes."""
    groups = np.array_split(np.sort(library), min(BINS, len(library)))
    return np.array([g.mean() for g in groups]), np.array([float(len(g)) for g in groups])
