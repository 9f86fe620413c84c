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

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..cells import Rows
from .native import able
from .native_counts import Gradients, Inputs, counts_in_c
from .special import by_cell, gamma_steps, log_factorial, pick, place, wanted, whole

LOG_THETA_LIMIT = 20.0
"""Beyond exp(20) a negative binomial is a Poisson, below exp(-20) all zeros, in any data."""
FAINTEST = 1e-30
"""A smaller mean / theta is told by its log alone."""
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
    engine = counts_in_c if native else counts_in_torch
    return _Counts.apply(*inputs, _Given(counts, share, wanted(*inputs), engine))


def log_means(logits: Tensor, library: Tensor | None, share: bool) -> Tensor:
    """Log expected counts, (cells, genes), in memory of their own."""
    logs = logits.log_softmax(-1) if share else logits.clone()
    return logs if library is None else logs.add_(library.log())


class _Given(NamedTuple):
    """What has no gradient."""

    counts: Rows
    share: bool
    keep: bool  # the gradients
    engine: Callable[..., tuple[Tensor, Gradients | None]]


class _Counts(torch.autograd.Function):
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
        given: _Given,
    ) -> Tensor:
        inputs = Inputs(logits, log_theta, zero_logits, library, given.counts, given.share)
        log_p, ctx.made = given.engine(inputs, None, given.keep)
        ctx.save_for_backward(logits, log_theta, zero_logits, library)
        ctx.given = given
        return log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        counts, share, _, engine = ctx.given
        logits, log_theta, zero_logits, library = ctx.saved_tensors
        inputs = Inputs(logits, log_theta, zero_logits, library, counts, share)
        wanted = ctx.needs_input_grad
        made, ctx.made = ctx.made, None
        theta_by_cell = len(inputs.log_theta) > 1
        if made is not None and (theta_by_cell or not wanted[1] or _equal(upstream)):
            made.log_theta.mul_(upstream[:, None] if theta_by_cell else upstream[0])
            made = _scaled(made, upstream)
        else:
            made = engine(inputs, upstream.contiguous(), True)[1]
        library = made.log_library[:, None] / inputs.library if wanted[3] else None
        return made.logits, made.log_theta, made.zero_logits, library, None


def _equal(weights: Tensor) -> bool:
    if weights.stride(0) == 0 or weights.is_meta:
        return weights.stride(0) == 0
    return bool(weights.min() == weights.max())


def _scaled(made: Gradients, weights: Tensor) -> Gradients:
    """All but that of theta times the weights of the cells, in place."""
    column = weights[:, None]
    if made.zero_logits is not None:
        made.zero_logits.mul_(column)
    if made.log_library is not None:
        made.log_library.mul_(weights)
    made.logits.mul_(column)
    return made


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


def counts_in_torch(
    given: Inputs, weight: Tensor | None, keep: bool
) -> tuple[Tensor, Gradients | None]:
    """Log probability of each cell, (cells,), and the gradients of their weighted sum.

    Args:
        given: log_theta is (1, genes) or (cells, genes); biases are not looked at.
        weight: Of each cell in the gradients, (cells,); None is 1.
        keep: Whether gradients are made.
    """
    counts, zero_logits, prior = given.counts, given.zero_logits, None
    with exact(given.logits):
        dense, stored = _dense_pass(given)
        if zero_logits is None:
            log_p = _times(dense.log_growth, dense.theta).neg_()
        else:
            log_p, prior, dense = _extra_zeros(zero_logits, dense, stored, counts)
        log_p.add_(by_cell(stored.log_p, counts))
        return log_p, _gradients(dense, stored, prior, given, weight) if keep else None


def _dense_pass(given: Inputs) -> tuple[_Dense, _Stored]:
    """All entries as zeros; what the stored counts change."""
    counts, x = given.counts, given.counts.values.to(given.logits.dtype)
    log_theta = given.log_theta.clamp(-LOG_THETA_LIMIT, LOG_THETA_LIMIT)  # no slope left beyond
    theta = log_theta.exp()
    ratio, odds = _ratios(given, log_theta)
    here, log_growth = pick(theta, counts), ratio.log1p()
    growth = pick(log_growth, counts)
    steps, slopes = gamma_steps(x, here)
    log_p = odds.sub_(growth).mul_(x).add_(steps).sub_(log_factorial(counts))
    return _Dense(theta, ratio, log_growth, None), _Stored(log_p, slopes, here, growth)


def _ratios(given: Inputs, log_theta: Tensor) -> tuple[Tensor, Tensor]:
    """mean / theta, (cells, genes), and its log where counts are stored, (values,)."""
    if given.share and given.logits.device.type == "cpu":
        size = 1.0 if given.library is None else given.library
        ratio = given.logits.softmax(-1).mul_(size).mul_(log_theta.neg().exp_())
        stored = pick(ratio, given.counts)
        if len(stored) and stored.min() > FAINTEST:  # or the log would be inexact
            return ratio, stored.log_()
    logs = log_means(given.logits, given.library, given.share).sub_(log_theta)
    stored = pick(logs, given.counts)
    return logs.exp_(), stored


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
    dense: _Dense, stored: _Stored, prior: Tensor | None, given: Inputs, weight: Tensor | None
) -> Gradients:
    """Gradients, overwriting the dense pass."""
    theta, ratio, log_growth, extra = dense
    counts = given.counts
    falls = ratio + 1
    torch.div(ratio, falls, out=falls)
    rises = stored.log_growth.neg().exp_().mul_(counts.values)  # x / (1 + ratio)
    d_theta = torch.sub(falls, log_growth, out=log_growth)
    d_zero = None if extra is None or prior is None else torch.sub(extra, prior, out=prior)
    if extra is not None:
        real = extra.neg_().add_(1)
        falls.mul_(real), d_theta.mul_(real)
    d_rate = by_cell(rises, counts).sub_(_times(falls, theta))
    if given.share:
        size = 1.0 if given.library is None else given.library
        falls.addcmul_(ratio, d_rate[:, None] / size)
    d_logits = falls.mul_(-theta)
    d_logits.view(-1).scatter_add_(0, place(counts), rises)
    d_stored = (stored.theta * stored.slopes).sub_(rises)
    d_theta = _theta_gradient(d_theta, d_stored, theta, counts, weight)
    made = Gradients(d_logits, d_theta, d_zero, d_rate)
    return made if weight is None else _scaled(made, weight)


def _theta_gradient(
    dense: Tensor, stored: Tensor, theta: Tensor, counts: Rows, weight: Tensor | None
) -> Tensor:
    """Of log theta, in its shape, from what all entries and the stored ones add; weighted."""
    if weight is not None:
        stored.mul_(weight.index_select(0, counts.row))
    if len(theta) > 1 or len(counts) == 1:
        whole = dense.mul_(theta)
        if weight is not None:
            whole.mul_(weight[:, None])
        at = place(counts)
    else:
        whole = theta * (dense.sum(0) if weight is None else weight @ dense)
        at = counts.indices
    whole.view(-1).scatter_add_(0, at, stored)
    return whole


def _times(dense: Tensor, theta: Tensor) -> Tensor:
    """Sums over genes of dense * theta, (cells,)."""
    return dense @ theta[0] if len(theta) == 1 else (dense * theta).sum(-1)


def exact(x: Tensor) -> AbstractContextManager:
    """Keeps autocast from shortening the products in here."""
    known = x.device.type in ("cpu", "cuda")
    return torch.autocast(x.device.type, enabled=False) if known else nullcontext()
