"""The path between two states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..cells import RNA, Cells, Minibatch
from ..errors import InputError
from ..layers import check_choice
from ..minibatches import minibatches
from ..model import Model
from ..network import Network
from . import paths
from .ask import codes_of, each, verb
from .denoise import decoder_of, library_of
from .invert import positions

PATHS = ("linear", "slerp", "manifold")


@verb("positions", "decoder")
def interpolate(
    model: Model,
    cells: Cells,
    start: Sequence[bool] | Sequence[int],
    stop: Sequence[bool] | Sequence[int],
    steps: int = 11,
    view: str = RNA,
    library: str | float = "median",
    path: str = "linear",
    **as_if: str,
) -> np.ndarray:
    """Expected data along a path in latent space from some cells to others.

    In a generator without an encoder cells are searched for, which takes longer; see `invert`.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        start: Which cells the path starts from: their mean position; numbers or a mask.
        stop: Which cells it leads to.
        steps: Points along it, both ends included.
        view: Which of the views the model decodes.
        library: What expected counts add up to; see `denoise`.
        path: "linear"; "slerp", an arc around the mean of all cells, for latent spaces with a
            normal prior; or "manifold", from cell to neighbouring cell, which goes round gaps that
            the others lead through.
        **as_if: Levels by covariate along the path; others are those of the first start cell.

    Returns:
        (steps, features): expected counts for a count head, else in the units of the data.

    Raises:
        InputError: If either set is empty, or steps is less than 2.
    """
    if steps < 2:
        raise InputError(f"steps must be at least 2, got {steps!r}", "steps")
    ends = {k: _chosen(len(cells), given) for k, given in (("start", start), ("stop", stop))}
    if empty := [k for k, v in ends.items() if not len(v)]:
        raise InputError(f"{empty[0]} names no cells", empty[0])
    a, b = (positions(model, cells.take(i)).mean(0) for i in ends.values())
    check_choice(path, PATHS, "path")
    others = a[None] if path == "linear" else positions(model, cells)
    z = torch.from_numpy(_path(others, a, b, steps, path).astype(a.dtype))
    like = cells.take(np.repeat(ends["start"][:1], steps))
    (m,) = minibatches(like, model.levels, steps)
    ask = decoder_of(model, view, library_of(model, cells, view, library), codes_of(model, as_if))
    with torch.no_grad():
        return ask(model.network, m, z).mean.numpy()


@verb("positions", "decoder")
def path_between(
    model: Model,
    cells: Cells,
    start: Sequence[bool] | Sequence[int],
    stop: Sequence[bool] | Sequence[int],
    steps: int = 11,
    path: str = "linear",
) -> tuple[np.ndarray, np.ndarray]:
    """Where the path of `interpolate` leads, (steps, n_latent), and its `paths.novelty`, (steps,).

    Positions further from the cells than 95 in 100 cells are from theirs are off the manifold: what
    is decoded there was never seen.
    """
    z = positions(model, cells)
    a, b = (z[_chosen(len(cells), given)].mean(0) for given in (start, stop))
    at = _path(z, a, b, steps, path)
    return at, paths.novelty(at, z)


@verb("encoder", "decoder")
def traverse(
    model: Model,
    cells: Cells,
    dimension: int,
    steps: int = 11,
    span: float = 3.0,
    view: str = RNA,
    library: str | float = "median",
    **as_if: str,
) -> np.ndarray:
    """Expected data as one latent dimension goes from low to high, the others at their means.

    Args:
        model: The model.
        cells: An AnnData, or Cells, whose mean and standard deviation the path is built of.
        dimension: Which dimension of z, from 0.
        steps: Points along it.
        span: How many standard deviations below and above the mean it reaches.
        view: Which of the views the model decodes.
        library: What expected counts add up to; see `denoise`.
        **as_if: Levels by covariate; others are those of the first cell.

    Returns:
        (steps, features): expected counts for a count head, else in the units of the data.

    Raises:
        InputError: If there is no such dimension.
    """
    z = each(model, cells, _mean)
    if not 0 <= dimension < z.shape[1]:
        told = f"dimension must be from 0 to {z.shape[1] - 1}, got {dimension!r}"
        raise InputError(told, "dimension")
    at = np.repeat(z.mean(0, keepdims=True), steps, 0)
    at[:, dimension] += np.linspace(-span, span, steps) * z[:, dimension].std()
    (m,) = minibatches(cells.take(np.zeros(steps, int)), model.levels, steps)
    ask = decoder_of(model, view, library_of(model, cells, view, library), codes_of(model, as_if))
    with torch.no_grad():
        return ask(model.network, m, torch.from_numpy(at)).mean.numpy()


def _path(z: np.ndarray, a: np.ndarray, b: np.ndarray, steps: int, path: str) -> np.ndarray:
    """Latent positions from a to b among those of all cells, z; (steps, n_latent)."""
    check_choice(path, PATHS, "path")
    if path == "linear":
        return paths.straight(a, b, steps)
    return paths.slerp(a, b, steps, z.mean(0)) if path == "slerp" else paths.along(a, b, steps, z)


def _chosen(n: int, given: Sequence[bool] | Sequence[int] | np.ndarray) -> np.ndarray:
    """Numbers of the cells that numbers or a mask choose."""
    chosen = np.asarray(given)
    return np.arange(n)[chosen if chosen.dtype == bool else chosen.astype(int)]


def _mean(net: Network, m: Minibatch) -> torch.Tensor:
    return net.encode(m).loc
