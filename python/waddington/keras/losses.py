"""Losses and metrics by name: of truth y and prediction p, (cells, features), to (cells,).

Means over features, as Keras has them, where the likelihoods of the recipes are sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells import Rows
from ..likelihoods.negative_binomial import NegativeBinomial
from ..likelihoods.zero_inflated import ZeroInflatedNegativeBinomial

SMALL, TINY = 1e-7, 1e-30
Loss = Callable[[Tensor, Tensor], Tensor]


def _categorical(y: Tensor, p: Tensor) -> Tensor:
    """TINY, not SMALL: a class predicted with certainty 0 keeps its gradient."""
    return -(y * (p / p.sum(-1, keepdim=True)).clamp_min(TINY).log()).sum(-1)


def _sparse_categorical(y: Tensor, p: Tensor) -> Tensor:
    return _categorical(F.one_hot(y[:, 0].long(), p.shape[-1]).to(p.dtype), p)


def _binary(y: Tensor, p: Tensor) -> Tensor:
    p = p.clamp(SMALL, 1 - SMALL)
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean(-1)


def _divergence(y: Tensor, p: Tensor) -> Tensor:
    y, p = y.clamp(SMALL, 1), p.clamp(SMALL, 1)
    return (y * (y / p).log()).sum(-1)


def _huber(y: Tensor, p: Tensor) -> Tensor:
    return F.huber_loss(p, y, reduction="none").mean(-1)


def _log_cosh(y: Tensor, p: Tensor) -> Tensor:
    e = p - y
    return (e + F.softplus(-2 * e) - math.log(2)).mean(-1)


def _cosine(y: Tensor, p: Tensor) -> Tensor:
    return -F.cosine_similarity(y, p, dim=-1)


def _hinge(power: int) -> Loss:
    def hinge(y: Tensor, p: Tensor) -> Tensor:
        y = torch.where(y == 0, -1.0, y) if bool(((y == 0) | (y == 1)).all()) else y
        return (1 - y * p).clamp_min(0).pow(power).mean(-1)

    return hinge


def _percentage(y: Tensor, p: Tensor) -> Tensor:
    return 100 * ((y - p) / y.abs().clamp_min(SMALL)).abs().mean(-1)


def _squared_log(y: Tensor, p: Tensor) -> Tensor:
    return (p.clamp_min(SMALL).log1p() - y.clamp_min(SMALL).log1p()).square().mean(-1)


LOSSES: Mapping[str, Loss] = {
    "binary_crossentropy": _binary,
    "categorical_crossentropy": _categorical,
    "cosine_similarity": _cosine,
    "hinge": _hinge(1),
    "huber": _huber,
    "kullback_leibler_divergence": _divergence,
    "logcosh": _log_cosh,
    "mean_absolute_error": lambda y, p: (p - y).abs().mean(-1),
    "mean_absolute_percentage_error": _percentage,
    "mean_squared_error": lambda y, p: (p - y).square().mean(-1),
    "mean_squared_logarithmic_error": _squared_log,
    "poisson": lambda y, p: (p - y * (p + SMALL).log()).mean(-1),
    "sparse_categorical_crossentropy": _sparse_categorical,
    "squared_hinge": _hinge(2),
}
"""Losses without parameters of their own."""


def negative_binomial(y: Tensor, p: Tensor, log_theta: Tensor) -> Tensor:
    """Minus the log probability of counts with mean p, summed over features, (cells,)."""
    head = NegativeBinomial(library="none")
    made = head.distribution(None, p.clamp_min(SMALL).log(), log_theta)
    return -made.log_prob(_rows(y))


def zero_inflated(y: Tensor, p: Tensor, log_theta: Tensor, zero_logits: Tensor) -> Tensor:
    """The same with extra zeros, whose logits are (1, features)."""
    head = ZeroInflatedNegativeBinomial(library="none")
    logits, zeros = p.clamp_min(SMALL).log(), zero_logits.expand_as(p)
    made = head.distribution(library=None, logits=logits, log_theta=log_theta, zero_logits=zeros)
    return -made.log_prob(_rows(y))


LIKELIHOODS: Mapping[str, Callable[..., Tensor]] = {
    "negative_binomial": negative_binomial,
    "zero_inflated_negative_binomial": zero_inflated,
}
"""The package's likelihoods, with one learnt vector per further argument."""


def _rows(y: Tensor) -> Rows:
    """Dense counts, (cells, features), as sparse rows."""
    at = y.nonzero(as_tuple=True)
    indptr = torch.cat([at[0].new_zeros(1), torch.bincount(at[0], minlength=len(y)).cumsum(0)])
    return Rows(indptr, at[1], y[at], y.shape[1])


def _same_class(y: Tensor, p: Tensor) -> Tensor:
    return (y.argmax(-1) == p.argmax(-1)).to(p.dtype)


METRICS: Mapping[str, Loss] = {
    **LOSSES,
    "binary_accuracy": lambda y, p: ((p > 0.5) == (y > 0.5)).to(p.dtype).mean(-1),
    "categorical_accuracy": _same_class,
    "sparse_categorical_accuracy": lambda y, p: (y[:, 0].long() == p.argmax(-1)).to(p.dtype),
    "cosine_proximity": lambda y, p: -_cosine(y, p),
    "top_5_categorical_accuracy": lambda y, p: (
        (p.topk(min(5, p.shape[-1])).indices == y.argmax(-1)[:, None]).any(-1).to(p.dtype)
    ),
}
"""Metrics: the losses, and how often the answer is right."""
