"""What R hands over: recipes as JSON, cells as the slots of a sparse matrix."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from .. import checks
from ..cells import Cells
from ..errors import InputError
from ..model import Model
from ..parts import from_json, to_json, tuples
from ..recipe import Recipe
from ..recipes import RECIPES
from ..stream import FileRows
from .answers import answer


@answer
def recipe(name: str, arguments: str) -> str:
    """The recipe of that name, its arguments given as JSON; as JSON with every default."""
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}", "recipe")
    try:
        made = RECIPES[name](**_tupled(name, from_json(arguments)))
    except TypeError as error:
        raise InputError(f"{name}(): {error}", "recipe") from None
    return to_json(made)


def _tupled(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with tuples where they belong: R's vectors of one arrive as a scalar."""
    defaults = {k: p.default for k, p in inspect.signature(RECIPES[name]).parameters.items()}
    made = {k: tuples(v) for k, v in given.items()}
    alone = {
        k: (v,)
        for k, v in made.items()
        if isinstance(defaults.get(k), tuple) and not isinstance(v, tuple)
    }
    return made | alone


@answer
def needs(tree: str) -> dict[str, Any]:
    """Which columns of the cells a recipe reads, given as JSON."""
    return _needs(from_json(tree))


@answer
def needs_of(model: Model) -> dict[str, Any]:
    """Which columns of the cells a model reads; labels are what it predicts, so not those."""
    wanted = _needs(model.recipe)
    keep = [k for k in wanted["covariates"] if k not in wanted["labels"]]
    return {**wanted, "covariates": keep}


@answer
def check_query(model: Model, cells: Cells) -> None:
    """Refuse cells that the model can't read; warn of those that are not what it was trained on."""
    for note in checks.check_query(cells, model.recipe):
        warnings.warn(note, stacklevel=2)


def _needs(recipe: Recipe) -> dict[str, Any]:
    libraries = [getattr(getattr(d, "head", None), "library", "") for d in recipe.decoders]
    return {
        "size_factor": "size_factor" in libraries,
        "covariates": list(recipe.covariates),
        "numbers": list(recipe.numbers),
        "labels": list(recipe.labels),
    }


@answer
def cells(
    values: np.ndarray,
    genes_of: np.ndarray,
    starts: np.ndarray,
    shape: Sequence[int],
    genes: Sequence[str],
    names: Sequence[str],
    categorical: Mapping[str, Sequence[str]],
    continuous: Mapping[str, Sequence[float]],
    size_factor: Sequence[float] | None = None,
) -> Cells:
    """Cells from the slots x, i, p of a genes x cells dgCMatrix: a (cells, genes) CSR matrix.

    Args:
        values: Stored counts, (stored,).
        genes_of: The gene of each, (stored,).
        starts: Where each cell begins, (cells + 1,).
        shape: Numbers of cells and genes.
        genes: Names of the genes.
        names: Names of the cells.
        categorical: Levels by covariate, one per cell; "" is unknown.
        continuous: Numbers by covariate, one per cell.
        size_factor: The user's size factors, one per cell, or None.
    """
    n_cells, n_genes = (int(n) for n in shape)
    slots = tuple(np.asarray(a).reshape(-1) for a in (values, genes_of, starts))
    x = sparse.csr_matrix(slots, shape=(n_cells, n_genes))
    return _cells(x, genes, names, categorical, continuous, size_factor)


@answer
def cells_in_file(
    path: str,
    group: str,
    cells_of: np.ndarray | None,
    genes_of: np.ndarray | None,
    genes: Sequence[str],
    names: Sequence[str],
    categorical: Mapping[str, Sequence[str]],
    continuous: Mapping[str, Sequence[float]],
    size_factor: Sequence[float] | None = None,
) -> Cells:
    """Cells whose counts stay in an HDF5 file, stored by cell; see `FileRows.open`.

    Args:
        path: The file.
        group: Where in it the counts are.
        cells_of: Which cells of the file these are, counted from 0; None is all.
        genes_of: Which genes of the file these are, counted from 0; None is all.
        genes: Names of the genes.
        names: Names of the cells.
        categorical: Levels by covariate, one per cell; "" is unknown.
        continuous: Numbers by covariate, one per cell.
        size_factor: The user's size factors, one per cell, or None.
    """
    chosen = (slice(None) if a is None else np.asarray(a).reshape(-1) for a in (cells_of, genes_of))
    x = FileRows.open(path, group)[tuple(chosen)]
    return _cells(x, genes, names, categorical, continuous, size_factor)


def _cells(
    x: sparse.csr_matrix | FileRows,
    genes: Sequence[str],
    names: Sequence[str],
    categorical: Mapping[str, Sequence[str]],
    continuous: Mapping[str, Sequence[float]],
    size_factor: Sequence[float] | None,
) -> Cells:
    """Cells with their names and columns, as R's lists have them."""
    return Cells.from_arrays(
        x,
        list(genes),
        list(names),
        categorical=dict(categorical),
        continuous=dict(continuous),
        size_factor=size_factor,
    )
