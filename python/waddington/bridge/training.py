"""A training that R drives slice by slice, and the model that comes of it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import __version__
from ..cells import RNA, Cells
from ..model import Model
from ..parts import from_json, to_json
from ..recipe import adjust
from ..trainer import Trainer
from .answers import answer, columns, plain


@dataclass
class Run:
    """A training that R drives, and how many of its warnings R has heard."""

    trainer: Trainer
    heard: int = 0

    def say(self) -> None:
        """Give the warnings that are new."""
        for text in self.trainer.warnings[self.heard :]:
            warnings.warn(text, stacklevel=2)
        self.heard = len(self.trainer.warnings)

    def state(self) -> dict[str, Any]:
        """Where the training stands."""
        t = self.trainer
        return {
            "done": bool(t.done),
            "why": t.why,
            "epoch": int(t.epoch),
            "epochs": int(t.epochs),
            "progress": float(t.progress),
            "score": None if t.score is None else float(t.score),
        }


@answer
def trainer(
    tree: str,
    cells: Cells,
    seed: int,
    held_out: float,
    start: Model | None,
    device: str,
    threads: int | None,
    precision: str,
    changes: Mapping[str, Any],
) -> Run:
    """A training of a recipe, given as JSON with the `changes` that adjust() knows."""
    run = Run(
        Trainer(
            adjust(from_json(tree), **changes),
            cells,
            seed=int(seed),
            held_out=held_out,
            start=start,
            device=device,
            threads=None if threads is None else int(threads),
            precision=precision,
        )
    )
    run.say()
    return run


@answer
def advance(run: Run, seconds: float) -> dict[str, Any]:
    """Train for about that long; where the training stands."""
    run.trainer.advance(seconds)
    return run.state()


@answer
def interrupt(run: Run, why: str) -> dict[str, Any]:
    """End a training early; its best state so far is kept."""
    run.trainer.interrupt(why)
    return run.state()


@answer
def finish(run: Run, notes: Mapping[str, Any]) -> dict[str, Any]:
    """The trained model, described, with R's notes in its record."""
    run.say()
    model = run.trainer.model()
    return described(replace(model, record={**model.record, **plain(notes)}))


@answer
def open_model(data: bytes | bytearray) -> Model:
    """The model in the bytes of a model file."""
    return Model.from_bytes(bytes(data))


@answer
def describe(model: Model) -> dict[str, Any]:
    """All that R keeps of a model: the file's bytes and what can be read off without Python."""
    return described(model)


def described(model: Model) -> dict[str, Any]:
    return {
        "weights": bytearray(model.to_bytes()),
        "recipe": to_json(model.recipe),
        "genes": list(model.features.get(RNA) or next(iter(model.features.values()))),
        "levels": _levels(model),
        "history": columns(model.history),
        "record": json.dumps(plain(model.record)),
        "version": str(model.record.get("versions", {}).get("waddington", __version__)),
        "handle": model,
    }


def _levels(model: Model) -> dict[str, list[str]]:
    """The levels of each covariate, those of later surgeries after the first."""
    return {k: [level for group in groups for level in group] for k, groups in model.levels.items()}
