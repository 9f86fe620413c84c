"""Who moves in a step of training, what they minimise, and the means of it all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from .cells import Minibatch
from .contracts import OptimiserPart
from .optim import Optimiser
from .schedules import Clock, at
from .trace import Trace

Objective: TypeAlias = Callable[[Trace, Minibatch, Clock], tuple[Tensor, Mapping[str, Tensor]]]
"""What a player minimises, and named values to report."""
Game: TypeAlias = tuple[Objective, nn.Module, OptimiserPart, int]
"""What `Player.of` takes."""


@dataclass(frozen=True)
class Player:
    """Whoever moves in a step, the network or an opponent."""

    objective: Objective
    how: OptimiserPart
    optimiser: Optimiser
    every: int

    @classmethod
    def of(cls, what: Objective, module: nn.Module, how: OptimiserPart, every: int) -> Player:
        """The player that owns the parameters of `module` which may move."""
        mine = [p for p in module.parameters() if p.requires_grad]
        return cls(what, how, how.build(mine), every)

    def move(
        self, trace: Trace, cells: Minibatch, clock: Clock, lr: float | None = None
    ) -> Mapping[str, Tensor]:
        """One step down the gradient; the values to report."""
        self.optimiser.zero_grad()
        total, values = self.objective(trace, cells, clock)
        total.backward()
        self.descend(self.rate(clock, lr))
        return values

    def rate(self, clock: Clock, lr: float | None = None) -> float:
        """The learning rate; `lr` overrides the schedule."""
        return at(self.how.lr, clock) if lr is None else lr

    def descend(self, lr: float) -> None:
        """Move along the gradients that are there."""
        if self.how.clip:
            nn.utils.clip_grad_norm_(self.optimiser.parameters, self.how.clip)
        self.optimiser.step(lr)


class Means:
    """Means over cells of named values, added up a minibatch at a time where they were computed."""

    def __init__(self, sums: Mapping[str, tuple[Any, int]] = {}) -> None:
        self.sums = dict(sums)

    def add(self, values: Mapping[str, Tensor], n: int) -> None:
        """Values that are means over n cells."""
        for k, v in values.items():
            total, seen = self.sums.get(k, (0.0, 0))
            self.sums[k] = (
                torch.add(total, v.detach(), alpha=n) if seen else v.detach() * n,
                seen + n,
            )

    def result(self) -> dict[str, float]:
        """The mean of each."""
        return {k: float(total) / n for k, (total, n) in self.sums.items()}

    def broken(self) -> list[str]:
        """The names of those that are not a number."""
        return [k for k, v in self.result().items() if not math.isfinite(v)]


def set_mode(module: nn.Module, parents: bool = True) -> None:
    """A module any part of which is frozen evaluates: no dropout, no moving statistics."""
    own = [p.requires_grad for p in module.parameters()]
    module.training = all(own) if own else parents
    for child in module.children():
        set_mode(child, module.training)
