"""Differences of group means as vectors, and what noise adds to their products.

Effects that are measured from the same controls share the noise of their mean, so that even effects
of nothing point the same way. Products are corrected for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .groups import Pair

CLEAR = 3.0
"""An effect is compared if its squared length is so many standard deviations beyond noise."""

Spread = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Of some cells, given by number, their mean and its squared standard errors, (n,) each."""


@dataclass(frozen=True)
class Effects:
    """Vectors, and what noise adds to their products.

    Attributes:
        vectors: (effects, n).
        clear: Which of them are more than noise, (effects,).
        bias: What noise adds to the product of each two, (effects, effects), or 0.
    """

    vectors: np.ndarray
    clear: np.ndarray
    bias: np.ndarray | float = 0.0

    @property
    def products(self) -> np.ndarray:
        """Inner products without what noise adds, (effects, effects)."""
        return self.vectors @ self.vectors.T - self.bias

    @property
    def size(self) -> np.ndarray:
        """Lengths, 0 where noise is longer, (effects,)."""
        return np.sqrt(np.maximum(np.diag(self.products), 0))

    @property
    def known(self) -> np.ndarray:
        """Lengths, NaN where an effect is not clear, (effects,)."""
        return np.where(self.clear & (self.size > 0), self.size, np.nan)

    def cosines(self) -> np.ndarray:
        """Cosines of the angles between effects, (effects, effects)."""
        return np.clip(self.products / np.outer(self.known, self.known), -1, 1)


def in_latent(z: np.ndarray) -> Spread:
    """Means of latent positions, (cells, n)."""
    z = z.astype(np.float64)
    return lambda rows: (z[rows].mean(0), z[rows].var(0, ddof=1) / len(rows))


def differences(pairs: Mapping[str, Sequence[Pair]], where: Spread) -> Effects:
    """Mean differences over types, of each effect; pairs of one name have the same controls.

    The squared length of a difference that is only noise has the mean sum(v) and, if dimensions are
    independent, the variance 2 sum(v^2), where v are its squared standard errors.
    """
    before = {p.name: where(p.before) for v in pairs.values() for p in v}
    share = {k: {p.name: 1 / len(v) for p in v} for k, v in pairs.items()}
    vectors, noise = [], []
    for v in pairs.values():
        after = [where(p.after) for p in v]
        moves = [a[0] - before[p.name][0] for a, p in zip(after, v, strict=True)]
        vectors.append(np.mean(moves, 0))
        noise.append(np.sum([a[1] for a in after], 0) / len(v) ** 2)
    controls = lambda a, b: sum(w * b.get(k, 0.0) * before[k][1] for k, w in a.items())
    common = lambda a, b: float(np.sum(controls(a, b)))
    bias = np.array([[common(a, b) for b in share.values()] for a in share.values()])
    bias += np.diag([float(v.sum()) for v in noise])
    own = [controls(a, a) + v for a, v in zip(share.values(), noise, strict=True)]
    spread = np.sqrt([2 * float((v**2).sum()) for v in own])
    made = np.stack(vectors)
    return Effects(made, (made**2).sum(1) - np.diag(bias) > CLEAR * spread, bias)


def of_shared(pairs: Mapping[str, Sequence[Pair]], start: np.ndarray, where: Spread) -> np.ndarray:
    """What controls among the start cells add to products of effects and the way from there."""
    noise = {p.name: float(where(p.before)[1].sum()) for v in pairs.values() for p in v}
    part = lambda p: len(np.intersect1d(p.before, start)) / len(start) * noise[p.name]
    return np.array([np.mean([part(p) for p in v]) for v in pairs.values()])
