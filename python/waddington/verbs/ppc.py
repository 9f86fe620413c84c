"""Does a model make data like the data? Posterior predictive checks, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ..cells import RNA, Cells
from ..devices import Random
from ..errors import InputError
from ..minibatches import Coded, minibatches
from ..model import Model
from ..readers import query_cells
from .ask import why_not
from .shown import shown

CELLS = 256
"""Cells whose replicates are held at a time."""
EXPRESSED = 0.1
"""Mean count below which a gene says nothing of its spread."""
LEVELS = (0.5, 0.9)


@shown
@dataclass(frozen=True)
class Checks:
    """What was compared.

    Attributes:
        table: By statistic, "data" and "replicates": means over genes or cells, and for coverage
            the nominal and the realised share.
        genes: By name, (genes,): "mean_data", "mean_decoded", "mean_replicates", the same of
            "variance_", "zeros_data" and "zeros_replicates" (shares), "cv_data", "cv_replicates".
            Decoded means vary less than data: that is denoising. Replicates should vary as data do.
        library: (cells, 2): counts of each cell, and mean counts of its replicates.
        uniform: Randomised rank of each observed count among its replicates, in 20 equal bins, as
            shares: all are 0.05 for a calibrated model.
        flags: Sentences; none if all is well.
    """

    table: Mapping[str, Mapping[str, float]]
    genes: Mapping[str, np.ndarray]
    library: np.ndarray
    uniform: np.ndarray
    flags: tuple[str, ...]


def check_model(
    model: Model,
    data: object,
    n_samples: int = 25,
    n_most: int = 2000,
    seed: int = 0,
    layer: str | None = None,
) -> Checks:
    """Draw replicates of each cell near itself, and compare them with the data.

    A replicate is drawn from the head at a draw of the cell's posterior. Statistics are the share
    of zeros and the coefficient of variation of each gene, the library of each cell, and how often
    counts lie within the intervals of their replicates.

    Args:
        model: A model with a count head.
        data: An AnnData, or Cells.
        n_samples: Replicates of each cell.
        n_most: Cells looked at, picked at random.
        seed: Of all draws.
        layer: The layer of an AnnData that has the data; None is the one of training.

    References:
        Gelman et al. (1996), Statistica Sinica 6, 733. Czado et al. (2009), Biometrics 65, 1254,
        for randomised ranks of counts.
    """
    reason = why_not(model, "denoise")
    if reason is None and not getattr(model.recipe.head(RNA), "counts", False):
        reason = "its head is not of counts"
    if reason:
        raise InputError(f"a {model.recipe.name} model can't be checked: {reason}", "model")
    if n_samples < 2:
        raise InputError(f"n_samples must be at least 2, got {n_samples!r}", "n_samples")
    cells, rng = query_cells(data, model, layer), np.random.default_rng(seed)
    if len(cells) > n_most:
        cells = cells.take(np.sort(rng.permutation(len(cells))[:n_most]))
    sums = _Sums(len(model.features[RNA]), n_samples)
    with Random(seed):
        _replicate(model, cells, sums, rng)
    return _told(sums, len(cells))


class _Sums:
    """What is added up over blocks of cells.

    Args:
        genes: Number of genes.
        n: Replicates.
    """

    def __init__(self, genes: int, n: int) -> None:
        self.n = n
        self.first = {k: np.zeros(genes) for k in ("data", "decoded", "replicates")}
        self.second = {k: np.zeros(genes) for k in self.first}
        self.zeros = {k: np.zeros(genes) for k in ("data", "replicates")}
        self.ranks = np.zeros((genes, 20))
        self.inside = {level: np.zeros(genes) for level in LEVELS}
        self.library: list[np.ndarray] = []

    def add(self, x: np.ndarray, mean: np.ndarray, made: np.ndarray, u: np.ndarray) -> None:
        """Data and decoded means, (cells, genes), replicates, (n, cells, genes), and ranks."""
        flat = made.reshape(-1, made.shape[-1])
        for name, values in (("data", x), ("decoded", mean), ("replicates", flat)):
            share = 1 / self.n if name == "replicates" else 1.0
            self.first[name] += share * values.sum(0, dtype=float)
            self.second[name] += share * np.square(values, dtype=float).sum(0)
        self.zeros["data"] += (x == 0).sum(0)
        self.zeros["replicates"] += (flat == 0).sum(0) / self.n
        bins = np.minimum((u * 20).astype(int), 19)
        for b in range(20):
            self.ranks[:, b] += (bins == b).sum(0)
        for level in LEVELS:
            self.inside[level] += (np.abs(u - 0.5) <= level / 2).sum(0)
        self.library.append(np.stack([x.sum(1), made.sum(-1).mean(0)], 1))


@torch.no_grad()
def _replicate(model: Model, cells: Cells, sums: _Sums, rng: np.random.Generator) -> None:
    """Add up the statistics of all cells, a block at a time."""
    network = model.network
    for m in minibatches(Coded.of(cells, model.levels), model.levels, CELLS):
        q = network.encode(m)
        made, mean = [], np.zeros((), np.float32)
        for _ in range(sums.n):
            distribution = network.decode(q.rsample(), m)[RNA]
            made.append(distribution.sample().numpy())
            mean = mean + distribution.mean.numpy() / sums.n
        x, drawn = m.views[RNA].dense().numpy(), np.stack(made)
        below, equal = (drawn < x).sum(0), (drawn == x).sum(0)  # the data are one more draw
        rank = (below + rng.random(x.shape) * (equal + 1)) / (sums.n + 1)
        sums.add(x, mean, drawn, rank)


def _told(sums: _Sums, n: int) -> Checks:
    """Statistics from sums over n cells."""
    genes: dict[str, np.ndarray] = {}
    for k in sums.first:
        genes[f"mean_{k}"] = sums.first[k] / n
        genes[f"variance_{k}"] = sums.second[k] / n - genes[f"mean_{k}"] ** 2
    for k in sums.zeros:
        genes[f"zeros_{k}"] = sums.zeros[k] / n
        spread = np.sqrt(np.maximum(genes[f"variance_{k}"], 0))
        genes[f"cv_{k}"] = spread / np.maximum(genes[f"mean_{k}"], 1e-12)
    use = genes["mean_data"] >= EXPRESSED
    use = use if use.any() else np.ones(len(use), bool)
    library = np.concatenate(sums.library)
    pair = lambda k, f: {w: float(f(genes[f"{k}_{w}"][use])) for w in ("data", "replicates")}
    table = {
        "zeros": pair("zeros", np.mean),
        "cv": pair("cv", np.median),
        "library": {"data": float(library[:, 0].mean()), "replicates": float(library[:, 1].mean())},
    }
    for level in LEVELS:
        realised = float(sums.inside[level][use].sum() / (n * use.sum()))
        table[f"coverage {level:.0%}"] = {"data": realised, "replicates": level}
    uniform = sums.ranks[use].sum(0) / (n * use.sum())
    return Checks(table, genes, library, uniform, _flags(table, genes, use))


def _flags(
    table: Mapping[str, Mapping[str, float]], genes: Mapping[str, np.ndarray], use: np.ndarray
) -> tuple[str, ...]:
    """What does not fit, in words."""
    flags = []
    high = use & (genes["mean_data"] >= np.median(genes["mean_data"][use]))
    ratio = float(np.median(genes["cv_replicates"][high] / genes["cv_data"][high]))
    if ratio < 0.9:
        flags.append(
            f"replicates vary less than the data: their coefficient of variation is {ratio:.2f} "
            "times that of the data in well expressed genes; the head lacks dispersion (nb has "
            "it), or the model has not learnt enough"
        )
    if ratio > 1.1:
        flags.append(
            f"replicates vary more than the data: their coefficient of variation is {ratio:.2f} "
            "times that of the data in well expressed genes; the model may not have learnt enough"
        )
    off = table["zeros"]["data"] - table["zeros"]["replicates"]
    if abs(off) > 0.02:
        more, remedy = ("more", "; try zinb") if off > 0 else ("fewer", "")
        flags.append(f"the data have {abs(off):.1%} {more} zeros than their replicates{remedy}")
    size = table["library"]["replicates"] / max(table["library"]["data"], 1e-12)
    if abs(size - 1) > 0.05:
        flags.append(f"replicates have {size:.2f} times the counts of the data")
    inside = table["coverage 90%"]["data"]
    if inside < 0.85:
        flags.append(f"90 % intervals hold {inside:.0%} of the counts: the model is too sure")
    return tuple(flags)
