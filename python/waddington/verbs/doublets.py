"""Which cells are two: found by their likeness to sums of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from ..cells import RNA, Cells
from ..errors import InputError
from ..fit import train
from ..model import Model
from ..readers import column_of, query_cells, training_cells
from ..recipes import scvi
from ..stream import rows_at
from .latent import latent
from .shown import shown

PER_THOUSAND = 0.008
"""Share of doublets per 1,000 cells of a droplet lane."""
PER_TEN_THOUSAND, COMPONENTS = 1e4, 30
FEWEST = 50
"""Cells of a lane without which nothing can be said."""


@shown
@dataclass(frozen=True)
class Doublets:
    """What was found.

    Attributes:
        probability: That a cell is a doublet of unlike cells, given the expected share, (cells,).
        score: How many times denser simulated doublets are than cells at its place, (cells,);
            higher is more suspicious. Compare scores within a lane only.
        doublet: The cells of highest score, as many as were expected, (cells,) bool.
        expected: The expected number, by lane.
    """

    probability: np.ndarray
    score: np.ndarray
    doublet: np.ndarray
    expected: Mapping[str, float]


def find_doublets(
    data: Any,
    model: Model | None = None,
    *,
    lane: str | None = None,
    expected: float | Mapping[str, float] | None = None,
    ratio: float = 2.0,
    n_neighbours: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    layer: str | None = None,
    threads: int | None = None,
) -> Doublets:
    """Doublets, one lane at a time: cells of two lanes can't have shared a droplet.

    Simulated doublets, sums of two cells, are placed in the latent space of the lane's cells. A
    logistic regression on the position, the library and the share of simulated doublets among the
    neighbours, there and among principal components of the counts, tells them from cells. (The
    latent space alone makes doublets too much like cells: it denoises them.) As some cells are
    doublets themselves, its odds are not those of being one: with a share s of doublets, the
    probability is s times the density of simulated doublets over that of cells.

    A doublet of two like cells looks like a cell with more counts, and nothing but its size can
    tell it.

    Args:
        data: An AnnData, or Cells: raw counts.
        model: A model of these cells without covariates; None trains `scvi()` on each lane.
        lane: The column of lanes; None is one lane.
        expected: Share of doublets (below 1) or their number, of each lane or by lane; None is
            0.8 % per 1,000 cells of the lane.
        ratio: Simulated doublets per cell.
        n_neighbours: Neighbours that are counted; None is half the square root of the cells, times
            1 + ratio.
        epochs: Of the models that are trained; None leaves it to the recipe.
        seed: Of everything random.
        layer: The layer of an AnnData that has the counts; None is X.
        threads: CPU threads; None is the cores there are, four at most.

    References:
        Bernstein et al. (2020), Cell Systems 11, 95 (sums in the latent space of a VAE). McGinnis
        et al. (2019), Cell Systems 8, 329 (neighbours). Elkan and Noto (2008), KDD (the odds).
    """
    lanes = None if lane is None else column_of(data, lane)
    if model is None:
        cells = training_cells(data, scvi(), layer)
    else:
        cells = query_cells(data, model, layer)
    lanes = np.full(len(cells), "") if lanes is None else lanes
    share, score, found = (np.zeros(len(cells)) for _ in "123")
    counts = {}
    for i, name in enumerate(np.unique(lanes).tolist()):
        here = np.flatnonzero(lanes == name)
        if len(here) < FEWEST:
            where = f"lane {name!r} has" if lane is not None else "there are"
            told = f"{where} {len(here)} cells; it takes {FEWEST} to tell doublets"
            raise InputError(told, "lane")
        some = cells.take(here)
        mine = model
        if mine is None:
            options: dict[str, Any] = {"epochs": epochs, "seed": seed + i, "threads": threads}
            mine = train(_bare(some), scvi(), verbose=False, **options)
        score[here] = _scores(mine, some, ratio, n_neighbours, seed + i)
        counts[name] = _expected(expected, name, len(here))
        share[here] = np.minimum(1.0, counts[name] / len(here) * score[here])
        found[here[np.argsort(-score[here], kind="stable")[: round(counts[name])]]] = 1
    return Doublets(share, score, found.astype(bool), counts)


def synthetic_doublets(
    cells: Cells, n: int, seed: int = 0, view: str = RNA
) -> tuple[Cells, np.ndarray]:
    """Sums of the counts of random pairs of different cells.

    Args:
        cells: Of one lane.
        n: How many.
        seed: Of the pairs.
        view: Whose counts are added.

    Returns:
        The doublets, with the covariates of the first of each pair, and the pairs, (2, n).
    """
    rng = np.random.default_rng(seed)
    first = rng.integers(len(cells), size=n)
    second = (first + rng.integers(1, len(cells), size=n)) % len(cells)
    x = sparse.csr_matrix(rows_at(cells.views[view], first) + rows_at(cells.views[view], second))
    made = replace(cells.take(first), views={view: x}, names=(), present={})
    return made, np.stack([first, second])


def _scores(model: Model, cells: Cells, ratio: float, k: int | None, seed: int) -> np.ndarray:
    """Density of simulated doublets over that of cells at the place of each cell, (cells,)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    n = len(cells)
    made, _ = synthetic_doublets(cells, max(n, round(ratio * n)), seed)
    z = np.vstack([latent(model, _bare(c, model)) for c in (cells, made)])
    counts = [rows_at(c.views[RNA], slice(None)) for c in (cells, made)]
    k = k or max(5, round(0.5 * np.sqrt(n) * len(z) / n))
    near = [_simulated_share(space, n, k) for space in (z, _components(counts[0], counts[1], seed))]
    total = np.concatenate([np.asarray(x.sum(1), dtype=float).ravel() for x in counts])
    told = [z, np.log(np.maximum(total, 1.0)), *near, *(share**2 for share in near)]
    features = StandardScaler().fit_transform(np.column_stack(told))
    simulated = np.arange(len(z)) >= n
    odds = LogisticRegression(max_iter=1000).fit(features, simulated).decision_function(features)
    return np.exp(odds[:n]) * n / len(made)


def _simulated_share(space: np.ndarray, n: int, k: int) -> np.ndarray:
    """Share of simulated doublets (all rows from n on) among the k nearest, (rows,)."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=k).fit(space).kneighbors(return_distance=False)
    return (near >= n).mean(1)


def _components(x: sparse.csr_matrix, made: sparse.csr_matrix, seed: int) -> np.ndarray:
    """Components of log shares of cells, and the doublets among them, (all, components)."""
    from sklearn.decomposition import TruncatedSVD

    logs = []
    for counts in (x, made):
        total = np.maximum(np.asarray(counts.sum(1), dtype=float), 1.0)
        logs.append(sparse.csr_matrix(counts.multiply(PER_TEN_THOUSAND / total)).log1p())
    few = min(COMPONENTS, min(x.shape) - 1)
    found = TruncatedSVD(few, random_state=seed).fit(logs[0])
    return np.vstack([found.transform(log) for log in logs])


def _bare(cells: Cells, model: Model | None = None) -> Cells:
    """The same cells without covariates, or with those that a model reads."""
    kept = () if model is None else tuple(model.levels)
    return replace(cells, covariates={k: v for k, v in cells.covariates.items() if k in kept})


def _expected(given: float | Mapping[str, float] | None, lane: str, n: int) -> float:
    """The expected number of doublets of a lane of n cells."""
    if isinstance(given, Mapping):
        if lane not in given:
            raise InputError(f"expected has no value for lane {lane!r}", "expected")
        given = given[lane]
    number = PER_THOUSAND * n * n / 1000 if given is None else float(given)
    number = number * n if given is not None and number < 1 else number
    if not 0 < number < n:
        raise InputError(
            f"expected must be a share or a number of cells, got {given!r}", "expected"
        )
    return number
