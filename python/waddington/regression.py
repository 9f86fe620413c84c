"""Logistic regression of labels on principal components of log expression, as a value.

It is linear in genes once it is fitted, so it needs no components to predict, stays sparse, and
knows what to do about genes that were not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from .stream import FileRows, blocks_of

PER = 1e4
"""Counts per cell that shares are told of."""
MOST = 10.0
"""No standardised value is larger."""
COMPONENTS = 50
ABSENT = -30.0
"""The logit of a label that no cell has: as good as impossible."""
FIELDS = ("weight", "bias", "loc", "top", "share")
PREFIX = "labels"


@dataclass(frozen=True, eq=False)
class Regression:
    """Logits are min(log(1 + counts per 10,000), top) @ weight + bias.

    Attributes:
        weight: (genes, labels).
        bias: (labels,).
        loc: Mean log expression of each gene in the reference, (genes,).
        top: Where log expression is cut, ten sds above that, (genes,).
        share: Of each gene in all counts of the reference, (genes,); they sum to 1.
    """

    weight: np.ndarray
    bias: np.ndarray
    loc: np.ndarray
    top: np.ndarray
    share: np.ndarray

    @classmethod
    def on(cls, found: Components, codes: np.ndarray, n_labels: int) -> Regression:
        """Of labels 0 to n_labels - 1, from the components of labelled cells.

        Args:
            found: Of the cells.
            codes: Their labels, (cells,).
            n_labels: How many there are, whether a cell has them or not.
        """
        inner, bias = regress(found.scores, codes, n_labels)
        weight = (found.loadings @ inner) / found.sd[:, None]
        top = found.loc + MOST * found.sd
        arrays = weight, bias - found.loc @ weight, found.loc, top, found.share
        return cls(*(np.asarray(a, np.float32) for a in arrays))

    def logits(self, counts: sparse.csr_matrix | FileRows) -> np.ndarray:
        """(cells, labels), from counts (cells, genes)."""
        found = [np.zeros((0, len(self.bias)))]
        for _, block in blocks_of(counts):
            x = log_shares(block, float(self.share.sum()))
            x.data = np.minimum(x.data, self.top[x.indices])
            found.append(x @ self.weight.astype(np.float64) + self.bias)
        return np.concatenate(found)

    def narrowed(self, keep: np.ndarray) -> Regression:
        """For cells in which only the genes at `keep` were measured: others are at their mean."""
        absent = np.setdiff1d(np.arange(len(self.loc)), keep)
        bias = self.bias + self.loc[absent] @ self.weight[absent]
        per_gene = {k: getattr(self, k)[keep] for k in FIELDS if k != "bias"}
        return replace(self, bias=bias, **per_gene)

    def arrays(self, covariate: str) -> dict[str, np.ndarray]:
        """By the names that they have among the weights of a model."""
        return {f"{PREFIX}.{covariate}.{k}": getattr(self, k) for k in FIELDS}

    @classmethod
    def among(cls, weights: Mapping[str, np.ndarray], covariate: str) -> Regression | None:
        """The regression of a covariate that a model carries, or None."""
        names = [f"{PREFIX}.{covariate}.{k}" for k in FIELDS]
        return cls(*(np.asarray(weights[k]) for k in names)) if names[0] in weights else None


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of standardised log expression.

    Attributes:
        scores: (cells, n).
        loadings: (genes, n).
        loc, sd: Of log expression, (genes,).
        share: Of each gene in all counts, (genes,).
    """

    scores: np.ndarray
    loadings: np.ndarray
    loc: np.ndarray
    sd: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, counts: sparse.csr_matrix, n: int = COMPONENTS, seed: int = 0) -> Components:
        """From counts (cells, genes), which are dense on the way."""
        from sklearn.decomposition import PCA

        x = log_shares(counts).toarray().astype(np.float32)
        loc, sd = x.mean(0), x.std(0)
        sd = np.where(sd > 0, sd, 1.0)
        x = np.minimum((x - loc) / sd, MOST)
        pca = PCA(min(n, *x.shape), random_state=seed).fit(x)
        share = np.asarray(counts.sum(0), dtype=np.float64).ravel()
        share = share / max(share.sum(), 1.0)
        return cls(x @ pca.components_.T, pca.components_.T, loc, sd, share)


def regress(scores: np.ndarray, codes: np.ndarray, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, labels) and bias (labels,) of logistic regression on scores (cells, n)."""
    from sklearn.linear_model import LogisticRegression

    there = np.unique(codes)
    weight, bias = np.zeros((scores.shape[1], n_labels)), np.full(n_labels, ABSENT)
    if len(there) < 2:
        bias[there] = 0.0
        return weight, bias
    model = LogisticRegression(max_iter=2000).fit(scores, codes)
    inner, start = model.coef_.T, model.intercept_
    if len(there) == 2:
        inner, start = np.hstack([-inner, inner]) / 2, np.concatenate([-start, start]) / 2
    weight[:, there], bias[there] = inner, start
    return weight, bias


def out_of_fold(
    counts: sparse.csr_matrix, codes: np.ndarray, folds: np.ndarray, n_labels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of cells by regressions that have not seen their fold, and which cells have them.

    A cell whose label is in its own fold only has none. Components are of the other folds too, or
    they would know how batches differ.

    Args:
        counts: (cells, genes).
        codes: Labels, (cells,).
        folds: (cells,).
        n_labels: How many labels there are.

    Returns:
        Logits, (cells, labels), and bools, (cells,).
    """
    logits, told = np.zeros((len(codes), n_labels)), np.zeros(len(codes), bool)
    for fold in np.unique(folds):
        out = folds == fold
        if out.all():
            continue
        found = Regression.on(Components.of(counts[~out]), codes[~out], n_labels)
        logits[out] = found.logits(counts[out])
        told |= out & np.isin(codes, codes[~out])
    return logits, told


def regressions_of(weights: Iterable[str]) -> tuple[str, ...]:
    """The covariates that a model carries regressions of."""
    end = f".{FIELDS[0]}"
    mine = [k for k in weights if k.startswith(f"{PREFIX}.") and k.endswith(end)]
    return tuple(k[len(PREFIX) + 1 : -len(end)] for k in mine)


def logistic_regression(
    reference: sparse.csr_matrix, labels: Sequence[str], query: sparse.csr_matrix
) -> tuple[np.ndarray, np.ndarray]:
    """What it says of other cells, by itself: to be beaten.

    Args:
        reference: Counts, (cells, genes).
        labels: One per cell of the reference.
        query: Counts of other cells, the same genes.

    Returns:
        Probabilities, (query cells, labels), and the labels in their order.
    """
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    logits = Regression.on(Components.of(reference), codes, len(names)).logits(query)
    up = np.exp(logits - logits.max(1, keepdims=True))
    return up / up.sum(1, keepdims=True), names


def log_shares(counts: sparse.csr_matrix, covered: float = 1.0) -> sparse.csr_matrix:
    """log(1 + counts per 10,000), (cells, genes).

    Args:
        counts: (cells, genes).
        covered: The share of a cell's counts that these genes have.
    """
    x = sparse.csr_matrix(counts, dtype=np.float64)
    total = np.maximum(np.asarray(x.sum(1)), 1.0)
    return sparse.csr_matrix(x.multiply(PER * covered / total)).log1p()
