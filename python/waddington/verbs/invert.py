"""Where in the latent space of a generator given cells are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..cells import RNA, Cells, Minibatch, Rows
from ..contracts import Distribution
from ..devices import Random
from ..errors import InputError
from ..model import Model
from ..network import Network
from ..optim import Adam
from ..schedules import Clock, Cosine
from .ask import each, verb
from .latent import latent

Cost = Callable[[Tensor], Tensor]
"""From z, (cells, n_latent), to one number per cell."""
CANDIDATES = 32
"""Draws from the prior, of which each cell starts at the best."""
RATE = Cosine(0.1, 0.0)
BLOCK = 512
"""Cells sought at a time."""


@verb("prior", "decoder")
def invert(
    model: Model,
    cells: Cells,
    steps: int = 400,
    prior: float = 0.0,
    view: str = RNA,
    seed: int = 0,
) -> np.ndarray:
    """The z of each cell that the model decodes, with the cell's covariates, closest to it.

    For models without an encoder, such as generators; `latent` is faster where there is one.
    Closest is most likely, or of least squared distance if the generator makes points. The search
    goes downhill from the best of some draws from the prior. It may end in a valley that is not the
    deepest, and a cell that the generator can't make is placed somewhere nonetheless: compare what
    is decoded there with the cell.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        steps: Steps downhill.
        prior: What -log p(z), in nats, counts beside the distance; 0 is nothing.
        view: Which of the views the model decodes.
        seed: Of the first draws.

    Returns:
        (cells, n_latent).

    Raises:
        InputError: If steps is less than 1, prior is negative, or the view is not decoded.

    References:
        Ghahramani et al. (2018), bioRxiv 262501, for cells that a generator is to find.
    """
    model.recipe.head(view)
    if steps < 1:
        raise InputError(f"steps must be at least 1, got {steps!r}", "steps")
    if not prior >= 0:
        raise InputError(f"prior must be at least 0, got {prior!r}", "prior")

    def ask(net: Network, m: Minibatch) -> Tensor:
        def cost(z: Tensor) -> Tensor:
            far = _distance(net.decode(z, m)[view], m.views[view])
            return far - prior * net.prior_net.log_prob(z) if prior else far

        return _downhill(
            cost, _best(cost, [net.prior_net.sample(m) for _ in range(CANDIDATES)]), steps
        )

    with Random(seed):
        return each(model, cells, ask, BLOCK)


def positions(model: Model, cells: Cells, seed: int = 0) -> np.ndarray:
    """Where cells are, (cells, n_latent): as encoded, or as found where there is no encoder."""
    return latent(model, cells) if model.recipe.encoders else invert(model, cells, seed=seed)


def _distance(made: Distribution, data: Rows) -> Tensor:
    """Of each cell to what was made, (cells,): in nats, or squared where it was made as a point."""
    if getattr(made, "sd", None) == 0:
        return (data.dense().to(made.mean.dtype) - made.mean).square().sum(-1)
    return -made.log_prob(data)


def _best(cost: Cost, candidates: list[Tensor]) -> Tensor:
    """For each cell the candidate of least cost, (cells, n_latent)."""
    costs = torch.stack([cost(z) for z in candidates])
    return torch.stack(candidates)[costs.argmin(0), torch.arange(costs.shape[1])]


def _downhill(cost: Cost, z: Tensor, steps: int) -> Tensor:
    """From z, for each cell, to where the cost is least along the way, (cells, n_latent)."""
    z = z.clone()
    adam = Adam().build([z])
    best, least = z.clone(), torch.full((len(z),), torch.inf, dtype=z.dtype)
    for step in range(steps + 1):
        with torch.enable_grad():
            costs = cost(z.requires_grad_())
            (z.grad,) = torch.autograd.grad(costs.sum(), z)
        z.requires_grad_(False)
        better = costs.detach() < least
        best[better], least[better] = z[better], costs.detach()[better]
        adam.step(RATE.at(Clock(step / steps)))
    return best
