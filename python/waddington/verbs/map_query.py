"""New data on an old map: a reference that stays as it is learns what is new of a query."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..cells import RNA, Cells
from ..errors import InputError
from ..model import Model
from ..optim import Adam
from ..readers import unmatched_cells
from ..recipe import EarlyStopping, Phase, Recipe
from ..trainer import Trainer
from .shown import shown
from .surgery import GeneReport, gene_report, new_levels, put_back, restrict

FEWEST = 50
"""Cells of a query without which none are held out."""


@shown
@dataclass(frozen=True)
class Mapped:
    """A reference that knows a query.

    Attributes:
        model: The reference with the query's new levels, for all its genes; to cells of the
            reference it gives the answers it gave before, to the bit.
        query: The same for the genes that the query has: what to ask about the query.
        genes: Which genes were found.
        new: The levels that were new, by covariate.
        history: Of the training of the new levels.
    """

    model: Model
    query: Model
    genes: GeneReport
    new: Mapping[str, tuple[str, ...]]
    history: tuple[Mapping[str, Any], ...]


def map_query(
    model: Model,
    data: Any,
    epochs: int | None = None,
    learning_rate: float = 1e-2,
    batch_size: int = 128,
    held_out: float = 0.1,
    seed: int = 0,
    layer: str | None = None,
    threads: int | None = None,
) -> Mapped:
    """Teach a model the new batches of a query, and nothing else.

    Each new level of a covariate starts at the mean of the old ones, and only its own rows are
    trained. Genes are matched by name; those that the query lacks are neither read nor scored.
    A model whose encoder does not see the covariate places the query where it would have placed it
    without this; only its decoder learns. Train the reference with `encode_covariates=True` where
    batches differ much.

    Args:
        model: The reference.
        data: The query: an AnnData, a path or Cells, with the covariates of the reference. Labels
            are not read.
        epochs: Passes over the query; None is as many as make 2,000 updates, 8 to 400.
        learning_rate: Of Adam.
        batch_size: Cells per update.
        held_out: Share of the query that decides when to stop.
        seed: Of everything random.
        layer: The layer of an AnnData that has the data; None is the one of training.
        threads: CPU threads; None is the cores there are, four at most.

    Returns:
        The model with the query's levels. A second query can follow.

    Raises:
        InputError: If no gene is shared, or a covariate is missing.
    """
    if not model.recipe.encoders or RNA not in model.features:
        told = f"a {model.recipe.name} model can't place a query: it has no encoder of {RNA}"
        raise InputError(told, "model")
    cells = _without_labels(unmatched_cells(data, model, layer), model.recipe)
    report = gene_report(model, cells.features[RNA])
    if report.warning:
        warnings.warn(report.warning, stacklevel=2)
    new = new_levels(model, cells.covariates)
    wide = model.expand(**new) if new else model
    few = restrict(wide, report.found)
    rows = tuple(name for k in new for name in few.network.new_rows(k))
    if not rows:
        return Mapped(wide, few, report, new, ())
    phase = Phase(
        epochs, 2000, Adam(learning_rate), train=rows, batch_size=batch_size, stop=EarlyStopping(20)
    )
    cells = cells.match(few.features)
    cells = cells if len(cells) > 1 else cells.take(np.array([0, 0]))
    held_out = held_out if len(cells) >= FEWEST else 0.0
    trainer = Trainer(
        _frozen(few.recipe, phase), cells, seed=seed, held_out=held_out, start=few, threads=threads
    )
    trainer.advance()
    learnt = trainer.model()
    few = replace(few, weights={**few.weights, **{k: learnt.weights[k] for k in rows}})
    return Mapped(put_back(wide, few, rows), few, report, new, learnt.history)


def transfer_labels(
    reference: np.ndarray, labels: Sequence[str], query: np.ndarray, k: int = 15
) -> tuple[np.ndarray, np.ndarray]:
    """Labels by the votes of neighbours.

    Each of the k nearest cells of the reference votes with exp(-(distance / that of the k-th)^2).

    Args:
        reference: Where cells of the reference are, (cells, n).
        labels: Theirs.
        query: Where other cells are, (query cells, n).
        k: Neighbours that vote.

    Returns:
        The label of each query cell, and its uncertainty: 1 - its share of the votes.
    """
    from sklearn.neighbors import NearestNeighbors

    names, codes = np.unique(np.asarray(labels).astype(str), return_inverse=True)
    k = min(k, len(reference))
    far, near = NearestNeighbors(n_neighbors=k).fit(reference).kneighbors(query)
    weight = np.exp(-((far / np.maximum(far[:, -1:], 1e-12)) ** 2))
    votes = np.stack([(weight * (codes[near] == c)).sum(1) for c in range(len(names))], 1)
    share = votes / votes.sum(1, keepdims=True)
    return names[share.argmax(1)], 1 - share.max(1)


def _without_labels(cells: Cells, recipe: Recipe) -> Cells:
    """The same cells with all labels unknown."""
    blank = {k: np.full(len(cells), "") for k in recipe.optional}
    return replace(cells, covariates={**cells.covariates, **blank})


def _frozen(recipe: Recipe, phase: Phase) -> Recipe:
    """The recipe of surgery: nobody plays against it, and no labels are asked for."""
    asks = lambda t: {getattr(t, "view", None), getattr(t, "by", None)} & set(recipe.optional)
    terms = tuple(t for t in recipe.terms if not asks(t))
    return replace(recipe, opponents=(), terms=terms, phases=(phase,))
