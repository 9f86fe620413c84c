"""Arithmetic of tensors as data: what R functions of tensors were seen to do.

Three ranks mean three things: a number (), one number per cell (cells,), and features
(cells, features), where a constant vector is (1, features).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells import Rows
from ..errors import InputError
from ..parts import part
from .losses import LOSSES


@part
class Operation:
    """A function of tensors, without weights; its result is called `name`.

    Attributes:
        name: The name of the result.
        kind: What is done; see `KINDS`.
        inputs: Names of tensors, numbers, or vectors of numbers.
        over: What a reduction reduces: "all", "features" or "cells".
        keep: Whether the reduced axis stays.
        columns: Which features, or into how many (random numbers).
        a: First number of the kind: mean, lower bound, or factor.
        b: Second number of the kind: sd, or upper bound.
        of: The loss that is computed, by name.
    """

    name: str
    kind: str
    inputs: tuple[Any, ...] = ()
    over: str = "all"
    keep: bool = False
    columns: tuple[int, ...] = ()
    a: float = 0.0
    b: float = 1.0
    of: str = ""

    def check(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"there is no operation {self.kind!r} of tensors")
        if self.kind == "loss" and self.of not in LOSSES:
            raise InputError(f"there is no loss {self.of!r}", "loss")

    def __call__(self, named: Mapping[str, Any]) -> Tensor:
        """The result, from the tensors by name."""
        like = next((v for v in named.values() if isinstance(v, Tensor)), torch.zeros(()))
        values = [
            _dense(named[x]) if isinstance(x, str) else _constant(x, like) for x in self.inputs
        ]
        return KINDS[self.kind](self, *values)


def _dense(x: Any) -> Tensor:
    return x.dense() if isinstance(x, Rows) else x


def _constant(x: Any, like: Tensor) -> Tensor:
    value = torch.tensor(x, dtype=like.dtype, device=like.device)
    return value[None] if value.ndim else value


def _aligned(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """f of two tensors, of which one may have a number per cell and the other features."""

    def call(op: Operation, x: Tensor, y: Tensor) -> Tensor:
        if x.ndim == 1 and y.ndim == 2:
            x = x[:, None]
        elif y.ndim == 1 and x.ndim == 2:
            y = y[:, None]
        return f(x, y)

    return call


def _compared(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return _aligned(lambda x, y: f(x, y).to(x.dtype))


def _each(f: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda op, x: f(x)


def _reduced(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """f(x, dim), over what the operation says."""

    def call(op: Operation, x: Tensor) -> Tensor:
        if op.over == "all" or x.ndim == 0:
            y = f(x.reshape(-1), 0)
            return y.reshape(1, 1) if op.keep else y
        if op.over == "cells":
            y = f(x, 0)
            return y[None] if x.ndim == 2 else y
        y = f(x, -1) if x.ndim == 2 else x
        return y[:, None] if op.keep else y

    return call


def _product_of(x: list[Tensor]) -> Tensor:
    out = x[0]
    for more in x[1:]:
        out = out * more
    return out


def _sampled(op: Operation, *inputs: Tensor) -> Tensor:
    """A normal draw per cell and feature, from means and log variances side by side or apart."""
    loc, log_var = inputs if len(inputs) == 2 else inputs[0].chunk(2, -1)
    return torch.addcmul(loc, (0.5 * log_var).exp(), op.a * torch.randn_like(loc))


def _like(op: Operation, x: Tensor) -> Tensor:
    return x.new_empty(len(x), *op.columns)


KINDS: Mapping[str, Callable[..., Tensor]] = {
    "identity": _each(lambda x: x),
    "+": _aligned(torch.add), "-": _aligned(torch.sub), "*": _aligned(torch.mul),
    "/": _aligned(torch.div), "^": _aligned(torch.pow),
    "maximum": _aligned(torch.maximum), "minimum": _aligned(torch.minimum),
    ">": _compared(torch.gt), ">=": _compared(torch.ge), "<": _compared(torch.lt),
    "<=": _compared(torch.le), "==": _compared(torch.eq), "!=": _compared(torch.ne),
    "abs": _each(torch.abs), "exp": _each(torch.exp), "expm1": _each(torch.expm1),
    "floor": _each(torch.floor), "lgamma": _each(torch.lgamma), "log": _each(torch.log),
    "log1p": _each(torch.log1p), "relu": _each(torch.relu), "round": _each(torch.round),
    "sigmoid": _each(torch.sigmoid), "sign": _each(torch.sign), "softplus": _each(F.softplus),
    "softmax": _each(lambda x: x.softmax(-1)), "sqrt": _each(torch.sqrt),
    "square": _each(torch.square), "tanh": _each(torch.tanh),
    "sum": _reduced(torch.sum), "mean": _reduced(torch.mean), "prod": _reduced(torch.prod),
    "max": _reduced(torch.amax), "min": _reduced(torch.amin),
    "var": _reduced(lambda x, dim: x.var(dim, unbiased=False)),
    "columns": lambda op, x: x[:, list(op.columns)],
    "concatenate": lambda op, *x: torch.cat(x, -1),
    "add": lambda op, *x: sum(x[1:], x[0]), "subtract": lambda op, x, y: x - y,
    "multiply": lambda op, *x: _product_of(list(x)),
    "average": lambda op, *x: sum(x[1:], x[0]) / len(x),
    "sampling": _sampled,
    "random_normal": lambda op, x: _like(op, x).normal_(op.a, op.b),
    "random_uniform": lambda op, x: _like(op, x).uniform_(op.a, op.b),
    "loss": lambda op, y, p: LOSSES[op.of](y, p),
}  # fmt: skip
