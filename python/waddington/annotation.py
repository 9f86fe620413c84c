"""Predicted labels: how good, how sure, and how far from anything known.

Probabilities are calibrated by one temperature; distances are Mahalanobis distances in the latent
space to the centre of a label, with one covariance for all labels.

References:
    Guo et al. (2017), On calibration of modern neural networks, ICML.
    Lee et al. (2018), A simple unified framework for detecting out-of-distribution samples,
        NeurIPS 31.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse

from .cells import RNA
from .devices import Random
from .minibatches import Coded, minibatches
from .network import Network
from .recipe import Recipe
from .stream import rows_at

BINS = 15
MOST_CELLS, MOST_ENTRIES = 20_000, 40_000_000
"""Labelled cells looked at; entries that logistic regression holds dense: 160 MB."""
TEMPERATURES = np.exp(np.linspace(np.log(0.2), np.log(10), 200))
FEWEST = 20
"""Held-out labelled cells without which nothing is calibrated."""
DRAWS, SEED = 10, 17
"""Draws of z over which probabilities are averaged, and their seed."""
QUANTILES = np.linspace(0, 1, 201)
SHRINK = 0.1
"""Weight of the diagonal in the covariance of latent positions."""


def calibration_error(probabilities: np.ndarray, codes: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean |confidence - accuracy| over equal bins of confidence.

    Args:
        probabilities: (cells, labels), rows sum to 1.
        codes: The true label of each cell, (cells,); -1 is never right.
        bins: How many.
    """
    sure, right = probabilities.max(1), probabilities.argmax(1) == codes
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gap = np.bincount(place, right - sure, minlength=bins)
    return float(np.abs(gap).sum() / max(1, len(sure)))


def macro_f1(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean over the labels in `truth` of the harmonic mean of precision and recall."""
    truth, predicted = np.asarray(truth).astype(str), np.asarray(predicted).astype(str)
    scores = []
    for label in np.unique(truth):
        hit = ((truth == label) & (predicted == label)).sum()
        scores.append(2 * hit / ((truth == label).sum() + (predicted == label).sum()))
    return float(np.mean(scores))


def best_temperature(logits: np.ndarray, codes: np.ndarray) -> float:
    """What logits are to be divided by, so that true labels are most likely.

    Probabilities are means over draws.

    The truth counts as 1 - 1 / (cells + 2), so that few cells, all right, don't make it certain.

    Args:
        logits: (draws, cells, labels), or (cells, labels).
        codes: True labels, (cells,).

    References:
        Platt (1999), Probabilistic outputs for support vector machines.
    """
    draws = logits.reshape(-1, *logits.shape[-2:])
    scores = [_log_loss(softmax(draws / t).mean(0), codes) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(scores))])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, (..., labels)."""
    up = np.exp(logits - logits.max(-1, keepdims=True))
    return up / up.sum(-1, keepdims=True)


def logistic_regression(
    reference: sparse.csr_matrix,
    labels: Sequence[str],
    query: sparse.csr_matrix,
    n: int = 50,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """What logistic regression on components of standardised log expression says: to be beaten.

    Args:
        reference: Counts, (cells, genes).
        labels: One per cell of the reference.
        query: Counts of other cells, the same genes.
        n: Principal components, of the reference.
        seed: Of the decomposition.

    Returns:
        Probabilities, (query cells, labels), and the labels in their order.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    train, test = _standardised(_log_shares(reference), _log_shares(query))
    components = PCA(min(n, *train.shape), random_state=seed).fit(train)
    if len(np.unique(labels)) < 2:
        return np.ones((len(test), 1)), np.unique(labels)
    model = LogisticRegression(max_iter=2000).fit(components.transform(train), np.asarray(labels))
    return model.predict_proba(components.transform(test)), model.classes_


class Landmarks:
    """Where labels are in latent space, and how far from them their own cells are.

    Args:
        centres: Mean position of each label that has cells, (labels, n).
        precision: Inverse of the covariance within labels, (n, n).
        distances: Quantiles of the distance of held-out cells to their nearest centre.
    """

    def __init__(
        self, centres: Sequence[Any], precision: Sequence[Any], distances: Sequence[float]
    ) -> None:
        self.centres, self.precision = np.array(centres, float), np.array(precision, float)
        self.distances = np.asarray(distances, float)

    @classmethod
    def of(cls, z: np.ndarray, codes: np.ndarray) -> Landmarks:
        """From positions (cells, n) and codes; `distances` are those of the same cells."""
        which = np.unique(codes, return_inverse=True)[1]
        centres = np.stack([z[which == k].mean(0) for k in range(which.max() + 1)])
        off = z - centres[which]
        covariance = off.T @ off / max(1, len(z) - len(centres))
        spread = np.diag(np.maximum(np.diag(covariance), 1e-6))
        precision = np.linalg.inv((1 - SHRINK) * covariance + SHRINK * spread)
        here = cls(centres, precision, [])
        here.distances = np.quantile(here.nearest(z), QUANTILES)
        return here

    def nearest(self, z: np.ndarray) -> np.ndarray:
        """Distance of each cell to the nearest centre, (cells,)."""
        off = z[:, None].astype(float) - self.centres
        square = ((off @ self.precision) * off).sum(-1)
        return np.sqrt(np.maximum(square.min(1), 0))

    def novelty(self, z: np.ndarray) -> np.ndarray:
        """Share of reference cells that are nearer to a centre than each cell is, (cells,)."""
        return np.interp(self.nearest(z), self.distances, QUANTILES)

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            k: np.round(getattr(self, k), 6).tolist() for k in ("centres", "precision", "distances")
        }


@torch.no_grad()
def describe_labels(
    network: Network,
    recipe: Recipe,
    trained: tuple[Coded, np.ndarray],
    held_out: tuple[Coded, np.ndarray],
) -> dict[str, Any]:
    """What a model should know of its own labels, by covariate.

    Returns:
        "temperature"; "landmarks"; and, if enough labelled cells were held out, the scores of the
        "classifier" and of "logistic_regression" on them: n, accuracy, macro_f1, ece.
    """
    found = {}
    for name in recipe.labels:
        known = [_known(part, name) for part in (trained, held_out)]
        if not len(known[0][1]) or not recipe.encoders:
            continue
        seen, held = (_positions(network, p[0], p[1], name) for p in known)
        n_labels = seen[1].shape[-1]
        here: dict[str, Any] = {"temperature": 1.0}
        landmarks = Landmarks.of(seen[0], known[0][2])
        if len(known[1][1]) >= FEWEST:
            landmarks.distances = np.quantile(landmarks.nearest(held[0]), QUANTILES)
            here["temperature"] = best_temperature(held[1], known[1][2])
            p = softmax(held[1] / here["temperature"]).mean(0)
            here |= _compared(known, p, n_labels)
        found[name] = here | {"landmarks": landmarks.plain()}
    return found


def _compared(known: Sequence[tuple], p: np.ndarray, n_labels: int) -> dict[str, Any]:
    """Scores of the classifier and of logistic regression on held-out cells."""
    (data, index, codes), (held_data, held, truth) = known
    scores = {"classifier": label_scores(p, truth)}
    if RNA not in data.cells.views:
        return scores
    few = slice(None, None, -(-len(index) * data.cells.views[RNA].shape[1] // MOST_ENTRIES))
    x, y = rows_at(data.cells.views[RNA], index[few]), rows_at(held_data.cells.views[RNA], held)
    told, classes = logistic_regression(x, codes[few], y)
    full = np.zeros((len(truth), n_labels))
    full[:, classes.astype(int)] = told
    return scores | {"logistic_regression": label_scores(full, truth)}


def label_scores(probabilities: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """How good predictions are: n, accuracy, macro_f1, ece, and mean confidence.

    Args:
        probabilities: (cells, labels).
        codes: True labels, (cells,).
    """
    picked = probabilities.argmax(1)
    return {
        "n": len(codes),
        "accuracy": float((picked == codes).mean()),
        "macro_f1": macro_f1(codes, picked),
        "ece": calibration_error(probabilities, codes),
        "confidence": float(probabilities.max(1).mean()),
    }


def _known(part: tuple[Coded, np.ndarray], name: str) -> tuple[Coded, np.ndarray, np.ndarray]:
    """The labelled cells of a part, at most MOST_CELLS, and their codes."""
    data, index = part
    codes = data.codes[name].numpy()[index]
    here = np.flatnonzero(codes >= 0)
    here = here[:: max(1, -(-len(here) // MOST_CELLS))]
    return data, index[here], codes[here]


def _positions(
    network: Network, data: Coded, index: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means, (cells, n), and logits of the label at draws, (draws, cells, labels)."""
    z, logits = [], []
    with Random(SEED):
        for m in minibatches(data, {}, 512, index):
            q = network.encode(m)
            z.append(q.loc)
            drawn = [network.decode(q.rsample(), m)[name].logits for _ in range(DRAWS)]
            logits.append(torch.stack(drawn))
    if not z:
        return np.zeros((0, 1)), np.zeros((DRAWS, 0, 1))
    return torch.cat(z).numpy().astype(float), torch.cat(logits, 1).numpy().astype(float)


def _log_loss(p: np.ndarray, codes: np.ndarray) -> float:
    """Mean cross-entropy of the true labels, smoothed, in nats."""
    doubt, log = 1 / (len(codes) + 2), np.log(np.maximum(p, 1e-30))
    mine = log[np.arange(len(codes)), codes]
    return -float(((1 - doubt) * mine + doubt * log.mean(1)).mean())


def _log_shares(counts: sparse.csr_matrix) -> np.ndarray:
    """log(1 + counts per 10,000), dense, (cells, genes)."""
    total = np.maximum(np.asarray(counts.sum(1), dtype=np.float64), 1.0)
    return np.asarray(sparse.csr_matrix(counts.multiply(1e4 / total)).log1p().todense(), np.float32)


def _standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with the means and sds of `train`, cut at 10."""
    mean, sd = train.mean(0), train.std(0)
    sd = np.where(sd > 0, sd, 1.0)
    return np.clip((train - mean) / sd, -10, 10), np.clip((test - mean) / sd, -10, 10)
