"""What cells would look like in another condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..cells import RNA, Cells, Minibatch
from ..devices import Random
from ..errors import InputError, listed
from ..layers import check_choice
from ..model import Model
from ..network import Network
from ..readers import query_cells
from .ask import codes_of, each, why_not
from .latent import latent

METHODS = ("auto", "shift", "condition")
PER_TEN_THOUSAND = 1e4


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
        shift: What was added in latent space, (n_latent,), or None.
    """

    cells: np.ndarray
    latent: np.ndarray
    index: np.ndarray
    features: tuple[str, ...]
    profiles: dict[str, np.ndarray]
    method: str
    shift: np.ndarray | None


def predict_perturbation(
    model: Model,
    data: Any,
    condition: str,
    source: str,
    target: str,
    cell_type: str | None = None,
    of: str | None = None,
    method: str = "auto",
    draw: bool = False,
    seed: int = 0,
    layer: str | None = None,
) -> Prediction:
    """Cells of `source` as they would be in `target`.

    By "shift", the mean difference between the conditions in latent space is added to each cell;
    with cell types, it is the mean over the types that were seen in both, so that no type's
    abundance counts. By "condition", which needs a model trained with that covariate, cells are
    decoded with the other level.

    Args:
        model: The model.
        data: An AnnData (or Cells) with cells of both conditions.
        condition: The column of conditions.
        source: Its level that cells are taken from, such as "control".
        target: Its level that is predicted.
        cell_type: The column of cell types, or None.
        of: Only cells of this type are predicted; its cells in `target`, if any, are not used.
        method: "shift", "condition", or "auto": "condition" where the model can.
        draw: Draw counts (or values) from the head, in place of expected ones.
        seed: Of the draws.
        layer: The layer of an AnnData that has the data; None is the one of training.

    Returns:
        Predicted cells with provenance, and the profiles of two baselines.

    Raises:
        InputError: If a column or a level is not there, or there are no cells to learn from.
    """
    if reason := why_not(model, "denoise"):
        raise InputError(f"a {model.recipe.name} model can't predict: {reason}", "model")
    check_choice(method, METHODS, "method")
    able = condition in {c.covariate for c in model.recipe.conditions}
    if method == "condition" and not able:
        known = listed(c.covariate for c in model.recipe.conditions) or "no covariates"
        raise InputError(
            f"the model was trained with {known}, not {condition!r}; train cvae(condition="
            f'{condition!r}), or use method="shift"',
            "method",
        )
    columns = {k: _column(data, k) for k in (condition, cell_type) if k is not None}
    groups = _Groups(columns, condition, source, target, cell_type, of)
    cells = query_cells(data, model, layer)
    shift = None
    if method == "condition" or (method == "auto" and able):
        method, codes = "condition", codes_of(model, {condition: target})
    else:
        method, codes, shift = "shift", {}, groups.mean_change(latent(model, cells))
    picked = cells.take(groups.predict)
    z = latent(model, picked) + (0 if shift is None else shift.astype(np.float32))
    made = _decode(model, picked, z, codes, draw, seed)
    log = log_expression(model, cells.views[RNA])
    control = np.asarray(log[groups.predict].mean(0)).ravel()
    profiles = {
        "predicted": np.asarray(log_expression(model, made).mean(0)).ravel(),
        "control": control,
        "control + mean shift": control + groups.mean_change(log),
    }
    return Prediction(made, z, groups.predict, model.features[RNA], profiles, method, shift)


class _Groups:
    """Which cells are predicted, and which pairs of groups the change is learnt from."""

    def __init__(
        self,
        columns: dict[str, np.ndarray],
        condition: str,
        source: str,
        target: str,
        cell_type: str | None,
        of: str | None,
    ) -> None:
        state = columns[condition]
        if source == target:
            raise InputError(
                f"source and target are both {source!r}; nothing would change", "target"
            )
        for argument, level in (("source", source), ("target", target)):
            if level not in state:
                known = listed(np.unique(state), 10)
                told = f"{condition!r} has no cells of {level!r}; it has {known}"
                raise InputError(told, argument)
        kind = columns[cell_type] if cell_type else np.full(len(state), "")
        if of is not None and (cell_type is None or of not in kind):
            known = listed(np.unique(kind), 12) if cell_type else "no column: give cell_type="
            raise InputError(f"no cells are of type {of!r}; there are {known}", "of")
        mine = state == source if of is None else (state == source) & (kind == of)
        self.predict = np.flatnonzero(mine)
        if not len(self.predict):
            raise InputError(f"{of!r} has no cells in {source!r} to predict from", "of")
        pairs = [
            (
                np.flatnonzero((state == source) & (kind == k)),
                np.flatnonzero((state == target) & (kind == k)),
            )
            for k in np.unique(kind)
            if k != of
        ]
        self.pairs = [(a, b) for a, b in pairs if len(a) and len(b)]
        if not self.pairs:
            raise InputError(
                f"no cell type but {of!r} has cells in both {source!r} and {target!r}; "
                "there is nothing to learn the change from",
                "cell_type",
            )

    def mean_change(self, x: np.ndarray | sparse.csr_matrix) -> np.ndarray:
        """Mean over pairs of the difference of their means, (columns of x,)."""
        mean = lambda i: np.asarray(x[i].mean(0)).ravel()
        return np.mean([mean(b) - mean(a) for a, b in self.pairs], 0)


def log_expression(model: Model, x: Any) -> Any:
    """log(1 + counts per 10,000) for a count head, sparse or dense as given; else as it is."""
    if not getattr(model.recipe.head(RNA), "counts", False):
        return x
    total = np.maximum(np.asarray(x.sum(1), dtype=np.float64).reshape(-1, 1), 1e-12)
    if sparse.issparse(x):
        return sparse.csr_matrix(x.multiply(PER_TEN_THOUSAND / total)).log1p()
    return np.log1p(x * (PER_TEN_THOUSAND / total))


def _decode(
    model: Model, cells: Cells, z: np.ndarray, codes: dict[str, int], draw: bool, seed: int
) -> np.ndarray:
    """Cells at z with the library and other covariates of `cells`, (cells, features)."""
    at = torch.from_numpy(z)

    def ask(net: Network, m: Minibatch) -> torch.Tensor:
        made = net.decode(at[m.index], m.as_if(codes))[RNA]
        return made.sample() if draw else made.mean

    with Random(seed):
        return each(model, cells, ask)


def _column(data: Any, name: str) -> np.ndarray:
    columns: Sequence[str] = data.covariates if isinstance(data, Cells) else data.obs
    if name not in columns:
        raise InputError(
            f"{name!r} is not a column of the data; it has {listed(columns, 12)}", name
        )
    column = np.asarray(columns[name])
    missing = np.array([v is None or v != v or v == "" for v in column])
    if missing.any():
        raise InputError(
            f"{name!r} is missing for {int(missing.sum())} cells; leave them out", name
        )
    return column.astype(str)
