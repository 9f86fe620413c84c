"""How a player moves: optimisers as parts.

Torch's own constructors import its compiler, a second and 70 MB; these call the same fused update,
or lists of tensors at once where there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .errors import InputError
from .parts import part
from .schedules import Schedule


class Optimiser:
    """Named lists of state tensors, one tensor per parameter, and a count of steps."""

    names: tuple[str, ...] = ()

    def __init__(self, spec: Any, parameters: Sequence[Tensor]) -> None:
        self.spec, self.parameters, self.steps = spec, list(parameters), 0
        self.of = {k: [torch.zeros_like(p) for p in self.parameters] for k in self.names}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update of every parameter that has a gradient."""
        self.steps += 1
        given = {i: p.grad for i, p in enumerate(self.parameters) if p.grad is not None}
        params = [self.parameters[i] for i in given]
        state = {k: [v[i] for i in given] for k, v in self.of.items()}
        if params:
            self.update(params, list(given.values()), state, lr)

    def update(
        self, p: list[Tensor], g: list[Tensor], s: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        """Move parameters p along gradients g, with state s."""
        raise AttributeError

    def state(self) -> dict[str, Tensor]:
        """All that a later run needs to go on, by name."""
        flat = {f"{k}.{i}": x for k, v in self.of.items() for i, x in enumerate(v)}
        return {**flat, "steps": torch.tensor(self.steps)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`."""
        self.steps = int(state["steps"])
        for k, v in self.of.items():
            for i, x in enumerate(v):
                x.copy_(state[f"{k}.{i}"])


@part
class Adam:
    """Adam; with `decoupled` decay AdamW, with `amsgrad` its variant.

    References:
        Kingma and Ba (2015), ICLR; Loshchilov and Hutter (2019), ICLR; Reddi et al. (2018), ICLR.
    """

    lr: Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip: float | None = None
    amsgrad: bool = False
    decoupled: bool = False

    def check(self) -> None:
        _check_rate(self.lr)

    def build(self, parameters: Sequence[Tensor]) -> Optimiser:
        return AdamState(self, parameters)


class AdamState(Optimiser):
    """See `Adam`."""

    def __init__(self, spec: Adam, parameters: Sequence[Tensor]) -> None:
        self.names = ("mean", "square", *(("largest",) if spec.amsgrad else ()))
        super().__init__(spec, parameters)

    def update(
        self, p: list[Tensor], g: list[Tensor], s: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        if p[0].device.type in ("cpu", "cuda"):
            self._fused(p, g, s, lr)
        else:
            self._listed(p, g, s, lr)

    def _fused(
        self, p: list[Tensor], g: list[Tensor], s: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        o = self.spec
        call = torch._fused_adamw_ if o.decoupled else torch._fused_adam_
        steps = [torch.full((), float(self.steps), device=p[0].device)] * len(p)
        call(
            p, g, s["mean"], s["square"], s.get("largest", []), steps,
            lr=lr, beta1=o.betas[0], beta2=o.betas[1], weight_decay=o.weight_decay, eps=o.eps,
            amsgrad=o.amsgrad, maximize=False,
        )  # fmt: skip

    def _listed(
        self, p: list[Tensor], g: list[Tensor], s: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        o, (b1, b2) = self.spec, self.spec.betas
        if o.weight_decay and o.decoupled:
            torch._foreach_mul_(p, 1 - lr * o.weight_decay)
        elif o.weight_decay:
            g = list(torch._foreach_add(g, p, alpha=o.weight_decay))
        torch._foreach_lerp_(s["mean"], g, 1 - b1)
        torch._foreach_mul_(s["square"], b2)
        torch._foreach_addcmul_(s["square"], g, g, 1 - b2)
        square = s["square"]
        if o.amsgrad:
            torch._foreach_maximum_(s["largest"], square)
            square = s["largest"]
        root = torch._foreach_sqrt(square)
        torch._foreach_div_(root, math.sqrt(1 - b2**self.steps))
        torch._foreach_add_(root, o.eps)
        torch._foreach_addcdiv_(p, s["mean"], root, -lr / (1 - b1**self.steps))


@part
class Nadam:
    """Adam with Nesterov's momentum.

    References:
        Dozat (2016), ICLR workshop.
    """

    lr: Schedule = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip: float | None = None

    def check(self) -> None:
        _check_rate(self.lr)

    def build(self, parameters: Sequence[Tensor]) -> Optimiser:
        return NadamState(self, parameters)


class NadamState(Optimiser):
    """See `Nadam`; momentum decay 0.004, as in the paper."""

    names = ("mean", "square")
    product, counted = 1.0, 0

    def _momentum(self, step: int) -> float:
        return self.spec.betas[0] * (1 - 0.5 * 0.96 ** (step * 0.004))

    def _momenta(self) -> float:
        """The product of the momenta of all steps so far."""
        while self.counted < self.steps:
            self.counted += 1
            self.product *= self._momentum(self.counted)
        return self.product

    def update(
        self, p: list[Tensor], g: list[Tensor], s: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        (b1, b2), t = self.spec.betas, self.steps
        now, later, product = self._momentum(t), self._momentum(t + 1), self._momenta()
        torch._foreach_lerp_(s["mean"], g, 1 - b1)
        torch._foreach_mul_(s["square"], b2)
        torch._foreach_addcmul_(s["square"], g, g, 1 - b2)
        root = torch._foreach_sqrt(torch._foreach_div(s["square"], 1 - b2**t))
        torch._foreach_add_(root, self.spec.eps)
        torch._foreach_addcdiv_(p, g, root, -lr * (1 - now) / (1 - product))
        torch._foreach_addcdiv_(p, s["mean"], root, -lr * later / (1 - product * later))


@part
class Sgd:
    """Stochastic gradient descent, with momentum if asked."""

    lr: Schedule = 1e-2
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    clip: float | None = None

    def check(self) -> None:
        _check_rate(self.lr)

    def build(self, parameters: Sequence[Tensor]) -> Optimiser:
        return SgdState(self, parameters)


class SgdState(Optimiser):
    """See `Sgd`; the momentum is of steps, learning rate included, as Keras has it."""

    names = ("velocity",)

    def update(
        self, p: list[Tensor], g: list[Tensor], s: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        o, v = self.spec, s["velocity"]
        if o.weight_decay:
            g = list(torch._foreach_add(g, p, alpha=o.weight_decay))
        torch._foreach_mul_(v, o.momentum)
        torch._foreach_add_(v, g, alpha=-lr)
        if o.nesterov:
            torch._foreach_add_(p, v, alpha=o.momentum)
            torch._foreach_add_(p, g, alpha=-lr)
        else:
            torch._foreach_add_(p, v)


@part
class RmsProp:
    """RMSprop, Hinton's lecture 6e of 2012."""

    lr: Schedule = 1e-3
    rho: float = 0.9
    eps: float = 1e-7
    clip: float | None = None

    def check(self) -> None:
        _check_rate(self.lr)

    def build(self, parameters: Sequence[Tensor]) -> Optimiser:
        return RmsPropState(self, parameters)


class RmsPropState(Optimiser):
    """See `RmsProp`."""

    names = ("square",)

    def update(
        self, p: list[Tensor], g: list[Tensor], s: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        o = self.spec
        torch._foreach_mul_(s["square"], o.rho)
        torch._foreach_addcmul_(s["square"], g, g, 1 - o.rho)
        root = torch._foreach_sqrt(torch._foreach_add(s["square"], o.eps))
        torch._foreach_addcdiv_(p, g, root, -lr)


def _check_rate(lr: Schedule) -> None:
    if isinstance(lr, int | float) and lr <= 0:
        raise InputError(f"the learning rate must be positive, got {lr!r}", "learning_rate")
