"""How likely a model finds cells."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..cells import Cells, Minibatch
from ..devices import Random
from ..model import Model
from ..network import Network
from ..trace import Trace
from .ask import each, verb


@verb("encoder", "prior", "terms")
def elbo(model: Model, cells: Cells, n_samples: int = 1, seed: int = 0) -> np.ndarray:
    """The evidence lower bound of each cell: log likelihood less divergence, weights left out.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        n_samples: Draws of z per cell, over which it is averaged.
        seed: Of the draws.

    Returns:
        (cells,), in nats; higher is better.
    """

    def ask(net: Network, m: Minibatch) -> Tensor:
        total = torch.zeros(())
        for _ in range(n_samples):
            trace = net(m)
            kl = trace["z.kl"] + trace.get("library.kl", 0.0)
            total = total + _log_likelihood(model, trace, m) - kl
        return total / n_samples

    with Random(seed):
        return each(model, cells, ask)


@verb("encoder", "prior", "terms")
def log_likelihood(model: Model, cells: Cells, n_samples: int = 100, seed: int = 0) -> np.ndarray:
    """The importance-weighted log likelihood of each cell, above its evidence lower bound.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        n_samples: Draws of z per cell; more come closer to the truth, from below.
        seed: Of the draws.

    Returns:
        (cells,), in nats.

    References:
        Burda et al. (2016), Importance weighted autoencoders, ICLR.
    """

    def ask(net: Network, m: Minibatch) -> Tensor:
        q, weights = net.encode(m), []
        for _ in range(n_samples):
            z = q.rsample()
            trace = Trace(q=q, z=z)
            trace.update(net.decode(z, m, trace))
            ratio = net.prior_net.log_prob(z) - q.log_prob(z) + trace.get("library.log_ratio", 0.0)
            weights.append(_log_likelihood(model, trace, m) + ratio)
        return torch.stack(weights).logsumexp(0) - math.log(n_samples)

    with Random(seed):
        return each(model, cells, ask, 512)


def _log_likelihood(model: Model, trace: dict, m: Minibatch) -> Tensor:
    """Log likelihood of all views that have a term, (cells,)."""
    asked = (getattr(t, "view", "") for t in model.recipe.terms)
    views = [view for view in asked if view in m.views]
    scores = [torch.where(m.has(v), trace[v].log_prob(m.data(v)), 0.0) for v in views]
    return torch.stack(scores).sum(0)
