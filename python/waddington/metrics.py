"""How good results are, each number with the simple answer it must beat.

Arrays are (cells, features) or (cells, n); labels are one per cell. Scikit-learn does the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from scipy import sparse, stats

from .errors import InputError

Matrix: TypeAlias = np.ndarray | sparse.spmatrix
"""Expression, (cells, genes)."""
Labels: TypeAlias = Sequence[str] | np.ndarray
"""One per cell."""


def cluster_scores(
    z: np.ndarray, labels: Labels, method: str = "kmeans", seed: int = 0
) -> dict[str, float]:
    """Agreement of labels with as many clusters as there are labels.

    Args:
        z: Positions of cells, (cells, n).
        labels: One per cell.
        method: "kmeans", or "graph": spectral clustering of the graph of 15 nearest neighbours.
        seed: Of the clustering.

    Returns:
        "ari", the adjusted Rand index (0 is chance, 1 is perfect), and "nmi", the normalised mutual
        information (0 to 1).

    Raises:
        InputError: If the method is another one.
    """
    from sklearn.cluster import KMeans, SpectralClustering
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    k = len(np.unique(labels))
    if method == "kmeans":
        found = KMeans(k, n_init=10, random_state=seed).fit_predict(z)
    elif method == "graph":
        how = SpectralClustering(k, affinity="nearest_neighbors", n_neighbors=15, random_state=seed)
        found = how.fit_predict(z)
    else:
        raise InputError(f'method must be "kmeans" or "graph", got {method!r}', "method")
    return {
        "ari": float(adjusted_rand_score(labels, found)),
        "nmi": float(normalized_mutual_info_score(labels, found)),
    }


def label_silhouette(z: np.ndarray, labels: Labels) -> float:
    """How compact labels are: mean silhouette width scaled to 0 (mixed up) to 1 (compact).

    References:
        Luecken et al. (2022), Nature Methods 19, 41.
    """
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(z, labels) + 1) / 2


def batch_silhouette(z: np.ndarray, batches: Labels, labels: Labels) -> float:
    """How mixed batches are within labels: mean over labels of 1 - |silhouette|; 1 is mixed.

    References:
        Luecken et al. (2022), Nature Methods 19, 41.
    """
    from sklearn.metrics import silhouette_samples

    batches, labels, scores = np.asarray(batches), np.asarray(labels), []
    for label in np.unique(labels):
        here = labels == label
        if 1 < len(np.unique(batches[here])) < here.sum():
            scores.append(np.mean(1 - np.abs(silhouette_samples(z[here], batches[here]))))
    return float(np.mean(scores)) if scores else float("nan")


def neighbour_purity(z: np.ndarray, labels: Labels, k: int = 15) -> float:
    """Mean share of a cell's k nearest neighbours that have its label."""
    from sklearn.neighbors import NearestNeighbors

    labels = np.asarray(labels)
    near = NearestNeighbors(n_neighbors=k).fit(z).kneighbors(return_distance=False)
    return float((labels[near] == labels[:, None]).mean())


def principal_components(x: Matrix, n: int = 50, seed: int = 0) -> np.ndarray:
    """The first n principal components of log expression, (cells, n): what a latent must beat."""
    from sklearn.decomposition import PCA

    dense = _dense(x)
    return PCA(min(n, *dense.shape), random_state=seed).fit_transform(dense)


def r2_of_means(predicted: Matrix, observed: Matrix) -> float:
    """Squared correlation over genes of the means of two sets of cells.

    Control cells alone reach more than 0.9 on many data: see `change_scores`.
    """
    return float(np.corrcoef(_mean(predicted), _mean(observed))[0, 1] ** 2)


def change_scores(
    predicted: np.ndarray,
    observed: np.ndarray,
    control: np.ndarray,
    reference: np.ndarray | None = None,
) -> dict[str, float]:
    """How well a predicted profile tells the change from control to the observed one.

    Args:
        predicted: Mean log expression of the predicted cells, (genes,).
        observed: The same of the cells that were held out.
        control: The same of control cells, from which the predicted change is measured.
        reference: The same of other control cells, from which the observed change is measured;
            None is the same ones. With the same ones their noise is in both changes, and even
            noise correlates.

    Returns:
        "r2_mean", the squared correlation of predicted and observed; "r_change", the correlation of
        the changes (0 if nothing is predicted to change); "r2_change", 1 - SSE/SST of the changes,
        negative if worse than their mean.
    """
    wanted = observed - (control if reference is None else reference)
    guess = predicted - control
    flat = np.ptp(guess) < 1e-12
    total = ((wanted - wanted.mean()) ** 2).sum()
    return {
        "r2_mean": float(np.corrcoef(predicted, observed)[0, 1] ** 2),
        "r_change": 0.0 if flat else float(np.corrcoef(guess, wanted)[0, 1]),
        "r2_change": float(1 - ((guess - wanted) ** 2).sum() / total),
    }


def perturbation_scores(
    profiles: Mapping[str, np.ndarray], observed: Matrix, control: Matrix, n_top: int = 100
) -> dict[str, dict[str, float]]:
    """`change_scores` of each profile, over all genes and over those that change most.

    Args:
        profiles: Mean log expression by name, (genes,), baselines among them.
        observed: Log expression of the cells that were held out, (cells, genes).
        control: Log expression of their controls, (cells, genes).
        n_top: How many genes of largest |z| in a Wilcoxon test count as changed.

    Returns:
        By name, the scores of `change_scores` followed by the same with the ending "_top".
    """
    top = np.argsort(-np.abs(wilcoxon_z(observed, control)), kind="stable")[:n_top]
    seen, before = _mean(observed), _mean(control)
    scores = {}
    for name, profile in profiles.items():
        few = change_scores(profile[top], seen[top], before[top])
        scores[name] = change_scores(profile, seen, before)
        scores[name] |= {f"{k}_top": v for k, v in few.items()}
    return scores


def wilcoxon_z(a: Matrix, b: Matrix) -> np.ndarray:
    """z of the Wilcoxon rank-sum test of each gene, corrected for ties, (genes,).

    Positive where a is larger; 0 for a gene that has one value only.
    """
    both, n_a, n_b = np.vstack([_dense(a), _dense(b)]), a.shape[0], b.shape[0]
    n, total = n_a + n_b, stats.rankdata(both, axis=0)[:n_a].sum(0)
    tied = np.array([((k := np.unique(x, return_counts=True)[1]) ** 3 - k).sum() for x in both.T])
    variance = n_a * n_b / 12 * (n + 1 - tied / (n * (n - 1)))
    return (total - n_a * (n + 1) / 2) / np.sqrt(np.where(variance > 1e-9, variance, np.inf))


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """2 E|a - b| - E|a - a'| - E|b - b'|, unbiased: around 0 for cells of one distribution.

    References:
        Szekely and Rizzo (2013), Journal of Statistical Planning and Inference 143, 1249.
    """
    from scipy.spatial.distance import cdist

    within = lambda x: cdist(x, x).sum() / (len(x) * (len(x) - 1))
    return float(2 * cdist(a, b).mean() - within(a) - within(b))


def two_sample_auc(a: np.ndarray, b: np.ndarray, seed: int = 0) -> float:
    """How well a random forest tells a from b in cells it has not seen: 0.5 is not at all.

    Args:
        a: Cells, (cells, features), such as real ones.
        b: Other cells, such as generated ones.
        seed: Of the forest and the five folds.

    Returns:
        Area under the ROC curve, cross-validated.

    References:
        Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x, y = np.vstack([a, b]), np.repeat([0, 1], [len(a), len(b)])
    forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=seed)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    chance = cross_val_predict(forest, x, y, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(y, chance))


def coverage(made: np.ndarray, real: np.ndarray, labels: Labels) -> dict[str, float]:
    """Share of generated cells by the label of their nearest real cell; a lost mode has 0.

    Args:
        made: Generated cells, (cells, features).
        real: Real cells, (cells, features).
        labels: One per real cell.

    Returns:
        Share by label, in the order of the labels; they sum to 1.
    """
    from sklearn.neighbors import NearestNeighbors

    labels = np.asarray(labels)
    near = NearestNeighbors(n_neighbors=1).fit(real).kneighbors(made, return_distance=False)
    taken = labels[near[:, 0]]
    return {str(k): float((taken == k).mean()) for k in np.unique(labels)}


def _dense(x: Matrix) -> np.ndarray:
    return np.asarray(x.todense() if hasattr(x, "todense") else x)


def _mean(x: Matrix) -> np.ndarray:
    return np.asarray(x.mean(0), dtype=float).ravel()
