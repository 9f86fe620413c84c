"""How a verb is asked: what it needs of a model, and its answer a block of cells at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..cells import Cells, Minibatch
from ..errors import InputError, listed
from ..minibatches import Coded, minibatches
from ..model import Model
from ..network import Network
from ..readers import query_cells
from ..recipe import Recipe

NEEDS: dict[str, tuple[Callable[[Recipe], Any], str]] = {
    "encoder": (
        lambda r: r.encoders,
        "it has no encoder, it only generates; scvi(), cvae() and others have one",
    ),
    "positions": (
        lambda r: r.encoders or r.latent.prior,
        "it has no encoder, and no prior to find cells by; scvi(), vae() and others have both",
    ),
    "decoder": (
        lambda r: r.views and r.decoders,
        "it decodes no data; scvi(), vae() and others do",
    ),
    "prior": (
        lambda r: r.latent.prior,
        "its latent space has no prior; that of scvi(), vae() and others has",
    ),
    "terms": (lambda r: r.terms, "it has no likelihood; scvi(), vae() and others have one"),
    "classifier": (lambda r: r.labels, "it predicts no labels; scanvi() does"),
    "conditions": (
        lambda r: r.conditions,
        "it was trained without covariates; cvae() has them, scvi() with batch",
    ),
}
"""By name: whether a recipe has it, and what a user reads if it does not: which ones have."""
VERBS: dict[str, tuple[str, ...]] = {}
"""What each verb needs."""
BLOCK = 2048
"""Cells asked at a time."""
ENTRIES = 250_000
"""The most entries, cells x features, decoded at a time: 1 MB, which stays near the processor."""


def verb(*needs: str) -> Callable:
    """A function of a model and data as a verb.

    The data reach it as Cells that match the model; a model that lacks what the verb needs is
    refused by name.
    """

    def decorate(f: Callable) -> Callable:
        VERBS[f.__name__] = needs

        @wraps(f)
        def checked(model: Model, data: Any = None, *args: Any, **options: Any) -> Any:
            check_asked(model, f.__name__)
            cells = None if data is None else query_cells(data, model, options.pop("layer", None))
            return f(model, cells, *args, **options)

        return checked

    return decorate


def why_not(model: Model, name: str) -> str | None:
    """The reason why a verb can't be asked of a model, or None.

    Raises:
        InputError: If there is no such verb.
    """
    if name not in VERBS:
        raise InputError(
            f"there is no verb {name!r}; there are {listed(sorted(VERBS), 99)}", "name"
        )
    reasons = [NEEDS[need][1] for need in VERBS[name] if not NEEDS[need][0](model.recipe)]
    return reasons[0] if reasons else None


def check_asked(model: Model, name: str) -> None:
    """Refuse a verb that can't be asked of a model, by name and reason."""
    if reason := why_not(model, name):
        told = f"{name}() can't be asked of a {model.recipe.name} model: {reason}"
        raise InputError(told, "model")


def codes_of(model: Model, levels: Mapping[str, str]) -> dict[str, int]:
    """Codes by covariate, from levels by covariate.

    Raises:
        InputError: If the model does not know a covariate or a level.
    """
    codes = {}
    for name, level in levels.items():
        if name not in model.levels:
            have = listed(model.levels) or "none"
            raise InputError(f"the model has no covariate {name!r}; it has {have}", name)
        known = sum(model.levels[name], ())
        if str(level) not in known:
            raise InputError(f"{name!r} has no level {level!r}; it has {listed(known, 10)}", name)
        codes[name] = known.index(str(level))
    return codes


def decoded_block(model: Model, view: str) -> int:
    """How many cells to decode at a time."""
    width = max(1, len(model.features.get(view, ())))
    return max(64, min(BLOCK, ENTRIES // width))


@torch.no_grad()
def each(
    model: Model,
    cells: Cells,
    ask: Callable[[Network, Minibatch], Tensor],
    size: int = BLOCK,
) -> np.ndarray:
    """The answers of all cells, written block by block into one array, (cells, ...)."""
    out, at = np.zeros((0, 0), np.float32), 0
    for m in minibatches(Coded.of(cells, model.levels), model.levels, size):
        answer = ask(model.network, m).numpy()
        if at == 0:
            out = np.empty((len(cells), *answer.shape[1:]), answer.dtype)
        out[at : at + len(m)] = answer
        at += len(m)
    return out
