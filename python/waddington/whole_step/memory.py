"""Where results and gradients of a step are kept."""

from __future__ import annotations

import math
from types import ModuleType

import torch
from torch import Tensor, nn

from ..cells import Rows
from ..kernels import product
from .early import Early


class Memory:
    """Room for results by name, as large as was ever asked for; nothing is set to begin with.

    Args:
        engine: The module that computes them, `in_c` or `in_torch`.
    """

    def __init__(self, engine: ModuleType) -> None:
        self.engine = engine
        self.of: dict[object, Tensor] = {}
        self.views: dict[tuple[object, tuple[int, ...]], Tensor] = {}
        self.gradients: dict[int, Tensor] = {}
        self.early: Early | None = None

    def __call__(self, name: object, *shape: int) -> Tensor:
        """Numbers yet to be set."""
        view = self.views.get((name, shape))
        return self._view(name, shape) if view is None else view

    def _view(self, name: object, shape: tuple[int, ...]) -> Tensor:
        size = math.prod(shape)
        if name not in self.of or len(self.of[name]) < size:
            self.of[name] = torch.empty(size)
            self.views = {k: v for k, v in self.views.items() if k[0] != name}
        self.views[name, shape] = self.of[name][:size].view(shape)
        return self.views[name, shape]

    def gradient(self, p: Tensor) -> Tensor:
        """Where the gradient of a parameter goes."""
        if id(p) not in self.gradients:
            self.gradients[id(p)] = torch.empty_like(p)
        p.grad = self.gradients[id(p)]
        return p.grad

    def weight_gradient(self, p: Tensor, d: Tensor, h: Tensor) -> None:
        """Of p (units, n), from d, the gradient of h @ p^T."""
        p.grad = product(d.t(), h.t(), out=self.gradient(p))

    def sparse_gradient(self, p: Tensor, rows: Rows, d: Tensor) -> None:
        """Of p (features, units), from d, the gradient of rows @ p; or p moves at once."""
        if self.early is None:
            p.grad = self.engine.linear_gradient(rows, d, self.gradient(p))
        else:
            p.grad = None
            self.early.move(rows, d, p)


def mapped(lin: nn.Linear, h: Tensor, memory: Memory, name: object) -> Tensor:
    """lin(h), (cells, units)."""
    out = memory((name, "h"), len(h), lin.out_features)
    return product(h, lin.weight, lin.bias, out)


def mapped_gradient(lin: nn.Linear, d: Tensor, h: Tensor, memory: Memory, name: object) -> Tensor:
    """From d, the gradient of lin(h): that of h; those of the parameters are noted."""
    memory.weight_gradient(lin.weight, d, h)
    if lin.bias is not None:
        memory.engine.sum_rows(d, None, memory.gradient(lin.bias))
    return product(d, lin.weight.t(), out=memory((name, "d"), *h.shape))
