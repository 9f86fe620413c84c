"""The same cells in another batch, study or condition."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..cells import RNA, Cells
from ..errors import InputError, listed
from ..model import Model
from ..readers import query_cells
from ..stream import rows_at
from .ask import codes_of, why_not
from .groups import column
from .latent import latent
from .logs import counted
from .question import decode
from .responses import carried


def transform(
    model: Model,
    data: Any,
    to: dict[str, str],
    cell_type: str | None = None,
    draw: bool = True,
    seed: int = 0,
    layer: str | None = None,
) -> np.ndarray:
    """Cells as they would have been measured with other levels, such as in another batch.

    Each cell is carried over by what the model expects of it with its own levels and with the new
    ones: counts are thinned where less is expected and added to where more is, so that it keeps its
    depth and its noise. A cell that has the levels already stays as it is. A model that was trained
    with the covariates decodes them; for others, cells move in latent space by the difference of
    the means of its level and the new one.

    Args:
        model: The model.
        data: An AnnData or Cells.
        to: New levels by covariate, as {"batch": "b1"}; just one for a model not trained with it.
        cell_type: A column of types. With it, differences of means are within types; without,
            batches of different composition lose what makes them differ for good reasons too.
        draw: Draw counts; False returns their expected values.
        seed: Of the draws.
        layer: The layer of an AnnData that has the data; None is the one of training.

    Returns:
        (cells, features), in the units of the data.

    Raises:
        InputError: If the model decodes nothing, or a level or a column is not there.
    """
    if reason := why_not(model, "denoise"):
        raise InputError(f"a {model.recipe.name} model can't transform: {reason}", "model")
    cells = query_cells(data, model, layer)
    z = latent(model, cells)
    able = set(to) <= {c.covariate for c in model.recipe.conditions}
    if able:
        codes, now = codes_of(model, to), z
        stay = np.all([column(data, k) == v for k, v in to.items()], 0)
    else:
        codes, (now, stay) = {}, _moved(data, z, to, cell_type)
    before = decode(model, cells, z).astype(np.float64)
    after = decode(model, cells, now, lambda m: m.as_if(codes)).astype(np.float64)
    after[stay] = before[stay]
    return _carried(model, cells, before, after, np.random.default_rng(seed) if draw else None)


def _carried(
    model: Model,
    cells: Cells,
    before: np.ndarray,
    after: np.ndarray,
    rng: np.random.Generator | None,
) -> np.ndarray:
    """Measured cells, by fold changes that fade where a gene is hardly seen."""
    x = np.asarray(rows_at(cells.views[RNA], slice(None)).todense(), dtype=np.float64)
    if not counted(model):
        return np.maximum(x + after - before, min(0.0, float(x.min()))).astype(np.float32)
    return carried(x, before, after, rng).astype(np.float32)


def _moved(
    data: Any, z: np.ndarray, to: dict[str, str], cell_type: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions after the difference of means, (cells, n), and which cells stay."""
    if len(to) != 1:
        told = f"a model not trained with {listed(to)} can change one of them at a time"
        raise InputError(told, "to")
    ((name, level),) = to.items()
    state = column(data, name)
    kind = column(data, cell_type) if cell_type else np.full(len(state), "")
    if level not in state:
        known = listed(np.unique(state), 10)
        raise InputError(f"{name!r} has no cells of {level!r}; it has {known}", "to")
    now, shared = z.copy(), {k for k in np.unique(kind) if ((kind == k) & (state == level)).any()}
    for own in np.unique(state):
        mine, seen = state == own, np.isin(kind, list(shared))
        moves = {
            k: z[(kind == k) & (state == level)].mean(0) - z[(kind == k) & mine].mean(0)
            for k in np.unique(kind[mine & seen])
        }
        mean = np.mean(list(moves.values()), 0) if moves else np.zeros(z.shape[1])
        for k in np.unique(kind[mine]):
            now[mine & (kind == k)] += moves.get(k, mean).astype(z.dtype)
    return now, state == level
