"""How much of each cell was captured."""

from __future__ import annotations

import numpy as np

from ..cells import RNA, Cells
from ..model import Model
from .ask import each, verb


@verb("decoder")
def library_size(model: Model, cells: Cells, view: str = RNA) -> np.ndarray:
    """The library size that a model takes each cell to have.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        view: Whose library.

    Returns:
        (cells,), in counts: the inferred one, the median of its posterior, of a model with
        `library="latent"`; the total of the cell otherwise.
    """
    decoder = model.network.decoders[view]
    inferred = getattr(decoder, "library", None)
    if inferred is None:
        return each(model, cells, lambda net, m: m.library[view][:, 0])
    return each(model, cells, lambda net, m: inferred.posterior(m).loc.exp()[:, 0])
