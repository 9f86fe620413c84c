"""How alike perturbations are, and which of them moves cells to where others are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..cells import RNA, Cells
from ..errors import InputError, listed
from ..layers import check_choice
from ..model import Model
from ..readers import query_cells
from .ask import why_not
from .effects import Effects, Spread, differences, in_latent, of_shared
from .groups import About, Groups, Pair, column
from .latent import latent
from .logs import counted
from .question import Question, effects_of
from .responses import Profiles
from .shown import shown

SPACES = ("auto", "latent", "decoded")
FEWEST = 2
"""Cells of a group, at least: the noise of a mean is not known of fewer."""
MOST_CELLS, PICKING = 300, 13
"""A decoded effect is the mean over so many cells, picked by this seed."""


@shown
@dataclass(frozen=True)
class PerturbationMap:
    """Effects of perturbations, and how alike they are.

    Attributes:
        perturbations: Their names.
        similarity: Cosines of effects by the model, (perturbations, perturbations), corrected for
            noise: the noise of the controls is in every effect and makes all alike. NaN where an
            effect is not beyond noise.
        measured: The same of measured changes of expression, without the model.
        effects: (perturbations, n), in the space of the model.
        size: Lengths of the effects, without what noise adds, (perturbations,).
        clear: Whether there is an effect beyond control noise, (perturbations,).
        n_cells: Cells that had each, (perturbations,).
        targets: For each perturbation, if asked for: "covered", the share of the squared way from
            start to goal that it covers (1 arrives, 0 is no better than nothing, negative leads
            away), "cosine", whether it points there, and "covered, measured" and "cosine,
            measured" of measured changes, without the model; (perturbations,) each.
        space: Where the effects are: "latent", or "decoded" for changes of log expression.
        notes: Sentences for the user.
    """

    perturbations: tuple[str, ...]
    similarity: np.ndarray
    measured: np.ndarray
    effects: np.ndarray
    size: np.ndarray
    clear: np.ndarray
    n_cells: np.ndarray
    targets: dict[str, np.ndarray] | None
    space: str
    notes: tuple[str, ...] = ()


def perturbation_map(
    model: Model,
    data: Any,
    condition: str,
    control: str,
    cell_type: str | None = None,
    start: Sequence[bool] | Sequence[int] | np.ndarray | None = None,
    goal: Sequence[bool] | Sequence[int] | np.ndarray | None = None,
    space: str = "auto",
    layer: str | None = None,
) -> PerturbationMap:
    """How alike the perturbations of a column are, and which of them leads from start to goal.

    In "latent" space the effect of a perturbation is the difference of the mean positions of its
    cells and of the controls, within cell types and then averaged over them; of a model that adds
    effects up (`cpa`), its embedding. "decoded" is the mean change of log expression when cells are
    decoded with each level, for models that were trained with it, whose positions don't tell it.

    Cells of the goal teach no effect, so that a perturbation can't be found just because the goal
    had it. On a screen in two replicates cosines found more targets than covered shares did, and
    measured changes no fewer than any model (tests/benchmarks/evaluate_targets.py): read both.

    Args:
        model: The model.
        data: An AnnData or Cells with cells of the perturbations and controls.
        condition: The column of perturbations.
        control: Its level of unperturbed cells.
        cell_type: The column of cell types; with it no type counts for its abundance.
        start: Which cells are to be moved, numbers or a mask; None, without a goal, is none.
        goal: To where those cells are.
        space: "latent", "decoded", or "auto": "decoded" for models that were trained with the
            condition, else "latent".
        layer: The layer of an AnnData that has the data; None is the one of training.

    Raises:
        InputError: If a column or a level is not there, a set of cells is empty, or the model has
            no such space.

    References:
        Ji et al. (2021), Cell Systems 12, 522 (similarity and target prediction as tasks).
    """
    space = _space_of(model, condition, space, start is not None)
    cells = query_cells(data, model, layer).in_memory()
    state = column(data, condition)
    kind = column(data, cell_type) if cell_type else np.full(len(state), "")
    ends = _ends(len(cells), start, goal)
    taught = np.isin(np.arange(len(cells)), ends[1] if ends else (), invert=True)
    pairs, lost = _pairs(state, kind, taught, control, condition)
    profiles = Profiles(cells.views[RNA], counted(model))
    measured = differences(pairs, profiles.of)
    if space == "latent":
        where = in_latent(latent(model, cells))
        own = _embeddings(model, condition, tuple(pairs), measured.clear)
        own = own or differences(pairs, where)
    else:
        where, base = profiles.of, ends[0] if ends else np.flatnonzero(taught & (state == control))
        own = _decoded(model, cells.take(base), condition, tuple(pairs), measured.clear)
    return PerturbationMap(
        tuple(pairs),
        own.cosines(),
        measured.cosines(),
        own.vectors,
        own.size,
        own.clear,
        np.array([sum(len(p.after) for p in v) for v in pairs.values()]),
        _targets(own, measured, pairs, ends, (where, profiles.of)) if ends else None,
        space,
        _notes(lost, tuple(pairs), own),
    )


def _space_of(model: Model, condition: str, space: str, moving: bool) -> str:
    """The space that "auto" stands for, or the one asked for if the model has it."""
    if reason := why_not(model, "latent"):
        raise InputError(
            f"perturbation_map() can't be asked of a {model.recipe.name} model: {reason}", "model"
        )
    check_choice(space, SPACES, "space")
    composed = effects_of(model, condition) is not None
    told = composed or condition in {c.covariate for c in model.recipe.conditions}
    if space == "auto":
        return "decoded" if told else "latent"
    if space == "decoded" and not told:
        raise InputError(
            f"a {model.recipe.name} model that was not trained with {condition!r} decodes no "
            'levels of it; use space="latent", or train cvae(), trvae() or cpa() with it',
            "space",
        )
    if space == "latent" and told and (moving or not composed):
        what = "where cells of a goal are" if composed else "perturbations"
        raise InputError(
            f"latent positions of a {model.recipe.name} model that was trained with "
            f'{condition!r} don\'t tell {what}; use space="decoded"',
            "space",
        )
    return space


def _ends(
    n: int, start: Sequence[Any] | np.ndarray | None, goal: Sequence[Any] | np.ndarray | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Numbers of the start and the goal cells, or None."""
    if start is None and goal is None:
        return None
    found = []
    for name, given in (("start", start), ("goal", goal)):
        if given is None:
            raise InputError(f"{name} is missing; start and goal go together", name)
        chosen = np.asarray(given)
        rows = np.arange(n)[chosen if chosen.dtype == bool else chosen.astype(int)]
        if len(rows) < FEWEST:
            raise InputError(f"{name} has {len(rows)} cells; at least {FEWEST} are needed", name)
        found.append(rows)
    return found[0], found[1]


def _pairs(
    state: np.ndarray, kind: np.ndarray, taught: np.ndarray, control: str, condition: str
) -> tuple[dict[str, tuple[Pair, ...]], list[str]]:
    """By perturbation the types that tell its effect, and the perturbations that none tells."""
    if control not in state:
        known = listed(np.unique(state), 10)
        raise InputError(f"{condition!r} has no cells of {control!r}; it has {known}", "control")
    found, lost = {}, []
    where = lambda level, k: np.flatnonzero(taught & (state == level) & (kind == k))
    before = {k: where(control, k) for k in map(str, np.unique(kind))}
    for level in map(str, np.unique(state[state != control])):
        every = [Pair(k, v, where(level, k)) for k, v in before.items()]
        pairs = tuple(p for p in every if min(len(p.before), len(p.after)) >= FEWEST)
        if pairs:
            found[level] = pairs
        else:
            lost.append(level)
    if not found:
        told = f"no level of {condition!r} but {control!r} has cells beside controls of their type"
        raise InputError(told, condition)
    return found, lost


def _embeddings(
    model: Model, condition: str, levels: Sequence[str], clear: np.ndarray
) -> Effects | None:
    """What a model that adds effects up adds for each level; None if it is none."""
    effects = effects_of(model, condition)
    if effects is None:
        return None
    every = (getattr(d, "effects", None) for d in model.network.decoders.values())
    net = next(e for e in every if e is not None)
    rows = net.embeddings.detach().numpy().astype(np.float64)
    amounts = [net.amounts(model.levels, level).numpy() for level in levels]
    return Effects(np.concatenate(amounts) @ rows, clear=clear)


def _decoded(
    model: Model,
    cells: Cells,
    condition: str,
    levels: Sequence[str],
    clear: np.ndarray,
) -> Effects:
    """Mean changes of log expression of the cells with each level."""
    some = np.random.default_rng(PICKING).permutation(len(cells))[:MOST_CELLS]
    picked, rows = cells.take(np.sort(some)), np.arange(len(some))
    changes = []
    for level in levels:
        about = About(condition=condition, source="", target=level, cell_type=None, of=None)
        groups = Groups(about, rows, np.full(len(rows), ""), ())
        question = Question((model,), picked, groups, able=True)
        floor = question.floor(question.picked)
        changes.append(question.change(*question.expected(model), floor).mean(0))
    return Effects(np.stack(changes), clear=clear)


def _targets(
    own: Effects,
    measured: Effects,
    pairs: Mapping[str, Sequence[Pair]],
    ends: tuple[np.ndarray, np.ndarray],
    spaces: tuple[Spread, Spread],
) -> dict[str, np.ndarray]:
    """How far each perturbation leads from start to goal, by the model and as measured."""
    found = {}
    for end, effects, where in zip(("", ", measured"), (own, measured), spaces, strict=True):
        (a, noise_a), (b, noise_b) = (where(rows) for rows in ends)
        shared = of_shared(pairs, ends[0], where) if np.any(effects.bias) else 0.0
        along = effects.vectors @ (b - a) - shared
        way = max(float(((b - a) ** 2 - noise_a - noise_b).sum()), 1e-300)
        gram = np.diag(effects.products)
        found["covered" + end] = (2 * along - gram) / way
        found["cosine" + end] = np.clip(along / (effects.known * np.sqrt(way)), -1, 1)
    return found


def _notes(lost: Sequence[str], names: Sequence[str], own: Effects) -> tuple[str, ...]:
    notes = []
    if lost:
        told = f"fewer than {FEWEST} cells, or no controls of their type"
        notes.append(f"left out, as they have {told}: {listed(lost)}")
    weak = [k for k, clear in zip(names, own.clear, strict=True) if not clear]
    if weak:
        notes.append(f"no effect beyond control noise, so none to compare: {listed(weak)}")
    return tuple(notes)
