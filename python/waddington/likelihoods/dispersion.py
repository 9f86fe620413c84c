"""Theta: by what it varies, and where it starts."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..errors import InputError
from ..kernels import gamma_steps

STORED = 500_000
"""Stored counts looked at: more do not change a starting value."""
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
    counts, library = counts[::step], library[::step].ravel()
    some = counts.tocoo()
    rate = np.exp(logits)
    x, gene = torch.from_numpy(some.data).double(), torch.from_numpy(some.col).long()
    at_counts = torch.from_numpy(library[some.row] * rate[some.col])
    sizes, cells = _quantiles(library)
    at_zeros = torch.from_numpy(sizes[:, None] * rate)
    low = torch.full((len(rate),), LOWEST, dtype=torch.double)
    high = torch.full_like(low, HIGHEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        up = _slope(middle, x, gene, at_counts, at_zeros, torch.from_numpy(cells)) > 0
        low, high = torch.where(up, middle, low), torch.where(up, high, middle)
    return ((low + high) / 2).numpy()


def _slope(
    log_theta: Tensor, x: Tensor, gene: Tensor, at_counts: Tensor, at_zeros: Tensor, cells: Tensor
) -> Tensor:
    """Slope of the log posterior in log theta, (genes,)."""
    theta = log_theta.exp()
    ratio = at_zeros / theta
    slope = theta * (cells @ (ratio / (1 + ratio) - ratio.log1p())) - log_theta / PRIOR_SD**2
    here = theta[gene]
    rises = gamma_steps(x.float(), here.float())[1] * here - x * here / (here + at_counts)
    return slope.index_add_(0, gene, rises)


def _quantiles(library: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of equal groups of cells by library, and their sizes."""
    groups = np.array_split(np.sort(library), min(BINS, len(library)))
    return np.array([g.mean() for g in groups]), np.array([float(len(g)) for g in groups])
