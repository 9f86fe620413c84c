"""Fitting a graph from Python in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..contracts import OptimiserPart, TermPart
from ..optim import Adam
from .graph import Graph
from .session import Session, cells_of, recipe_of
from .terms import Compared, Penalty


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        epochs: Passes over the data.
        batch_size: Cells per step.
        optimiser: How weights move.
        seed: Of everything random.
    """

    epochs: int = 10
    batch_size: int = 32
    optimiser: OptimiserPart = field(default_factory=Adam)
    seed: int = 0


def fit(
    graph: Graph,
    x: Any,
    y: Any,
    *,
    loss: str = "mean_squared_error",
    metrics: Sequence[str] = (),
    validation_data: tuple[Any, Any] | None = None,
    plan: Plan | None = None,
) -> Session:
    """Train a graph to predict y from x.

    Args:
        graph: Of `sequential`, or any with one input and one output.
        x: Data, (cells, features).
        y: What to predict, (cells, outputs).
        loss: Name of a loss; see `waddington.keras.losses`.
        metrics: Names of metrics.
        validation_data: x and y to score after each epoch.
        plan: For how long, and how; None is ten epochs of Adam.

    Returns:
        The session: `get()` for the weights, `trainer.history` for the values by epoch.
    """
    plan, out = plan or Plan(), graph.outputs[0]
    cells = lambda pair: cells_of({graph.inputs[0]: pair[0], "y": pair[1]})
    terms: list[TermPart] = [Compared("loss", out, "y", loss), Penalty()]
    terms += [Compared(m, out, "y", m, weight=0.0) for m in metrics]
    session = Session(
        recipe_of(graph, terms, plan.optimiser, plan.batch_size),
        cells((x, y)),
        cells(validation_data) if validation_data else None,
        seed=plan.seed,
    )
    for _ in range(plan.epochs):
        while not session.advance(1.0):
            pass
    return session
