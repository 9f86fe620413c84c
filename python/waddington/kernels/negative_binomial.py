"""Negative binomial counts, with or without extra zeros: log probabilities and their gradients.

With r = mean / theta and T = r / (1 + r), every entry is treated as a zero in one dense pass,

    log p(0) = -theta log(1 + r),
    d log p(0) / d log mean = -theta T,  d log p(0) / d log theta = theta (T - log(1 + r)),

and what a count adds is computed where one is stored: only there are gamma functions needed. A
zero that may be an extra one has log p = log(pi / Z), where pi = sigmoid(l) is the extra-zero
probability and Z = sigmoid(l + theta log(1 + r)) the probability that this zero is an extra one.
Its gradients are those above times 1 - Z, and Z - pi for l.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..cells import Rows
from .native import able
from .native_counts import NativeCounts
from .special import by_cell, gamma_steps, log_factorial, pick, place, wanted, whole

LOG_THETA_LIMIT = 20.0
"""Beyond exp(20) a negative binomial is a Poisson, below exp(-20) all zeros, in any data."""
ZERO_LOGIT_LIMIT = 40.0
"""Below sigmoid(-40) there are no extra zeros; which of them are extra would be 0 / 0."""


def nb(
    logits: Tensor, log_theta: Tensor, library: Tensor | None, counts: Rows, share: bool
) -> Tensor:
    """Log probability of each cell's counts, in nats, (cells,).

    Args:
        logits: (cells, genes).
        log_theta: Log inverse dispersion, (1, genes) or (cells, genes).
        library: What multiplies softmax or exp of the logits, (cells, 1); None is 1.
        counts: (cells, genes).
        share: Whether the mean is library * softmax(logits); else it is library * exp(logits).
    """
    return zinb(logits, log_theta, None, library, counts, share)


def zinb(
    logits: Tensor,
    log_theta: Tensor,
    zero_logits: Tensor | None,
    library: Tensor | None,
    counts: Rows,
    share: bool,
) -> Tensor:
    """As `nb`, with extra zeros of probability sigmoid(zero_logits), (cells, genes)."""
    log_theta = whole(log_theta).reshape(-1, counts.n_features)
    zero_logits = None if zero_logits is None else whole(zero_logits)
    inputs = (whole(logits), log_theta, zero_logits, library)
    native = able(*inputs, counts.values, counts.indices, counts.indptr)
    function = NativeCounts if native else _NegativeBinomial
    return function.apply(*inputs, _Given(counts, share, wanted(*inputs)))


def log_means(logits: Tensor, library: Tensor | None, share: bool) -> Tensor:
    """Log expected counts, (cells, genes), in memory of their own."""
    logs = logits.log_softmax(-1) if share else logits.clone()
    return logs if library is None else logs.add_(library.log())


class _Given(NamedTuple):
    """What has no gradient."""

    counts: Rows
    share: bool
    keep: bool  # the gradients


class _Dense(NamedTuple):
    """The dense pass, all (cells, genes) but theta, which may be (1, genes)."""

    theta: Tensor
    ratio: Tensor
    log_growth: Tensor  # log(1 + ratio)
    extra: Tensor | None  # probability that a zero is an extra one; 0 at the stored counts


class _Stored(NamedTuple):
    """Where counts are stored, (values,) each."""

    log_p: Tensor  # what they add
    slopes: Tensor  # and to its slope in theta
    theta: Tensor
    log_growth: Tensor


class _Gradients(NamedTuple):
    """Of each cell's log probability."""

    logits: Tensor
    log_theta: Tensor  # before its factor theta, and but for the stored counts
    stored_log_theta: Tensor  # (values,)
    log_library: Tensor  # (cells,)
    zero_logits: Tensor | None


class _NegativeBinomial(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        log_theta: Tensor,
        zero_logits: Tensor | None,
        library: Tensor | None,
        given: _Given,
    ) -> Tensor:
        counts, share, keep = given
        log_theta = log_theta.clamp(-LOG_THETA_LIMIT, LOG_THETA_LIMIT)  # no slope left beyond
        with exact(logits):
            dense, stored = _dense_pass(logits, log_theta, library, counts, share)
            if zero_logits is None:
                log_p, prior = _times(dense.log_growth, dense.theta).neg_(), None
            else:
                log_p, prior, dense = _extra_zeros(zero_logits, dense, stored, counts)
            log_p.add_(by_cell(stored.log_p, counts))
            if keep:
                size = (1.0 if library is None else library) if share else None
                _save(ctx, dense, _gradients(dense, stored, prior, counts, size), library)
        ctx.counts = counts
        return log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        theta, library, *saved = ctx.saved_tensors
        g, column, wanted = _Gradients(*saved), upstream[:, None], ctx.needs_input_grad
        with exact(upstream):
            d_theta = _theta_gradient(g, theta, upstream, ctx.counts) if wanted[1] else None
        d_zero = column * g.zero_logits if wanted[2] else None
        d_library = column * g.log_library[:, None] / library if wanted[3] else None
        return column * g.logits, d_theta, d_zero, d_library, None


def _dense_pass(
    logits: Tensor, log_theta: Tensor, library: Tensor | None, counts: Rows, share: bool
) -> tuple[_Dense, _Stored]:
    """All entries as zeros; what the stored counts change."""
    theta = log_theta.exp()
    log_ratio = log_means(logits, library, share).sub_(log_theta)
    odds, here = pick(log_ratio, counts), pick(theta, counts)
    ratio = log_ratio.exp_()
    log_growth = ratio.log1p()
    x, growth = counts.values.to(logits.dtype), pick(log_growth, counts)
    steps, slopes = gamma_steps(x, here)
    log_p = odds.sub_(growth).mul_(x).add_(steps).sub_(log_factorial(counts))
    return _Dense(theta, ratio, log_growth, None), _Stored(log_p, slopes, here, growth)


def _extra_zeros(
    zero_logits: Tensor, dense: _Dense, stored: _Stored, counts: Rows
) -> tuple[Tensor, Tensor, _Dense]:
    """log p if all were zeros, and the prior of extra ones; mends what counts add to it."""
    zero_logits = zero_logits.clamp(min=-ZERO_LOGIT_LIMIT)
    prior = zero_logits.sigmoid()
    extra = torch.addcmul(zero_logits, dense.log_growth, dense.theta).sigmoid_()
    log_p = (prior / extra).log_().sum(-1)
    stored.log_p.add_(pick(extra, counts).log_() - pick(zero_logits, counts))
    stored.log_p.addcmul_(stored.theta, stored.log_growth, value=-1)
    extra.view(-1).index_fill_(0, place(counts), 0.0)
    return log_p, prior, dense._replace(extra=extra)


def _gradients(
    dense: _Dense, stored: _Stored, prior: Tensor | None, counts: Rows, size: Tensor | float | None
) -> _Gradients:
    """Gradients, overwriting the dense pass; `size` is the library that is shared out, or None."""
    theta, ratio, log_growth, extra = dense
    falls = ratio + 1
    torch.div(ratio, falls, out=falls)
    rises = stored.log_growth.neg().exp_().mul_(counts.values)  # x / (1 + ratio)
    d_theta = torch.sub(falls, log_growth, out=log_growth)
    d_zero = None if extra is None else torch.sub(extra, prior, out=prior)
    if extra is not None:
        real = extra.neg_().add_(1)
        falls.mul_(real), d_theta.mul_(real)
    d_rate = by_cell(rises, counts).sub_(_times(falls, theta))
    if size is not None:
        falls.addcmul_(ratio, d_rate[:, None] / size)
    d_logits = falls.mul_(-theta)
    d_logits.view(-1).scatter_add_(0, place(counts), rises)
    d_stored = (stored.theta * stored.slopes).sub_(rises)
    return _Gradients(d_logits, d_theta, d_stored, d_rate, d_zero)


def _save(ctx: Any, dense: _Dense, gradients: _Gradients, library: Tensor | None) -> None:
    ctx.save_for_backward(dense.theta, library, *gradients)


def _theta_gradient(g: _Gradients, theta: Tensor, upstream: Tensor, counts: Rows) -> Tensor:
    """Of the upstream-weighted sum over cells, in the shape of theta."""
    stored = upstream.index_select(0, counts.row) * g.stored_log_theta
    if len(theta) > 1 or len(upstream) == 1:
        d_theta = upstream[:, None] * theta * g.log_theta
        d_theta.view(-1).scatter_add_(0, place(counts), stored)
        return d_theta
    d_theta = theta * (upstream @ g.log_theta)
    d_theta.view(-1).scatter_add_(0, counts.indices, stored)
    return d_theta


def _times(dense: Tensor, theta: Tensor) -> Tensor:
    """Sums over genes of dense * theta, (cells,)."""
    return dense @ theta[0] if len(theta) == 1 else (dense * theta).sum(-1)


def exact(x: Tensor) -> AbstractContextManager:
    """Keeps autocast from shortening the products in here."""
    known = x.device.type in ("cpu", "cuda")
    return torch.autocast(x.device.type, enabled=False) if known else nullcontext()
