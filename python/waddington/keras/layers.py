"""Layers that the core has no use for but Keras has, and where weights start.

The rest of Keras' layers are those of `waddington.layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..cells import Dims, Minibatch
from ..contracts import ConditionPart
from ..errors import InputError
from ..layers import ACTIVATIONS, Plain, check_choice, check_share
from ..parts import part


@part
class BatchNorm:
    """Batch normalisation with a memory of one's own choice.

    Attributes:
        momentum: Weight of the old moving mean and variance.
        eps: Added to variances.
        center: Whether there is a learnt shift.
        scale: Whether there is a learnt factor.
    """

    momentum: float = 0.99
    eps: float = 1e-3
    center: bool = True
    scale: bool = True

    def check(self) -> None:
        check_share(self.momentum, "momentum")

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> Plain:
        norm = nn.BatchNorm1d(n_in, eps=self.eps, momentum=1 - self.momentum)
        return Plain(n_in, _learning(norm, self.center, self.scale))


@part
class LayerNorm:
    """Layer normalisation; the attributes are those of `BatchNorm`."""

    eps: float = 1e-3
    center: bool = True
    scale: bool = True

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> Plain:
        return Plain(n_in, _learning(nn.LayerNorm(n_in, self.eps), self.center, self.scale))


def _learning(norm: nn.Module, center: bool, scale: bool) -> nn.Module:
    if not center:
        constant(norm, "bias")
    if not scale:
        constant(norm, "weight")
    return norm


def constant(module: nn.Module, name: str) -> None:
    """Make a parameter a number that nobody learns and nobody stores."""
    value = getattr(module, name).detach().clone()
    delattr(module, name)
    module.register_buffer(name, value, persistent=False)


@part
class Slope:
    """An activation function with a number: the slope of leaky_relu, or the depth of elu."""

    act: str = "leaky_relu"
    alpha: float = 0.3

    def check(self) -> None:
        check_choice(self.act, ("leaky_relu", "elu"), "act")

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> Plain:
        f = F.leaky_relu if self.act == "leaky_relu" else F.elu
        return Plain(n_in, lambda h: f(h, self.alpha))


@part
class Masked:
    """act(W h + b), where W is 0, and stays so, wherever `mask` is; mask is (n_in, units)."""

    mask: tuple[tuple[float, ...], ...]
    act: str = "linear"

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> MaskedLayer:
        if len(self.mask) != n_in:
            raise InputError(f"mask has {len(self.mask)} rows for {n_in} inputs", "mask")
        return MaskedLayer(self)


class MaskedLayer(nn.Module):
    """See `Masked`."""

    mask: Tensor

    def __init__(self, spec: Masked) -> None:
        super().__init__()
        self.spec, self.width = spec, len(spec.mask[0])
        self.linear = nn.Linear(len(spec.mask), self.width)
        mask = torch.tensor(spec.mask, dtype=self.linear.weight.dtype).T
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, h: Tensor, cells: Minibatch) -> Tensor:
        """(cells, units)."""
        h = F.linear(h, self.linear.weight * self.mask, self.linear.bias)
        return ACTIVATIONS[self.spec.act](h)


@part
class Free:
    """Numbers that are learnt, one per feature, from no input: (1, n)."""

    n: int

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> FreeLayer:
        return FreeLayer(self.n)


class FreeLayer(nn.Module):
    """See `Free`."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.width, self.bias = n, nn.Parameter(torch.zeros(n))

    def forward(self, h: Tensor, cells: Minibatch) -> Tensor:
        """(1, n); `h` is not read."""
        return self.bias[None]


@part
class Start:
    """Where weights start: the name of an initialiser, and up to two numbers of it."""

    name: str = "glorot_uniform"
    a: float = 0.0
    b: float = 0.0

    def check(self) -> None:
        check_choice(self.name, tuple(STARTS), "initialiser")

    @torch.no_grad()
    def fill(self, kernel: Tensor) -> None:
        """Draw a kernel, (inputs, outputs), or a vector, in place."""
        STARTS[self.name](self, kernel)


def _scaled(mode: Callable[[float, float], float], factor: float, uniform: bool) -> Callable:
    """Variance factor / mode(inputs, outputs); the normal ones are cut at two sd, as Keras'."""

    def fill(start: Start, w: Tensor) -> None:
        n_in, n_out = (w.shape[0], w.shape[-1]) if w.ndim == 2 else (w.shape[0], w.shape[0])
        sd = (factor / mode(n_in, n_out)) ** 0.5
        if uniform:
            w.uniform_(-sd * 3**0.5, sd * 3**0.5)
        else:
            _cut_normal(w, 0.0, sd / CUT_SD)

    return fill


CUT_SD = 0.87962566103423978
"""The sd of a standard normal cut at two."""


def _cut_normal(w: Tensor, mean: float, sd: float) -> None:
    nn.init.trunc_normal_(w, mean, sd, mean - 2 * sd, mean + 2 * sd)


def _orthogonal(start: Start, w: Tensor) -> None:
    if w.ndim != 2:
        raise InputError("orthogonal weights need a matrix; choose another initialiser for a bias")
    values = torch.empty(w.shape, dtype=w.dtype)
    w.copy_(nn.init.orthogonal_(values, start.a))


_MEAN = lambda n_in, n_out: 0.5 * (n_in + n_out)
_IN = lambda n_in, n_out: n_in

STARTS: Mapping[str, Callable[[Start, Tensor], object]] = {
    "constant": lambda start, w: w.fill_(start.a),
    "glorot_normal": _scaled(_MEAN, 1.0, False),
    "glorot_uniform": _scaled(_MEAN, 1.0, True),
    "he_normal": _scaled(_IN, 2.0, False),
    "he_uniform": _scaled(_IN, 2.0, True),
    "lecun_normal": _scaled(_IN, 1.0, False),
    "lecun_uniform": _scaled(_IN, 1.0, True),
    "ones": lambda start, w: w.fill_(1.0),
    "orthogonal": _orthogonal,
    "random_normal": lambda start, w: w.normal_(start.a, start.b),
    "random_uniform": lambda start, w: w.uniform_(start.a, start.b),
    "truncated_normal": lambda start, w: _cut_normal(w, start.a, start.b),
    "zeros": lambda start, w: w.zero_(),
}
