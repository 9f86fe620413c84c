"""Heads, and the way back: log p of each cell, and the gradient of h of their weighted sum."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells import Minibatch
from ..kernels import product
from ..kernels.native_counts import Gradients, Inputs
from ..likelihoods import (
    Bernoulli,
    Head,
    Multinomial,
    NegativeBinomial,
    NormalHead,
    Poisson,
    ZeroInflatedNegativeBinomial,
)
from .layers import Conditions
from .memory import Memory, mapped, mapped_gradient

BIASES = {"logits": "bias", "zero_logits": "zero_bias"}
"""Maps of a count head whose biases C adds on its way."""
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def act_of(spec: Any) -> str:
    """The activation of a head's mean, which must be linear for what is not a mean."""
    if isinstance(spec, NormalHead) and spec.sd == 0:
        return "a point, which has no likelihood"
    return getattr(spec, "act", "linear")


class CountHead:
    """Negative binomial counts, with or without extra zeros."""

    def __init__(self, head: Head, memory: Memory) -> None:
        self.maps, self.tables, self.memory = dict(head.maps), dict(head.tables), memory
        self.shifts = {k: Conditions(s, memory) for k, s in head.shifts.items()}
        self.library = head.spec.library

    def __call__(
        self, h: Tensor, cells: Minibatch, view: str, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """From h (cells, n_in) and the weight of each cell."""
        values, d_theta = self._values(h, cells), None
        if "log_theta" not in values:
            values["log_theta"], d_theta = self._table(cells)
        given = Inputs(
            values["logits"],
            values["log_theta"],
            values.get("zero_logits"),
            None if self.library == "none" else cells.size(view, self.library),
            cells.views[view],
            self.library == "observed",
            **self._biases(),
        )
        room = Gradients(  # over the values, but for a theta that has its own place
            given.logits,
            given.log_theta if d_theta is None else d_theta,
            given.zero_logits,
            None,
            **{k: self.memory.gradient(p) for k, p in self._biases().items()},
        )
        log_p, made = self.memory.engine.counts(given, weight, room)
        self._to_levels(room.log_theta, cells)
        return log_p, self._back(made._asdict(), h, cells)

    def _values(self, h: Tensor, cells: Minibatch) -> dict[str, Tensor]:
        """What the maps make of h; the biases of (zero) logits are left to C."""
        values = {}
        for name, lin in self.maps.items():
            out = self.memory((self, name), len(h), lin.out_features)
            values[name] = out = product(h, lin.weight, out=out)
            if name not in BIASES:
                self.memory.engine.add_rows(out, lin.bias)
            if name in self.shifts:
                self.shifts[name].add(out, cells)
        return values

    def _biases(self) -> dict[str, Tensor]:
        return {BIASES[k]: lin.bias for k, lin in self.maps.items() if k in BIASES}

    def _table(self, cells: Minibatch) -> tuple[Tensor, Tensor | None]:
        """Log theta, and where its gradient goes: to its parameter, or over each cell's own."""
        table = self.tables["log_theta"]
        rows = table.blocks[0]
        if table.covariate:
            return F.embedding(cells.codes[table.covariate], rows), None
        return rows, self.memory.gradient(rows)

    def _to_levels(self, d_theta: Tensor, cells: Minibatch) -> None:
        """Add up the gradients of the cells of a level, if theta goes by level."""
        table = self.tables.get("log_theta")
        if table is not None and table.covariate:
            sums = self.memory.gradient(table.blocks[0])
            self.memory.engine.sum_rows(d_theta, cells.codes[table.covariate], sums)

    def _back(self, gradients: dict[str, Tensor], h: Tensor, cells: Minibatch) -> Tensor:
        """The gradient of h from those of the maps; those of their weights are noted."""
        parts = []
        for name, lin in self.maps.items():
            self.memory.weight_gradient(lin.weight, gradients[name], h)
            room = self.memory((self, name, "d"), *h.shape)
            parts.append(product(gradients[name], lin.weight.t(), out=room))
            if name not in BIASES:
                self.memory.engine.sum_rows(gradients[name], None, self.memory.gradient(lin.bias))
            if name in self.shifts:
                self.shifts[name].gradient(gradients[name], cells)
        return reduce(Tensor.add_, parts)


class RealHead:
    """Real numbers whose mean is linear, or cut off below 0."""

    def __init__(self, head: Head, memory: Memory) -> None:
        self.lin, self.memory = head.maps["mean"], memory
        spec: Any = head.spec
        self.act, self.sd = spec.act, spec.sd
        self.shifts = [Conditions(s, memory) for s in head.shifts.values()]
        table = dict(head.tables).get("log_sd")
        self.log_sd = None if table is None else table.blocks[0]

    def __call__(
        self, h: Tensor, cells: Minibatch, view: str, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """From h (cells, n_in) and the weight of each cell."""
        mean = mapped(self.lin, h, self.memory, self)
        for shift in self.shifts:
            shift.add(mean, cells)
        if self.act == "relu":
            mean.relu_()
        off = cells.views[view].dense().sub_(mean)  # in sds, then, and then a gradient
        sd = self.sd if self.log_sd is None else self.log_sd.exp()
        off.div_(sd)
        square = torch.linalg.vecdot(off, off)
        logs = len(mean.T) * math.log(sd) if self.log_sd is None else self.log_sd.sum()
        log_p = -0.5 * square - logs - mean.shape[1] * HALF_LOG_2PI
        if self.log_sd is not None:
            sums = torch.mm(weight[None], off.square()).sub_(weight.sum())
            self.memory.gradient(self.log_sd).copy_(sums)
        d = off.mul_(weight[:, None]).div_(sd)
        if self.act == "relu":
            d.mul_(mean > 0)
        for shift in self.shifts:
            shift.gradient(d, cells)
        return log_p, mapped_gradient(self.lin, d, h, self.memory, self)


class LogitHead:
    """What has logits and nothing else: the kernel of its log probability knows their gradient."""

    def __init__(self, head: Head, memory: Memory) -> None:
        self.lin, self.spec, self.memory = head.maps["logits"], head.spec, memory
        self.shifts = [Conditions(s, memory) for s in head.shifts.values()]

    def __call__(
        self, h: Tensor, cells: Minibatch, view: str, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """From h (cells, n_in) and the weight of each cell."""
        logits = mapped(self.lin, h, self.memory, self)
        for shift in self.shifts:
            shift.add(logits, cells)
        size = cells.size(view, self.spec.library)
        with torch.enable_grad():
            logits = logits.detach().requires_grad_()
            log_p = self.spec.distribution(size, logits).log_prob(cells.views[view])
            (d,) = torch.autograd.grad(log_p, logits, weight)
        for shift in self.shifts:
            shift.gradient(d, cells)
        return log_p.detach(), mapped_gradient(self.lin, d, h, self.memory, self)


HEADS: dict[type, type[CountHead | RealHead | LogitHead]] = {
    Bernoulli: LogitHead,
    Multinomial: LogitHead,
    NegativeBinomial: CountHead,
    NormalHead: RealHead,
    Poisson: LogitHead,
    ZeroInflatedNegativeBinomial: CountHead,
}
