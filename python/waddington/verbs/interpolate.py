"""The path between two states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..cells import RNA, Cells, Minibatch
from ..errors import InputError
from ..minibatches import minibatches
from ..model import Model
from ..network import Network
from .ask import codes_of, each, verb
from .denoise import decoder_of, library_of


@verb("encoder", "decoder")
def interpolate(
    model: Model,
    cells: Cells,
    start: Sequence[bool] | Sequence[int],
    stop: Sequence[bool] | Sequence[int],
    steps: int = 11,
    view: str = RNA,
    library: str | float = "median",
    **as_if: str,
) -> np.ndarray:
    """Expected data along the straight line in latent space from some cells to others.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        start: Which cells the path starts from: their mean position; numbers or a mask.
        stop: Which cells it leads to.
        steps: Points along it, both ends included.
        view: Which of the views the model decodes.
        library: What expected counts add up to; see `denoise`.
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
    a, b = (each(model, cells.take(i), _mean).mean(0) for i in ends.values())
    share = np.linspace(0, 1, steps)[:, None]
    z = torch.from_numpy(((1 - share) * a + share * b).astype(a.dtype))
    like = cells.take(np.repeat(ends["start"][:1], steps))
    (m,) = minibatches(like, model.levels, steps)
    ask = decoder_of(model, view, library_of(model, cells, view, library), codes_of(model, as_if))
    with torch.no_grad():
        return ask(model.network, m, z).mean.numpy()


def _chosen(n: int, given: Sequence[bool] | Sequence[int]) -> np.ndarray:
    """Numbers of the cells that numbers or a mask choose."""
    chosen = np.asarray(given)
    return np.arange(n)[chosen if chosen.dtype == bool else chosen.astype(int)]


def _mean(net: Network, m: Minibatch) -> torch.Tensor:
    return net.encode(m).loc
