"""What cells look like without noise, as they are or as if they were others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from ..cells import RNA, Cells, Minibatch
from ..contracts import Distribution
from ..errors import InputError, listed
from ..model import Model
from ..network import Network
from .ask import codes_of, decoded_block, each, verb


@verb("encoder", "decoder")
def reconstruct(model: Model, cells: Cells, view: str = RNA) -> np.ndarray:
    """Expected data of each cell given its latent mean, its covariates and its library.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        view: Which of the views the model decodes.

    Returns:
        (cells, features), in the units of the data: expected counts for a count head.
    """
    return denoise(model, cells, view)


@verb("encoder", "decoder")
def denoise(
    model: Model,
    cells: Cells,
    view: str = RNA,
    library: str | float = "observed",
    genes: Sequence[str] | None = None,
    **as_if: str | Sequence[str],
) -> np.ndarray:
    """Expected data of each cell, with the library and the covariates you say.

    A level that a cell is not of is a guess: what the cell would have been, had nothing else
    changed. Means vary less than data do, so they are for looking and comparing, not for tests that
    take cells as replicates: see `differential_expression`.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        view: Which of the views the model decodes.
        library: What expected counts add up to: the "observed" total of each cell, the "median"
            of all cells, or a number (1 gives shares, 10,000 counts per 10,000).
        genes: Names of the features to return; None is all.
        **as_if: Levels by covariate: every cell is decoded as if it had that level. Several levels
            of a covariate give the mean over them, each the same whatever its number of cells, so
            that none is favoured.

    Returns:
        (cells, features): expected counts for a count head, else in the units of the data.
    """
    size = library_of(model, cells, view, library)
    asks = [decoder_of(model, view, size, codes_of(model, one)) for one in _each_world(as_if)]
    places = slice(None) if genes is None else places_of(model, view, genes)

    def ask(net: Network, m: Minibatch) -> Tensor:
        z = net.encode(m).loc
        means = [decode(net, m, z).mean[:, places] for decode in asks]
        return means[0] if len(means) == 1 else torch.stack(means).mean(0)

    return each(model, cells, ask, decoded_block(model, view))


def _each_world(as_if: Mapping[str, str | Sequence[str]]) -> Iterator[dict[str, str]]:
    """One level of each covariate, in every combination.

    Raises:
        InputError: If a covariate is given without a level.
    """
    levels = {k: (v,) if isinstance(v, str) else tuple(v) for k, v in as_if.items()}
    for name, given in levels.items():
        if not given:
            raise InputError(f"{name} is given without a level", name)
    return (dict(zip(levels, some, strict=True)) for some in product(*levels.values()))


def decoder_of(
    model: Model, view: str, library: float | None, codes: dict[str, int]
) -> Callable[[Network, Minibatch, Tensor], Distribution]:
    """A function of network, cells and z that gives the distribution of a view.

    Raises:
        InputError: If the model does not decode that view.
    """
    model.recipe.head(view)
    return lambda net, m, z: net.decode(z, m.as_if(codes, library))[view]


def library_of(model: Model, cells: Cells, view: str, library: str | float) -> float | None:
    """The library size that stands for `library`; None is each cell's own.

    Raises:
        InputError: If it is neither a known word nor a positive number.
    """
    if library == "observed":
        return None
    if library == "median":
        return float(np.median(np.asarray(cells.views[view].sum(1))))
    try:
        size = float(library)
    except ValueError:
        size = -1.0
    if not size > 0:
        told = f'library must be "observed", "median" or a positive number, got {library!r}'
        raise InputError(told, "library")
    if getattr(model.recipe.head(view), "library", None) != "observed":
        raise InputError(
            f"a {model.recipe.name} model has no library to set for {view!r}", "library"
        )
    return size


def places_of(model: Model, view: str, genes: Sequence[str]) -> list[int]:
    """Where these features are.

    Raises:
        InputError: If the model does not know one.
    """
    place = {k: i for i, k in enumerate(model.features[view])}
    if missing := [g for g in genes if g not in place]:
        raise InputError(f"the model has no genes {listed(missing)}", "genes")
    return [place[g] for g in genes]
