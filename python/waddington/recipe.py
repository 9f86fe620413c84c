"""The recipe: a whole system as one frozen value."""

from __future__ import annotations

import math
from typing import Any

from .contracts import (
    ConditionPart,
    DecoderPart,
    EncoderPart,
    FusionPart,
    LatentPart,
    OptimiserPart,
    TermPart,
)
from .errors import InputError, listed
from .fusions import Alone
from .latents import Gaussian
from .opponents import PRIOR, Opponent
from .optim import Adam
from .parts import part, parts_of, replace
from .schedules import OneCycle

FEWEST_EPOCHS, MOST_EPOCHS = 8, 400


@part
class EarlyStopping:
    """Stop after `patience` epochs without a better held-out score.

    Attributes:
        patience: Epochs to wait.
        metric: "objective" (the terms at final weights), or the name of a term, as "nll rna".
        min_delta: A smaller gain is none.
        restore: Go back to the best state; else the last is kept.
    """

    patience: int = 30
    metric: str = "objective"
    min_delta: float = 0.0
    restore: bool = True

    def check(self) -> None:
        if self.patience < 1:
            raise InputError(f"patience must be at least 1, got {self.patience!r}", "patience")


@part
class Phase:
    """What is trained (names of parameters, * is any), for how long, and how.

    Attributes:
        epochs: Passes over the cells; None is as many as make `updates`, between 8 and 400.
        updates: Steps to take where `epochs` is None; no more than 400 epochs if it can stop early.
        optimiser: How the network moves.
        train: Patterns of the names of the parameters that move.
        batch_size: Cells per minibatch.
        every: The network moves at every so many minibatches, opponents at theirs.
        spread: Covariates whose levels are spread evenly over minibatches.
        stop: When to stop before the end; None is never.
        shuffle: Whether each epoch has an order of its own.
    """

    epochs: int | None = None
    updates: int = 3000
    optimiser: OptimiserPart = Adam()
    train: tuple[str, ...] = ("*",)
    batch_size: int = 128
    every: int = 1
    spread: tuple[str, ...] = ()
    stop: EarlyStopping | None = EarlyStopping()
    shuffle: bool = True

    def check(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise InputError(f"epochs must be at least 1, got {self.epochs!r}", "epochs")
        if self.batch_size < 2:
            raise InputError(
                f"batch_size must be at least 2, got {self.batch_size!r}", "batch_size"
            )

    @property
    def covariates(self) -> tuple[str, ...]:
        return self.spread

    def length(self, n_cells: int) -> int:
        """Epochs for that many cells."""
        if self.epochs is not None:
            return self.epochs
        wanted = math.ceil(self.updates / max(1, math.ceil(n_cells / self.batch_size)))
        most = MOST_EPOCHS if self.stop else wanted  # without a score to stop by, updates count
        return max(FEWEST_EPOCHS, min(most, wanted))


@part
class Recipe:
    """Stacks, a bottleneck, heads, a sum of terms, opponents, and phases that say when."""

    name: str
    encoders: tuple[EncoderPart, ...]
    latent: LatentPart = Gaussian()
    decoders: tuple[DecoderPart, ...] = ()
    fusion: FusionPart = Alone()
    conditions: tuple[ConditionPart, ...] = ()
    terms: tuple[TermPart, ...] = ()
    opponents: tuple[Opponent, ...] = ()
    phases: tuple[Phase, ...] = (Phase(),)

    def check(self) -> None:
        """Two things of one name would silently be one."""
        kinds = {
            "decoders of the view": [d.view for d in self.decoders],
            "terms named": [t.name for t in self.terms],
            "conditions on": [c.covariate for c in self.conditions],
            "opponents named": [o.name for o in self.opponents],
        }
        for what, given in kinds.items():
            if twice := [k for k in given if given.count(k) > 1]:
                raise InputError(f"{self.name} has two {what} {twice[0]!r}")

    @property
    def views(self) -> tuple[str, ...]:
        """The views that it reads or decodes."""
        decoded = [d.view for d in self.decoders if not getattr(d, "covariates", ())]
        return tuple(dict.fromkeys([v for e in self.encoders for v in e.reads] + decoded))

    @property
    def covariates(self) -> tuple[str, ...]:
        """The categorical covariates that some part of it reads, or a table of a head is for."""
        return tuple(dict.fromkeys((*self._named("covariates"), *self.needed, *self.optional)))

    @property
    def needed(self) -> tuple[str, ...]:
        """The categorical covariates without which no cell can be encoded or decoded."""
        told = [c.covariate for c in self.conditions if c.covariate not in self.numbers]
        heads = [p for p in parts_of(self) if hasattr(p, "tables")]
        tables = [by for head in heads for by in head.tables().values() if by]
        return tuple(dict.fromkeys((*told, *tables)))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The continuous covariates that some part of it reads."""
        return self._named("numbers")

    @property
    def labels(self) -> tuple[str, ...]:
        """The covariates that it predicts; their levels may be unknown for some cells."""
        return tuple(d.view for d in self.decoders if getattr(d, "covariates", ()))

    @property
    def optional(self) -> tuple[str, ...]:
        """Those that may be unknown for some cells: what it predicts, and what some terms like."""
        return tuple(dict.fromkeys((*self.labels, *self._named("optional"))))

    @property
    def draws_prior(self) -> bool:
        """Whether an opponent asks for draws from the prior."""
        return any(o.against == PRIOR for o in self.opponents)

    def head(self, view: str) -> Any:
        """The observation model of a view.

        Raises:
            InputError: If nothing decodes it.
        """
        for d in self.decoders:
            if d.view == view and hasattr(d, "head"):
                return d.head
        views = [d.view for d in self.decoders]
        raise InputError(f"{self.name} decodes {listed(views) or 'nothing'}, not {view!r}", "view")

    def _named(self, what: str) -> tuple[str, ...]:
        inside = (p for p in parts_of(self) if p is not self)
        return tuple(dict.fromkeys(k for p in inside for k in getattr(p, what, ())))


def adjust(
    recipe: Recipe,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
) -> Recipe:
    """The recipe with other values in its last phase, the main one; None keeps what it says.

    Opponents that are trained as the network is get its learning rate too.
    """
    phase, opponents = recipe.phases[-1], recipe.opponents
    if epochs is not None:
        phase = replace(phase, epochs=epochs)
    if batch_size is not None:
        phase = replace(phase, batch_size=batch_size)
    if learning_rate is not None:
        lr = phase.optimiser.lr
        lr = replace(lr, peak=learning_rate) if isinstance(lr, OneCycle) else learning_rate
        old, new = phase.optimiser, replace(phase.optimiser, lr=lr)
        phase = replace(phase, optimiser=new)
        opponents = tuple(replace(o, optimiser=new) if o.optimiser == old else o for o in opponents)
    if patience is not None:
        phase = replace(phase, stop=replace(phase.stop or EarlyStopping(), patience=patience))
    return replace(recipe, opponents=opponents, phases=(*recipe.phases[:-1], phase))
