"""Which labels cells have, how sure that is, and which cells are like nothing known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from ..annotation import DRAWS, METHODS, Landmarks, heated, pooled
from ..cells import RNA, Cells, Minibatch
from ..devices import Random
from ..errors import InputError, listed
from ..layers import check_choice, check_share
from ..model import Model
from ..network import Network
from ..regression import Regression
from .ask import each, verb
from .latent import latent
from .shown import shown

UNKNOWN = "unknown"
HEATS = ("temperature", "regression_temperature")


@shown
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
        scores: Of the held-out labelled cells of the training, by method: "mixture", "classifier"
            and "logistic_regression".
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
    method: str = "mixture",
) -> Labels:
    """The most probable label of each cell.

    The classifier of the model and logistic regression on principal components, which the model
    carries, err differently; together they are better than either. Each is
    calibrated by a temperature: the classifier's makes held-out labelled cells of the training most
    likely, the regression's labelled cells of batches that it has not seen. Probabilities are as
    good as the query is like the reference: a cell of a type that the model never saw gets a label
    too, often a sure one. The novelty is there to tell.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        covariate: Which of the columns that the model predicts; None is its only one.
        threshold: Cells of a lower probability are unknown.
        max_novelty: Cells of a higher novelty are unknown; 1 makes none so.
        n_samples: Draws of z per cell, over which the classifier's probabilities are averaged; 0
            takes its mean.
        calibrated: Whether the temperatures of the training are used.
        seed: Of the draws.
        method: "mixture", the geometric mean of both; or the "classifier" or "logistic_regression"
            alone. A model without a regression has its classifier only.

    Raises:
        InputError: If the model does not predict that column, or an argument is not possible.
    """
    covariate = _one_of(model, covariate)
    check_share(threshold, "threshold")
    check_choice(method, METHODS, "method")
    known = model.record.get("labels", {}).get(covariate, {})
    heat = {k: float(known.get(k, 1.0)) if calibrated else 1.0 for k in HEATS}
    weight = known.get("weight", 0.5) if method == "mixture" else float(method == "classifier")
    beside = Regression.among(model.weights, covariate)
    with Random(seed):
        p = _classified(model, cells, covariate, n_samples, heat[HEATS[0]])
    if beside is not None:
        told = heated(beside.logits(cells.views[RNA]), heat[HEATS[1]])
        p = pooled(p, told, weight)
    novelty = None
    if "landmarks" in known:
        novelty = Landmarks(**known["landmarks"]).novelty(latent(model, cells))
    sure, levels = p.max(1), sum(model.levels[covariate], ())
    unknown = sure < threshold
    if novelty is not None:
        unknown = unknown | (novelty > max_novelty)
    scores = {k: known[k] for k in METHODS if k in known}
    return Labels(
        covariate, np.array(levels)[p.argmax(1)], sure, novelty, unknown, levels, p, scores
    )


def _classified(
    model: Model, cells: Cells, covariate: str, n_samples: int, heat: float
) -> np.ndarray:
    """Probabilities by the classifier, (cells, labels), means over draws of z."""

    def ask(net: Network, m: Minibatch) -> torch.Tensor:
        q = net.encode(m)
        draws = [q.rsample() for _ in range(n_samples)] or [q.loc]
        logits = torch.stack([net.decode(z, m)[covariate].logits for z in draws])
        return (logits / heat).softmax(-1).mean(0)

    return each(model, cells, ask)


def _one_of(model: Model, covariate: str | None) -> str:
    labels = model.recipe.labels
    if covariate is None and len(labels) == 1:
        return labels[0]
    if covariate not in labels:
        told = f"the model predicts {listed(labels)}, not {covariate!r}"
        raise InputError(told, "covariate")
    return covariate
