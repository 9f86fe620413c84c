"""How the posteriors of several encoders become one, and what of z each decoder reads.

A fusion answers `fuse(posteriors, cells)`, `split(z, view)` and `width(n_latent, view)`. It takes
from `cells.has(view)` who has what, and never guesses it from zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from .cells import Minibatch
from .latents import Posterior
from .parts import part


@part
class Alone:
    """One encoder, or none; every decoder reads all of z."""

    def build(self, names: Sequence[str], n: int) -> AloneNet:
        return AloneNet()


class AloneNet(nn.Module):
    """See `Alone`."""

    def fuse(self, posteriors: Mapping[str, Posterior], cells: Minibatch) -> Posterior:
        """The posterior given all views a cell has."""
        (q,) = posteriors.values()
        return q

    def split(self, z: Tensor, view: str) -> Tensor:
        """What the decoder of `view` reads, (cells, width(view))."""
        return z

    def width(self, n_latent: int, view: str) -> int:
        """Its size."""
        return n_latent


@part
class PoE:
    """A product of experts, N(0, 1) being one of them.

    References:
        Wu and Goodman (2018), NeurIPS 31.
    """

    def build(self, names: Sequence[str], n: int) -> PoENet:
        return PoENet()


class PoENet(AloneNet):
    """See `PoE`."""

    def fuse(self, posteriors: Mapping[str, Posterior], cells: Minibatch) -> Posterior:
        """Precisions add up; a view that a cell lacks has none."""
        weight = {v: cells.has(v)[:, None] / q.spread**2 for v, q in posteriors.items()}
        total = 1.0 + reduce(torch.add, weight.values())
        loc = reduce(torch.add, (weight[v] * posteriors[v].loc for v in weight)) / total
        return Posterior(loc, total**-0.5)
