"""Cells as they would be elsewhere, more of them, how rare they are and paths between them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import verbs
from ..cells import Cells
from ..model import Model
from .answers import answer


@answer
def transform(
    model: Model,
    cells: Cells,
    to: Mapping[str, str],
    cell_type: str | None,
    draw: bool,
    seed: int,
) -> np.ndarray:
    """Cells with other levels, (genes, cells) as R has it; see the verb."""
    return verbs.transform(model, cells, dict(to), cell_type, draw, seed).T


@answer
def augment(
    model: Model, cells: Cells, covariate: str, level: str, n: int, seed: int
) -> dict[str, Any]:
    """New cells of one level, (genes, cells), and which cell lent each, counted from 1."""
    made = verbs.augment(model, cells, covariate, level, n, seed=seed)
    for note in made.notes:
        warnings.warn(note, stacklevel=2)
    return {"values": made.cells.T, "index": (made.index + 1).tolist()}


@answer
def rareness(model: Model, cells: Cells, method: str, seed: int) -> list[float]:
    """How rare each cell is; see the verb."""
    return verbs.rareness(model, cells, method, seed).tolist()


@answer
def path_between(
    model: Model, cells: Cells, start: Sequence[int], stop: Sequence[int], steps: int, path: str
) -> dict[str, Any]:
    """Where a path leads, (steps, n_latent), and how far from all cells; counted from 1.

    "middle" is the one of `start` that is nearest to their mean, by its place among them.
    """
    ends = [np.asarray(rows, dtype=int) - 1 for rows in (start, stop)]
    at, novelty = verbs.path_between(model, cells, *ends, steps, path)
    away = np.square(verbs.positions(model, cells.take(ends[0])) - at[0]).sum(1)
    return {"at": at, "novelty": novelty.tolist(), "middle": int(away.argmin()) + 1}


@answer
def traverse(
    model: Model,
    cells: Cells,
    dimension: int,
    steps: int,
    span: float,
    as_if: Mapping[str, str],
) -> np.ndarray:
    """Expected data as one dimension, counted from 1, goes from low to high, (genes, steps)."""
    found = verbs.traverse(model, cells, dimension - 1, steps, span, **dict(as_if))
    return found.T
