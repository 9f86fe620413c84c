"""Large matrix products, by whichever of torch's two libraries is the faster on this processor.

Torch sends products of float32 to its BLAS. Where that is Intel's, it leaves half of the width
of an AMD processor with AVX-512 unused, while oneDNN, which torch brings too, uses all of it: twice
the speed (`product_speed.py` prints it). With AVX2 alone both are as fast. The choice hangs on the
processor, not on a stopwatch, so runs stay equal to the bit.
`torch.backends.mkldnn.enabled = False` switches it off, as everything of oneDNN.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from .build import processor

WORK = 1 << 21
"""Multiplications from which oneDNN is worth its dearer call."""


def product(a: Tensor, b: Tensor, bias: Tensor | None = None, out: Tensor | None = None) -> Tensor:
    """a b^T + bias, (m, n).

    Args:
        a: (m, k); fastest where its rows are without gaps.
        b: (n, k), with gaps or without.
        bias: (n,).
        out: Room that the result may take. It is not always taken: go on with what is returned.
            Without room there are gradients, of any order.
    """
    if onednn_is_faster(a, b):
        return _onednn(a, b, bias) if out is not None else _Product.apply(a, b, bias)
    if bias is None:
        return torch.mm(a, b.t(), out=out)
    return torch.addmm(bias, a, b.t(), out=out)


def onednn_is_faster(a: Tensor, b: Tensor) -> bool:
    """Whether a b^T is a product of the kind and size that oneDNN is for, here."""
    return (
        a.dim() == b.dim() == 2
        and a.dtype == b.dtype == torch.float32
        and a.device.type == b.device.type == "cpu"
        and a.shape[0] * a.shape[1] * b.shape[0] >= WORK
        and bool(torch.backends.mkldnn.enabled)
        and preferred()
    )


@cache
def preferred() -> bool:
    """Whether oneDNN is to be had, and the other library was not made for this processor."""
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    if not (wide and torch.backends.mkl.is_available() and "AuthenticAMD" in processor()):
        return False
    a, b, bias = torch.ones(3, 2), torch.ones(4, 2), torch.ones(4)
    try:
        return bool((_onednn(a, b, bias) == 3).all())
    except (AttributeError, RuntimeError, TypeError):  # the operator is not promised to stay
        return False


def status() -> str:
    """Which library makes large products, and why."""
    if preferred() and torch.backends.mkldnn.enabled:
        return "oneDNN (torch's BLAS is Intel's, the processor AMD's)"
    return "torch's BLAS"


def _onednn(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(a.contiguous(), b, bias, "none", [], "")


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(a, b)
        return _onednn(a, b, bias)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, ...]:
        (a, b), wanted = ctx.saved_tensors, ctx.needs_input_grad
        return (
            product(d, b.t()) if wanted[0] else None,
            product(d.t(), a.t()) if wanted[1] else None,
            d.sum(0) if wanted[2] else None,
        )
