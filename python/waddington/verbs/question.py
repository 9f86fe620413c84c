"""The work of a prediction: what a model and what measurements say of some cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..cells import RNA, Cells, Minibatch
from ..devices import Random
from ..model import Model
from ..network import Network
from ..stream import blocks_of, rows_at
from .ask import codes_of, each
from .groups import Groups, Pair
from .invert import positions
from .latent import latent
from .logs import counted
from .responses import Profiles, Response, beyond_noise, borrowed, carried, response

FEWEST_TYPES, FEWEST_CELLS, MOST_CELLS = 3, 20, 300
"""A model is judged by types of enough cells, if there are enough, and by some of their cells."""
MOST_TRUST = 0.5
"""The share of a model that predicts the types it has seen best by itself; it has not seen the
target. Between 0.25 and 0.5 results are the same, above and below they are worse."""
COMPOSED = 0.25
"""The share of a model that composes perturbations, in a combination: with it left-out doubles are
predicted better than by the sum or the mean of the measured shifts in all but the direction of the
genes that change most."""
CHANCE = 0.05
"""A change that shuffled labels match more often than this is no effect beyond control noise."""
SHUFFLING = 11
"""Seed of the shuffles: whether there is an effect does not hang on the seed of draws."""
FAINTEST = 1e-3
"""Squared standard errors below this are taken for this."""


Edit = Callable[[Minibatch], Minibatch]
"""What is done to cells before they are decoded."""


def effects_of(model: Model, condition: str) -> Any:
    """The part of a model that adds up what levels of the condition do, or None."""
    found = (getattr(d, "effects", None) for d in model.recipe.decoders)
    return next((e for e in found if e is not None and e.perturbation == condition), None)


def _same(m: Minibatch) -> Minibatch:
    return m


@dataclass(frozen=True)
class Question:
    """What is asked, of which models and cells.

    Attributes:
        models: The models; latent positions are those of the first.
        cells: All cells, as the models need them.
        groups: Which are predicted, and which teach the change.
        able: Whether the models decode the target level themselves.
        dose: Of the target, for models that know doses; None is 1.
    """

    models: tuple[Model, ...]
    cells: Cells
    groups: Groups
    able: bool
    dose: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", self.cells.in_memory())

    @cached_property
    def picked(self) -> Cells:
        """The source cells."""
        return self.cells.take(self.groups.predict)

    @cached_property
    def counts(self) -> bool:
        """Whether the data are counts."""
        return counted(self.models[0])

    @cached_property
    def profiles(self) -> Profiles:
        """Means by group."""
        pairs = [rows for p in self.groups.pairs for rows in (p.before, p.after)]
        known = np.unique(np.concatenate([self.groups.predict, *pairs]))
        return Profiles(self.cells.views[RNA], self.counts, known)

    @cached_property
    def responses(self) -> dict[str, Response]:
        """What measurements say, by type of the source cells."""
        kinds, rows = self.groups.kinds, self.groups.predict
        return {str(k): self._response(rows[kinds == k]) for k in np.unique(kinds)}

    @cached_property
    def chance(self) -> float:
        """p of the change if the labels meant nothing."""
        return beyond_noise(self.profiles, self.groups, np.random.default_rng(SHUFFLING))

    @cached_property
    def silent(self) -> bool:
        """Whether nothing is known of the change: it can't be told from the noise of the controls.

        A model that composes combinations knows their parts from other combinations too.
        """
        return self.chance > CHANCE and not self.composed

    @cached_property
    def composed(self) -> bool:
        """Whether the models add up the parts of a combination."""
        return self.able and len(self.groups.parts) > 1

    def edit(self, model: Model) -> Edit:
        """Makes cells of the target, for a model that knows what that is."""
        about = self.groups.about
        if not self.able:
            return _same
        if effects := effects_of(model, about["condition"]):
            every = (getattr(d, "effects", None) for d in model.network.decoders.values())
            net = next(e for e in every if e is not None)
            amounts = net.amounts(model.levels, about["target"], self.dose)
            key = f"{effects.perturbation} amounts"
            return lambda m: replace(m, values={**m.values, key: amounts.expand(len(m), -1)})
        codes = codes_of(model, {about["condition"]: about["target"]})
        return lambda m: m.as_if(codes)

    def _response(self, target: np.ndarray) -> Response:
        """Of a combination, the sum of the responses to its parts."""
        told = zip(self.groups.parts, self.groups.borrowed, strict=True)
        parts = [
            (borrowed if lent else response)(self.profiles, pairs, target) for pairs, lent in told
        ]
        if len(parts) == 1:
            return parts[0]
        change = np.sum([p.change for p in parts], 0)
        sd = np.sqrt(np.sum([p.sd**2 for p in parts], 0))
        return Response(change, sd, parts[0].weights, max(p.novelty for p in parts))

    def moved(self, model: Model, draw: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Where the source cells are and where they go, (cells, n_latent) each.

        A model that decodes the target level leaves them where they are. Else they move by the mean
        shifts of the measured types, weighted as their responses are. Cells are where the posterior
        has its mean, or at the draw of that seed.
        """
        z = self.positions(model, draw)
        here = z[self.groups.predict]
        if self.able:
            return here, here
        if len(self.groups.parts) > 1:
            return here, here + self.groups.shift(z).astype(here.dtype)
        change = {p.name: _change(z, p) for p in self.groups.pairs}
        moves = {k: _weighted(r.weights, change) for k, r in self.responses.items()}
        return here, here + np.stack([moves[str(k)] for k in self.groups.kinds]).astype(here.dtype)

    def positions(self, model: Model, draw: int | None = None) -> np.ndarray:
        """Where all cells are by their posterior means, or by the draw of that seed."""
        if draw is None:
            return positions(model, self.cells)
        return latent(model, self.cells, "sample", seed=draw)[0]

    def expected(self, model: Model, draw: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """What the model expects of the cells before and after, (cells, features) each."""
        z, now = self.moved(model, draw)
        after = decode(model, self.picked, now, self.edit(model))
        return decode(model, self.picked, z).astype(np.float64), after.astype(np.float64)

    def decoded(
        self, model: Model, method: str, draw: bool = False, seed: int = 0, at: int | None = None
    ) -> tuple[np.ndarray, ...]:
        """Cells moved by the mean shift ("shift"), or decoded with the other level ("condition").

        By "inversion" a generator does the latter if it can, else the former.

        Returns:
            Where they were and are, (cells, n_latent), and what is decoded there and would be if
            nothing changed, (cells, features).
        """
        if method == "inversion":
            method = "condition" if self.able else "shift"
        z = self.positions(model, at)
        here = now = z[self.groups.predict]
        if method == "shift":
            now = here + self.groups.shift(z).astype(here.dtype)
        edit = _same if method == "shift" else self.edit(model)
        made = decode(model, self.picked, now, edit, draw, seed)
        return here, now, made, decode(model, self.picked, here, draw=draw, seed=seed)

    def fold(self, trust: float) -> tuple[np.ndarray, np.ndarray]:
        """What is expected of the cells, and by how much it changes, (cells, features) each.

        Changes are of log expected counts (of values, if they are no counts): `trust` times those
        of the models plus 1 - `trust` times the measured ones.
        """
        floor = self.floor(self.picked)
        n, before, fold = len(self.models), np.zeros(()), np.zeros(())
        for model in self.models:
            a, b = self.expected(model)
            before, fold = before + a / n, fold + self.change(a, b, floor) / n
        measured = np.stack([self.responses[str(k)].change for k in self.groups.kinds])
        return before, trust * fold + (1 - trust) * measured

    def carried(
        self, before: np.ndarray, fold: np.ndarray, rng: np.random.Generator | None
    ) -> np.ndarray:
        """The source cells after the change, (cells, features); see `responses.carried`."""
        x = np.asarray(rows_at(self.picked.views[RNA], slice(None)).todense(), dtype=np.float64)
        if not self.counts:
            least = min(float(block.min()) for _, block in blocks_of(self.cells.views[RNA]))
            return np.maximum(x + fold, min(0.0, least))
        floor = self.floor(self.picked)
        after = np.maximum((before + floor) * np.exp(fold) - floor, 0.0)
        return carried(x, before, after, rng)

    def change(self, before: np.ndarray, after: np.ndarray, floor: np.ndarray) -> np.ndarray:
        """From expected data to changes of y."""
        return np.log((after + floor) / (before + floor)) if self.counts else after - before

    def floor(self, cells: Cells) -> np.ndarray:
        """Counts below which fold changes fade, (cells, 1)."""
        library = np.asarray(cells.views[RNA].sum(1), dtype=np.float64).reshape(-1, 1)
        return self.profiles.floor * np.maximum(library, 1.0)

    def trust(self) -> float:
        """The share of the model in the prediction, between 0 and MOST_TRUST.

        For each type whose response was measured, the other types predict it by model and by
        measurement, m and g; the share a minimises the squared error of g + a (m - g). The model
        has seen these types, so a flatters it, and only what is missing from 1 counts: it has
        learnt the responses less well than they were measured. Where there are too few types to
        tell it is not trusted, nor with combinations, unless it learnt how these add up (`cpa`).
        The same holds of a perturbation that was never measured, and its neighbours.
        """
        pairs = self.groups.parts[0]
        if len(self.groups.parts) > 1 or any(self.groups.borrowed):
            return COMPOSED if self.able else 0.0
        if len(pairs) < FEWEST_TYPES:
            return 0.0
        z = latent(self.models[0], self.cells)
        change = {p.name: _change(z, p) for p in pairs}
        up, down = 0.0, 1e-12
        for pair in pairs:
            if min(len(pair.before), len(pair.after)) >= FEWEST_CELLS:
                others = [p for p in pairs if p is not pair]
                seen, noise = self.profiles.change(pair)
                told = response(self.profiles, others, pair.before)
                off = self._said(pair, z, _weighted(told.weights, change)) - told.change
                weight = 1 / np.maximum(noise, FAINTEST)
                up += float((weight * (seen - told.change) * off).sum())
                down += float((weight * off**2).sum())
        return MOST_TRUST * float(np.clip(up / down, 0, 1))

    def _said(self, pair: Pair, z: np.ndarray, move: np.ndarray) -> np.ndarray:
        """The mean response of a type by the first model, (features,)."""
        rows = pair.before[:MOST_CELLS]
        cells, here = self.cells.take(rows), z[rows]
        now = here if self.able else here + move.astype(here.dtype)
        before, after = (
            decode(self.models[0], cells, at, edit).mean(0)
            for at, edit in ((here, _same), (now, self.edit(self.models[0])))
        )
        return self.change(before, after, self.floor(cells).mean())


def decode(
    model: Model,
    cells: Cells,
    z: np.ndarray,
    edit: Edit = _same,
    draw: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Cells at z with the library and covariates of `cells`, edited, (cells, features)."""
    at = torch.from_numpy(z)

    def ask(net: Network, m: Minibatch) -> torch.Tensor:
        made = net.decode(at[m.index], edit(m))[RNA]
        return made.sample() if draw else made.mean

    with Random(seed):
        return each(model, cells, ask)


def _change(z: np.ndarray, pair: Pair) -> np.ndarray:
    return z[pair.after].mean(0) - z[pair.before].mean(0)


def _weighted(weights: Mapping[str, float], rows: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.sum([w * np.asarray(rows[k]) for k, w in weights.items()], 0)
