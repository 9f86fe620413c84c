"""Counts without dispersion: Poisson and multinomial."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..cells import Rows
from .special import by_cell, log_factorial, pick, place, whole


def poisson(logits: Tensor, library: Tensor | None, counts: Rows, share: bool) -> Tensor:
    """Log probability of each cell's counts, in nats, (cells,).

    Args:
        logits: (cells, genes).
        library: What multiplies softmax or exp of the logits, (cells, 1); None is 1.
        counts: (cells, genes).
        share: Whether the mean is library * softmax(logits); else it is library * exp(logits).
    """
    logits = whole(logits)
    constant = by_cell(log_factorial(counts).to(logits.dtype), counts)
    if not share:
        logits = logits if library is None else logits + library.log()
        return _Rates.apply(logits, counts) - constant
    size = logits.new_ones(()) if library is None else library.squeeze(-1)
    total = by_cell(counts.values.to(logits.dtype), counts)
    return _Shares.apply(logits, counts) + total * size.log() - size - constant


def multinomial(logits: Tensor, counts: Rows) -> Tensor:
    """Log probability of how each cell's counts spread over features, given their sum, (cells,)."""
    logits = whole(logits)
    total = by_cell(counts.values.to(logits.dtype), counts)
    constant = by_cell(log_factorial(counts).to(logits.dtype), counts)
    return _Shares.apply(logits, counts) + torch.lgamma(total + 1) - constant


class _Shares(torch.autograd.Function):
    """Sums over genes of x log softmax(logits), (cells,)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, counts: Rows) -> Tensor:
        logs = logits.log_softmax(-1)
        ctx.save_for_backward(logs)
        ctx.counts = counts
        return by_cell(counts.values.to(logs.dtype) * pick(logs, counts), counts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (logs,) = ctx.saved_tensors
        stored = upstream.index_select(0, ctx.counts.row) * ctx.counts.values.to(logs.dtype)
        gradient = logs.exp().mul_(-by_cell(stored, ctx.counts)[:, None])
        gradient.view(-1).scatter_add_(0, place(ctx.counts), stored)
        return gradient, None


class _Rates(torch.autograd.Function):
    """Sums over genes of x log(mean) - mean, (cells,)."""

    @staticmethod
    def forward(ctx: Any, log_mean: Tensor, counts: Rows) -> Tensor:
        mean = log_mean.exp()
        ctx.save_for_backward(mean)
        ctx.counts = counts
        stored = counts.values.to(mean.dtype) * pick(log_mean, counts)
        return by_cell(stored, counts) - mean.sum(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (mean,) = ctx.saved_tensors
        stored = upstream.index_select(0, ctx.counts.row) * ctx.counts.values.to(mean.dtype)
        gradient = mean * -upstream[:, None]
        gradient.view(-1).scatter_add_(0, place(ctx.counts), stored)
        return gradient, None
