"""What perturbations, their doses and other covariates add to a latent position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cells import RNA, Cells, Dims, Levels, Minibatch
from .coders import Decoder
from .conditions import Table
from .contracts import ConditionPart, Distribution, HeadPart
from .errors import InputError, listed
from .layers import Stack
from .parts import part
from .trace import Trace

PLUS = "+"
START = 1.0
"""Standard deviation of embeddings at the start: far enough apart that effects are learnt from them
before they are learnt from the data."""


@part
class Effects:
    """What perturbations, their doses and other covariates add to z.

    A level such as "A+B" adds what A and B add. With `dose`, a column of texts such as "0.5" or
    "1+0.5" (one number per perturbation), each is scaled by a curve of its own that is 0 at no dose
    and 1 at dose 1. With a graph, perturbations share with their neighbours what they add, and one
    that was not in training adds what its neighbours do.

    Attributes:
        perturbation: The column of perturbations.
        control: Its level that adds nothing.
        dose: The column of doses, or None.
        others: Columns whose levels add something too.
        most: Perturbations in a combination, at most.
        graph: Pairs of perturbations that are linked, of the same pathway for example.
        shared: Share of what a perturbation adds that is the mean of its neighbours' own.
    """

    perturbation: str = "condition"
    control: str = "control"
    dose: str | None = None
    others: tuple[str, ...] = ()
    most: int = 3
    graph: tuple[tuple[str, str], ...] = ()
    shared: float = 0.5

    def check(self) -> None:
        """A link has two ends, and a share is one."""
        if bad := [link for link in self.graph if not isinstance(link, tuple) or len(link) != 2]:
            raise InputError(f"graph must be pairs of perturbations, not {bad[0]!r}", "graph")
        if not 0 <= self.shared < 1:
            raise InputError(f"shared must be from 0 to below 1, got {self.shared!r}", "shared")

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.perturbation, *([self.dose] if self.dose else []), *self.others)

    def split(self, level: str) -> list[str]:
        """The perturbations of a level."""
        found = [p.strip() for p in level.split(PLUS)]
        found = [p for p in found if p and p != self.control]
        if len(found) > self.most:
            told = f"{level!r} combines {len(found)} perturbations; at most {self.most} are allowed"
            raise InputError(told, self.perturbation)
        return found

    def singles(self, levels: Levels) -> list[str]:
        """The perturbations there are, in the order of their embeddings."""
        every = (p for level in sum(levels[self.perturbation], ()) for p in self.split(level))
        return list(dict.fromkeys(every))

    def amounts(self, levels: Levels, level: str) -> np.ndarray:
        """How much of each embedding a level has, known or not, (1, embeddings).

        Raises:
            InputError: If a perturbation was not trained on.
        """
        found = np.zeros((1, self.rows(len(sum(levels[self.perturbation], ())))), np.float32)
        for single in self.split(level):
            found[0] += self.mixture(single, levels)
        return found

    def neighbours(self, single: str) -> list[str]:
        """The perturbations that the graph links with one."""
        ends = [(a, b)[a == single] for a, b in self.graph if single in (a, b) and a != b]
        return list(dict.fromkeys(ends))

    def knows(self, level: str, levels: Levels) -> bool:
        """Whether every part of a level was in training, or a neighbour of it."""
        known = set(self.singles(levels))
        return all({p, *self.neighbours(p)} & known for p in self.split(level))

    def mixture(self, single: str, levels: Levels) -> np.ndarray:
        """Of which embeddings a perturbation is made, (embeddings,); they sum to 1.

        One layer of convolution over the graph, h = (1 - shared) e + shared * mean of the
        neighbours' e; one that was not in training has the mean h of its neighbours that were.

        Raises:
            InputError: If it was not in training, and no neighbour of it was.

        References:
            Wu et al. (2019), Simplifying graph convolutional networks, ICML; as in Roohani et al.
            (2024), Nature Biotechnology 42, 927, for perturbations.
        """
        known = self.singles(levels)
        found = np.zeros(self.rows(len(sum(levels[self.perturbation], ()))), np.float32)
        near = [known.index(p) for p in self.neighbours(single) if p in known]
        if single in known:
            found[known.index(single)] = 1 - self.shared * bool(near)
            found[near] = self.shared / max(1, len(near))
            return found
        if not near:
            why = ", and no neighbour of it in the graph was" if self.graph else ""
            told = f"{single!r} was not in training{why}; there are {listed(known, 12)}"
            raise InputError(told, self.perturbation)
        return np.mean([self.mixture(known[i], levels) for i in near], 0)

    def rows(self, n_levels: int) -> int:
        """Embeddings for that many levels, if every one were a combination of new ones."""
        return self.most * n_levels

    def doses(self, text: str, level: str | None = None) -> list[float]:
        """The numbers of a dose, one per perturbation of `level`, if that is given.

        Raises:
            InputError: If they can't be read, or are more or fewer than the perturbations.
        """
        try:
            found = [float(p) for p in text.split(PLUS)]
        except ValueError:
            found = [-1.0]
        if len(found) > self.most or not all(np.isfinite(d) and d >= 0 for d in found):
            told = f"the dose {text!r} can't be read; write numbers such as 0.5, or 1+0.5 for A+B"
            raise InputError(told, self.dose)
        wanted = len(found) if level is None else max(1, len(self.split(level)))
        if len(found) != wanted:
            told = f"the dose {text!r} of {level!r} has {len(found)} numbers; it needs {wanted}"
            raise InputError(f"{told}, one per perturbation, as in 1+0.5", self.dose)
        return found

    def build(self, n: int, dims: Dims) -> EffectsNet:
        return EffectsNet(self, n, dims)


class EffectsNet(nn.Module):
    """See `Effects`."""

    members: Tensor
    dose: Tensor

    def __init__(self, spec: Effects, n: int, dims: Dims) -> None:
        super().__init__()
        self.spec = spec
        n_levels = sum(dims.levels[spec.perturbation])
        rows = spec.rows(n_levels)
        self.embeddings = nn.Parameter(START * torch.randn(rows, n))
        self.register_buffer("members", torch.zeros(spec.most, n_levels, rows))
        self.others = nn.ModuleList(Table(k, dims, n, sd=START) for k in spec.others)
        if spec.dose:
            self.slope, self.middle = (
                nn.Parameter(torch.zeros(rows)),
                nn.Parameter(torch.zeros(rows)),
            )
            self.register_buffer("dose", torch.ones(sum(dims.levels[spec.dose]), spec.most))

    @property
    def key(self) -> str:
        """What a minibatch calls amounts that stand for its levels."""
        return f"{self.spec.perturbation} amounts"

    def forward(self, cells: Minibatch) -> Tensor:
        """What is added to z, (cells, n)."""
        if self.key in cells.values:
            total = cells.values[self.key] @ self.embeddings
        else:
            total = self._amounts(cells) @ self.embeddings
        return total + sum((table(cells) for table in self.others), torch.zeros(()))

    def _amounts(self, cells: Minibatch) -> Tensor:
        """How much of each embedding, (cells, rows)."""
        codes = cells.codes[self.spec.perturbation]
        mine = self.members[:, codes.clamp(min=0)] * (codes >= 0)[:, None]
        if not self.spec.dose:
            return mine.sum(0)
        dose = self.dose[cells.codes[self.spec.dose].clamp(min=0)].T[:, :, None]
        return (mine * self.response(dose)).sum(0)

    @torch.no_grad()
    def amounts(self, levels: Levels, level: str, dose: str | None = None) -> Tensor:
        """How much of each embedding a level has at a dose, (1, embeddings); None is dose 1.

        Raises:
            InputError: If a perturbation was not trained on, doses were not, or can't be read.
        """
        found = torch.from_numpy(self.spec.amounts(levels, level))
        if dose is None:
            return found
        if self.spec.dose is None:
            raise InputError("the model was trained without doses; train cpa(dose=)", "dose")
        found = torch.zeros_like(found)
        amounts = self.spec.doses(dose, level)
        for single, amount in zip(self.spec.split(level), amounts, strict=False):
            mixture = torch.from_numpy(self.spec.mixture(single, levels))
            found = found + mixture * self.response(torch.tensor(amount))
        return found

    def response(self, dose: Tensor) -> Tensor:
        """The part of each embedding that a dose brings; 0 at 0 and 1 at 1, (..., rows)."""
        steep = F.softplus(self.slope) + 1e-3
        curve = lambda x: torch.sigmoid(steep * x + self.middle) - torch.sigmoid(self.middle)
        return curve(torch.log1p(dose)) / curve(torch.log(torch.tensor(2.0, dtype=dose.dtype)))

    @torch.no_grad()
    def prepare(self, cells: Cells, levels: Levels) -> None:
        """Read the names of the levels."""
        for i, level in enumerate(sum(levels[self.spec.perturbation], ())):
            for j, single in enumerate(self.spec.split(level)):
                self.members[j, i] = torch.from_numpy(self.spec.mixture(single, levels))
        if not self.spec.dose:
            return
        told = (cells.covariates[k] for k in (self.spec.perturbation, self.spec.dose))
        for level, text in sorted(set(zip(*told, strict=True))):
            self.spec.doses(text, level)
        for i, text in enumerate(sum(levels[self.spec.dose], ())):
            found = self.spec.doses(text)
            self.dose[i, : len(found)] = torch.tensor(found)


@part
class Composed:
    """A decoder of z plus the effects of perturbations and covariates."""

    stack: Stack
    head: HeadPart
    effects: Effects = Effects()
    view: str = RNA

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> ComposedNet:
        return ComposedNet(self, n_in, conditions, dims)


class ComposedNet(nn.Module):
    """See `Composed`; leaves "z.perturbed" in the trace."""

    def __init__(
        self, spec: Composed, n_in: int, conditions: Sequence[ConditionPart], dims: Dims
    ) -> None:
        super().__init__()
        self.effects = spec.effects.build(n_in, dims)
        self.decoder = Decoder(spec.stack, spec.head, spec.view).build(n_in, conditions, dims)

    def forward(self, z: Tensor, cells: Minibatch, trace: Trace) -> Distribution:
        """p(view | z + effects, library), (cells, features)."""
        trace["z.perturbed"] = z + self.effects(cells)
        return self.decoder(trace["z.perturbed"], cells, trace)
