"""More cells of a type that has few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..cells import RNA, Cells
from ..errors import InputError, listed
from ..model import Model
from ..readers import column_of, query_cells
from .ask import VERBS, check_asked
from .sample import sample
from .shown import shown

FEWEST = 20
"""With fewer cells of a level, what makes them differ was hardly measured."""

VERBS["augment"] = VERBS["sample"]


@shown
@dataclass(frozen=True)
class Augmented:
    """New cells, and the real ones that they were made after.

    Attributes:
        cells: (n, features), in the units of the data: counts for a head of counts.
        index: Which cell of the data lent each its library size and its covariates, (n,).
        covariates: Levels by covariate, (n,) each: the one asked for, and those the model reads.
        features: Names of the features.
        notes: Sentences for the user.
    """

    cells: np.ndarray
    index: np.ndarray
    covariates: Mapping[str, np.ndarray]
    features: tuple[str, ...]
    notes: tuple[str, ...] = ()


def augment(
    model: Model,
    data: Any,
    covariate: str,
    level: str,
    n: int,
    *,
    seed: int = 0,
    layer: str | None = None,
) -> Augmented:
    """New cells of one level of a covariate, such as a rare cell type.

    Each is made after a real cell of that level, all of which lend as often, and has its library
    size and its other covariates. A model with an encoder draws a position from the posterior of
    that cell and data from the head there; it needs not know the covariate. A generator without an
    encoder must be conditional on it, and draws from its prior.

    New cells are what the model learnt of those that were measured. They add none of what was not,
    and split into training and test sets come before: a new cell knows the real ones.

    Args:
        model: The model.
        data: An AnnData, or Cells, with cells of that level.
        covariate: The column with the level.
        level: Which level to make more of.
        n: How many new cells.
        seed: Of all draws.
        layer: The layer of an AnnData that has the data; None is the one of training.

    Raises:
        InputError: If no cell has the level, n is not positive, or the model can't make cells of a
            level.
    """
    check_asked(model, "augment")
    column = column_of(data, covariate)
    rows = np.flatnonzero(column == str(level))
    if not len(rows):
        known = listed(np.unique(column), 12)
        raise InputError(f"no cell has {covariate!r} {level!r}; there are {known}", "level")
    if n < 1:
        raise InputError(f"n must be at least 1, got {n!r}", "n")
    near = bool(model.recipe.encoders)
    if not near and covariate not in model.recipe.needed:
        raise InputError(
            f"this {model.recipe.name} model generates any cell: it has no encoder, and was not "
            f"told {covariate!r}; train scgan({covariate!r}), or a recipe with an encoder",
            "model",
        )
    index = _lenders(rows, n, np.random.default_rng(seed))
    like = query_cells(data, model, layer).take(index)
    return Augmented(
        cells=sample(model, like, near=near, seed=seed),
        index=index,
        covariates={**_known(model, like), covariate: np.full(n, str(level))},
        features=model.features[RNA],
        notes=_notes(covariate, str(level), len(rows)),
    )


def _lenders(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n of the rows in random order, each as often as the others but for one, (n,)."""
    rounds = [rng.permutation(rows) for _ in range(-(-n // len(rows)))]
    return np.concatenate(rounds)[:n]


def _known(model: Model, cells: Cells) -> dict[str, np.ndarray]:
    return {k: cells.covariates[k] for k in model.levels if k in cells.covariates}


def _notes(covariate: str, level: str, found: int) -> tuple[str, ...]:
    if found >= FEWEST:
        return ()
    return (
        f"only {found} {'cells have' if found > 1 else 'cell has'} {covariate!r} {level!r}; with "
        f"fewer than {FEWEST}, new cells vary as the model saw others vary, not as that level does",
    )
