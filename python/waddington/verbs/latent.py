"""Where cells are."""

from __future__ import annotations

import numpy as np
import torch

from ..cells import Cells
from ..devices import Random
from ..errors import InputError
from ..latents import Posterior
from ..layers import check_choice
from ..model import Model
from .ask import each, verb

OF = ("mean", "sd", "sample")


@verb("encoder")
def latent(
    model: Model, cells: Cells, of: str = "mean", n_samples: int = 1, seed: int = 0
) -> np.ndarray:
    """The posterior of each cell in the latent space.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        of: "mean", "sd", or "sample" for draws.
        n_samples: Draws per cell.
        seed: Of the draws.

    Returns:
        (cells, n_latent); for samples (n_samples, cells, n_latent).

    Raises:
        InputError: If the model encodes to points and the spread is asked for.
    """
    check_choice(of, OF, "of")
    if of == "mean":
        return each(model, cells, lambda net, m: net.encode(m).loc)
    if model.recipe.latent.prior is None:
        raise InputError(f"a {model.recipe.name} model encodes to points; they have no {of}", "of")
    if of == "sd":
        return each(model, cells, lambda net, m: net.encode(m).spread)
    with Random(seed):
        drawn = each(model, cells, lambda net, m: _draws(net.encode(m), n_samples))
    return np.moveaxis(drawn, 1, 0)


def _draws(q: Posterior, n: int) -> torch.Tensor:
    return torch.stack([q.rsample() for _ in range(n)], 1)
