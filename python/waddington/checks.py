"""What data must be before anything is trained or asked; called once, at the seam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from .cells import Cells
from .confounding import confounded
from .errors import BadValue, InputError, listed
from .recipe import Recipe
from .stream import FileRows, blocks_of, rows_at

LOOKED_AT = 500
"""Cells of a query whose values are looked at."""
RARE = 5
"""Cells of a level below which nothing can be learnt of it."""


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
    notes += [*_check_covariates(cells, recipe), *confounded(cells, recipe)]
    size = recipe.phases[-1].batch_size
    if len(cells) < size:
        few = f"there are fewer cells ({len(cells)}) than batch_size ({size})"
        notes.append(f"{few}; every update uses all of them")
    return notes


def check_view(cells: Cells, recipe: Recipe, view: str) -> list[str]:
    """The same for the data of one view."""
    if view not in cells.views:
        return []
    head, data = recipe.head(view), cells.views[view]
    if data.shape[1] == 0:
        raise InputError(f"the data have no {view} features", "x")
    empty, counted = [], np.zeros(data.shape[1], dtype=np.int64)
    for start, block in blocks_of(data):
        if hasattr(head, "validate"):
            _validate(head, block, cells, range(start, len(cells)), view)
        empty.append(start + np.flatnonzero(np.asarray(block.sum(1)).ravel() == 0))
        counted += np.bincount(block.indices[block.data != 0], minlength=len(counted))
    if not getattr(head, "counts", False):
        return []
    return _check_empty(cells, view, np.concatenate(empty), int((counted == 0).sum()))


def check_query(cells: Cells, recipe: Recipe) -> list[str]:
    """What cells that a model is asked about must be, too: LOOKED_AT of them are looked at.

    Returns:
        A sentence if values are no counts and the model was trained on counts, but can read them.

    Raises:
        InputError: For values that no model can read, such as missing or negative ones.
    """
    notes = []
    for view in {d.view for d in recipe.decoders} & set(cells.views):
        data, head = cells.views[view], recipe.head(view)
        if not hasattr(head, "validate"):
            continue
        step = 1 if isinstance(data, FileRows) else max(1, -(-len(cells) // LOOKED_AT))
        looked = np.arange(len(cells))[::step][:LOOKED_AT]
        block = rows_at(data, looked)
        try:
            _validate(head, block, cells, looked, view)
        except InputError as error:
            if not (np.isfinite(block.data).all() and (block.data >= 0).all()):
                raise
            notes.append(str(error))
    return notes


def _validate(
    head: Any, block: sparse.csr_matrix, cells: Cells, index: Sequence[int] | np.ndarray, view: str
) -> None:
    """Ask a head about a block of the cells at `index`; what it says has their names."""
    try:
        head.validate(block)
    except BadValue as bad:
        feature = cells.features[view][bad.feature]
        raise bad.named(feature, cells.name(index[bad.cell])) from None


def _check_empty(cells: Cells, view: str, empty: np.ndarray, silent: int) -> list[str]:
    """Cells without a single count, and how many features have none."""
    if len(empty) == len(cells):
        raise InputError(f"no cell has any {view} counts", "x")
    notes = []
    if n := len(empty):
        names = listed([cells.name(i) for i in empty[:3]], 3)
        more = f" and {n - 3} more" if n > 3 else ""
        notes.append(
            f"{n} of {len(cells)} cells have no {view} counts ({names}{more}); leave them out"
        )
    if silent:
        of = f"{silent} of {len(cells.features[view])} {view} features"
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
    notes += [note for d in recipe.decoders for note in _check_control(cells, d)]
    if any(_sized(d) for d in recipe.decoders) and cells.size_factor is None:
        raise InputError(f"{recipe.name} needs size factors; give size_factor=", "size_factor")
    return notes


def _check_levels(cells: Cells, recipe: Recipe, name: str) -> list[str]:
    """One categorical covariate."""
    column = cells.covariates[name]
    unknown, levels = int((column == "").sum()), np.unique(column[column != ""])
    if len(levels) == 0 and name in recipe.optional and not _learns(recipe, name):
        return []
    if len(levels) == 0:
        told = f"{name!r} is unknown for every cell"
        raise InputError(f"{told}; label some, or train a recipe without labels: scvi()", name)
    if unknown and name not in recipe.optional:
        raise InputError(
            f"{name!r} is unknown for {unknown} of {len(cells)} cells; "
            "leave them out, or give them a level of their own",
            name,
        )
    if len(levels) == 1:
        return [f"{name!r} has one level only ({str(levels[0])!r}); it can't explain anything"]
    return [] if name in recipe.optional else _check_rare(column, name)


def _check_rare(column: np.ndarray, name: str) -> list[str]:
    """Levels of a covariate that hardly any cell has."""
    levels, n = np.unique(column[column != ""], return_counts=True)
    rare = [f"{level} ({k})" for level, k in zip(levels, n, strict=True) if k < RARE]
    if not rare:
        return []
    return [
        f"{len(rare)} of {len(levels)} levels of {name!r} have fewer than {RARE} cells "
        f"({listed(rare, 3)}): what is special of them can't be told from noise"
    ]


def _check_control(cells: Cells, decoder: object) -> list[str]:
    """The level that adds nothing, of a decoder that adds up what levels do."""
    effects = getattr(decoder, "effects", None)
    if effects is None or effects.control in cells.covariates[effects.perturbation]:
        return []
    known = listed(np.unique(cells.covariates[effects.perturbation]), 10)
    told = f"{effects.perturbation!r} has no level {effects.control!r}, which was to be the control"
    return [f"{told}: no cell shows what a perturbation adds to; control may be one of {known}"]


def _learns(recipe: Recipe, label: str) -> bool:
    """Whether a term of the objective asks for known levels."""
    return any(label in (getattr(t, "view", None), getattr(t, "by", None)) for t in recipe.terms)


def _sized(decoder: object) -> bool:
    return getattr(getattr(decoder, "head", None), "library", None) == "size_factor"


def _are(n: int, what: str) -> str:
    return f"is 1 {what}" if n == 1 else f"are {n} {what}s"
