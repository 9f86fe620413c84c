"""Numbers that change during a run: learning rates and weights of terms."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import InputError
from .parts import part

UNITS = ("fraction", "steps", "epochs", "phases")


@dataclass(frozen=True)
class Clock:
    """Where a run is.

    Attributes:
        progress: Fraction of the run that is done, in [0, 1].
        step: Updates done.
        epoch: Epochs done, from 0.
        scores: Held-out objective after each epoch so far, lower is better.
        planned: Epochs that there will be; 0 is not known.
        phase: Phases done.
    """

    progress: float = 0.0
    step: int = 0
    epoch: int = 0
    scores: tuple[float, ...] = ()
    planned: int = 0
    phase: int = 0

    def time(self, unit: str) -> float:
        """The time in `unit`; epochs count whole ones, as callbacks do, and so do phases."""
        times = (self.progress, self.step, self.epoch, self.phase)
        return dict(zip(UNITS, times, strict=True))[unit]


END = Clock(1.0, 2**62, 2**62, phase=2**62)
"""After any run: the time of final weights."""


@part
class Linear:
    """From `start` to `stop` within `over` after `delay`, then `stop`; times are in `unit`."""

    start: float = 0.0
    stop: float = 1.0
    over: float = 0.25
    unit: str = "fraction"
    delay: float = 0.0

    def check(self) -> None:
        _check_unit(self.unit)
        if self.over <= 0:
            raise InputError(f"over must be positive, got {self.over!r}", "over")

    def at(self, clock: Clock) -> float:
        """The value at that time."""
        done = (clock.time(self.unit) - self.delay) / self.over
        return self.start + (self.stop - self.start) * min(1.0, max(0.0, done))


@part
class Piecewise:
    """Straight lines between (time, value) points; two points at one time are a jump."""

    points: tuple[tuple[float, float], ...]
    unit: str = "fraction"

    def check(self) -> None:
        _check_unit(self.unit)
        times = [t for t, _ in self.points]
        if not times or times != sorted(times):
            raise InputError(f"points must be in order of time, got {self.points!r}", "points")

    def at(self, clock: Clock) -> float:
        """The value at that time; at a jump, the one after it."""
        time, here = clock.time(self.unit), self.points[0]
        for there in self.points[1:]:
            if time < there[0]:
                share = max(0.0, time - here[0]) / (there[0] - here[0])
                return here[1] + (there[1] - here[1]) * share
            here = there
        return here[1]


@part
class Cosine:
    """Half a cosine wave from `start` to `stop` within `over`, then `stop`."""

    start: float = 1e-3
    stop: float = 0.0
    over: float = 1.0
    unit: str = "fraction"

    def check(self) -> None:
        _check_unit(self.unit)

    def at(self, clock: Clock) -> float:
        """The value at that time."""
        done = min(1.0, clock.time(self.unit) / self.over)
        return self.stop + (self.start - self.stop) * 0.5 * (1 + math.cos(math.pi * done))


@part
class OneCycle:
    """Up to `peak` within the first `rise` of the run and down again, both along a cosine.

    A run of fewer epochs than `full` has a higher peak, in proportion, at most `most` times so.

    References:
        Smith and Topin (2019), Super-convergence, SPIE 11006.
    """

    peak: float
    rise: float = 0.25
    start: float = 0.04
    stop: float = 1e-3
    full: int = 0
    most: float = 4.0

    def at(self, clock: Clock) -> float:
        """The value at that time; `start` and `stop` are fractions of the peak."""
        short = self.full / clock.planned if clock.planned else 1.0
        peak = self.peak * min(self.most, max(1.0, short))
        up = clock.progress < self.rise
        far = peak * (self.start if up else self.stop)
        done = clock.progress / self.rise if up else (1 - clock.progress) / (1 - self.rise)
        return far + (peak - far) * 0.5 * (1 - math.cos(math.pi * min(1.0, max(0.0, done))))


@part
class Plateau:
    """`start`, times `factor` whenever `patience` epochs brought no better held-out objective."""

    start: float = 1e-3
    factor: float = 0.6
    patience: int = 30
    threshold: float = 0.0
    least: float = 0.0

    def at(self, clock: Clock) -> float:
        """The value at that time, from the scores so far."""
        value, best, waited = self.start, math.inf, 0
        for score in clock.scores:
            if score < best - self.threshold:
                best, waited = score, 0
            else:
                waited += 1
            if waited > self.patience:
                value, waited = max(self.least, value * self.factor), 0
        return value


Schedule = Linear | Piecewise | Cosine | OneCycle | Plateau | float


def at(value: Schedule, clock: Clock) -> float:
    """The value of a number or a schedule at a time."""
    return value.at(clock) if hasattr(value, "at") else float(value)


def final(value: Schedule) -> float:
    """The value at the end of a run."""
    return at(value, END)


def _check_unit(unit: str) -> None:
    if unit not in UNITS:
        raise InputError(f"unit must be one of {', '.join(UNITS)}, got {unit!r}", "unit")
