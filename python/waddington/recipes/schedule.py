"""How long recipes train, and at which rate: one policy, measured once."""

from ..layers import check_choice
from ..optim import Adam
from ..recipe import EarlyStopping, Phase
from ..schedules import Linear, OneCycle, Schedule

SCHEDULES = ("one-cycle", "scvi-tools")
PEAK = 2e-3
"""The highest learning rate of "one-cycle"."""
PASSES = 120
"""With fewer passes over the cells the rate climbs higher, in proportion, four times at most."""


def training(
    learning_rate: float, epochs: int | None = None, schedule: str = "one-cycle"
) -> tuple[Phase, ...]:
    """The phase of a model of cells.

    "one-cycle" climbs to the learning rate and down again within 3,000 updates. Few passes over
    many cells bear a higher rate than many passes over few, which then learn them by heart, so the
    peak is higher where there are fewer than PASSES. Beside a constant
    0.001 for 6,000, over four sets of 1,200 to 12,261 cells and three seeds, a peak of 0.002 ends
    with the same held-out bound (within 0.5 nats) in half to 85 % of the time; one of 0.004 is 1.1
    nats better on the largest set and 1.6 to 3 worse on the others
    (`tests/benchmarks/evaluate_schedule.py`). "scvi-tools" is that package's: constant, 400 epochs
    or 8 million cells, no early stopping. Adam's eps of 0.01 is that package's too; it
    keeps rare genes from large steps.

    Args:
        learning_rate: The peak, or the constant.
        epochs: Passes over the cells; None asks the schedule.
        schedule: One of SCHEDULES.
    """
    check_choice(schedule, SCHEDULES, "schedule")
    cycle = schedule == "one-cycle"
    one = OneCycle(learning_rate, full=PASSES)
    adam = Adam(one if cycle else learning_rate, eps=0.01, weight_decay=1e-6)
    stop = EarlyStopping(30) if cycle else None
    return (Phase(epochs, 3000 if cycle else 62500, adam, stop=stop),)


def warm(stop: float, over: float, schedule: str = "one-cycle") -> Schedule:
    """A weight that grows from 0 to `stop` in the first part of a run.

    Args:
        stop: The final weight.
        over: Fraction of the run in which it grows; 0 is a constant.
        schedule: "scvi-tools" takes 400 epochs for it, however long the run is.
    """
    if schedule == "scvi-tools":
        return Linear(0.0, stop, 400, unit="epochs")
    return Linear(0.0, stop, over) if over else stop
