"""Losses, metrics and penalties as terms of a recipe's objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..cells import Minibatch, Rows
from ..errors import InputError
from ..parts import part
from ..trace import Trace
from .expressions import Operation
from .graph import PENALTY
from .losses import LIKELIHOODS, METRICS

WEIGHTS = "(sample weight)"
"""The name of the samples' weights among the values of cells."""
FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Functions that were given as such, by the name under which a term knows them."""


@part
class Compared:
    """How far an output is from a target: by a name, or by operations on both.

    Attributes:
        name: What the history calls it.
        output: The tensor of the graph that predicts.
        target: The data it should predict, among the values of cells.
        kind: Name of a loss, a likelihood, a metric, or a function in `FUNCTIONS`.
        operations: What to do to the tensors "y_true" and "y_pred" and those of the graph, if it
            has no name.
        learnt: Tensors of the graph that a likelihood takes beside.
        weight: Weight in the objective; 0 is a metric.
    """

    name: str
    output: str
    target: str
    kind: str = ""
    operations: tuple[Operation, ...] = ()
    learnt: tuple[str, ...] = ()
    weight: float = 1.0

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        named = trace["graph"]
        y, p = _rows(cells, self.target), named[self.output]
        if self.operations:
            named = {**named, "y_true": y, "y_pred": p}
            for operation in self.operations:
                named[operation.name] = operation(named)
            value = named[self.operations[-1].name]
        elif self.kind in LIKELIHOODS:
            value = LIKELIHOODS[self.kind](y, p, *(named[k] for k in self.learnt))
        else:
            value = (METRICS.get(self.kind) or FUNCTIONS[self.kind])(y, p)
        return self._mean(value, cells)

    def _mean(self, value: Any, cells: Minibatch) -> Tensor:
        """The mean over cells, weighted if it is a loss and cells have weights."""
        if not isinstance(value, Tensor):
            raise InputError(
                f"{self.name} must return a tensor, not {type(value).__name__}", "loss"
            )
        n = len(cells)
        if not self.weight and value.numel():
            return value.to(torch.get_default_dtype()).mean()
        if tuple(value.shape) not in ((), (n,), (n, 1)):
            raise InputError(
                f"{self.name} must return one number for each of the {n} cells of a minibatch, "
                f"or one in all; it returned a tensor of {' x '.join(map(str, value.shape))}. "
                "Average over features: k_mean(..., axis = -1)",
                "loss",
            )
        if WEIGHTS in cells.values and value.ndim:
            value = value.reshape(-1) * cells.values[WEIGHTS][:, 0]
        return value.mean()


@part
class Penalty:
    """What the regularisers of all layers add to the loss."""

    name: str = "penalty"
    weight: float = 1.0

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        return trace["graph"][PENALTY]


def _rows(cells: Minibatch, name: str) -> Tensor:
    data = cells.views[name] if name in cells.views else cells.values[name]
    return data.dense() if isinstance(data, Rows) else data
