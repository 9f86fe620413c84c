"""The negative binomial kernels in C: log probabilities and their gradients."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch
from torch import Tensor

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


def counts(
    given: Inputs, weight: Tensor | None, gradients: Gradients | None
) -> tuple[Tensor, Gradients | None]:
    """Log probability of each cell, (cells,); and the gradients, filled, where there are any.

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
    return log_p, gradients


def counts_in_c(
    given: Inputs, weight: Tensor | None, keep: bool
) -> tuple[Tensor, Gradients | None]:
    """As `counts`, with memory for the gradients, if they are to be made."""
    return counts(given, weight, memory_for(given) if keep else None)


def memory_for(given: Inputs) -> Gradients:
    """Gradients yet to be filled."""
    like = torch.empty_like
    zeros = None if given.zero_logits is None else like(given.zero_logits)
    return Gradients(
        like(given.logits), like(given.log_theta), zeros, torch.empty(len(given.logits))
    )
