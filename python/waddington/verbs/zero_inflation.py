"""Which genes have more zeros than their counts explain."""

from __future__ import annotations

import math

import numpy as np

from ..cells import RNA
from ..errors import InputError
from ..model import Model


def zero_inflation(model: Model, view: str = RNA) -> dict[str, np.ndarray]:
    """The probability of each gene that it has extra zeros.

    Args:
        model: A model of `recipes.autozi`.
        view: Whose genes.

    Returns:
        "gene", names; "probability" that delta < 1/2, (genes,): near 1 for genes with extra zeros,
        near 0 for genes without, in between where the data can't tell; and "logit_delta" and
        "logit_delta_sd", the posterior of logit delta.

    Raises:
        InputError: If the model does not ask.
    """
    name = f"decoders.{view}.head.tables.delta_loc.blocks.0"
    if name not in model.weights:
        told = f"a {model.recipe.name} model does not ask for zero inflation; train autozi()"
        raise InputError(told, "model")
    loc = model.weights[name][0].astype(float)
    sd = np.exp(model.weights[name.replace("delta_loc", "delta_log_sd")][0].astype(float))
    below = np.array([0.5 * math.erfc(a / b / math.sqrt(2)) for a, b in zip(loc, sd, strict=True)])
    return {
        "gene": np.array(model.features[view]),
        "probability": below,
        "logit_delta": loc,
        "logit_delta_sd": sd,
    }
