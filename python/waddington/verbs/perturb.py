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
from .groups import About, groups_of
from .latent import latent
from .logs import dense, log_expression, log_values, shifted
from .question import CHANCE, Question, effects_of
from .responses import Response
from .shown import shown
from .uncertainty import standard_deviations

__all__ = ["METHODS", "Prediction", "log_expression", "predict_perturbation"]

METHODS = ("auto", "transfer", "shift", "condition", "inversion")
DRAWN, FEWEST_DRAWS, MOST_DRAWS = 4000, 3, 40
"""So many cells are drawn to find the log expression that is expected of a predicted cell, in at
least and at most so many draws of each."""


@shown
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
        sd: Standard deviations of the mean change of y (see `responses`), (features,), by what is
            uncertain: "measured", the noise of the measured responses, how far they reach and how
            much of a response is special to its type (see `responses.special`); "posterior", where
            the cells are, if asked for; "ensemble", between several models; and "total".
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
    about: About
    counts: bool
    responses: dict[str, Response] = field(default_factory=dict)
    chance: float = 0.0
    trust: float | None = None
    notes: tuple[str, ...] = ()
    sd: dict[str, np.ndarray] = field(default_factory=dict)


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
    dose: str | None = None,
    n_draws: int = 0,
) -> Prediction:
    """Cells of `source` as they would be in `target`.

    By "transfer", the default, each measured cell is carried over: its counts are thinned where
    less is expected in the target and added to where more is, so that it keeps its depth, its noise
    and whatever else makes it differ from its neighbours. What is expected is a fold change per
    cell and gene, the geometric mean of two estimates that err in different ways. One is the
    model's, decoded in the target over decoded in the source. The other is the measured response
    of the types, weighted by how alike their source cells are (see `responses.response`), each gene
    shrunk by its noise. Left-out types of both sets of stimulated blood cells were predicted better
    by this than by either estimate alone, by scGen or by the mean shift, with one exception, the
    genes that change most in B cells of two donors;
    tests/benchmarks/evaluate_perturbation.py prints the comparison.

    By "shift", the mean difference between the conditions in latent space, over the types that were
    seen in both, is added to each cell. By "condition", which needs a model trained with that
    covariate, cells are decoded with the other level. A model without an encoder, such as a GAN,
    does either by "inversion": cells are where it makes what is most like them (see `invert`).

    If shuffled labels give as large a change, there is no effect beyond control noise: the notes
    say so, and "transfer" predicts that nothing changes, which is better than noise, unless the
    model composes a combination, of whose parts it knows more than was measured of them alone. The
    other methods do what they are asked.

    Args:
        model: The model, or several of the same features and levels: an ensemble. By "transfer"
            their fold changes are averaged; else what they expect is, or each cell is drawn from
            one of them. They differ where they don't know: see `Prediction.sd`.
        data: An AnnData (or Cells) with cells of both conditions.
        condition: The column of conditions.
        source: Its level that cells are taken from, such as "control".
        target: Its level that is predicted; "A+B" is the combination of two levels, if it is not a
            level itself, and predicted as the sum of what they do. A level that no cell has can be
            predicted by a model with a graph of perturbations (`cpa`), from its neighbours.
        cell_type: The column of cell types, or None.
        of: Only cells of this type are predicted; its cells in `target`, if any, are not used.
        method: "transfer", "shift", "condition", "inversion", or "auto": "inversion" without an
            encoder; "transfer" for counts and real numbers, else "condition" where the model can,
            else "shift".
        draw: Draw counts (or values) from the head, in place of expected ones; None draws by
            "transfer" only. Means of log expression need draws: the log of a mean is larger.
        seed: Of the draws.
        layer: The layer of an AnnData that has the data; None is the one of training.
        trust: Share of the model in the "transfer": 0 is the measured responses alone, 1 the model
            alone; None is 0.5, or less if the model tells the responses it has seen less well than
            they were measured, or 0 if that can't be judged, as with fewer than 3 types. For
            combinations it is 0.25 for a model that composes them, 0 for others; see
            `question.Question.trust`. With a dose it is 1.
        dose: The dose of the target as text, such as "0.5", or "1+0.5" for "A+B"; for a model that
            learnt doses (`cpa`). None is 1.
        n_draws: Draws of the posterior positions, from which `Prediction.sd` has "posterior".

    Returns:
        Predicted cells with provenance, and the profiles of two baselines.

    Raises:
        InputError: If a column or a level is not there, or there are no cells to learn from.
    """
    models = _models(model)
    about = About(condition=condition, source=source, target=target, cell_type=cell_type, of=of)
    effects = effects_of(models[0], condition)
    near = effects.neighbours if effects else None
    groups = groups_of(data, about, near)
    able = _able(models[0], condition, target)
    method = _method_of(models[0], method, condition, able)
    _check_options(models[0], trust, dose, n_draws, about)
    question = Question(models, query_cells(data, models[0], layer), groups, able, dose)
    if method == "transfer":
        draw = question.counts if draw is None else draw
        made = _transferred(question, trust, draw, seed)
    else:
        made = _decoded(question, method, bool(draw), seed)
    sd = standard_deviations(question, method, made.trust, n_draws, seed)
    return _finished(question, made, method, sd)


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
    if question.silent:
        z = latent(question.models[0], question.picked)
        return _Made(dense(rows), dense(log_values(rows, question.counts)), z, z, rows, 0.0)
    z, now = question.moved(question.models[0])
    if trust is None:
        trust = question.trust() if question.dose is None else 1.0
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
    """Decoded cells, moved in latent space or with another level, by all models."""
    every = [question.decoded(m, method, draw, seed) for m in question.models]
    cells, unchanged = (_mixed([d[k] for d in every], draw, seed) for k in (2, 3))
    z, now = every[0][:2]
    return _Made(cells, log_values(cells, question.counts), z, now, unchanged)


def _mixed(parts: Sequence[np.ndarray], draw: bool, seed: int) -> np.ndarray:
    """The mean of what models expect; of what they draw, each cell by one of them."""
    if not draw or len(parts) == 1:
        return np.mean(parts, 0, dtype=np.float64)
    of = np.random.default_rng(seed).integers(len(parts), size=len(parts[0]))
    return np.stack(parts)[of, np.arange(len(of))]


def _finished(
    question: Question, made: _Made, method: str, sd: dict[str, np.ndarray]
) -> Prediction:
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
        sd=sd,
    )


def _notes(question: Question, method: str) -> tuple[str, ...]:
    groups, notes = question.groups, []
    if question.chance > CHANCE:
        about = groups.about
        told = "; nothing is predicted to change" if method == "transfer" else ""
        if question.composed:
            told = "; what is predicted, the model has from other combinations of its parts"
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


def _models(given: Model | Sequence[Model]) -> tuple[Model, ...]:
    """The models of an ensemble, which agree on what they are asked about."""
    models = (given,) if isinstance(given, Model) else tuple(given)
    if not models:
        raise InputError("there is no model; give one, or several", "model")
    first = models[0]
    if any(m.features != first.features or m.levels != first.levels for m in models):
        raise InputError("models of an ensemble must have the same features and levels", "model")
    return models


def _check_options(
    model: Model, trust: float | None, dose: str | None, n_draws: int, about: About
) -> None:
    if trust is not None and not 0 <= trust <= 1:
        raise InputError(f"trust must be between 0 and 1, or None, got {trust!r}", "trust")
    if n_draws < 0 or (n_draws and model.recipe.latent.prior is None):
        why = "at least 0" if n_draws < 0 else f"0: a {model.recipe.name} model has no posterior"
        raise InputError(f"n_draws must be {why}, got {n_draws!r}", "n_draws")
    condition, target = about["condition"], about["target"]
    effects = effects_of(model, condition)
    if dose is not None and (effects is None or effects.dose is None):
        told = f"{model.recipe.name} has learnt no doses of {condition!r}; train cpa(dose=)"
        raise InputError(told, "dose")
    if dose is not None:
        effects.doses(dose, target)


def _able(model: Model, condition: str, target: str) -> bool:
    """Whether the model decodes that level of the condition by itself."""
    levels = sum(model.levels.get(condition, ()), ())
    if effects := effects_of(model, condition):
        return effects.knows(target, model.levels)
    return condition in {c.covariate for c in model.recipe.conditions} and target in levels


def _method_of(model: Model, method: str, condition: str, able: bool) -> str:
    """The method that "auto" stands for, or the one asked for if the model can."""
    check_choice(method, METHODS, "method")
    generates = not model.recipe.encoders
    if generates and method == "auto":
        method = "inversion"
    if reason := why_not(model, "invert" if method == "inversion" else "denoise"):
        hint = '; use method="inversion"' if generates else ""
        raise InputError(f"a {model.recipe.name} model can't predict: {reason}{hint}", "model")
    if method == "condition" and not able:
        known = listed(c.covariate for c in model.recipe.conditions) or "no covariates"
        raise InputError(
            f"a {model.recipe.name} model trained with {known} can't decode levels of "
            f'{condition!r}; train cvae(), trvae() or cpa() with it, or use method="shift"',
            "method",
        )
    head = model.recipe.head(RNA)
    whole = getattr(head, "counts", False) or hasattr(head, "sd")
    if method == "transfer" and not whole:
        raise InputError('method="transfer" needs counts or real numbers', "method")
    if method == "auto":
        return "transfer" if whole else "condition" if able else "shift"
    return method
