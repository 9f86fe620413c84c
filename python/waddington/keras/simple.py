"""Fitting a graph from Python in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..contracts import OptimiserPart
from ..optim import Adam
from .graph import Graph
from .session import Session, cells_of, recipe_of
from .terms import Compared, Penalty


def fit(
    graph: Graph,
    x: Any,
    y: Any,
    *,
    loss: str = "mean_squared_error",
    metrics: Sequence[str] = (),
    optimiser: OptimiserPart = Adam(),
    epochs: int = 10,
    batch_size: int = 32,
    validation_data: tuple[Any, Any] | None = None,
    seed: int = 0,
) -> Session:
    """Train a graph to predict y from x.

    Args:
        graph: Of `sequential`, or any with one input and one output.
        x: Data, (cells, features).
        y: What to predict, (cells, outputs).
        loss: Name of a loss; see `waddington.keras.losses`.
        metrics: Names of metrics.
        optimiser: How weights move.
        epochs: Passes over the data.
        batch_size: Cells per step.
        validation_data: x and y to score after each epoch.
        seed: Of everything random.

    Returns:
        The session: `get()` for the weights, `trainer.history` for the values by epoch.
    """
    name = graph.inputs[0]
    cells, held = ({name: x, "y": y} for x, y in ((x, y), validation_data or (None, None)))
    terms = [Compared("loss", graph.outputs[0], "y", loss), Penalty()]
    terms += [Compared(m, graph.outputs[0], "y", m, weight=0.0) for m in metrics]
    session = Session(
        recipe_of(graph, terms, optimiser, batch_size),
        cells_of(cells),
        cells_of(held) if validation_data else None,
        seed=seed,
    )
    for _ in range(epochs):
        while not session.advance(1.0):
            pass
    return session
