"""Batch correction by latent arithmetic, for models that were not told the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, listed
from ..model import Model
from ..readers import query_cells
from .ask import why_not
from .groups import column
from .latent import latent
from .question import decode
from .shown import shown


@shown
@dataclass(frozen=True)
class Corrected:
    """Cells after the move.

    Attributes:
        latent: Where they were moved to, (cells, n_latent).
        expression: Expected data there, (cells, features), in the units of the model.
        left: Labels without a cell in the reference batch, whose cells stay where they are.
    """

    latent: np.ndarray
    expression: np.ndarray
    left: tuple[str, ...]


def correct_batch(
    model: Model,
    data: Any,
    batch: str,
    label: str | None = None,
    reference: str | None = None,
    layer: str | None = None,
) -> Corrected:
    """Move the cells of every batch by the difference of its mean from that of the reference.

    Without labels the difference of means is also that of composition: a batch with more B cells
    has a mean nearer to them, and all its cells are moved away from B cells. Give labels where
    shares differ, or train with the batch: then `denoise(model, data, **{batch: level})` needs no
    arithmetic.

    Args:
        model: A model that was not trained with the batch.
        data: An AnnData or Cells.
        batch: The column of batches.
        label: The column of cell types, within which means and differences are taken; None takes
            them over all cells.
        reference: The batch to move to; None is the one with the most cells, of each label: then
            labels may end in different batches, each mixed within itself.
        layer: The layer of an AnnData that has the data; None is the one of training.

    Raises:
        InputError: If the model can't decode, or a column or the reference is not there.

    References:
        Lotfollahi et al. (2019), Nature Methods 16, 715.
    """
    if reason := why_not(model, "denoise"):
        raise InputError(f"a {model.recipe.name} model can't correct batches: {reason}", "model")
    batches = column(data, batch)
    labels = column(data, label) if label else np.full(len(batches), "")
    if reference is not None and reference not in batches:
        known = listed(np.unique(batches), 10)
        raise InputError(f"{batch!r} has no cells of {reference!r}; it has {known}", "reference")
    cells = query_cells(data, model, layer)
    z = latent(model, cells)
    away, left = shifts(z, batches, labels, reference)
    moved = (z - away).astype(z.dtype)
    return Corrected(moved, decode(model, cells, moved), left)


def shifts(
    z: np.ndarray, batches: np.ndarray, labels: np.ndarray, reference: str | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """How far cells are from where they would be in the reference batch.

    Args:
        z: Positions, (cells, n).
        batches: One per cell.
        labels: One per cell; differences are of means within labels.
        reference: As in `correct_batch`.

    Returns:
        (cells, n), and the labels that the reference lacks, whose cells are at 0.
    """
    away, left = np.zeros_like(z, dtype=np.float64), []
    for label in np.unique(labels):
        mine = labels == label
        names, sizes = np.unique(batches[mine], return_counts=True)
        to = names[sizes.argmax()] if reference is None else reference
        if to not in names:
            left.append(str(label))
            continue
        goal = z[mine & (batches == to)].mean(0)
        for name in names:
            here = mine & (batches == name)
            away[here] = z[here].mean(0) - goal
    return away, tuple(left)
