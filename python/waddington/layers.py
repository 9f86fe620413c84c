"""Stacks of layers.

Every layer takes (h, cells), can receive the conditions, and its output has a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cells import Dims, Minibatch, Rows
from .conditions import Shift
from .contracts import ConditionPart, LayerPart, Sizes
from .errors import InputError
from .kernels import product, sparse_linear
from .parts import part
from .trace import Trace

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu, "exponential": torch.exp, "gelu": F.gelu, "leaky_relu": F.leaky_relu,
    "linear": lambda h: h, "log_softmax": lambda h: h.log_softmax(-1), "relu": torch.relu,
    "selu": F.selu, "sigmoid": torch.sigmoid, "softmax": lambda h: h.softmax(-1),
    "softplus": F.softplus, "softsign": F.softsign, "swish": F.silu, "tanh": torch.tanh,
}  # fmt: skip
NORMS: Mapping[str, Callable[[int], nn.Module]] = {
    "batch": lambda n: nn.BatchNorm1d(n, eps=1e-3, momentum=0.01),
    "layer": nn.LayerNorm,
}
N = TypeVar("N", bound=Sizes)


def check_choice(value: str | None, choices: Sequence[str | None], argument: str) -> None:
    """Raise an InputError that names the choices, unless `value` is one of them."""
    if value not in choices:
        known = ", ".join(map(str, choices))
        raise InputError(f"{argument} must be one of {known}, got {value!r}", argument)


def check_share(value: float, argument: str) -> None:
    """Raise an InputError unless `value` is in [0, 1)."""
    if not 0 <= value < 1:
        raise InputError(f"{argument} must be in [0, 1), got {value!r}", argument)


@dataclass(frozen=True)
class Offset:
    """Sparse rows, and a dense row for each of some levels that is added to those of its cells.

    Attributes:
        rows: (cells, features).
        rest: (levels, features).
        level: The level of each cell, (cells,).
    """

    rows: Rows
    rest: Tensor
    level: Tensor

    def map(self, f: Callable[[Tensor], Tensor]) -> Offset:
        """The same with f(values) of the sparse part; f(0) must be 0."""
        return Offset(self.rows.map(f), self.rest, self.level)

    def times(self, weight: Tensor) -> Tensor:
        """Rows times weight, (cells, units), from (features, units)."""
        return sparse_linear(self.rows, weight) + (self.rest @ weight)[self.level]


class SparseLinear(nn.Module):
    """W x + b for the rows of one or several views side by side.

    A view a cell lacks adds nothing.
    """

    def __init__(self, n_in: Mapping[str, int], units: int, bias: bool = True) -> None:
        super().__init__()
        bound = sum(n_in.values()) ** -0.5
        self.weight = nn.ParameterDict(
            {k: torch.empty(n, units).uniform_(-bound, bound) for k, n in n_in.items()}
        )
        self.bias = nn.Parameter(torch.empty(units).uniform_(-bound, bound)) if bias else None

    def forward(self, rows: Mapping[str, Rows | Offset]) -> Tensor:
        """(cells, units)."""
        times = lambda x, w: x.times(w) if isinstance(x, Offset) else sparse_linear(x, w)
        h = reduce(torch.add, (times(x, self.weight[k]) for k, x in rows.items()))
        return h if self.bias is None else h + self.bias


class Linear(nn.Linear):
    """W h + b, with the products of `kernels.product` where h is (cells, n)."""

    def forward(self, h: Tensor) -> Tensor:
        """(cells, units)."""
        return product(h, self.weight, self.bias) if h.dim() == 2 else super().forward(h)


def linear(n_in: Sizes, units: int, bias: bool = True) -> Linear | SparseLinear:
    """A linear map of activations, or of the sparse rows of views."""
    if isinstance(n_in, int):
        return Linear(n_in, units, bias)
    return SparseLinear(n_in, units, bias)


@part
class Dense:
    """dropout(act(norm(W h + b + conditions)))."""

    units: int
    act: str = "relu"
    norm: str | None = None
    dropout: float = 0.0
    bias: bool = True

    def check(self) -> None:
        if self.units < 1:
            raise InputError(f"units must be at least 1, got {self.units!r}", "units")
        check_choice(self.act, tuple(ACTIVATIONS), "act")
        check_choice(self.norm, (None, *NORMS), "norm")
        check_share(self.dropout, "dropout")

    def build(self, n_in: Sizes, conditions: Sequence[ConditionPart], dims: Dims) -> DenseLayer:
        return DenseLayer(self, n_in, conditions, dims)


class DenseLayer(nn.Module):
    """See `Dense`."""

    def __init__(
        self, spec: Dense, n_in: Sizes, conditions: Sequence[ConditionPart], dims: Dims
    ) -> None:
        super().__init__()
        self.spec, self.width = spec, spec.units
        self.linear = linear(n_in, spec.units, spec.bias)
        self.shift = Shift(conditions, spec.units, dims)
        self.norm = NORMS[spec.norm](spec.units) if spec.norm else nn.Identity()

    def forward(self, h: Tensor | Mapping[str, Rows], cells: Minibatch) -> Tensor:
        """(cells, units)."""
        out = self.norm(self.shift(self.linear(h), cells))
        return F.dropout(ACTIVATIONS[self.spec.act](out), self.spec.dropout, self.training)


@part
class Dropout:
    """Sets a share of the inputs to 0 in training; on a view, of its stored values."""

    rate: float = 0.5

    def check(self) -> None:
        check_share(self.rate, "rate")

    def build(self, n_in: Sizes, conditions: Sequence[ConditionPart], dims: Dims) -> DropoutLayer:
        return DropoutLayer(n_in, self.rate)


class DropoutLayer(nn.Module):
    """See `Dropout`."""

    def __init__(self, n_in: Sizes, rate: float) -> None:
        super().__init__()
        self.width, self.rate = n_in, rate

    def forward(self, h: Tensor | Mapping[str, Rows], cells: Minibatch) -> Tensor | dict[str, Rows]:
        """As `h`."""
        drop = lambda x: F.dropout(x, self.rate, self.training)
        return {k: x.map(drop) for k, x in h.items()} if isinstance(h, Mapping) else drop(h)


@part
class Activation:
    """An activation function as a layer of its own."""

    act: str = "relu"

    def check(self) -> None:
        check_choice(self.act, tuple(ACTIVATIONS), "act")

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> Plain:
        return Plain(n_in, ACTIVATIONS[self.act])


@part
class Norm:
    """Batch or layer normalisation as a layer of its own."""

    kind: str = "batch"

    def check(self) -> None:
        check_choice(self.kind, tuple(NORMS), "kind")

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> Plain:
        return Plain(n_in, NORMS[self.kind](n_in))


@part
class Noise:
    """Adds normal noise in training."""

    sd: float = 0.1

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> Plain:
        return Plain(n_in, NoiseLayer(self.sd))


class NoiseLayer(nn.Module):
    """See `Noise`."""

    def __init__(self, sd: float) -> None:
        super().__init__()
        self.sd = sd

    def forward(self, h: Tensor) -> Tensor:
        return h + self.sd * torch.randn_like(h) if self.training else h


class Plain(nn.Module):
    """A layer that is a function of h alone and keeps its width."""

    def __init__(self, width: int, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.width, self.function = width, function

    def forward(self, h: Tensor, cells: Minibatch) -> Tensor:
        """(cells, width)."""
        return self.function(h)


@part
class Stack:
    """Layers one after the other.

    `inject` says which receive the conditions: "first", "every" or None. In a stack without layers
    "first" and "every" mean the linear map behind it.
    """

    layers: tuple[LayerPart, ...] = ()
    inject: str | None = None

    def check(self) -> None:
        check_choice(self.inject, ("first", "every", None), "inject")

    def build(self, n_in: N, conditions: Sequence[ConditionPart], dims: Dims) -> StackModule[N]:
        return StackModule(self, n_in, conditions, dims)


class StackModule(nn.ModuleList, Generic[N]):
    """See `Stack`."""

    def __init__(
        self, spec: Stack, n_in: N, conditions: Sequence[ConditionPart], dims: Dims
    ) -> None:
        super().__init__()
        self.width: N | int = n_in
        for i, one in enumerate(spec.layers):
            here = spec.inject == "every" or (spec.inject == "first" and i == 0)
            layer = one.build(self.width, conditions if here else (), dims)
            self.append(layer)
            self.width = layer.width

    def forward(
        self, h: Tensor | Mapping[str, Rows], cells: Minibatch, trace: Trace, name: str
    ) -> Tensor | Mapping[str, Rows]:
        """The last output, (cells, width).

        Each output goes to `trace` as "name.0", "name.1", ...
        """
        for i, layer in enumerate(self):
            h = trace[f"{name}.{i}"] = layer(h, cells)
        return h


def mlp(
    *units: int,
    act: str = "relu",
    norm: str | None = None,
    dropout: float = 0.0,
    inject: str | None = None,
) -> Stack:
    """A stack of dense layers that differ in width only."""
    return Stack(tuple(Dense(n, act, norm, dropout) for n in units), inject)
