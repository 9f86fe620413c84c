"""How well batches are mixed and types are kept: always both, always beside simple answers.

A random embedding mixes perfectly and keeps nothing; no integration keeps much and mixes little.
Every score is 0 to 1, 1 is good, and NaN where the data can't tell.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse, stats

from .communities import leiden, neighbour_graph
from .metrics import Labels, batch_silhouette, cluster_scores, label_silhouette

RESOLUTIONS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
PERPLEXITY, LISI_NEIGHBOURS = 30.0, 90
RANDOM_DIMENSIONS = 10


def integration_metrics(
    embeddings: Mapping[str, np.ndarray],
    batches: Labels,
    labels: Labels,
    counts: sparse.spmatrix | np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """A table with a row for each embedding, for no integration, and for a random embedding.

    Args:
        embeddings: Positions of cells by name, (cells, n) each.
        batches: One level per cell.
        labels: One per cell: what is to be kept.
        counts: Raw counts, (cells, genes), from which the row "PCA" is made; None leaves it out.
        seed: Of clusterings and of the random embedding.

    Returns:
        By row, the scores of `conservation` and `mixing`.
    """
    rows = dict(embeddings)
    if counts is not None:
        rows = {"PCA": log_components(counts, seed=seed), **rows}
    rng = np.random.default_rng(seed)
    rows["random"] = rng.normal(size=(len(labels), RANDOM_DIMENSIONS))
    batches, labels = np.asarray(batches).astype(str), np.asarray(labels).astype(str)
    return {
        name: {**conservation(z, labels, batches, seed), **mixing(z, batches, labels)}
        for name, z in rows.items()
    }


def conservation(
    z: np.ndarray, labels: np.ndarray, batches: np.ndarray | None = None, seed: int = 0
) -> dict[str, float]:
    """What is left of the labels.

    Args:
        z: Positions, (cells, n).
        labels: One per cell.
        batches: One per cell, for the labels that few batches have; None leaves those out.
        seed: Of the clusterings.

    Returns:
        "ari_kmeans" and "nmi_kmeans" with as many clusters as labels; "ari_leiden" and "nmi_leiden"
        at the best (by nmi) of 8 resolutions; "silhouette" of the labels; "clisi", how pure
        neighbourhoods are; and "isolated", the silhouette of the labels in the fewest batches.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    means = cluster_scores(z, labels, seed=seed)
    graph = neighbour_graph(z)
    found = [leiden(graph, r, seed) for r in RESOLUTIONS]
    nmi = [normalized_mutual_info_score(labels, f) for f in found]
    best = int(np.argmax(nmi))
    scores = {
        "ari_kmeans": means["ari"],
        "nmi_kmeans": means["nmi"],
        "ari_leiden": float(adjusted_rand_score(labels, found[best])),
        "nmi_leiden": float(nmi[best]),
        "silhouette": label_silhouette(z, labels),
        "clisi": _scaled(len(np.unique(labels)), lisi(z, labels), pure=True),
    }
    if batches is not None:
        scores["isolated"] = isolated_silhouette(z, labels, batches)
    return scores


def mixing(z: np.ndarray, batches: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """How well batches are mixed.

    Args:
        z: Positions, (cells, n).
        batches: One per cell.
        labels: One per cell: batches are to be mixed within labels.

    Returns:
        "batch_silhouette", 1 - |silhouette| of batches within labels; "ilisi", how many batches a
        neighbourhood has; "connectivity", the share of a label's cells that hang together in the
        neighbour graph; "kbet", the share of neighbourhoods whose batches are as in their label.
    """
    return {
        "batch_silhouette": batch_silhouette(z, batches, labels),
        "ilisi": _scaled(len(np.unique(batches)), lisi(z, batches)),
        "connectivity": connectivity(z, labels),
        "kbet": neighbourhood_acceptance(z, batches, labels),
    }


def log_components(counts: sparse.spmatrix | np.ndarray, n: int = 50, seed: int = 0) -> np.ndarray:
    """Principal components of standardised log(1 + counts per 10,000), (cells, n).

    This is no integration. Standardised values are cut at 10.
    """
    from sklearn.decomposition import PCA

    x = sparse.csr_matrix(counts, dtype=np.float64)
    total = np.maximum(np.asarray(x.sum(1)), 1.0)
    log = np.asarray(x.multiply(1e4 / total).log1p().todense())
    sd = log.std(0)
    log = np.clip((log - log.mean(0)) / np.where(sd > 0, sd, 1.0), -10, 10)
    return PCA(min(n, *log.shape), random_state=seed).fit_transform(log)


def lisi(z: np.ndarray, levels: Labels) -> np.ndarray:
    """How many levels the neighbourhood of each cell has, (cells,), from 1 to their number.

    The 90 nearest are weighed by exp(-distance / width), the width such that perplexity is 30.

    References:
        Korsunsky et al. (2019), Nature Methods 16, 1289.
    """
    from sklearn.neighbors import NearestNeighbors

    codes = np.unique(np.asarray(levels), return_inverse=True)[1]
    k = min(LISI_NEIGHBOURS, len(z) - 1)
    far, near = NearestNeighbors(n_neighbors=k).fit(z).kneighbors()
    weight = _kernel(far, np.log(min(PERPLEXITY, k / 3)))
    share = [(weight * (codes[near] == c)).sum(1) for c in range(codes.max() + 1)]
    return 1 / np.square(share).sum(0)


def connectivity(z: np.ndarray, labels: np.ndarray, k: int = 15) -> float:
    """Mean over labels of the share of cells in its largest piece of the neighbour graph.

    References:
        Luecken et al. (2022), Nature Methods 19, 41.
    """
    from sklearn.neighbors import kneighbors_graph

    graph, shares = kneighbors_graph(z, min(k, len(z) - 1)), []
    for label in np.unique(labels):
        here = np.flatnonzero(labels == label)
        pieces = sparse.csgraph.connected_components(graph[here][:, here], directed=False)[1]
        shares.append(np.bincount(pieces).max() / len(here))
    return float(np.mean(shares))


def neighbourhood_acceptance(
    z: np.ndarray, batches: np.ndarray, labels: np.ndarray, k: int = 25, level: float = 0.05
) -> float:
    """Share of cells whose neighbours of the same label have batches as that label has.

    By a chi-squared test of the k nearest; a mean over labels with at least 4 k cells and two
    batches.

    References:
        Büttner et al. (2019), Nature Methods 16, 43.
    """
    from sklearn.neighbors import NearestNeighbors

    accepted = []
    for label in np.unique(labels):
        here = labels == label
        names, codes, sizes = np.unique(batches[here], return_inverse=True, return_counts=True)
        if here.sum() < 4 * k or len(names) < 2:
            continue
        near = NearestNeighbors(n_neighbors=k).fit(z[here]).kneighbors(return_distance=False)
        seen = (codes[near][:, :, None] == np.arange(len(names))).sum(1)
        expected = k * sizes / sizes.sum()
        statistic = ((seen - expected) ** 2 / expected).sum(1)
        accepted.append(np.mean(stats.chi2.sf(statistic, len(names) - 1) >= level))
    return float(np.mean(accepted)) if accepted else float("nan")


def isolated_silhouette(z: np.ndarray, labels: np.ndarray, batches: np.ndarray) -> float:
    """Mean scaled silhouette of the labels that the fewest batches have; NaN if all have all."""
    from sklearn.metrics import silhouette_samples

    names = np.unique(labels)
    n_batches = np.array([len(np.unique(batches[labels == k])) for k in names])
    if n_batches.min() == len(np.unique(batches)):
        return float("nan")
    scores = []
    for name in names[n_batches == n_batches.min()]:
        mine = labels == name
        scores.append((silhouette_samples(z, mine)[mine].mean() + 1) / 2)
    return float(np.mean(scores))


def _scaled(n: int, values: np.ndarray, pure: bool = False) -> float:
    """The median, from [1, n] to [0, 1]; reversed for `pure`."""
    if n < 2:
        return float("nan")
    middle = float(np.median(values))
    return (n - middle) / (n - 1) if pure else (middle - 1) / (n - 1)


def _kernel(far: np.ndarray, entropy: float) -> np.ndarray:
    """Weights of neighbours at these distances, (cells, k), that sum to 1 and have that entropy."""
    far = far - far[:, :1]
    low, high = np.full(len(far), 1e-12), np.full(len(far), 1e12)
    for _ in range(60):
        rate = np.sqrt(low * high)
        weight = np.exp(-far * rate[:, None])
        weight /= weight.sum(1, keepdims=True)
        wide = -(weight * np.log(np.maximum(weight, 1e-300))).sum(1) > entropy
        low, high = np.where(wide, rate, low), np.where(wide, high, rate)
    return weight
