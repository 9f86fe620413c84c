"""What R calls: slots of sparse matrices, arrays, lists and strings in; the same, and bytes, out.

R sees only this module. Every function answers with a dictionary of `value`, `warnings` and
`error`, because an exception that crosses into R loses its class and a warning goes past it.
Handles (cells, trainers, models) are passed back as they came; R never looks into them. An R list
without names is a list here even where it stands for an empty mapping, hence dict(...).
"""

from __future__ import annotations

import inspect
import json
import math
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np
from scipy import sparse

from . import __version__, verbs
from .cells import RNA, Cells
from .errors import InputError
from .model import Model
from .parts import from_json, to_json, tuples
from .recipe import Recipe, adjust
from .recipes import RECIPES
from .trainer import Trainer
from .verbs.sample import imagined

INTERRUPTED = "(Unknown exception occurred)"
"""What Ctrl-C looks like when it strikes while Python lets R handle its events."""
BLOCK = 2048
"""Cells that are decoded at a time on the way to a file."""


def version() -> str:
    """The version of the core, which must be that of the R package."""
    return __version__


def answer(f: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Make `f` answer R: what it returned, the warnings it gave, the exception it raised."""

    @wraps(f)
    def answered(*args: Any, **named: Any) -> dict[str, Any]:
        value, error = None, None
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            try:
                value = f(*args, **named)
            except (Exception, KeyboardInterrupt) as caught:
                error = _told(caught)
        said = dict.fromkeys(str(w.message) for w in heard)
        return {"value": value, "warnings": list(said), "error": error}

    return answered


def _told(error: BaseException) -> dict[str, Any]:
    interrupted = isinstance(error, RuntimeError) and str(error) == INTERRUPTED
    return {
        "class": "KeyboardInterrupt" if interrupted else type(error).__name__,
        "message": str(error),
        "argument": getattr(error, "argument", None),
        "traceback": "".join(traceback.format_exception(error)),
    }


# ------------------------------------------------------------------ recipes and cells


@answer
def recipe(name: str, arguments: str) -> str:
    """The recipe of that name, its arguments given as JSON; as JSON with every default."""
    if name not in RECIPES:
        raise InputError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}", "recipe")
    try:
        made = RECIPES[name](**_tupled(name, from_json(arguments)))
    except TypeError as error:
        raise InputError(f"{name}(): {error}", "recipe") from None
    return to_json(made)


def _tupled(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with tuples where they belong: R's vectors of one arrive as a scalar."""
    defaults = {k: p.default for k, p in inspect.signature(RECIPES[name]).parameters.items()}
    made = {k: tuples(v) for k, v in given.items()}
    alone = {
        k: (v,)
        for k, v in made.items()
        if isinstance(defaults.get(k), tuple) and not isinstance(v, tuple)
    }
    return made | alone


@answer
def needs(tree: str) -> dict[str, Any]:
    """Which columns of the cells a recipe reads, given as JSON."""
    return _needs(from_json(tree))


@answer
def needs_of(model: Model) -> dict[str, Any]:
    """Which columns of the cells a model reads; labels are what it predicts, so not those."""
    wanted = _needs(model.recipe)
    keep = [k for k in wanted["covariates"] if k not in wanted["labels"]]
    return {**wanted, "covariates": keep}


def _needs(recipe: Recipe) -> dict[str, Any]:
    libraries = [getattr(getattr(d, "head", None), "library", "") for d in recipe.decoders]
    return {
        "size_factor": "size_factor" in libraries,
        "covariates": list(recipe.covariates),
        "numbers": list(recipe.numbers),
        "labels": list(recipe.labels),
    }


@answer
def cells(
    values: np.ndarray,
    genes_of: np.ndarray,
    starts: np.ndarray,
    shape: Sequence[int],
    genes: Sequence[str],
    names: Sequence[str],
    categorical: Mapping[str, Sequence[str]],
    continuous: Mapping[str, Sequence[float]],
    size_factor: Sequence[float] | None = None,
) -> Cells:
    """Cells from the slots x, i, p of a genes x cells dgCMatrix: a (cells, genes) CSR matrix.

    Args:
        values: Stored counts, (stored,).
        genes_of: The gene of each, (stored,).
        starts: Where each cell begins, (cells + 1,).
        shape: Numbers of cells and genes.
        genes: Names of the genes.
        names: Names of the cells.
        categorical: Levels by covariate, one per cell; "" is unknown.
        continuous: Numbers by covariate, one per cell.
        size_factor: The user's size factors, one per cell, or None.
    """
    n_cells, n_genes = (int(n) for n in shape)
    slots = tuple(np.asarray(a).reshape(-1) for a in (values, genes_of, starts))
    x = sparse.csr_matrix(slots, shape=(n_cells, n_genes))
    return Cells.from_arrays(
        x,
        list(genes),
        list(names),
        categorical=dict(categorical),
        continuous=dict(continuous),
        size_factor=size_factor,
    )


# ------------------------------------------------------------------ training


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
    return _described(replace(model, record={**model.record, **_plain(notes)}))


# ------------------------------------------------------------------ models


@answer
def open_model(data: bytes | bytearray) -> Model:
    """The model in the bytes of a model file."""
    return Model.from_bytes(bytes(data))


@answer
def describe(model: Model) -> dict[str, Any]:
    """All that R keeps of a model: the file's bytes and what can be read off without Python."""
    return _described(model)


def _described(model: Model) -> dict[str, Any]:
    return {
        "weights": bytearray(model.to_bytes()),
        "recipe": to_json(model.recipe),
        "genes": list(model.features.get(RNA) or next(iter(model.features.values()))),
        "levels": _levels(model),
        "history": _columns(model.history),
        "record": json.dumps(_plain(model.record)),
        "version": str(model.record.get("versions", {}).get("waddington", __version__)),
        "handle": model,
    }


def _levels(model: Model) -> dict[str, list[str]]:
    """The levels of each covariate, those of later surgeries after the first."""
    return {k: [level for group in groups for level in group] for k, groups in model.levels.items()}


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns; a number that a row lacks is NaN."""
    names = dict.fromkeys(k for row in rows for k in row)
    value = lambda row, name: math.nan if row.get(name) is None else row[name]
    return {name: [value(row, name) for row in rows] for name in names}


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it: Python's numbers for numpy's, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ------------------------------------------------------------------ verbs


@answer
def latent(model: Model, cells: Cells, of: str, n_samples: int, seed: int) -> np.ndarray:
    """The posterior of each cell, (cells, n_latent), or (n_samples, cells, n_latent) if several."""
    found = verbs.latent(model, cells, of=of, n_samples=n_samples, seed=seed)
    return found[0] if of == "sample" and n_samples == 1 else found


@answer
def denoise(
    model: Model,
    cells: Cells,
    library: str | float,
    genes: Sequence[str],
    as_if: Mapping[str, str],
) -> np.ndarray:
    """Expected expression, (genes, cells) as R has it."""
    return verbs.denoise(model, cells, library=library, genes=_all(genes, model), **dict(as_if)).T


@answer
def denoise_to_file(
    model: Model,
    cells: Cells,
    library: str | float,
    genes: Sequence[str],
    as_if: Mapping[str, str],
    file: str,
    name: str,
) -> str:
    """Expected expression into an HDF5 file, (cells, genes), a block of cells at a time."""
    import h5py

    cells = cells.match(model.features)
    size, wanted = _one_library(cells, library), _all(genes, model)
    width = len(model.features[RNA] if wanted is None else wanted)
    with h5py.File(file, "w") as out:
        shape, chunks = (len(cells), width), (min(256, len(cells)), min(1024, width))
        data = out.create_dataset(name, shape, "float32", chunks=chunks, compression="lzf")
        for at in range(0, len(cells), BLOCK):
            some = cells.take(np.arange(at, min(at + BLOCK, len(cells))))
            data[at : at + len(some)] = verbs.denoise(
                model, some, library=size, genes=wanted, **dict(as_if)
            )
    return file


def _one_library(cells: Cells, library: str | float) -> str | float:
    """The median of all cells, which a block of them does not know."""
    if library != "median":
        return library
    return float(np.median(np.asarray(cells.views[RNA].sum(1))))


def _all(genes: Sequence[str], model: Model) -> list[str] | None:
    """None in the place of all genes in their order, which needs no picking."""
    return None if tuple(genes) == tuple(model.features[RNA]) else list(genes)


@answer
def sample(
    model: Model,
    cells: Cells | None,
    n: int | None,
    near: bool,
    expected: bool,
    seed: int,
    as_if: Mapping[str, str],
) -> dict[str, Any]:
    """New cells, (genes, cells), and the covariates that they were given."""
    rng, as_if = np.random.default_rng(seed), dict(as_if)
    if cells is None:
        like = imagined(model, n or 1000, rng)
    else:
        like = cells.match(model.features)
        like = like if n is None else like.take(rng.integers(len(like), size=n))
    made = verbs.sample(model, like, near=near, expected=expected, seed=seed, **as_if)
    levels = {
        k: [as_if[k]] * len(like) if k in as_if else v.tolist() for k, v in _known(like, model)
    }
    numbers = {k: v[:, 0].tolist() for k, v in like.values.items() if k in model.recipe.numbers}
    return {"values": made.T, "levels": levels, "numbers": numbers}


def _known(cells: Cells, model: Model) -> list[tuple[str, np.ndarray]]:
    return [(k, v) for k, v in cells.covariates.items() if k in model.levels]


@answer
def predict_perturbation(
    model: Model,
    cells: Cells,
    groups: Mapping[str, str | None],
    method: str,
    trust: float,
    draw: bool | None,
    seed: int,
) -> dict[str, Any]:
    """Cells of one condition as if in another; see the verb, which takes `groups` as arguments."""
    found = verbs.predict_perturbation(
        model, cells, **groups, method=method, trust=trust, draw=draw, seed=seed
    )
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    return {
        "values": found.cells.T,
        "logs": found.logs.T,
        "latent": found.latent,
        "index": (found.index + 1).tolist(),
        "profiles": {k: np.asarray(v).tolist() for k, v in found.profiles.items()},
        "method": found.method,
        "counts": found.counts,
        "shift": None if found.shift is None else found.shift.tolist(),
        "chance": float(found.chance),
        "types": [
            {"type": k, "novelty": float(r.novelty), "weights": dict(r.weights)}
            for k, r in found.responses.items()
        ],
    }
