"""What data must be before anything is trained or asked; called once, at the seam."""

from __future__ import annotations

import numpy as np

from .cells import Cells
from .errors import InputError, listed
from .recipe import Recipe


def check_training(cells: Cells, recipe: Recipe) -> list[str]:
    """Refuse what can't be trained on; say what looks wrong.

    Returns:
        Sentences for the user.

    Raises:
        InputError: If the data can't be used by this recipe.
    """
    if len(cells) < 2:
        raise InputError(f"there {_are(len(cells), 'cell')}; training needs at least 2", "x")
    for view in recipe.views:
        if view not in cells.views:
            raise InputError(
                f"{recipe.name} needs the view {view!r}; the data have {listed(cells.views)}"
            )
    notes = [note for d in recipe.decoders for note in check_view(cells, recipe, d.view)]
    notes += _check_covariates(cells, recipe)
    size = recipe.phases[-1].batch_size
    if len(cells) < size:
        few = f"there are fewer cells ({len(cells)}) than batch_size ({size})"
        notes.append(f"{few}; every update uses all of them")
    return notes


def check_view(cells: Cells, recipe: Recipe, view: str) -> list[str]:
    """The same for the data of one view."""
    if view not in cells.views:
        return []
    data, head, notes = cells.views[view], getattr(recipe.head(view), "validate", None), []
    if data.shape[1] == 0:
        raise InputError(f"the data have no {view} features", "x")
    if head is not None:
        head(data)
    if getattr(recipe.head(view), "counts", False):
        notes += _check_empty(cells, view)
    return notes


def _check_empty(cells: Cells, view: str) -> list[str]:
    """Cells and features without a single count."""
    data, notes = cells.views[view], []
    empty = np.flatnonzero(np.asarray(data.sum(1)).ravel() == 0)
    if len(empty) == len(cells):
        raise InputError(f"no cell has any {view} counts", "x")
    if n := len(empty):
        names = listed(map(cells.name, empty), 3)
        notes.append(f"{n} of {len(cells)} cells have no {view} counts ({names}); leave them out")
    if n := int((np.asarray((data != 0).sum(0)).ravel() == 0).sum()):
        of = f"{n} of {data.shape[1]} {view} features"
        notes.append(f"{of} have no counts in any cell; leave them out")
    return notes


def _check_covariates(cells: Cells, recipe: Recipe) -> list[str]:
    """Columns that the recipe reads: there, known for every cell, with more than one level."""
    kinds = {"categorical": (recipe.covariates, cells.covariates)}
    kinds["continuous"] = (recipe.numbers, cells.values)
    for kind, (names, columns) in kinds.items():
        for name in names:
            if name not in columns:
                have = listed(columns) or "none"
                told = f"{recipe.name} reads the {kind} covariate {name!r}; the data have {have}"
                raise InputError(told, name)
    notes = [note for k in recipe.covariates for note in _check_levels(cells, recipe, k)]
    if any(_sized(d) for d in recipe.decoders) and cells.size_factor is None:
        raise InputError(f"{recipe.name} needs size factors; give size_factor=", "size_factor")
    return notes


def _check_levels(cells: Cells, recipe: Recipe, name: str) -> list[str]:
    """One categorical covariate."""
    column = cells.covariates[name]
    unknown, levels = int((column == "").sum()), np.unique(column[column != ""])
    if len(levels) == 0:
        raise InputError(f"{name!r} is unknown for every cell", name)
    if unknown and name not in recipe.labels:
        raise InputError(
            f"{name!r} is unknown for {unknown} of {len(cells)} cells; "
            "leave them out, or give them a level of their own",
            name,
        )
    if len(levels) == 1:
        return [f"{name!r} has one level only ({str(levels[0])!r}); it can't explain anything"]
    return []


def _sized(decoder: object) -> bool:
    return getattr(getattr(decoder, "head", None), "library", None) == "size_factor"


def _are(n: int, what: str) -> str:
    return f"is 1 {what}" if n == 1 else f"are {n} {what}s"
