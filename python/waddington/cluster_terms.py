"""Terms that make a model fall into clusters: they read activations and own no parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from .cells import RNA, Minibatch
from .coders import TRANSFORMS
from .layers import check_choice
from .parts import part
from .schedules import Schedule
from .terms import alike
from .trace import Trace

TINY = 1e-12
"""Smallest share whose logarithm is taken; its product with the share is 0 to any precision."""


@part
class Entropy:
    """Entropy of how the mean activation of `on` is shared out among its units, in nats.

    Little of it means that few units speak for all cells, so that those which do are a code of the
    cell's cluster. Activations must not be negative.

    References:
        Amodio et al. (2019), Nature Methods 16, 1139.
    """

    on: str
    weight: Schedule = 1.0

    @property
    def name(self) -> str:
        return f"entropy {self.on}"

    @property
    def code(self) -> str:
        """The activation that is on or off by cluster."""
        return self.on

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        mean = trace[self.on].mean(0)
        share = mean / mean.sum().clamp(min=TINY)
        return -(share * share.clamp(min=TINY).log()).sum()


@part
class WithinCode:
    """How far apart in their data cells of like activation are: mean of distance x likeness.

    Distances are squared and averaged over the features of `of`; likeness is that of `on`, which is
    divided by its maximum.

    References:
        Amodio et al. (2019), Nature Methods 16, 1139.
    """

    on: str
    of: str = RNA
    transform: str = "none"
    weight: Schedule = 1.0
    widths: tuple[float, ...] = (1e-4, 1e-3, 1e-2)

    def check(self) -> None:
        check_choice(self.transform, tuple(TRANSFORMS), "transform")

    @property
    def name(self) -> str:
        return f"within {self.on}"

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        h = trace[self.on]
        x = cells.views[self.of].map(TRANSFORMS[self.transform]).dense().to(h.dtype)
        far = torch.cdist(x, x).square() / x.shape[1]
        return (far * alike(h / h.detach().amax().clamp(min=TINY), self.widths)).mean()


@part
class SelfTraining:
    """KL(P || Q), in nats: P is Q, the share of each cluster in a cell, made sharper.

    P is q² over the size of the cluster, normalised, and is taken as given: cells that are sure
    teach those that are not, and small clusters pull as hard as large ones. Sizes are those in the
    minibatch.

    References:
        Xie et al. (2016), Unsupervised deep embedding for clustering analysis, ICML.
    """

    on: str = "q.memberships"
    weight: Schedule = 1.0

    @property
    def name(self) -> str:
        return f"sharper {self.on}"

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        q = trace[self.on].clamp(min=TINY)
        p = (q.square() / q.sum(0)).detach()
        p = p / p.sum(-1, keepdim=True)
        return (p * (p.log() - q.log())).sum(-1).mean()
