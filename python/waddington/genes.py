"""Genes by name: which vary, which kind of identifier they have, which are missing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from scipy import sparse

KINDS = {
    "Ensembl gene": r"ENS[A-Z]*G\d{6,}(\.\d+)?",
    "Ensembl transcript": r"ENS[A-Z]*T\d{6,}(\.\d+)?",
    "Entrez": r"\d+",
    "human symbol": r"[A-Z][A-Z0-9]*([-.][A-Z0-9]+)*|C\d+orf\d+",
    "mouse symbol": r"[A-Z][a-z0-9]+([-.][A-Za-z0-9]+)*|\d+[A-Z]\d+Rik",
}
"""Regular expressions by kind of identifier; the first that fits most names wins."""
TREND_DEGREE = 2


def identifier_kind(names: Sequence[str]) -> str:
    """The kind of identifier that most names look like, or "unknown"."""
    names = [str(n) for n in names]
    share = {
        k: sum(re.fullmatch(p, n) is not None for n in names) / max(1, len(names))
        for k, p in KINDS.items()
    }
    best = max(share, key=share.__getitem__)
    return best if share[best] > 0.5 else "unknown"


def variable_genes(
    counts: sparse.spmatrix, n: int = 2000, batches: Sequence[str] | np.ndarray | None = None
) -> np.ndarray:
    """Places of the n genes whose counts vary most for their mean, in the order of the genes.

    Variances are of counts standardised by the trend of log variance over log mean, cut at
    sqrt(cells). With batches, genes are ranked in each, and the median rank counts.

    Args:
        counts: Raw counts, (cells, genes).
        n: How many genes.
        batches: One level per cell, or None.

    References:
        Stuart et al. (2019), Cell 177, 1888.
    """
    counts = sparse.csr_matrix(counts, dtype=np.float64)
    levels = np.zeros(counts.shape[0]) if batches is None else np.asarray(batches)
    ranks = []
    for level in np.unique(levels):
        spread = standardised_variance(counts[levels == level])
        ranks.append(np.argsort(np.argsort(-spread, kind="stable"), kind="stable"))
    chosen = np.argsort(np.median(ranks, axis=0), kind="stable")[:n]
    return np.sort(chosen)


def standardised_variance(counts: sparse.csr_matrix) -> np.ndarray:
    """Variance of each gene over what its mean makes one expect, (genes,)."""
    cells = counts.shape[0]
    mean = np.asarray(counts.mean(0)).ravel()
    variance = np.asarray(counts.multiply(counts).mean(0)).ravel() - mean**2
    seen = (mean > 0) & (variance > 0)
    if not seen.any():
        return np.zeros(len(mean))
    x, y = np.log10(mean[seen]), np.log10(variance[seen])
    sd = np.ones(len(mean))
    sd[seen] = np.sqrt(10 ** np.polyval(np.polyfit(x, y, TREND_DEGREE), x))
    column = counts.tocsc()
    gene = np.repeat(np.arange(len(mean)), np.diff(column.indptr))
    top = np.sqrt(cells)
    off = np.minimum((column.data - mean[gene]) / sd[gene], top)
    square = np.bincount(gene, off**2, minlength=len(mean))
    zeros = cells - np.diff(column.indptr)
    return (square + zeros * (mean / sd) ** 2) / max(1, cells - 1) * seen
