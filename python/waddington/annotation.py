"""Predicted labels: how good, how sure, and how far from anything known.

The classifier of a model and logistic regression err differently, so labels are told by both:
probabilities are their geometric mean, each calibrated by a temperature. (An arithmetic mean of
calibrated probabilities is not sure enough.) The temperature of the regression is from cells of
batches that it was not fitted to, where there are several: that of cells of its own batches would
make it too sure of a new one. Distances are Mahalanobis distances in the latent space to the centre
of a label, with one covariance for all labels.

References:
    Ranjan and Gneiting (2010), Combining probability forecasts, Journal of the Royal Statistical
        Society B 72, 71.
    Guo et al. (2017), On calibration of modern neural networks, ICML.
    Lee et al. (2018), A simple unified framework for detecting out-of-distribution samples,
        NeurIPS 31.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import sparse

from .cells import RNA
from .devices import Random
from .minibatches import Coded, minibatches
from .network import Network
from .recipe import Recipe
from .regression import Components, Regression, out_of_fold
from .stream import rows_at

BINS, TINY = 15, 1e-30
MOST_CELLS, MOST_ENTRIES = 20_000, 40_000_000
"""Labelled cells looked at; entries that logistic regression holds dense: 160 MB."""
TEMPERATURES = np.exp(np.linspace(np.log(0.2), np.log(10), 200))
FEWEST = 20
"""Held-out labelled cells without which nothing is calibrated."""
DRAWS, SEED = 10, 17
"""Draws of z over which probabilities are averaged, and their seed."""
FOLDS, LARGEST = 5, 0.7
"""Folds of the regression at most; the share of cells of a batch that can't be one."""
OF_EACH = 20
"""Cells of each label that the regression sees, if there are so many, whatever its share."""
METHODS = ("mixture", "classifier", "logistic_regression")
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


def macro_f1(truth: Sequence[str] | np.ndarray, predicted: Sequence[str] | np.ndarray) -> float:
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

    The truth counts as 1 - 1 / (2 cells + 2), as if half a cell more had any label (Jeffreys), so
    that few cells, all right, don't make it certain.

    Args:
        logits: (draws, cells, labels), or (cells, labels).
        codes: True labels, (cells,).

    References:
        Platt (1999), Probabilistic outputs for support vector machines.
    """
    scores = [_log_loss(heated(logits, t), codes).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(scores))])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, (..., labels)."""
    up = np.exp(logits - logits.max(-1, keepdims=True))
    return up / up.sum(-1, keepdims=True)


def heated(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities, (cells, labels), from logits of draws, (draws, cells, labels), or of none."""
    draws = logits if logits.ndim == 3 else logits[None]
    return softmax(draws / temperature).mean(0)


def pooled(classifier: np.ndarray, regression: np.ndarray, weight: float) -> np.ndarray:
    """Their weighted geometric mean, (cells, labels); `weight` is that of the classifier."""
    logs = (np.log(np.maximum(p, TINY)) for p in (classifier, regression))
    return softmax(sum(w * log for w, log in zip((weight, 1 - weight), logs, strict=True)))


def mixing_weight(classifier: np.ndarray, regression: np.ndarray, codes: np.ndarray) -> float:
    """The classifier's weight in the mixture: one half, unless one of them alone is better.

    That is: the log loss of held-out cells is lower by more than two standard errors. A weight
    fitted to them freely is no better: there are few.
    """
    loss = lambda p: _log_loss(p, codes)
    both = loss(pooled(classifier, regression, 0.5))
    for weight, alone in ((1.0, classifier), (0.0, regression)):
        gain = both - loss(alone)
        if gain.mean() > max(2 * gain.std(ddof=1) / np.sqrt(len(gain)), 1e-9):
            return weight
    return 0.5


class Landmarks:
    """Where labels are in latent space, and how far from them their own cells are.

    Args:
        centres: Mean position of each label that has cells, (labels, n).
        precision: Inverse of the covariance within labels, (n, n).
        distances: Quantiles of the distance of held-out cells to their nearest centre.
    """

    def __init__(self, centres: ArrayLike, precision: ArrayLike, distances: ArrayLike) -> None:
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
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a model should know of its own labels, by covariate, and the weights of regressions.

    Returns:
        "temperature"; "regression_temperature" and "weight" (the classifier's in the mixture) if
        there are counts; "landmarks"; and, if enough labelled cells were held out, the scores of
        each of METHODS on them. And the arrays of `Regression`, of all labelled cells.
    """
    found: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name in recipe.labels:
        known = [_known(part, name) for part in (trained, held_out)]
        if not len(known[0][1]) or not recipe.encoders:
            continue
        seen, held = (_positions(network, p[0], p[1], name) for p in known)
        landmarks, codes = Landmarks.of(seen[0], known[0][2]), known[1][2]
        here: dict[str, Any] = {"temperature": 1.0}
        told, n_labels = {}, seen[1].shape[-1]
        if enough := len(codes) >= FEWEST:
            landmarks.distances = np.quantile(landmarks.nearest(held[0]), QUANTILES)
            here["temperature"] = best_temperature(held[1], codes)
            told["classifier"] = heated(held[1], here["temperature"])
        if RNA in trained[0].cells.views:
            final, heat, logits = _regression(known, n_labels, _batch(recipe, trained[0]))
            arrays |= final.arrays(name)
            here |= {"regression_temperature": heat, "weight": 0.5}
            told["logistic_regression"] = heated(logits, heat)
        if enough and len(told) == 2:
            both = told["classifier"], told["logistic_regression"]
            here["weight"] = mixing_weight(*both, codes)
            told = {"mixture": pooled(*both, here["weight"])} | told
        scores = {k: label_scores(p, codes) for k, p in told.items()} if enough else {}
        found[name] = here | {"landmarks": landmarks.plain()} | scores
    return found, arrays


def _regression(
    known: Sequence[tuple[Coded, np.ndarray, np.ndarray]], n_labels: int, batch: str | None
) -> tuple[Regression, float, np.ndarray]:
    """Of all labelled cells, its temperature, and logits of held-out cells by one of the others."""
    (data, index, codes), (held_data, held, truth) = known
    most = MOST_ENTRIES // data.cells.views[RNA].shape[1]
    few = _some_of_each(codes, most)
    x, y = rows_at(data.cells.views[RNA], index[few]), codes[few]
    held_x = rows_at(held_data.cells.views[RNA], held)
    batches = data.codes[batch].numpy()[index[few]] if batch else np.zeros(len(few), int)
    fewer = _some_of_each(y, most // 4)
    told, mine = out_of_fold(x[fewer], y[fewer], folds_of(batches[fewer]), n_labels)
    heat = best_temperature(told[mine], y[fewer][mine]) if mine.any() else 1.0
    logits = Regression.on(Components.of(x), y, n_labels).logits(held_x)
    more = _some_of_each(truth, len(few) // 4)
    both = sparse.vstack([x, held_x[more]], format="csr")
    final = Regression.on(Components.of(both), np.concatenate([y, truth[more]]), n_labels)
    return final, heat, logits


def folds_of(batches: np.ndarray) -> np.ndarray:
    """Folds of cells, (cells,): whole batches, unless one has nearly all cells."""
    sizes = np.bincount(batches[batches >= 0], minlength=1)
    if sizes.max() > LARGEST * len(batches):
        return np.arange(len(batches)) % FOLDS
    fold, load = np.zeros(len(sizes), int), np.zeros(FOLDS)
    for k in np.argsort(-sizes, kind="stable"):
        fold[k] = load.argmin()
        load[fold[k]] += sizes[k]
    return fold[batches]


def _some_of_each(codes: np.ndarray, most: int) -> np.ndarray:
    """About `most` cells, evenly spaced, and some of each label, in order."""
    even = np.arange(0, len(codes), max(1, -(-len(codes) // max(1, most))))
    each = [np.flatnonzero(codes == k)[:OF_EACH] for k in np.unique(codes)]
    return np.unique(np.concatenate([even, *each])).astype(int)


def _batch(recipe: Recipe, data: Coded) -> str | None:
    """The first covariate of the conditions that has levels."""
    return next((c.covariate for c in recipe.conditions if c.covariate in data.codes), None)


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


def _log_loss(p: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Cross-entropy of the true label of each cell, smoothed, in nats, (cells,)."""
    doubt, log = 0.5 / (len(codes) + 1), np.log(np.maximum(p, TINY))
    mine = log[np.arange(len(codes)), codes]
    return -((1 - doubt) * mine + doubt * log.mean(1))
