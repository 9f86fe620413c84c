"""Features that are there or not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..cells import Rows
from .special import by_cell, pick, place, whole


def bernoulli(logits: Tensor, rows: Rows) -> Tensor:
    """Log probability of each cell's zeros and ones, in nats, (cells,)."""
    return _Bernoulli.apply(whole(logits), rows)


class _Bernoulli(torch.autograd.Function):
    """Sums over features of x l - log(1 + exp(l)), (cells,)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, rows: Rows) -> Tensor:
        ctx.save_for_backward(logits)
        ctx.rows = rows
        stored = by_cell(rows.values.to(logits.dtype) * pick(logits, rows), rows)
        small = logits.abs().neg_().exp_().log1p_()  # softplus of torch's own is far slower
        return stored - small.add_(logits.clamp(min=0)).sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (logits,) = ctx.saved_tensors
        stored = upstream.index_select(0, ctx.rows.row) * ctx.rows.values.to(logits.dtype)
        gradient = logits.sigmoid().mul_(-upstream[:, None])
        gradient.view(-1).scatter_add_(0, place(ctx.rows), stored)
        return gradient, None
