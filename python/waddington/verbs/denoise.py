"""What cells look like without noise, as they are or as if they were others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from ..cells import RNA, Cells, Minibatch
from ..errors import InputError, listed
from ..model import Model
from ..network import Network
from .ask import codes_of, each, verb


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
    **as_if: str,
) -> np.ndarray:
    """Expected data of each cell, with the library and the covariates you say.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        view: Which of the views the model decodes.
        library: What expected counts add up to: the "observed" total of each cell, the "median"
            of all cells, or a number (1 gives shares, 10,000 counts per 10,000).
        genes: Names of the features to return; None is all.
        **as_if: Levels by covariate: every cell is decoded as if it had that level.

    Returns:
        (cells, features): expected counts for a count head, else in the units of the data.
    """
    ask = decoder_of(model, view, library_of(model, cells, view, library), codes_of(model, as_if))
    places = slice(None) if genes is None else places_of(model, view, genes)
    return each(model, cells, lambda net, m: ask(net, m, net.encode(m).loc).mean[:, places])


def decoder_of(
    model: Model, view: str, library: float | None, codes: dict[str, int]
) -> Callable[[Network, Minibatch, Tensor], object]:
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
