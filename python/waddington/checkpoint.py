"""A run on disk, to be taken up again as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .cells import Cells
from .errors import InputError, ModelFileError
from .model import Model, load_weights, write_whole
from .parts import from_json, to_json, tuples
from .players import Means
from .stream import rows_at
from .trainer import Trainer

WORDS = (
    "seed", "precision", "threads", "held_out", "epoch", "step", "phase", "epoch_of_phase",
    "minibatch", "progress", "history", "why", "done", "learning_rate", "score", "warnings",
    "best_epoch", "_best_score", "_scores", "_order_state",
)  # fmt: skip
"""The attributes of a trainer that are not tensors."""
SAMPLED = 256
"""Cells whose numbers are compared when a run is resumed."""


def save_checkpoint(trainer: Trainer, path: str | Path) -> None:
    """Write everything that the rest of a run depends on, but the cells, to one file.

    Raises:
        InputError: If the held-out cells were given as cells, or the file can't be written.
    """
    from safetensors.torch import save

    if isinstance(trainer.held_out, Cells):
        raise InputError("a run whose held_out are cells can't be stored; give a share", "held_out")
    words = {k: getattr(trainer, k, None) for k in WORDS}
    words |= {
        "recipe": json.loads(to_json(trainer.recipe)),
        "levels": trainer.levels,
        "features": trainer.features,
        "device": str(trainer.device),
        "cells": fingerprint(trainer.data.cells),
        "players": len(trainer.players),
        "rng": trainer.rng.bit_generator.state,
        "seen": {k: n for k, (_, n) in _means(trainer).sums.items()},
    }
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in _tensors(trainer)}
    write_whole(path, save(tensors, {"waddington run": json.dumps(words)}))


def resume(path: str | Path, cells: Cells) -> Trainer:
    """The trainer that `save_checkpoint` wrote, with its cells.

    Raises:
        ModelFileError: If the file is no checkpoint.
        InputError: If the cells are not those of the run.
    """
    tensors, words = _read(path)
    if words["cells"] != fingerprint(cells):
        raise InputError(f"the cells are not those of the run stored in {str(path)!r}", "data")
    levels, features = (
        {k: tuples(v) for k, v in words[key].items()} for key in ("levels", "features")
    )
    recipe = from_json(json.dumps(words["recipe"]))
    best = {k: v.numpy() for k, v in _group(tensors, "best")}
    trainer = Trainer(
        recipe,
        cells,
        seed=words["seed"],
        held_out=words["held_out"],
        start=Model(recipe, best, features, levels),
        device=words["device"],
        threads=words["threads"],
        precision=words["precision"],
    )
    trainer._best = best
    load_weights(trainer.network, {k: v.numpy() for k, v in _group(tensors, "network")})
    if words["players"]:
        trainer.begin(recipe.phases[words["phase"]])
    for i, player in enumerate(trainer.players):
        player.optimiser.load(dict(_group(tensors, f"player{i}")))
    for i, net in enumerate(trainer.opponents):
        net.load_state_dict(dict(_group(tensors, f"opponent{i}")))
    for k in WORDS:
        setattr(trainer, k, words[k])
    trainer._scores = tuple(words["_scores"] or ())
    trainer.random.state = [v for _, v in sorted(_group(tensors, "random"))]
    trainer.team.scatter(trainer.random)
    trainer.rng.bit_generator.state = words["_order_state"] if trainer.minibatch else words["rng"]
    means = dict(_group(tensors, "means"))
    trainer._means = Means({k: (means[k], n) for k, n in words["seen"].items()})
    return trainer


def fingerprint(cells: Cells) -> str:
    """A short text that differs between data sets: sizes, names, and a sample of the numbers.

    It is kept with the cells, which do not change, as a run may be stored often.
    """
    if "fingerprint" not in vars(cells):
        vars(cells)["fingerprint"] = _digest(cells)
    return vars(cells)["fingerprint"]


def _digest(cells: Cells) -> str:
    digest = hashlib.sha256()
    for view, x in sorted(cells.views.items()):
        digest.update(f"{view} {x.shape} {x.nnz} {cells.features[view]}".encode())
        some = rows_at(x, np.arange(0, x.shape[0], max(1, x.shape[0] // SAMPLED)))
        digest.update(some.data.astype(np.float32).tobytes() + some.indices.tobytes())
    size = {} if cells.size_factor is None else {"": cells.size_factor}
    for columns in (cells.covariates, cells.values, size):
        for name, column in sorted(columns.items()):
            digest.update(name.encode() + np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


def _means(trainer: Trainer) -> Means:
    return getattr(trainer, "_means", Means())


def _tensors(trainer: Trainer) -> Iterator[tuple[str, Tensor]]:
    groups = {
        "network": trainer.network.state_dict(),
        "best": {k: torch.from_numpy(np.asarray(v)) for k, v in trainer._best.items()},
        "means": {k: total for k, (total, _) in _means(trainer).sums.items()},
        "random": {str(i): state for i, state in enumerate(trainer.random.state)},
    }
    groups |= {f"opponent{i}": o.state_dict() for i, o in enumerate(trainer.opponents)}
    groups |= {f"player{i}": p.optimiser.state() for i, p in enumerate(trainer.players)}
    for group, tensors in groups.items():
        for k, v in tensors.items():
            yield f"{group}/{k}", v


def _group(tensors: dict[str, Tensor], group: str) -> Iterator[tuple[str, Tensor]]:
    start = f"{group}/"
    return ((k[len(start) :], v) for k, v in tensors.items() if k.startswith(start))


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors.torch import load

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"can't read {str(path)!r}: {error.strerror}", "path") from None
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return load(data), json.loads(header["__metadata__"]["waddington run"])
    except Exception:
        raise ModelFileError(
            f"{str(path)!r} is not a stored run of waddington, or damaged"
        ) from None
