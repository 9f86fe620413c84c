"""The negative binomial kernels in C, as a function that torch can differentiate."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..cells import Rows
from . import native


class Inputs(NamedTuple):
    """What a log probability depends on, and whether the library is shared out.

    Biases, (genes,), are added to the (zero) logits, and change them in place.
    """

    logits: Tensor
    log_theta: Tensor
    zero_logits: Tensor | None
    library: Tensor | None
    counts: Rows
    share: bool
    bias: Tensor | None = None
    zero_bias: Tensor | None = None


class Gradients(NamedTuple):
    """Of the weighted sum of log probabilities."""

    logits: Tensor
    log_theta: Tensor
    zero_logits: Tensor | None
    log_library: Tensor | None
    bias: Tensor | None = None
    zero_bias: Tensor | None = None


def counts(given: Inputs, weight: Tensor | None, gradients: Gradients | None) -> Tensor:
    """Log probability of each cell, (cells,); fills the gradients, where there are any.

    Args:
        given: Float32 tensors on the CPU without gaps; log_theta is (1, genes) or (cells, genes).
        weight: Of each cell in the gradients, (cells,); None is 1.
        gradients: Memory for them; those of (zero) logits may be the (zero) logits themselves.
    """
    rows = given.counts
    log_p = torch.empty(len(rows))
    tensors = {k: v for k, v in given._asdict().items() if k not in ("counts", "share")}
    tensors |= {"indptr": rows.indptr, "indices": rows.indices, "values": rows.values}
    tensors |= {"weight": weight, "log_p": log_p}
    if gradients is not None:
        tensors |= {f"d_{k}": v for k, v in gradients._asdict().items()}
    task = native.CountsTask(
        cells=len(rows),
        genes=rows.n_features,
        share=given.share,
        theta_by_cell=len(given.log_theta) > 1,
        **{k: native.address(v) for k, v in tensors.items()},
    )
    if native.loaded().wad_counts(ctypes.byref(task), native.threads()):
        raise MemoryError("no memory for the likelihood of a minibatch")
    return log_p


def memory_for(given: Inputs) -> Gradients:
    """Gradients yet to be filled."""
    zeros = None if given.zero_logits is None else torch.empty_like(given.zero_logits)
    size = torch.empty(len(given.logits))
    return Gradients(torch.empty_like(given.logits), torch.empty_like(given.log_theta), zeros, size)


class NativeCounts(torch.autograd.Function):
    """Gradients are made in the forward pass, for equal weights of all cells.

    If then the weights differ, that of theta can't be mended, and all are made again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        log_theta: Tensor,
        zero_logits: Tensor | None,
        library: Tensor | None,
        given: tuple[Rows, bool, bool],
    ) -> Tensor:
        inputs = Inputs(logits, log_theta, zero_logits, library, *given[:2])
        ctx.made = memory_for(inputs) if given[2] else None
        ctx.save_for_backward(logits, log_theta, zero_logits, library)
        ctx.given = given[:2]
        return counts(inputs, None, ctx.made)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        inputs, wanted = Inputs(*ctx.saved_tensors, *ctx.given), ctx.needs_input_grad
        made, ctx.made = ctx.made, None
        theta_by_cell = len(inputs.log_theta) > 1
        if made is not None and (theta_by_cell or not wanted[1] or _equal(upstream)):
            made = _scaled(made, upstream, theta_by_cell)
        else:
            made = memory_for(inputs)
            counts(inputs, upstream.contiguous(), made)
        library = made.log_library[:, None] / inputs.library if wanted[3] else None
        return made.logits, made.log_theta, made.zero_logits, library, None


def _equal(weights: Tensor) -> bool:
    return weights.stride(0) == 0 or bool(weights.min() == weights.max())


def _scaled(made: Gradients, weights: Tensor, theta_by_cell: bool) -> Gradients:
    """Gradients times the weights of the cells, in place."""
    column = weights[:, None]
    made.log_theta.mul_(column if theta_by_cell else weights[0])
    if made.zero_logits is not None:
        made.zero_logits.mul_(column)
    return Gradients(
        made.logits.mul_(column), made.log_theta, made.zero_logits, made.log_library.mul_(weights)
    )
