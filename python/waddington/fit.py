"""Training in one call."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .cells import Cells
from .checkpoint import resume, save_checkpoint
from .distributed import join
from .errors import InputError
from .model import Model
from .readers import training_cells
from .recipe import Recipe, adjust
from .trainer import Trainer

SLICE = 0.2
"""Seconds between two looks at the clock, and two updates of the progress line."""


def train(
    data: Any,
    recipe: Recipe | None = None,
    *,
    layer: str | None = None,
    size_factor: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    seed: int | None = None,
    verbose: bool | None = None,
    checkpoint: str | Path | None = None,
    every: float = 60.0,
    **options: Any,
) -> Model:
    """Train a recipe on data; Ctrl-C keeps the best state so far.

    Args:
        data: An AnnData (cells x genes), or Cells.
        recipe: One of `waddington.recipes`; None is `scvi()`.
        layer: The layer of an AnnData that has the data; None is X.
        size_factor: A column of obs, for recipes whose library is "size_factor".
        epochs: Passes over the cells; this and the next three replace what the recipe says.
        batch_size: Cells per update.
        learning_rate: The learning rate, or the peak of its schedule.
        patience: Epochs without a better held-out objective before training stops.
        seed: Of everything random; None draws one, which the model records.
        verbose: Whether to show progress; None does so in a terminal.
        checkpoint: A file that keeps the run, so that the same call goes on where it was stopped,
            as if it never had been.
        every: Seconds between two writings of that file.
        **options: To `Trainer`: held_out, start, device, threads, precision.

    Returns:
        The model in its best state, by the held-out objective.

    Raises:
        InputError: If the data or an argument can't be used.
        TrainingError: If the objective is not a number from the beginning.
    """
    if recipe is None:
        from .recipes import scvi

        recipe = scvi()
    recipe = adjust(recipe, epochs, batch_size, learning_rate, patience)
    cells = training_cells(data, recipe, layer, size_factor)
    if checkpoint is not None and Path(checkpoint).exists():
        trainer = continued(checkpoint, cells, recipe, seed)
    else:
        seed = drawn_seed() if seed is None else seed
        trainer = Trainer(recipe, cells, seed=seed, **options)
    shown = len(trainer.warnings)
    for note in trainer.warnings if trainer.team.leads else ():
        warnings.warn(note, stacklevel=2)
    run(trainer, sys.stderr.isatty() if verbose is None else verbose, checkpoint, every)
    for note in trainer.warnings[shown:] if trainer.team.leads else ():
        warnings.warn(note, stacklevel=2)
    model = trainer.model()
    return replace(model, record={**model.record, "layer": layer, "size_factor": size_factor})


def drawn_seed() -> int:
    """A seed, the same in all processes that train together."""
    return join().led(lambda: int(np.random.default_rng().integers(2**31)))


def continued(
    checkpoint: str | Path, cells: Cells, recipe: Recipe, seed: int | None = None
) -> Trainer:
    """The run that a file keeps.

    Raises:
        InputError: If it is of other cells, another recipe or another seed.
    """
    trainer = resume(checkpoint, cells)
    other = "recipe" if trainer.recipe != recipe else "seed"
    if other == "recipe" or seed not in (None, trainer.seed):
        raise InputError(
            f"{str(checkpoint)!r} keeps a run with another {other}; "
            "remove it to begin anew, or give another file",
            "checkpoint",
        )
    return trainer


def run(
    trainer: Trainer,
    verbose: bool = False,
    checkpoint: str | Path | None = None,
    every: float = 60.0,
) -> None:
    """Train to the end, or until Ctrl-C.

    Args:
        trainer: What is trained.
        verbose: Whether to show one line that is written over.
        checkpoint: A file that keeps the run; None is none.
        every: Seconds between two writings of that file.
    """
    began = saved = time.perf_counter()
    verbose, keep = verbose and trainer.team.leads, checkpoint if trainer.team.leads else None
    try:
        while not trainer.done:
            trainer.advance(min(SLICE, every) if keep else SLICE)
            if verbose:
                print("\r" + progress_line(trainer, began), end="", file=sys.stderr, flush=True)
            if keep and (trainer.done or time.perf_counter() - saved >= every):
                save_checkpoint(trainer, keep)
                saved = time.perf_counter()
    except KeyboardInterrupt:
        trainer.interrupt()
    if verbose:
        print(f"\r\x1b[K{trainer.why}, {time.perf_counter() - began:.0f} s", file=sys.stderr)


def progress_line(trainer: Trainer, began: float) -> str:
    """Where a run is, and how long it will take at most."""
    spent = time.perf_counter() - began
    left = spent * (1 - trainer.progress) / max(trainer.progress, 1e-6)
    score = "" if trainer.score is None else f", held out {trainer.score:.2f}"
    return f"epoch {trainer.epoch}/{trainer.epochs}{score}, {left:.0f} s left at most\x1b[K"
