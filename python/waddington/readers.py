"""From what users hold to Cells."""

from __future__ import annotations

import warnings
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .cells import Cells
from .checks import check_query
from .errors import InputError, listed
from .files import columns_of
from .model import Model
from .recipe import Recipe


def training_cells(
    data: Any, recipe: Recipe, layer: str | None = None, size_factor: str | None = None
) -> Cells:
    """Cells with the columns that a recipe reads, from an AnnData, a path to a file, or Cells.

    Raises:
        InputError: If it is none of these, or lacks a layer or a column.
    """
    if isinstance(data, Cells):
        return data
    if isinstance(data, str | Path):
        columns = (recipe.covariates, recipe.numbers, size_factor)
        return Cells.from_file(data, layer, False, *columns)
    _check_anndata(data)
    return _from_anndata(data, recipe, recipe.covariates, layer, size_factor)


def query_cells(data: Any, model: Model, layer: str | None = None) -> Cells:
    """Cells as a model needs them: its genes in its order, and the columns that it reads.

    Columns that it predicts may be missing, and may have levels that it does not know: those are
    unknown labels. `layer` None is the one of training.

    Raises:
        InputError: If genes, a layer or a column are missing.
    """
    cells = unmatched_cells(data, model, layer)
    free = [k for k in model.recipe.optional if k not in model.recipe.needed]
    for name in set(free) & set(cells.covariates) & set(model.levels):
        given = cells.covariates[name]
        labels = np.where(np.isin(given, sum(model.levels[name], ())), given, "")
        cells = replace(cells, covariates={**cells.covariates, name: labels})
    return cells.match(model.features)


def unmatched_cells(data: Any, model: Model, layer: str | None = None) -> Cells:
    """The same with the genes that the data have, in their order.

    Raises:
        InputError: If a layer or a column is missing, or values are that no model can read.
    """
    recipe = model.recipe
    if isinstance(data, Cells):
        return _checked(data, recipe)
    layer = layer if layer is not None else model.record.get("layer")
    sizes = model.record.get("size_factor")
    if isinstance(data, str | Path):
        known = _known(recipe, columns_of(data))
        cells = Cells.from_file(data, layer, False, known, recipe.numbers, sizes)
    else:
        _check_anndata(data)
        cells = _from_anndata(data, recipe, _known(recipe, data.obs), layer, sizes)
    for note in check_query(cells, recipe):
        warnings.warn(note, stacklevel=4)
    return cells


def _from_anndata(
    data: Any, recipe: Recipe, names: Sequence[str], layer: str | None, size_factor: str | None
) -> Cells:
    """Cells of an AnnData; a label that is missing is unknown, "", and nothing else may be."""
    labels = [k for k in names if k in recipe.optional and k in data.obs]
    others = [k for k in names if k not in labels]
    cells = Cells.from_anndata(data, layer, others, recipe.numbers, size_factor)
    known = {k: np.where(data.obs[k].isna(), "", data.obs[k].astype(str)) for k in labels}
    return replace(cells, covariates={**cells.covariates, **known})


def _known(recipe: Recipe, columns: Container[str]) -> list[str]:
    """The columns to read: those that are needed, and labels that are there."""
    return list(dict.fromkeys([*recipe.needed, *(k for k in recipe.labels if k in columns)]))


def _checked(cells: Cells, recipe: Recipe) -> Cells:
    """The cells, if they have all that is needed.

    Raises:
        InputError: If they lack a column, or do not know it for every cell.
    """
    for name in recipe.needed:
        column = cells.covariates.get(name)
        if column is None:
            told = f"the model reads the categorical covariate {name!r}"
            raise InputError(f"{told}; the data have {listed(cells.covariates) or 'none'}", name)
        if n := int((column == "").sum()):
            raise InputError(f"{name!r} is unknown for {n} of {len(cells)} cells", name)
    for name in recipe.numbers:
        if name not in cells.values:
            told = f"the model reads the continuous covariate {name!r}"
            raise InputError(f"{told}; the data have {listed(cells.values) or 'none'}", name)
    return cells


def _check_anndata(data: Any) -> None:
    if not (hasattr(data, "obs") and hasattr(data, "var_names")):
        raise InputError(
            f"the data must be an AnnData, a path or Cells, not {type(data).__name__}", "data"
        )


def column_of(data: Any, name: str) -> np.ndarray:
    """A column of an AnnData's obs, or of the covariates of Cells, as strings, (cells,).

    Raises:
        InputError: If it is not there, or has missing values.
    """
    columns = data.covariates if isinstance(data, Cells) else getattr(data, "obs", {})
    if name not in columns:
        told = f"{name!r} is not a column of the data; it has {listed(columns, 12)}"
        raise InputError(told, name)
    column = np.asarray(columns[name])
    missing = int(np.sum([v is None or v != v or v == "" for v in column]))
    if missing:
        raise InputError(f"{name!r} is missing for {missing} cells; leave them out", name)
    return column.astype(str)
