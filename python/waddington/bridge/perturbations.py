"""Predicted responses and how good they are, laid out as R has them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import verbs
from ..cells import RNA, Cells
from ..model import Model
from ..verbs.evaluate_perturbation import most_changed, observed_cells
from ..verbs.groups import About
from ..verbs.logs import dense, log_values
from .answers import answer, columns


@answer
def predict_perturbation(
    models: Sequence[Model],
    cells: Cells,
    groups: Mapping[str, Any],
    how: Mapping[str, Any],
) -> dict[str, Any]:
    """Cells of one condition as if in another; `groups` and `how` are arguments of the verb."""
    found = verbs.predict_perturbation(list(models), cells, **dict(groups), **dict(how))
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    carried = found.unchanged is found.source
    return {
        "values": found.cells.T,
        "logs": found.logs.T,
        "unchanged": None if carried else dense(found.unchanged).T,
        "latent": found.latent,
        "index": (found.index + 1).tolist(),
        "profiles": _lists(found.profiles),
        "shifts": _lists(found.shifts),
        "sd": _lists(found.sd),
        "dose": how["dose"],
        "method": found.method,
        "counts": found.counts,
        "shift": None if found.shift is None else found.shift.tolist(),
        "chance": float(found.chance),
        "trust": None if found.trust is None else float(found.trust),
        "types": [
            {"type": k, "novelty": float(r.novelty), "weights": dict(r.weights)}
            for k, r in found.responses.items()
        ],
    }


@answer
def evaluate_perturbation(
    made: Mapping[str, Any],
    source: Cells,
    observed: Cells,
    about: About,
    n_top: int,
    n_splits: int,
    seed: int,
    again: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Scores of a prediction that R kept, and what was observed.

    Args:
        made: Its "values", "logs" and "unchanged" (or None), (genes, cells), "shifts" by name, and
            whether they are "counts".
        source: The measured cells that it starts from, with its genes in its order.
        observed: All real cells, with the columns that `about` names.
        about: The levels that were asked for.
        n_top: See the verb.
        n_splits: See the verb.
        seed: See the verb.
        again: To predict again from some of the source cells: the "models", all "cells", the
            numbers of the source cells among them ("rows", from 1) and the options ("how").
    """
    told = _prediction(made, source, about)
    repeat = None if again is None else _repeat(again, dict(about))
    scores = verbs.evaluate_perturbation(
        told, observed, n_top=n_top, n_splits=n_splits, seed=seed, again=repeat
    )
    x = observed.match({RNA: told.features}).views[RNA]
    rows = observed_cells(told, observed, len(observed))
    seen, before = (dense(log_values(part, told.counts)) for part in (x[rows], told.source))
    return {
        "scores": columns([{"by": k, **v} for k, v in scores.items()]),
        "observed": seen.mean(0).tolist(),
        "n_observed": len(rows),
        "top": (most_changed(seen, before, n_top) + 1).tolist(),
    }


@answer
def perturbation_map(
    model: Model,
    cells: Cells,
    columns: Mapping[str, Any],
    ends: Sequence[Sequence[int]],
    space: str,
) -> dict[str, Any]:
    """How alike perturbations are; `columns` are arguments of the verb, cells are counted from 1.

    What is not known is NaN.
    """
    start, goal = (np.asarray(e, int) - 1 for e in ends) if ends else (None, None)
    found = verbs.perturbation_map(
        model, cells, **dict(columns), start=start, goal=goal, space=space
    )
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    return {
        "perturbations": list(found.perturbations),
        "similarity": found.similarity,
        "measured": found.measured,
        "effects": found.effects,
        "size": found.size.tolist(),
        "clear": found.clear.tolist(),
        "n_cells": found.n_cells.tolist(),
        "targets": None if found.targets is None else _lists(found.targets),
        "space": found.space,
    }


def _prediction(made: Mapping[str, Any], source: Cells, about: About) -> verbs.Prediction:
    """The prediction that R kept, as far as it is scored."""
    array = lambda name: np.ascontiguousarray(np.asarray(made[name], dtype=np.float32).T)
    x = source.views[RNA]
    return verbs.Prediction(
        cells=array("values"),
        latent=np.zeros((len(source), 0)),
        index=np.arange(len(source)),
        features=tuple(source.features[RNA]),
        profiles={},
        method="",
        shift=None,
        logs=array("logs"),
        source=x,
        unchanged=x if made["unchanged"] is None else array("unchanged"),
        shifts={k: np.asarray(v, dtype=np.float32) for k, v in dict(made["shifts"]).items()},
        about=about,
        counts=bool(made["counts"]),
    )


def _repeat(again: Mapping[str, Any], about: dict) -> Callable[[np.ndarray], verbs.Prediction]:
    """Predicts from half of the source cells as if the others had not been measured."""
    cells, rows = again["cells"], np.asarray(again["rows"], dtype=int) - 1

    def predict(half: np.ndarray) -> verbs.Prediction:
        gone = np.delete(rows, half)
        some = cells.take(np.delete(np.arange(len(cells)), gone))
        return verbs.predict_perturbation(
            list(again["models"]), some, **about, **dict(again["how"])
        )

    return predict


def _lists(rows: Mapping[str, Any]) -> dict[str, list[float]]:
    return {k: np.asarray(v).tolist() for k, v in rows.items()}
