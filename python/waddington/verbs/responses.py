"""What a change measured in some kinds of cells says of another kind, gene by gene.

Responses are changes of y = log(share of the library + EPS / median library): log fold changes that
fade where a gene is hardly seen. For data that are no counts, y are the data themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .groups import Groups, Pair

EPS = 0.3
"""Counts of a cell of median library below which a fold change means little."""
ENOUGH = 300.0
"""Counts of a cell above which differences between cells matter more to its shares than noise of
counting: cells weigh by the inverse of both variances. It was chosen on the sets that
`evaluate_combinations.py` and `evaluate_perturbation.py` read."""
LENGTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
"""How far a response reaches, in typical distances between types; the likeliest is taken."""
FEWEST, NOISE = 20, 10.0
"""Lengths are judged by genes whose squared responses are so many times their noise; at least so
many genes."""
SIGNALS, EM_STEPS = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0), 60
"""Variances of true changes in squared standard errors; see `shrunk`. None is 0: with it, the many
genes that respond a little are taken for genes that don't."""
FAINTEST = 1e-12
"""Squared standard errors below this are taken for this."""
SHUFFLES, CLEAR = 19, 4.0
"""Shuffles of the labels; 19 are enough to say p < 0.05, if the true ones stand out of all."""


@dataclass(frozen=True)
class Response:
    """The response expected of one kind of cells.

    Attributes:
        change: Of y, shrunk by its own noise, (features,).
        sd: Standard error of the change: its noise, how far away the measured types are, and how
            much of a response is special to its type.
        weights: How much each measured type counted, by name; they sum to 1.
        novelty: 0 if the kind is like a measured one, 1 if it is as far as types ever are, more
            if it is further.
    """

    change: np.ndarray
    sd: np.ndarray
    weights: dict[str, float]
    novelty: float


class Profiles:
    """Means of y, and their noise, of groups of cells.

    Args:
        x: The data of all cells, (cells, features).
        counts: Whether they are counts.
        known: The cells whose median library counts; None is all. What is to be predicted must not
            be among them.
    """

    def __init__(self, x: sparse.csr_matrix, counts: bool, known: np.ndarray | None = None) -> None:
        self.counts, self.floor = counts, 0.0
        self.x, self.weight = x.astype(np.float64), np.ones(x.shape[0])
        if counts:
            library = np.maximum(np.asarray(x.sum(1), dtype=float).ravel(), 1.0)
            self.floor = EPS / float(np.median(library if known is None else library[known]))
            self.x = sparse.csr_matrix(sparse.diags(1 / library) @ self.x)
            self.weight = 1 / (1 / library + 1 / ENOUGH)

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean of y and the square of its standard error, (features,) each."""
        mean = self._mean(rows)
        noise = self._noise(rows, mean)
        if len(rows) == 1:
            noise = np.maximum(mean**2, 1.0)
        if not self.counts:
            return mean, noise
        return np.log(mean + self.floor), noise / (mean + self.floor) ** 2

    def change(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        """The change of y and its squared standard error, (features,) each."""
        (a, noise_a), (b, noise_b) = self.of(pair.before), self.of(pair.after)
        return b - a, noise_a + noise_b

    def pooled_noise(self, pair: Pair) -> np.ndarray:
        """The squared standard error of the change if labels meant nothing, (features,).

        It is that of all cells of the pair, so it is the same however they are labelled.
        """
        rows = np.concatenate([pair.before, pair.after])
        mean = self._mean(rows)
        noise = self._noise(rows, mean)
        noise *= len(rows) * (1 / len(pair.before) + 1 / len(pair.after))
        return noise / (mean + self.floor) ** 2 if self.counts else noise

    def shuffled(self, pair: Pair, rng: np.random.Generator) -> np.ndarray:
        """The change of y if the labels of its cells meant nothing, (SHUFFLES, features)."""
        rows, n = np.concatenate([pair.before, pair.after]), len(pair.before)
        y = []
        for _ in range(SHUFFLES):
            order = rng.permutation(rows)
            means = [self._mean(i) for i in (order[:n], order[n:])]
            a, b = (np.log(m + self.floor) if self.counts else m for m in means)
            y.append(b - a)
        return np.stack(y)

    def _mean(self, rows: np.ndarray) -> np.ndarray:
        """The weighted mean of x, (features,)."""
        return self.weight[rows] @ self.x[rows] / self.weight[rows].sum()

    def _noise(self, rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """The squared standard error of that mean, (features,)."""
        x, n = self.x[rows], len(rows)
        w = (self.weight[rows] / self.weight[rows].sum()) ** 2
        noise = w @ x.multiply(x) - 2 * mean * (w @ x) + w.sum() * mean**2
        return np.maximum(noise, 0) * n / max(1, n - 1)


def response(profiles: Profiles, pairs: Sequence[Pair], target: np.ndarray) -> Response:
    """The response of cells at `target` from those of the pairs, by kriging.

    A Gaussian process over types: those whose source cells are alike respond alike. Its reach is
    the one under which the measured responses are likeliest; noisy types count less; far from all
    of them the answer is their mean.

    Args:
        profiles: Means by group.
        pairs: Where the response was measured.
        target: The source cells of the kind in question.

    References:
        Cressie (1993), Statistics for Spatial Data, chapter 3 (ordinary kriging; reach by
        restricted maximum likelihood).
    """
    at, _ = profiles.of(target)
    base = np.stack([profiles.of(p.before)[0] for p in pairs])
    change, noise = map(np.stack, zip(*(profiles.change(p) for p in pairs), strict=True))
    weights, novelty = kriging_weights(base, at, change, noise)
    told, error, away = _told(weights, novelty, change, noise)
    own = special(base, change, noise) * told
    return Response(
        told,
        np.sqrt(error + away + own**2),
        {p.name: float(w) for p, w in zip(pairs, weights, strict=True)},
        float(novelty),
    )


def special(base: np.ndarray, change: np.ndarray, noise: np.ndarray) -> float:
    """How much of a response is special to its type, as a share of it.

    Each type is told by the others. Their squared errors, as far as neither noise nor the distance
    between types explains them, over the squared responses told, give the square of the share: of
    strong responses more goes amiss. With one type it can't be known, and is 0.

    Args:
        base: Source profiles of the types, (types, features).
        change: Responses of the types, (types, features).
        noise: Their squared standard errors, (types, features).
    """
    wrong, size = 0.0, FAINTEST
    for i in range(len(base) if len(base) > 1 else 0):
        rest = np.arange(len(base)) != i
        others = change[rest], noise[rest]
        told, error, away = _told(*kriging_weights(base[rest], base[i], *others), *others)
        wrong += float(((told - change[i]) ** 2 - error - away - noise[i]).sum())
        size += float((told**2).sum())
    return float(np.sqrt(max(0.0, wrong) / size))


def _told(
    weights: np.ndarray, novelty: float, change: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What weighted types tell, shrunk; its squared error, of noise and distance, (features,)."""
    error = (weights**2) @ noise
    spread = change.var(0, ddof=1) if len(change) > 1 else np.zeros_like(error)
    return shrunk(weights @ change, error), error, novelty**2 * spread


def borrowed(profiles: Profiles, pairs: Sequence[Pair], target: np.ndarray) -> Response:
    """The response to a perturbation that was never measured: the mean of its neighbours'.

    Its standard error is how much neighbours differ, so it is as novel as can be.

    Args:
        profiles: Means by group.
        pairs: Where the responses to neighbours were measured.
        target: The source cells of the kind in question; what they are like says nothing here.
    """
    change, noise = map(np.stack, zip(*(profiles.change(p) for p in pairs), strict=True))
    n = len(pairs)
    spread = change.var(0, ddof=1) if n > 1 else change[0] ** 2
    error = noise.sum(0) / n**2
    weights = {p.name: 1 / n for p in pairs}
    return Response(shrunk(change.mean(0), error), np.sqrt(error + spread), weights, 1.0)


def shrunk(change: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Changes, less of them the more of them can be noise, (features,).

    Changes over their standard errors are taken for draws from a mixture of normals of mean 0 and
    variances 1 + SIGNALS, whose shares are found by maximum likelihood (EM). Returned are posterior
    means.

    Args:
        change: Measured changes, (features,).
        noise: Their squared standard errors.

    References:
        Stephens (2017), Biostatistics 18, 275 (adaptive shrinkage).
    """
    z = change / np.sqrt(np.maximum(noise, 1e-12))
    variance = 1 + np.asarray(SIGNALS)
    log_density = -0.5 * (z[:, None] ** 2 / variance + np.log(variance))
    density = np.exp(log_density - log_density.max(1, keepdims=True))
    share = np.full(len(SIGNALS), 1 / len(SIGNALS))
    for _ in range(EM_STEPS):
        member = density * share
        member /= member.sum(1, keepdims=True)
        share = member.mean(0)
    return change * (member @ (np.asarray(SIGNALS) / variance))


def kriging_weights(
    base: np.ndarray, target: np.ndarray, change: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, float]:
    """How much the response of each type says of the target's.

    Args:
        base: Source profiles of the types, (types, features).
        target: That of the target, (features,).
        change: Responses of the types, (types, features).
        noise: Their squared standard errors, (types, features).

    Returns:
        Weights that sum to 1, (types,), and the standard error of what they tell, in standard
        deviations of responses between types.
    """
    n = len(base)
    if n == 1:
        return np.ones(1), 1.0
    apart = ((base[:, None] - base[None]) ** 2).sum(-1)
    away = ((base - target) ** 2).sum(-1)
    usual = max(float(np.median(apart[np.triu_indices(n, 1)])), 1e-12)
    genes = _telling(change, noise)
    change, noise = change[:, genes], noise[:, genes].mean(1)
    noise = noise / max(float(change.var(0, ddof=1).mean()), 1e-12)
    near = lambda d, length: np.exp(-d / (2 * length**2 * usual))
    fits = [_misfit(near(apart, r) + np.diag(noise), change) for r in LENGTHS]
    length = LENGTHS[int(np.argmin(fits))]
    k, here = near(apart, length), near(away, length)
    system = np.ones((n + 1, n + 1))
    system[:n, :n], system[n, n] = k + np.diag(noise + 1e-9), 0.0
    weights = np.linalg.solve(system, np.append(here, 1.0))[:n]
    return weights, float(np.sqrt(max(0.0, 1 - 2 * weights @ here + weights @ k @ weights)))


def _telling(change: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Genes whose responses stand out of their noise."""
    ratio = (change**2).mean(0) / np.maximum(noise.mean(0), 1e-12)
    found = np.flatnonzero(ratio > NOISE)
    return found if len(found) >= FEWEST else np.argsort(-ratio, kind="stable")[:FEWEST]


def _misfit(covariance: np.ndarray, y: np.ndarray) -> float:
    """-2 restricted log likelihood per gene of y (types, genes), up to constants.

    The mean of each gene is free, and so is the scale of the covariance.
    """
    n = len(y)
    lower = np.linalg.cholesky(covariance + 1e-9 * np.eye(n))
    one, white = np.linalg.solve(lower, np.ones(n)), np.linalg.solve(lower, y)
    left = (white**2).sum(0) - (one @ white) ** 2 / (one @ one)
    scale = max(float(left.mean()) / (n - 1), 1e-300)
    return 2 * np.log(np.diag(lower)).sum() + np.log(one @ one) + (n - 1) * np.log(scale)


def beyond_noise(profiles: Profiles, groups: Groups, rng: np.random.Generator) -> float:
    """p of the change if source and target were the same, by shuffling labels within pairs.

    The statistic is the squared change over its noise, summed over features as far as it exceeds
    CLEAR, since few genes respond: of the mean over pairs, which tells a weak change that they
    share, plus that of each pair, which tells changes that cancel. Noise is that of all cells of a
    pair, whatever their labels: that of labelled groups is small where one has no counts of a gene,
    which happens to the true labels just where they are compared. The smallest p is
    1 / (SHUFFLES + 1).
    """
    total = np.zeros(SHUFFLES + 1)
    for part in groups.parts:
        change = np.stack([profiles.change(p)[0] for p in part])
        noise = np.stack([profiles.pooled_noise(p) for p in part])
        share = 1 / np.maximum(noise.mean(1), FAINTEST)
        share /= share.sum()
        null = np.stack([profiles.shuffled(p, rng) for p in part], 1)
        both = np.concatenate([change[None], null])  # (1 + SHUFFLES, pairs, features)
        if len(part) > 1:
            total += _excess(np.tensordot(both, share, (1, 0)), (share**2) @ noise).sum(-1)
        total += _excess(both, noise).sum((1, 2))
    return float((total >= total[0]).sum() / len(total))


def _excess(change: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Squared changes in units of their noise, as far as they exceed CLEAR."""
    return np.maximum(change**2 / np.maximum(noise, FAINTEST) - CLEAR, 0)


def carried(
    counts: np.ndarray, before: np.ndarray, after: np.ndarray, rng: np.random.Generator | None
) -> np.ndarray:
    """Counts of cells whose expected counts change, with as little else changed as can be.

    Where less is expected each molecule stays with chance after / before; where more is, Poisson
    counts of the difference are added. So Poisson counts around `before` become Poisson counts
    around `after`, and what else is special of a cell, its depth and its noise, it keeps.

    Args:
        counts: What was measured, (cells, features).
        before: What was expected, the same shape.
        after: What is expected now.
        rng: Of the draws; None returns their expected values.
    """
    keep = np.minimum(1.0, after / np.maximum(before, 1e-30))
    more = np.maximum(after - before, 0.0)
    if rng is None:
        return counts * keep + more
    kept = counts.copy()
    at = np.nonzero(counts)
    kept[at] = rng.binomial(counts[at].astype(np.int64), keep[at])
    return kept + rng.poisson(more)
