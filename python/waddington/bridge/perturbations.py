"""Predicted responses, laid out as R has them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import verbs
from ..cells import Cells
from ..model import Model
from .answers import answer


@answer
def predict_perturbation(
    model: Model,
    cells: Cells,
    groups: Mapping[str, str | None],
    method: str,
    trust: float,
    draw: bool | None,
    seed: int,
) -> dict[str, Any]:
    """Cells of one condition as if in another; see the verb, which takes `groups` as arguments."""
    found = verbs.predict_perturbation(
        model, cells, **groups, method=method, trust=trust, draw=draw, seed=seed
    )
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    return {
        "values": found.cells.T,
        "logs": found.logs.T,
        "latent": found.latent,
        "index": (found.index + 1).tolist(),
        "profiles": {k: np.asarray(v).tolist() for k, v in found.profiles.items()},
        "method": found.method,
        "counts": found.counts,
        "shift": None if found.shift is None else found.shift.tolist(),
        "chance": float(found.chance),
        "types": [
            {"type": k, "novelty": float(r.novelty), "weights": dict(r.weights)}
            for k, r in found.responses.items()
        ],
    }
