"""What R's Keras grammar calls; as `bridge`, but for graphs of layers.

Data come as a dictionary by name, each {"x": array} or the slots of a dgCMatrix; weights as arrays
by layer. The names of what R calls end here: nothing else imports this module.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse

from .bridge.answers import answer
from .cells import Cells
from .errors import InputError
from .keras import Session, predict, recipe_of, score
from .keras.files import read, write
from .keras.session import Weights, built, cells_of, graph_of, weights_of
from .keras.terms import FUNCTIONS
from .model import Model
from .parts import from_json
from .recipe import Recipe
from .verbs.ask import each
from .verbs.denoise import decoder_of, library_of


def _matrix(slots: Mapping[str, Any]) -> Any:
    """A matrix, (cells, features), from an array or from the slots of a sparse matrix."""
    if "p" not in slots:
        return np.asarray(slots["x"])
    arrays = tuple(np.asarray(slots[k]).reshape(-1) for k in "xip")
    n, k = (int(v) for v in slots["shape"])
    if slots["cells_in"] == "columns":
        return sparse.csr_matrix(arrays, shape=(n, k))
    return sparse.csc_matrix(arrays, shape=(n, k)).tocsr()


def _data(given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {k: _matrix(v) for k, v in (given or {}).items()}


def _recipe(made: Mapping[str, Any]) -> Recipe:
    graph, terms = from_json(made["graph"]), from_json(made["terms"])
    return recipe_of(
        graph, terms, from_json(made["optimiser"]), int(made["batch_size"]), bool(made["shuffle"])
    )


@answer
def know(name: str, function: Callable[..., Any]) -> None:
    """Keep a function of R's that could not be written down, under the name that terms have."""
    FUNCTIONS[name] = function


@answer
def start(
    made: Mapping[str, Any],
    data: Mapping[str, Any],
    held_out: Mapping[str, Any] | None,
    weights: Mapping[str, Any],
    seed: int,
    before: Session | None,
) -> Session:
    """A training, at its beginning."""
    held = cells_of(_data(held_out)) if held_out else None
    return Session(_recipe(made), cells_of(_data(data)), held, weights, int(seed), before)


@answer
def advance(session: Session, seconds: float) -> str:
    """Train for about that long: "more" to come, the "epoch" is over, or training "broke" down."""
    ended = session.advance(float(seconds))
    if not ended and session.trainer.done:
        warnings.warn(session.trainer.warnings[-1], stacklevel=2)
        return "broke"
    return "epoch" if ended else "more"


@answer
def progress(session: Session) -> float:
    """How much of the epoch is done."""
    trainer = session.trainer
    return min(1.0, trainer.minibatch * trainer.recipe.phases[0].batch_size / len(trainer.train))


@answer
def rows(session: Session) -> dict[str, dict[str, float]]:
    """The values of the last epoch."""
    return session.rows()


@answer
def set_rate(session: Session, rate: float) -> None:
    """Use this learning rate from now on."""
    session.trainer.learning_rate = float(rate)


@answer
def get_weights(session: Session) -> dict[str, dict[str, np.ndarray]]:
    """The weights as they are now."""
    return session.get()


@answer
def put_weights(session: Session, weights: Mapping[str, Any]) -> None:
    """Go on from these weights."""
    session.put(weights)


@answer
def initial(graph: str, weights: Mapping[str, Any], seed: int) -> dict[str, dict[str, np.ndarray]]:
    """The weights of a graph, random where there are none yet."""
    return weights_of(graph_of(built(from_json(graph), weights, int(seed))))


@answer
def ask(
    graph: str, data: Mapping[str, Any], weights: Mapping[str, Any], batch_size: int, seed: int
) -> Sequence[np.ndarray]:
    """The outputs of a graph."""
    return predict(from_json(graph), _data(data), weights, int(batch_size), int(seed))


@answer
def evaluate(
    made: Mapping[str, Any], data: Mapping[str, Any], weights: Mapping[str, Any], seed: int
) -> dict[str, float]:
    """The value of each term over cells, and the objective."""
    recipe = _recipe(made)
    return score(recipe, _data(data), weights, recipe.phases[0].batch_size, int(seed))


@answer
def dashboard(folder: str) -> Any:
    """A writer of TensorBoard's files."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "callback_tensorboard() needs the Python package tensorboard; install it, or use "
            "callback_csv_logger()"
        ) from None
    return SummaryWriter(folder)


@answer
def note(writer: Any, values: Mapping[str, float], epoch: int) -> None:
    """Write the values of an epoch."""
    for name, value in values.items():
        folder, plain = ("validation", name[4:]) if name.startswith("val_") else ("train", name)
        writer.add_scalar(f"{folder}/{plain}", float(value), int(epoch))
    writer.flush()


@answer
def write_hdf5(path: str, names: Sequence[str], weights: Weights) -> None:
    """Write weights as Keras 2 does."""
    write(path, list(names), weights)


@answer
def read_hdf5(path: str) -> list[np.ndarray]:
    """The weights of a file of Keras 2, in the order of its layers."""
    return read(path)


@answer
def decode(
    model: Model, cells: Cells, z: np.ndarray, like: Sequence[int], library: str
) -> np.ndarray:
    """Expected expression, (genes, positions) as R has it, at latent positions.

    Args:
        model: The model.
        cells: Cells that lend covariates and library sizes.
        z: Positions, (positions, n_latent).
        like: The cell that each position is decoded like, (positions,).
        library: "observed", or "median" of all cells where the model has a library to set.
    """
    cells, view = cells.match(model.features), model.recipe.decoders[0].view
    known = getattr(model.recipe.head(view), "library", None) == "observed"
    size = library_of(model, cells, view, library if known else "observed")
    ask, at = decoder_of(model, view, size, {}), torch.from_numpy(np.array(z, dtype=np.float32))
    lent = cells.take(np.atleast_1d(np.array(like, dtype=np.int64)))
    return each(model, lent, lambda net, m: ask(net, m, at[m.index]).mean).astype(np.float64).T


__all__ = [
    "advance", "ask", "decode", "dashboard", "evaluate", "get_weights", "initial", "know",
    "note", "progress", "put_weights", "read_hdf5", "rows", "set_rate", "start", "write_hdf5",
]  # fmt: skip
