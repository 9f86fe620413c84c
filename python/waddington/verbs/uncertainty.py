"""How sure a prediction is, gene by gene, and what it is unsure of."""

from __future__ import annotations

import numpy as np

from ..model import Model
from .question import Question


def standard_deviations(
    question: Question, method: str, trust: float | None, n_draws: int, seed: int
) -> dict[str, np.ndarray]:
    """Standard deviations of the mean change of y over the predicted cells, (features,).

    Args:
        question: What was asked.
        method: How it was predicted.
        trust: Share of the models in it, by "transfer".
        n_draws: Draws of the posterior positions of all cells.
        seed: Of the first of them.

    Returns:
        "measured", for "transfer": the noise of the measured responses, how they differ between
        types and how much is special to each, which all models inherit, so that it counts whatever
        the trust;
        "posterior", if draws are asked for; "ensemble", of several models; and "total", the root
        of the sum of their squares.
    """
    share = 1.0 if method != "transfer" else 0.0 if question.silent else float(trust or 0.0)
    found = {}
    if method == "transfer":
        sd = {k: r.sd for k, r in question.responses.items()}
        found["measured"] = np.mean([sd[str(k)] for k in question.groups.kinds], 0)
    told = lambda model, draw=None: _mean_change(question, model, method, draw)
    if n_draws and share:
        draws = [told(question.models[0], seed + i) for i in range(n_draws)]
        found["posterior"] = share * np.std(draws, 0, ddof=min(1, n_draws - 1))
    if len(question.models) > 1 and share:
        found["ensemble"] = share * np.std([told(m) for m in question.models], 0, ddof=1)
    if found:
        found["total"] = np.sqrt(np.sum([v**2 for v in found.values()], 0))
    return {k: v.astype(np.float32) for k, v in found.items()}


def _mean_change(question: Question, model: Model, method: str, draw: int | None) -> np.ndarray:
    """The mean change of y by one model, (features,), at posterior means or a draw."""
    if method == "transfer":
        before, after = question.expected(model, draw)
    else:
        after, before = question.decoded(model, method, at=draw)[2:]
    return question.change(before, after, question.floor(question.picked)).mean(0)
