"""What cells would look like in another condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from ..cells import RNA
from ..errors import InputError, listed
from ..layers import check_choice
from ..model import Model
from ..readers import query_cells
from .ask import why_not
from .groups import groups_of
from .latent import latent
from .logs import dense, log_expression, log_values, shifted
from .question import Question, decode, effects_of
from .responses import Response

__all__ = ["METHODS", "Prediction", "log_expression", "predict_perturbation"]

METHODS = ("auto", "transfer", "shift", "condition")
DRAWN, FEWEST_DRAWS, MOST_DRAWS = 4000, 3, 40
"""So many cells are drawn to find the log expression that is expected of a predicted cell, in at
least and at most so many draws of each."""
CHANCE = 0.05
"""A change that shuffled labels match more often than this is no effect beyond control noise."""


@dataclass(frozen=True)
class Prediction:
    """Predicted cells, and what anybody could have predicted without a model.

    Attributes:
        cells: One predicted cell for each source cell, (cells, features), in the units of the
            data: counts (or expected counts) for a count head.
        latent: Where they are, (cells, n_latent).
        index: Which cells of the data they were predicted from.
        features: Names of the features.
        profiles: Mean log expression by name, (features,): "predicted", and the baselines
            "control" (nothing changes) and "control + mean shift" (the change of the other cells).
        method: How it was predicted.
        shift: What was added in latent space, (n_latent,), the mean over cells; or None.
        logs: Log expression of each predicted cell, (cells, features); where cells are drawn, the
            mean over several draws.
        source: The source cells as they were measured, (cells, features).
        unchanged: The same cells predicted in the same way without any change.
        shifts: What the baselines add to log expression, by name, (features,).
        about: The levels that were asked for.
        counts: Whether the data are counts.
        responses: By cell type, the response its prediction rests on, with standard errors, the
            weights of the measured types, and a novelty.
        chance: p of the change if the labels of the conditions meant nothing.
        trust: Share of the model in the prediction, by "transfer".
        notes: Sentences for the user.
    """

    cells: np.ndarray
    latent: np.ndarray
    index: np.ndarray
    features: tuple[str, ...]
    profiles: dict[str, np.ndarray]
    method: str
    shift: np.ndarray | None
    logs: np.ndarray
    source: sparse.csr_matrix
    unchanged: Any
    shifts: dict[str, np.ndarray]
    about: dict[str, str | None]
    counts: bool
    responses: dict[str, Response] = field(default_factory=dict)
    chance: float = 0.0
    trust: float | None = None
    notes: tuple[str, ...] = ()


def predict_perturbation(
    model: Model | Sequence[Model],
    data: Any,
    condition: str,
    source: str,
    target: str,
    cell_type: str | None = None,
    of: str | None = None,
    method: str = "auto",
    draw: bool | None = None,
    seed: int = 0,
    layer: str | None = None,
    trust: float | None = None,
) -> Prediction:
    """Cells of `source` as they would be in `target`.

    By "transfer", the default, each measured cell is carried over: its counts are thinned where
    less is expected in the target and added to where more is, so that it keeps its depth, its noise
    and whatever else makes it differ from its neighbours. What is expected is a fold change per
    cell and gene, the geometric mean of two estimates that err in different ways. One is the
    model's, decoded in the target over decoded in the source. The other is the measured response
    of the types, weighted by how alike their source cells are (see `responses.response`), each gene
    shrunk by its noise. Left-out types of both sets of stimulated blood cells were predicted better
    by this than by either estimate alone, by scGen or by the mean shift;
    tests/benchmarks/evaluate_perturbation.py prints the comparison.

    By "shift", the mean difference between the conditions in latent space, over the types that were
    seen in both, is added to each cell. By "condition", which needs a model trained with that
    covariate, cells are decoded with the other level.

    Args:
        model: The model, or several of the same features, whose fold changes are averaged.
        data: An AnnData (or Cells) with cells of both conditions.
        condition: The column of conditions.
        source: Its level that cells are taken from, such as "control".
        target: Its level that is predicted; "A+B" is the combination of two levels, if it is not a
            level itself, and predicted as the sum of what they do.
        cell_type: The column of cell types, or None.
        of: Only cells of this type are predicted; its cells in `target`, if any, are not used.
        method: "transfer", "shift", "condition", or "auto": "transfer" for counts and real
            numbers, else "condition" where the model can, else "shift".
        draw: Draw counts (or values) from the head, in place of expected ones; None draws by
            "transfer" only. Means of log expression need draws: the log of a mean is larger.
        seed: Of the draws.
        layer: The layer of an AnnData that has the data; None is the one of training.
        trust: Share of the model in the "transfer": 0 is the measured responses alone, 1 the model
            alone; None is 0.5, or less if the model tells the responses it has seen less well than
            they were measured, or 0 if that can't be judged, as with fewer than 3 types. For
            combinations it is 0.25 for a model that composes them, 0 for others; see
            `question.Question.trust`.

    Returns:
        Predicted cells with provenance, and the profiles of two baselines. If the change is not
        beyond control noise, the notes say so, and "transfer" predicts what little its noise leaves
        of the measured change.

    Raises:
        InputError: If a column or a level is not there, or there are no cells to learn from.
    """
    models = (model,) if isinstance(model, Model) else tuple(model)
    about = {"condition": condition, "source": source, "target": target}
    groups = groups_of(data, {**about, "cell_type": cell_type, "of": of})
    able = _able(models[0], condition, target)
    method = _method_of(models[0], method, condition, able)
    question = Question(models, query_cells(data, models[0], layer), groups, able)
    if trust is not None and not 0 <= trust <= 1:
        raise InputError(f"trust must be between 0 and 1, or None, got {trust!r}", "trust")
    if method == "transfer":
        draw = question.counts if draw is None else draw
        made = _transferred(question, trust, draw, seed)
    else:
        made = _decoded(question, method, bool(draw), seed)
    return _finished(question, made, method)


@dataclass(frozen=True)
class _Made:
    """Predicted cells and their log expression, where they were and are, and without change."""

    cells: np.ndarray
    logs: np.ndarray
    z: np.ndarray
    now: np.ndarray
    unchanged: Any
    trust: float | None = None


def _transferred(question: Question, trust: float | None, draw: bool, seed: int) -> _Made:
    """Measured cells, carried over by the changes that model and measurements tell."""
    rows = question.picked.views[RNA]
    z, now = question.moved(question.models[0])
    if trust is None:
        trust = question.trust() if question.chance <= CHANCE else 0.0
    before, fold = question.fold(trust)
    rng = np.random.default_rng(seed)
    n = int(np.clip(DRAWN // max(1, len(before)), FEWEST_DRAWS, MOST_DRAWS))
    first = question.carried(before, fold, rng)
    logs = log_values(first, question.counts)
    for _ in range(n - 1 if question.counts else 0):
        logs = logs + log_values(question.carried(before, fold, rng), True)
    logs = logs / n if question.counts else logs
    cells = first if draw else question.carried(before, fold, None)
    return _Made(cells, logs, z, now, rows, trust)


def _decoded(question: Question, method: str, draw: bool, seed: int) -> _Made:
    """Decoded cells, moved in latent space or with another level."""
    model, picked = question.models[0], question.picked
    z = latent(model, question.cells)
    here = now = z[question.groups.predict]
    if method == "shift":
        now = here + question.groups.shift(z).astype(here.dtype)
        cells = decode(model, picked, now, draw=draw, seed=seed)
    else:
        cells = decode(model, picked, here, question.edit, draw, seed)
    unchanged = decode(model, picked, here, draw=draw, seed=seed)
    return _Made(cells, log_values(cells, question.counts), here, now, unchanged)


def _finished(question: Question, made: _Made, method: str) -> Prediction:
    """The prediction, with its baselines."""
    groups, counts = question.groups, question.counts
    logs = log_values(question.cells.views[RNA], counts)
    source, parts = dense(logs[groups.predict]), groups.shifts(logs)
    shifts = {"control + mean shift": parts[0]}
    if len(parts) > 1:
        added, mean = np.sum(parts, 0), np.mean(parts, 0)
        shifts = {"control + sum of shifts": added, "control + mean of shifts": mean}
    profiles = {"predicted": made.logs.mean(0), "control": source.mean(0)}
    profiles |= {k: shifted(source, v, counts).mean(0) for k, v in shifts.items()}
    moved = None if method == "condition" else (made.now - made.z).mean(0)
    return Prediction(
        cells=made.cells.astype(np.float32),
        latent=made.now,
        index=groups.predict,
        features=question.models[0].features[RNA],
        profiles=profiles,
        method=method,
        shift=moved,
        logs=made.logs.astype(np.float32),
        source=question.picked.views[RNA],
        unchanged=made.unchanged,
        shifts=shifts,
        about=groups.about,
        counts=counts,
        responses=question.responses,
        chance=question.chance,
        trust=made.trust,
        notes=_notes(question, method),
    )


def _notes(question: Question, method: str) -> tuple[str, ...]:
    groups, notes = question.groups, []
    if question.chance > CHANCE:
        about = groups.about
        told = "; the model is not asked" if method == "transfer" else ""
        notes.append(
            "no effect beyond control noise: shuffled labels give as large a change from "
            f"{about['source']!r} to {about['target']!r} (p = {question.chance:.2f}){told}"
        )
    far = [k for k, r in question.responses.items() if r.novelty > 1]
    if far and groups.about["of"] is not None:
        notes.append(
            f"{listed(far)} is further from the measured types than these are from each other: "
            "off the manifold, and the prediction is little more than their mean"
        )
    return tuple(notes)


def _able(model: Model, condition: str, target: str) -> bool:
    """Whether the model decodes that level of the condition by itself."""
    levels = sum(model.levels.get(condition, ()), ())
    if effects := effects_of(model, condition):
        return set(effects.split(target)) <= set(effects.singles(model.levels))
    return condition in {c.covariate for c in model.recipe.conditions} and target in levels


def _method_of(model: Model, method: str, condition: str, able: bool) -> str:
    """The method that "auto" stands for, or the one asked for if the model can."""
    if reason := why_not(model, "denoise"):
        raise InputError(f"a {model.recipe.name} model can't predict: {reason}", "model")
    check_choice(method, METHODS, "method")
    if method == "condition" and not able:
        known = listed(c.covariate for c in model.recipe.conditions) or "no covariates"
        raise InputError(
            f"the model was trained with {known}, not {condition!r}; train cvae(condition="
            f'{condition!r}), or use method="shift"',
            "method",
        )
    head = model.recipe.head(RNA)
    whole = getattr(head, "counts", False) or hasattr(head, "sd")
    if method == "transfer" and not whole:
        raise InputError('method="transfer" needs counts or real numbers', "method")
    if method == "auto":
        return "transfer" if whole else "condition" if able else "shift"
    return method
