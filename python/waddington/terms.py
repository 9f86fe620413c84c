"""Terms of the objective: means over cells of what the trace has. They own no parameters.

One scale: log likelihoods are summed over features, KL over latent dimensions, and both averaged
over cells. So `beta` is the weight of KL, and means the same for any number of genes and cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TypeVar

import torch
from torch import Tensor

from .cells import RNA, Minibatch
from .contracts import TermPart
from .parts import part
from .schedules import END, Clock, Schedule, at, final
from .trace import Trace

V = TypeVar("V", Tensor, float)
NARROW = 16
"""Dimensions up to which differences of all pairs are written out."""


@part
class NLL:
    """Negative log likelihood of a view, over the cells that have it."""

    view: str = RNA
    weight: Schedule = 1.0

    @property
    def name(self) -> str:
        return f"nll {self.view}"

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        value = trace[self.view].log_prob(cells.data(self.view))
        return -torch.where(cells.has(self.view), value, 0.0).mean()


@part
class KL:
    """The divergence that `of` left in the trace: "z" from its prior, or a head from its own.

    With a `capacity` C in nats the term is |KL - C|, and the weight is its gamma.

    References:
        Higgins et al. (2017), ICLR (the weight); Burgess et al. (2018), arXiv:1804.03599.
    """

    of: str = "z"
    weight: Schedule = 1.0
    capacity: Schedule | None = None

    @property
    def name(self) -> str:
        return f"kl {self.of}"

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        return trace[f"{self.of}.kl"].mean()


@part
class MMD:
    """Maximum mean discrepancy of `on` between the levels of a covariate, summed over pairs.

    References:
        Gretton et al. (2012), JMLR 13, 723.
    """

    on: str
    by: str
    weight: Schedule = 1.0
    widths: tuple[float, ...] = (0.1, 1.0, 10.0)

    @property
    def name(self) -> str:
        return f"mmd {self.on} by {self.by}"

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.by,)

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        h, codes = trace[self.on], cells.codes[self.by]
        same = (codes[:, None] == codes).to(h.dtype)
        share = 1 / same.sum(1)  # one over the size of a cell's level
        kernel = alike(h, self.widths) * share[:, None] * share
        within, between = (kernel * same).sum(), (kernel * (1 - same)).sum()
        return (share.sum() - 1) * within - between  # share.sum() is the number of levels


def alike(h: Tensor, widths: Sequence[float]) -> Tensor:
    """How alike cells are, 1 for the same, (cells, cells): a mean of Gaussian kernels of h.

    A width is what the mean over dimensions of the squared difference is divided by.
    """
    if h.shape[-1] <= NARROW:
        square = (h[:, None] - h[None]).square().mean(-1)
    else:  # products are quicker, and lose only what is near to rounding
        h = h - h.mean(0)
        norm = h.square().sum(-1)
        square = (norm[:, None] + norm - 2 * h @ h.T).clamp(min=0) / h.shape[-1]
    return reduce(torch.add, (torch.exp(-square / w) for w in widths)) / len(widths)


def losses(terms: Sequence[TermPart], trace: Trace, cells: Minibatch) -> dict[str, Tensor]:
    """The value of each term, not yet weighted."""
    return {t.name: t(trace, cells) for t in terms}


def weighted(
    terms: Sequence[TermPart], values: Mapping[str, Tensor], clock: Clock
) -> dict[str, Tensor]:
    """What each term adds to the objective at that time."""
    now = {t.name: at(t.weight, clock) for t in terms}
    return {t.name: now[t.name] * _beyond(t, values[t.name], clock) for t in terms if now[t.name]}


def objective(terms: Sequence[TermPart], values: Mapping[str, float]) -> float:
    """The sum of the terms at final weights: a warm-up can't be mistaken for progress."""
    last = [(t, final(t.weight)) for t in terms]
    return sum(w * _beyond(t, values[t.name], END) for t, w in last if w)


def _beyond(term: TermPart, value: V, clock: Clock) -> V:
    capacity = getattr(term, "capacity", None)
    return value if capacity is None else abs(value - at(capacity, clock))
