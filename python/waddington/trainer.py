"""The only training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .cells import Cells, Dims, Minibatch
from .checks import check_training
from .devices import Random, computing, default_threads, resolve
from .distributed import join
from .errors import InputError, TrainingError, listed
from .layers import check_choice
from .minibatches import WHOLE, Coded, cut, held_out_cells, minibatches, shuffled
from .model import Model, load_weights, weights_of
from .network import Network
from .players import Game, Means, Player, set_mode
from .recipe import Phase, Recipe
from .schedules import Clock, at
from .scores import cause_of_break, evaluate, lends, report, sample_of, settle
from .terms import losses, objective, weighted
from .trace import Trace
from .whole_step import WholeStep, match

GUARD_STEPS = 200
"""Between two looks at whether the objective is still a number."""
PREPARED = 2_000_000
"""Stored values of the cells from which parameters start: 16 MB."""
EVALUATED = 4_000_000
"""The most entries, cells x features, of a minibatch of held-out cells: 16 MB."""


class Trainer:
    """Trains a recipe on cells, a slice of time at a time.

    Args:
        recipe: What to train.
        cells: On what.
        seed: Of everything random: the split, the start, the order, the draws.
        held_out: Share of the cells that is never trained on and decides when to stop, or cells.
        start: A model to go on from; its weights are taken wherever names and shapes agree.
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads; None is the cores there are, four at most.
        precision: "float32" or "bfloat16".

    Attributes:
        done: Whether there is nothing left to do.
        why: Why training stopped.
        history: Rows of the epochs so far: "epoch", "cells", "objective", the terms, "lr".
        warnings: Sentences for the user.
        learning_rate: If set, overrides the schedule of the network's optimiser.
        progress: Share of the epochs planned that is done.
        score: The latest held-out score, or None.
    """

    def __init__(
        self,
        recipe: Recipe,
        cells: Cells,
        *,
        seed: int = 0,
        held_out: float | Cells | None = 0.1,
        start: Model | None = None,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "float32",
    ) -> None:
        self.warnings = check_training(cells, recipe)
        self.recipe, self.seed, self.precision = recipe, int(seed), precision
        self.device, note = resolve(device)
        self.warnings += [note] if note else []
        self.threads = default_threads() if threads is None else int(threads)
        self.random, self.rng = Random(self.seed, self.device), np.random.default_rng(self.seed)
        self.team = join()
        read = recipe.covariates
        found = {k: v for k, v in cells.levels().items() if k in read}
        self.levels = start.levels if start else found
        self.features = dict(cells.features)
        self.data = Coded.of(cells, self.levels)
        self._split(cells, held_out)
        self.history: list[dict[str, Any]] = []
        self.done, self.why = False, "not finished"
        self.learning_rate: float | None = None
        self.score: float | None = None
        self.epoch = self.step = self.phase = self.epoch_of_phase = self.minibatch = 0
        self.progress = 0.0
        self._scores: tuple[float, ...] = ()
        self.players: list[Player] = []
        self.whole: WholeStep | None = None
        with self._computing():
            self._build(start)
        for module in (self.network, *self.opponents):
            self.team.prepare(module)
        self.team.scatter(self.random)
        self._steps = self._run()

    @property
    def epochs(self) -> int:
        """Epochs planned, in all phases."""
        return sum(p.length(len(self.train)) for p in self.recipe.phases)

    def advance(self, seconds: float = math.inf) -> None:
        """Train for about that long, at least one step; `done` says whether anything is left.

        Raises:
            TrainingError: If the objective is not a number before an epoch was done; later than
                that training ends with a warning and the best state so far.
        """
        until = time.perf_counter() + seconds
        with self._computing():
            for _ in self._steps:
                if time.perf_counter() >= until:
                    return
        self.done = True

    def interrupt(self, why: str = "interrupted") -> None:
        """Stop here and keep the best state so far."""
        if not self.done:
            self.why, self.done = f"{why} after {self.epoch} epochs", True
            self._steps.close()

    def model(self) -> Model:
        """The best model so far."""
        network = Network(self.recipe, self.dims) if self.device.type != "cpu" else self.network
        now = weights_of(self.network)
        load_weights(network, self._best)
        with self._computing():
            found, beside = report(
                network, self.recipe, (self.data, self.train), (self.held_data, self.held)
            )
        load_weights(self.network, now)
        record = {
            "seed": self.seed, "threads": self.threads, "device": str(self.device),
            "precision": self.precision, "epochs": self.epoch, "best_epoch": self._kept,
            "updates": self.step, "why": self.why, "n_cells": len(self.train),
            "n_held_out": len(self.held), "warnings": list(self.warnings), **found,
            **lends(self.data, self.train, self.levels), "versions": _versions(),
        }  # fmt: skip
        return Model(
            self.recipe,
            {**self._best, **beside},
            self.features,
            self.levels,
            tuple(self.history),
            record,
        )

    @property
    def _kept(self) -> int:
        """The epoch whose weights the model has."""
        stop = self.recipe.phases[-1].stop
        return self.best_epoch if stop is None or stop.restore else self.epoch

    def _computing(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(self.random)
        stack.enter_context(computing(self.device, self.threads, self.precision))
        return stack

    def _split(self, cells: Cells, held_out: float | Cells | None) -> None:
        """Which cells are trained on; the others, in the same data or in data of their own."""
        self.held_data, self.held_out = self.data, held_out
        everyone = np.arange(len(cells))
        if isinstance(held_out, Cells):
            self.held_data = Coded.of(held_out, self.levels)
            self.train, self.held = everyone, np.arange(len(held_out))
            return
        share = float(held_out or 0.0)
        if not 0 <= share < 1:
            raise InputError(f"held_out must be in [0, 1), got {held_out!r}", "held_out")
        self.held = held_out_cells(len(cells), share, self.rng)
        self.train = np.setdiff1d(everyone, self.held, assume_unique=True)

    def _build(self, start: Model | None) -> None:
        groups = {k: tuple(map(len, v)) for k, v in self.levels.items()}
        self.dims = Dims({k: len(v) for k, v in self.features.items()}, groups)
        self.network = Network(self.recipe, self.dims)
        if start:
            start.pour_into(self.network)
        else:
            few = sample_of(self.data.cells, self.train, PREPARED)
            for module in self.network.modules():
                if prepare := getattr(module, "prepare", None):
                    prepare(few, self.levels)
        probe = next(minibatches(self.data, {}, 2, self.train[:2]))
        with torch.no_grad():  # a misspelt activation fails here, not in an hour
            trace = self.network.eval()(probe)
            known = ("objective", *losses(self.recipe.terms, trace, probe))
        for phase in self.recipe.phases:
            if phase.stop:
                check_choice(phase.stop.metric, known, "metric")
        self.opponents = [
            o.build(trace[o.on].shape[-1], self.dims).train().to(self.device)
            for o in self.recipe.opponents
        ]
        self._best, self._best_score, self.best_epoch = weights_of(self.network), math.inf, 0
        self.network.to(self.device)

    def _run(self) -> Generator[None]:
        """Phases, epochs, steps; all state is in attributes, so that a run can be resumed."""
        while self.phase < len(self.recipe.phases):
            phase = self.recipe.phases[self.phase]
            length = phase.length(len(self.train))
            if not self.players:
                self.begin(phase)
            while self.epoch_of_phase < length:
                yield from self._one_epoch(phase, length)
                waited = self.epoch - self.best_epoch
                if self.done:
                    return
                if phase.stop and waited >= phase.stop.patience:
                    self.why = f"held-out {phase.stop.metric} no better for {waited} epochs"
                    break
                self.why = f"all {self.epochs} epochs done"
                yield
            load_weights(self.network, self._best)
            self.phase, self.epoch_of_phase, self.players = self.phase + 1, 0, []
        self.progress = 1.0

    def begin(self, phase: Phase) -> None:
        """Free the parameters the phase trains, and call the players, the network last."""
        lengths = [p.length(len(self.train)) for p in self.recipe.phases]
        self._before, self._total = sum(lengths[: self.phase]), sum(lengths)
        for key, p in self.network.named_parameters():
            p.requires_grad_(any(fnmatch(key, pattern) for pattern in phase.train))
        settle(self.network, self.phase, (self.data, self.train))
        games: list[Game] = [(o.own, o, o.spec.optimiser, o.spec.every) for o in self.opponents]
        games += [(self._objective, self.network, phase.optimiser, phase.every)]
        self.players = [self.team.share(Player.of(*game), game[1]) for game in games]
        self._best_score, self.best_epoch, self._scores = math.inf, self.epoch, ()
        alone = len(games) == 1 and phase.every == 1 and self.team.part == WHOLE
        on_cpu = self.device.type == "cpu"
        mine = self.recipe, self.network, self.players[-1].optimiser
        self.whole = match(*mine) if alone and on_cpu else None

    def _one_epoch(self, phase: Phase, length: int) -> Generator[None]:
        if self.minibatch == 0:
            self._order_state, self._means = self.rng.bit_generator.state, Means()
        order = self._order(phase)
        cuts = cut(len(order), phase.batch_size, self.team.part[1])
        set_mode(self.network)
        batches = minibatches(
            self.data, {}, phase.batch_size, order,
            device=self.device, skip=self.minibatch, part=self.team.part,
        )  # fmt: skip
        for cells in batches:
            here = self.epoch_of_phase + cuts[self.minibatch][0] / len(order)
            self.progress = (self._before + here) / self._total
            self._means.add(self._move(cells, here / length), len(cells))
            self.minibatch += 1
            del cells  # or its block stays while the next one is gathered
            if self.step % GUARD_STEPS == 0 and (bad := self._broken()):
                return self._break(bad)
            yield
        self.minibatch = 0
        self._end_epoch(self._means, phase)

    def _order(self, phase: Phase) -> np.ndarray:
        if not phase.shuffle:
            return self.train
        codes = [self.data.codes[k].numpy()[self.train] for k in phase.spread]
        size = phase.batch_size
        block = size * self.data.per_block(size)
        order = shuffled(codes, len(self.train), self.rng, size, block)
        return self.train[order]

    def _move(self, cells: Minibatch, progress: float) -> Mapping[str, Tensor]:
        """Whoever's turn it is moves; `progress` is of the phase."""
        self.step += 1
        phase = self.recipe.phases[self.phase]
        clock = self._clock(progress, self.step - 1, self.epoch_of_phase, phase)
        if self.whole is not None:
            run, rate = self._run_clock(clock), self.players[-1].rate(clock, self.learning_rate)
            weights = {t.name: at(t.weight, run) for t in self.recipe.terms}
            values = self.whole(cells, weights, rate)
            self.players[-1].descend(rate)
            return values
        moving = [p for p in self.players if self.step % p.every == 0]
        with torch.set_grad_enabled(self.players[-1] in moving):
            trace = self.network(cells)
        told: dict[str, Tensor] = {}
        for player in moving:
            mine = self.learning_rate if player is self.players[-1] else None
            told.update(player.move(trace, cells, clock, mine))
        return told

    def _objective(
        self, trace: Trace, cells: Minibatch, clock: Clock
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The terms, and what the opponents do to the network; weights follow the whole run."""
        run = self._run_clock(clock)
        values = losses(self.recipe.terms, trace, cells)
        parts = list(weighted(self.recipe.terms, values, run).values())
        for o in self.opponents:
            pull = o.pull(trace, cells)
            values[f"{o.spec.name} pull"] = pull
            parts.append(at(o.spec.weight, run) * pull)
        return torch.stack([p.reshape(()) for p in parts]).sum(), values

    def _run_clock(self, clock: Clock) -> Clock:
        """The time in the whole run, from that in the phase."""
        return replace(clock, progress=self.progress, epoch=self.epoch)

    def _clock(self, progress: float, step: int, epoch: int, phase: Phase) -> Clock:
        """A time in a phase."""
        planned = phase.length(len(self.train))
        return Clock(progress, step, epoch, self._scores, planned, self.phase)

    def _end_epoch(self, means: Means, phase: Phase) -> None:
        """Rows of history; the weights, if these are the best so far."""
        rows = {"training": self.team.total(means).result()}
        if bad := self._broken():
            return self._break(bad)
        self.epoch += 1
        self.epoch_of_phase += 1
        if len(self.held) and self.recipe.terms:
            width = max(map(len, self.features.values()), default=1)
            size = max(phase.batch_size, min(512, EVALUATED // width))
            held = (self.held_data, self.held, size, self.device)
            rows["held out"] = self.team.led(lambda: evaluate(self.network, self.recipe, *held))
        for cells, values in rows.items():
            total = float(objective(self.recipe.terms, values)) if self.recipe.terms else None
            row: dict[str, Any] = {"epoch": self.epoch, "cells": cells, "objective": total}
            row |= values
            self.history.append(row | {"lr": self._rate(phase)})
        self._keep(row[phase.stop.metric if phase.stop else "objective"] or 0.0, phase)

    def _keep(self, score: float, phase: Phase) -> None:
        """Note a score, and the weights if it is the best, or if the last are to be kept."""
        self.score = score if self.recipe.terms else None
        self._scores = (*self._scores, score)
        least = phase.stop.min_delta if phase.stop else 0.0
        blind = not self.recipe.terms or self._best_score == math.inf
        better = blind or score < self._best_score - least
        if better:
            self._best_score, self.best_epoch = score, self.epoch
        if better or (phase.stop and not phase.stop.restore):
            self._best = weights_of(self.network)

    def _rate(self, phase: Phase) -> float:
        if self.learning_rate is not None:
            return self.learning_rate
        before = self.epoch_of_phase - 1
        clock = self._clock(before / phase.length(len(self.train)), self.step, before, phase)
        return at(phase.optimiser.lr, clock)

    def _broken(self) -> list[str]:
        """Names of the values of this epoch that are not a number, but for terms of no weight."""
        idle = [t.name for t in self.recipe.terms if getattr(t, "weight", 1.0) == 0.0]
        return [k for k in self.team.total(self._means).broken() if k not in idle]

    def _break(self, names: list[str]) -> None:
        """The objective is not a number: find out why, go back, and tell."""
        load_weights(self.network, self._best)
        cause = cause_of_break(self.network.cpu(), self.recipe, self.data, self.train)
        message = f"{listed(names)} is not a number in epoch {self.epoch + 1}; {cause}"
        self.done = True
        if self.epoch == 0:
            raise TrainingError(message)
        self.why = f"{listed(names)} was not a number in epoch {self.epoch + 1}"
        self.warnings.append(
            f"{message}. The best state so far, of epoch {self.best_epoch}, is kept"
        )


def _versions() -> dict[str, str]:
    from . import __version__

    return {"waddington": __version__, "torch": str(torch.__version__), "numpy": np.__version__}
