"""Which cells are predicted, and from which pairs of groups a change is learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from scipy import sparse

from ..cells import RNA, Cells, as_csr
from ..errors import InputError, listed
from ..stream import rows_at

PLUS = "+"
"""Between the perturbations of a combination, as in "A+B"."""


@dataclass(frozen=True)
class Pair:
    """Cells of one kind before and after; the difference of their means is a change."""

    name: str
    before: np.ndarray
    after: np.ndarray


class About(TypedDict):
    """What is asked; see `predict_perturbation`."""

    condition: str
    source: str
    target: str
    cell_type: str | None
    of: str | None


@dataclass(frozen=True)
class Groups:
    """Which cells are predicted, and what from.

    Attributes:
        about: The levels asked for: "condition", "source", "target", "cell_type", "of".
        predict: The source cells that are predicted.
        kinds: Their cell types, one per predicted cell; "" without types.
        parts: For each perturbation of the target (one, but for combinations), the pairs that tell
            its change.
        borrowed: For each, whether it was never measured, and the pairs are its neighbours'.
    """

    about: About
    predict: np.ndarray
    kinds: np.ndarray
    parts: tuple[tuple[Pair, ...], ...]
    borrowed: tuple[bool, ...] = (False,)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs."""
        return sum(self.parts, ())

    def shift(self, x: np.ndarray | sparse.csr_matrix) -> np.ndarray:
        """The mean change of the pairs, whatever the kind; of a combination, the sum over parts.

        Args:
            x: Anything of all cells, (cells, columns).

        Returns:
            (columns,).
        """
        return np.sum(self.shifts(x), 0)

    def shifts(self, x: np.ndarray | sparse.csr_matrix) -> list[np.ndarray]:
        """The mean change of the pairs of each part, (columns,) each."""
        mean = lambda i: np.asarray(x[i].mean(0)).ravel()
        return [np.mean([mean(p.after) - mean(p.before) for p in part], 0) for part in self.parts]


def groups_of(
    data: Any,
    about: About,
    neighbours: Callable[[str], Sequence[str]] | None = None,
) -> Groups:
    """The groups of a question; see `Groups.about` for what is asked.

    Args:
        data: An AnnData or Cells.
        about: What is asked.
        neighbours: Levels that act like one that was never measured.

    Raises:
        InputError: If a column or a level is not there, or there are no cells to learn from.
    """
    state = column(data, about["condition"])
    source, target, of = about["source"], about["target"], about["of"]
    if source == target:
        raise InputError(f"source and target are both {source!r}; nothing would change", "target")
    parts = levels_of(target, np.unique(state))
    _check_level(state, source, "source", about["condition"])
    told = {}
    for level in parts:
        near = neighbours(level) if neighbours and level not in state else ()
        told[level] = [k for k in near if k in state and k != source] or [level]
        within = f", a part of {target!r}" if len(parts) > 1 else ""
        _check_level(state, told[level][0], "target", about["condition"], within)
    kind = column(data, about["cell_type"]) if about["cell_type"] else np.full(len(state), "")
    if of is not None and (about["cell_type"] is None or of not in kind):
        known = listed(np.unique(kind), 12) if about["cell_type"] else "no column: give cell_type="
        raise InputError(f"no cells are of type {of!r}; there are {known}", "of")
    mine = state == source if of is None else (state == source) & (kind == of)
    if not mine.any():
        have = listed(np.unique(kind[state == source]), 12)
        said = f"{of!r} has no cells in {source!r} to predict from; there are cells of {have}"
        raise InputError(said, "of")
    pairs = tuple(_pairs(state, kind, source, told[level], of) for level in parts)
    if any(not found for found in pairs):
        raise InputError(
            f"no cell type but {of!r} has cells in both {source!r} and {target!r}; "
            "there is nothing to learn the change from; measure one, or give its cells too",
            "cell_type",
        )
    borrowed = tuple(told[level] != [level] for level in parts)
    return Groups(about, np.flatnonzero(mine), kind[mine], pairs, borrowed)


def levels_of(target: str, known: Sequence[str]) -> list[str]:
    """The levels that a target is made of: itself, or the singles of a combination not there."""
    if target in known or PLUS not in target:
        return [target]
    return [part.strip() for part in target.split(PLUS)]


def column(data: Any, name: str) -> np.ndarray:
    """A column of an AnnData or Cells, as strings, (cells,).

    Raises:
        InputError: If it is not there, or missing for some cells.
    """
    columns: Any = data.covariates if isinstance(data, Cells) else data.obs
    if name not in columns:
        raise InputError(
            f"{name!r} is not a column of the data; it has {listed(columns, 12)}", name
        )
    import pandas as pd

    values = np.asarray(columns[name], dtype=object)
    missing = pd.isna(values)
    missing[~missing] = values[~missing] == ""
    if missing.any():
        raise InputError(
            f"{name!r} is missing for {int(missing.sum())} cells; leave them out", name
        )
    return values.astype(str)


def matrix_of(data: Any, features: Sequence[str], layer: str | None) -> sparse.csr_matrix:
    """The data of an AnnData or Cells, (cells, features), features matched by name."""
    if not isinstance(data, Cells):
        x = data.X if layer is None else data.layers[layer]
        data = Cells({RNA: as_csr(x)}, {RNA: tuple(map(str, data.var_names))})
    return rows_at(data.match({RNA: features}).views[RNA], slice(None))


def _pairs(
    state: np.ndarray, kind: np.ndarray, source: str, targets: Sequence[str], of: str | None
) -> tuple[Pair, ...]:
    where = lambda level, k: np.flatnonzero((state == level) & (kind == k))
    name = lambda level, k: str(k) if len(targets) == 1 else f"{level} {k}".strip()
    found = [
        Pair(name(level, k), where(source, k), where(level, k))
        for level in targets
        for k in np.unique(kind)
        if k != of
    ]
    return tuple(p for p in found if len(p.before) and len(p.after))


def _check_level(state: np.ndarray, level: str, argument: str, name: str, within: str = "") -> None:
    if level not in state:
        known = listed(np.unique(state), 10)
        raise InputError(f"{name!r} has no cells of {level!r}{within}; it has {known}", argument)
