"""Columns that can't be told apart: said before training, because no model can tell them after."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from .cells import Cells
from .errors import listed
from .recipe import Recipe

TOLD = 0.98
"""Share of cells whose level is told by another column, above which it says nothing of its own."""


def confounded(cells: Cells, recipe: Recipe) -> list[str]:
    """Sentences about conditions that determine each other, and labels of one condition only."""
    grown = [c.covariate for c in recipe.conditions if c.covariate in cells.covariates]
    players = [k for o in recipe.opponents for k in o.covariates if k in cells.covariates]
    told = list(dict.fromkeys([*grown, *players]))
    notes = list(_determined(cells, told))
    for label in recipe.optional:
        for batch in told:
            if label in cells.covariates and label != batch:
                notes += _of_one_level(cells, label, batch)
    return notes


def _determined(cells: Cells, names: list[str]) -> Iterator[str]:
    """Conditions of which one tells the other."""
    for a, b in combinations(names, 2):
        for this, other in ((a, b), (b, a)):
            counts = _table(cells, this, other)
            if min(counts.shape) > 1 and counts.max(1).sum() >= TOLD * counts.sum():
                yield (
                    f"the level of {this!r} tells that of {other!r}: their effects can't be told "
                    f"apart; leave out {other!r}"
                )
                break


def _of_one_level(cells: Cells, label: str, batch: str) -> list[str]:
    """Labels that one level of a condition has alone."""
    counts = _table(cells, label, batch)
    if counts.shape[1] < 2 or counts.shape[0] < 2:
        return []
    names = np.unique(cells.covariates[label])
    names = names[names != ""]
    if counts.max(0).sum() >= TOLD * counts.sum():
        return [
            f"each level of {batch!r} has one level of {label!r}: what tells labels apart may be "
            f"taken for an effect of {batch!r}, and removed"
        ]
    alone = names[(counts > 0).sum(1) == 1]
    if not len(alone):
        return []
    return [
        f"{len(alone)} of {len(names)} levels of {label!r} are in one level of {batch!r} only "
        f"({listed(alone, 3)}); there a difference may be of either"
    ]


def _table(cells: Cells, a: str, b: str) -> np.ndarray:
    """Cells by level of a (rows) and of b (columns), where both are known."""
    x, y = cells.covariates[a], cells.covariates[b]
    known = (x != "") & (y != "")
    rows, i = np.unique(x[known], return_inverse=True)
    columns, j = np.unique(y[known], return_inverse=True)
    if not len(rows):
        return np.zeros((0, 0), int)
    flat = np.bincount(i * len(columns) + j, minlength=len(rows) * len(columns))
    return flat.reshape(len(rows), len(columns))
