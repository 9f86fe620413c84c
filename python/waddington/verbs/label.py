"""Which labels cells have, how sure that is, and which cells are like nothing known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from ..annotation import DRAWS, Landmarks
from ..cells import Cells, Minibatch
from ..devices import Random
from ..errors import InputError, listed
from ..layers import check_share
from ..model import Model
from ..network import Network
from .ask import each, verb
from .latent import latent

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Labels:
    """Predicted labels.

    Attributes:
        covariate: The column that is predicted.
        label: The most probable label of each cell, whether it is unknown or not, (cells,).
        probability: Its calibrated probability, (cells,).
        novelty: Share of reference cells that are nearer to the centre of a label than this cell is
            to any, 0 to 1, (cells,); None for a model that was trained without labelled cells.
        unknown: Whether the probability is too low or the novelty too high, (cells,) bool.
        levels: The labels, in the order of the columns of `probabilities`.
        probabilities: Calibrated, (cells, labels).
        scores: Of the held-out labelled cells of the training, by method: "classifier", and
            "logistic_regression" on principal components, which it should beat.
    """

    covariate: str
    label: np.ndarray
    probability: np.ndarray
    novelty: np.ndarray | None
    unknown: np.ndarray
    levels: tuple[str, ...]
    probabilities: np.ndarray
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def said(self) -> np.ndarray:
        """The label of each cell, or "unknown", (cells,)."""
        return np.where(self.unknown, UNKNOWN, self.label)


@verb("encoder", "classifier")
def label(
    model: Model,
    cells: Cells,
    covariate: str | None = None,
    threshold: float = 0.5,
    max_novelty: float = 0.995,
    n_samples: int = DRAWS,
    calibrated: bool = True,
    seed: int = 0,
) -> Labels:
    """The most probable label of each cell.

    Probabilities are means over draws of z, divided by a temperature in the exponent that makes
    held-out labelled cells of the training most likely. They are as good as the query is like the
    reference: a cell of a type that the model never saw gets a label too, often a sure one. The
    novelty is there to tell.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        covariate: Which of the columns that the model predicts; None is its only one.
        threshold: Cells of a lower probability are unknown.
        max_novelty: Cells of a higher novelty are unknown; 1 makes none so.
        n_samples: Draws of z per cell; 0 takes its mean.
        calibrated: Whether the temperature of the training is used.
        seed: Of the draws.

    Raises:
        InputError: If the model does not predict that column, or a threshold is not a share.
    """
    covariate = _one_of(model, covariate)
    check_share(threshold, "threshold")
    known = model.record.get("labels", {}).get(covariate, {})
    heat = float(known.get("temperature", 1.0)) if calibrated else 1.0

    def ask(net: Network, m: Minibatch) -> torch.Tensor:
        q = net.encode(m)
        draws = [q.rsample() for _ in range(n_samples)] or [q.loc]
        logits = torch.stack([net.decode(z, m)[covariate].logits for z in draws])
        return (logits / heat).softmax(-1).mean(0)

    with Random(seed):
        p = each(model, cells, ask)
    novelty = None
    if "landmarks" in known:
        novelty = Landmarks(**known["landmarks"]).novelty(latent(model, cells))
    sure, levels = p.max(1), sum(model.levels[covariate], ())
    unknown = sure < threshold
    if novelty is not None:
        unknown = unknown | (novelty > max_novelty)
    scores = {k: known[k] for k in ("classifier", "logistic_regression") if k in known}
    return Labels(
        covariate, np.array(levels)[p.argmax(1)], sure, novelty, unknown, levels, p, scores
    )


def _one_of(model: Model, covariate: str | None) -> str:
    labels = model.recipe.labels
    if covariate is None and len(labels) == 1:
        return labels[0]
    if covariate not in labels:
        told = f"the model predicts {listed(labels)}, not {covariate!r}"
        raise InputError(told, "covariate")
    return covariate
