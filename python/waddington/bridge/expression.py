"""Latent space, expected expression and new cells, laid out as R has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import verbs
from ..cells import RNA, Cells
from ..model import Model
from ..verbs.sample import imagined
from .answers import answer

BLOCK = 2048
"""Cells that are decoded at a time on the way to a file."""


@answer
def latent(model: Model, cells: Cells, of: str, n_samples: int, seed: int) -> np.ndarray:
    """The posterior of each cell, (cells, n_latent), or (n_samples, cells, n_latent) if several."""
    found = verbs.latent(model, cells, of=of, n_samples=n_samples, seed=seed)
    return found[0] if of == "sample" and n_samples == 1 else found


@answer
def denoise(
    model: Model,
    cells: Cells,
    library: str | float,
    genes: Sequence[str],
    as_if: Mapping[str, str],
) -> np.ndarray:
    """Expected expression, (genes, cells) as R has it."""
    return verbs.denoise(model, cells, library=library, genes=_all(genes, model), **dict(as_if)).T


@answer
def denoise_to_file(
    model: Model,
    cells: Cells,
    library: str | float,
    genes: Sequence[str],
    as_if: Mapping[str, str],
    file: str,
    name: str,
) -> str:
    """Expected expression into an HDF5 file, (cells, genes), a block of cells at a time."""
    import h5py

    cells = cells.match(model.features)
    size, wanted = _one_library(cells, library), _all(genes, model)
    width = len(model.features[RNA] if wanted is None else wanted)
    with h5py.File(file, "w") as out:
        shape, chunks = (len(cells), width), (min(256, len(cells)), min(1024, width))
        data = out.create_dataset(name, shape, "float32", chunks=chunks, compression="lzf")
        for at in range(0, len(cells), BLOCK):
            some = cells.take(np.arange(at, min(at + BLOCK, len(cells))))
            data[at : at + len(some)] = verbs.denoise(
                model, some, library=size, genes=wanted, **dict(as_if)
            )
    return file


def _one_library(cells: Cells, library: str | float) -> str | float:
    """The median of all cells, which a block of them does not know."""
    if library != "median":
        return library
    return float(np.median(np.asarray(cells.views[RNA].sum(1))))


def _all(genes: Sequence[str], model: Model) -> list[str] | None:
    """None in the place of all genes in their order, which needs no picking."""
    return None if tuple(genes) == tuple(model.features[RNA]) else list(genes)


@answer
def sample(
    model: Model,
    cells: Cells | None,
    n: int | None,
    near: bool,
    expected: bool,
    seed: int,
    as_if: Mapping[str, str],
) -> dict[str, Any]:
    """New cells, (genes, cells), and the covariates that they were given."""
    rng, as_if = np.random.default_rng(seed), dict(as_if)
    if cells is None:
        like = imagined(model, n or 1000, rng)
    else:
        like = cells.match(model.features)
        like = like if n is None else like.take(rng.integers(len(like), size=n))
    made = verbs.sample(model, like, near=near, expected=expected, seed=seed, **as_if)
    levels = {
        k: [as_if[k]] * len(like) if k in as_if else v.tolist() for k, v in _known(like, model)
    }
    numbers = {k: v[:, 0].tolist() for k, v in like.values.items() if k in model.recipe.numbers}
    return {"values": made.T, "levels": levels, "numbers": numbers}


def _known(cells: Cells, model: Model) -> list[tuple[str, np.ndarray]]:
    return [(k, v) for k, v in cells.covariates.items() if k in model.levels]
