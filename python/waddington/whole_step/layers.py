"""Dense layers, what conditions add to them, and the way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..cells import Minibatch, Rows
from ..conditions import Shift, Table, Vector
from ..kernels import native_dense, product
from ..layers import DenseLayer, SparseLinear
from .memory import Memory, mapped_gradient

ACTS = native_dense.ACTS


class Conditions:
    """What covariates add to a product: rows by level, and a multiple of a number."""

    def __init__(self, shift: Shift, memory: Memory) -> None:
        self.parts, self.memory = list(shift.of.values()), memory

    def add(self, h: Tensor, cells: Minibatch) -> None:
        """To h, (cells, units), in place."""
        for part in self.parts:
            if isinstance(part, Table) and part.covariate:
                self.memory.engine.add_rows(h, part.blocks[0], cells.codes[part.covariate])
            elif isinstance(part, Vector):
                h.addmm_(self._numbers(part, cells), part.linear.weight.t())

    def gradient(self, d: Tensor, cells: Minibatch) -> None:
        """From d, the gradient of h."""
        for part in self.parts:
            if isinstance(part, Table) and part.covariate:
                sums = self.memory.gradient(part.blocks[0])
                self.memory.engine.sum_rows(d, cells.codes[part.covariate], sums)
            elif isinstance(part, Vector):
                weight = self.memory.gradient(part.linear.weight)
                torch.mm(d.t(), self._numbers(part, cells), out=weight)

    @staticmethod
    def _numbers(part: Vector, cells: Minibatch) -> Tensor:
        return (cells.values[part.covariate] - part.loc) / part.scale


class Layer:
    """A dense layer."""

    def __init__(self, layer: DenseLayer, memory: Memory) -> None:
        self.linear, self.width, self.memory = layer.linear, layer.width, memory
        self.conditions, self.spec = Conditions(layer.shift, memory), layer.spec
        self.norm = layer.norm if isinstance(layer.norm, nn.BatchNorm1d) else None
        room = None if self.norm is None else self._room(self.norm)
        self.block = memory.engine.Block(self.spec.act, room)

    def _room(self, n: nn.BatchNorm1d) -> native_dense.Norm:
        assert n.running_mean is not None and n.running_var is not None and n.momentum is not None
        mean, inverse = torch.empty(2, self.width)
        return native_dense.Norm(
            n.weight, n.bias, n.running_mean, n.running_var, mean, inverse, n.momentum, n.eps
        )

    def forward(self, x: Tensor | Rows, cells: Minibatch) -> Tensor:
        """dropout(act(norm(W x + b + conditions))), (cells, width)."""
        self.seen: tuple[Any, Minibatch] = (x, cells)  # rows are what a SparseLinear gets
        shape = (len(x), self.width)
        self.product = self._multiply(x)
        self.conditions.add(self.product, cells)
        noise = None
        if self.spec.dropout:
            keep = 1 - self.spec.dropout
            noise = self.memory((self, "noise"), *shape).bernoulli_(keep).div_(keep)
        self.out = self.block.forward(self.product, noise, self.memory((self, "y"), *shape))
        if self.norm is not None and self.norm.num_batches_tracked is not None:
            self.norm.num_batches_tracked.add_(1)
        return self.out

    def _multiply(self, x: Any) -> Tensor:
        lin, room = self.linear, self.memory((self, "h"), len(x), self.width)
        if not isinstance(lin, SparseLinear):
            return product(x, lin.weight, lin.bias, room)
        (weight,) = lin.weight.values()
        return self.memory.engine.linear(x, weight, lin.bias, room)

    def backward(self, d: Tensor) -> Tensor:
        """From the gradient of the output to that of the input; of the product if that is data."""
        norm, memory = self.norm, self.memory
        x, cells = self.seen
        del self.seen  # data are not kept beyond their step
        room = memory.gradient
        mine = (None, None) if norm is None else (room(norm.weight), room(norm.bias))
        d = self.block.backward(self.product, self.out, d, mine)
        self.conditions.gradient(d, cells)
        if not isinstance(self.linear, SparseLinear):
            return mapped_gradient(self.linear, d, x, memory, self)
        (weight,) = self.linear.weight.values()
        memory.sparse_gradient(weight, x, d)
        if self.linear.bias is not None:
            memory.engine.sum_rows(d, None, memory.gradient(self.linear.bias))
        return d
