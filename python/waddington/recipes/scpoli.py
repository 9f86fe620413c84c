"""scPoli: batches as points in a space of their own, and types as prototypes."""

from __future__ import annotations

import torch
from torch import Tensor

from ..cells import Minibatch
from ..errors import InputError
from ..layers import mlp
from ..parts import part, replace
from ..recipe import Phase, Recipe
from ..schedules import OneCycle, Piecewise, Schedule
from ..trace import Trace
from .heads import varying
from .schedule import PEAK
from .scvi import scvi


def scpoli(
    batch: str = "batch",
    labels: str | None = None,
    covariates: tuple[str, ...] = (),
    n_embedding: int = 10,
    n_latent: int = 10,
    n_hidden: int = 128,
    n_layers: int = 1,
    likelihood: str = "nb",
    dispersion: str = "gene",
    eta: float = 1.0,
    pretraining: float = 0.9,
    dropout: float = 0.05,
    warm_up: float = 0.25,
    learning_rate: float = PEAK,
    epochs: int | None = None,
    schedule: str = "one-cycle",
) -> Recipe:
    """As scVI, each batch a learnt point that all layers of encoder and decoder read.

    Batches that are alike come to lie together, so the points are a map of the samples themselves.
    With labels there is a second phase, in which cells are drawn to the mean of their type; cells
    whose label is "" are not.

    Args:
        batch: A categorical column; it may have hundreds of levels.
        labels: The column of labels, "" where unknown; None uses none.
        covariates: Continuous columns, given to the layers likewise.
        n_embedding: Dimensions of the points that stand for batches.
        n_latent: Dimensions of z.
        n_hidden: Units of each hidden layer.
        n_layers: Hidden layers of the encoder, and of the decoder.
        likelihood: "nb", "zinb" or "poisson".
        dispersion: "gene", "gene-cell", "gene-batch", "gene-label", or "gene-" and the name of
            another column.
        eta: Weight of the distance to the mean of the type.
        pretraining: Fraction of the planned run before it counts. However early that part stops,
            the rest follows, with a quarter of the learning rate.
        dropout: Share of the encoder's hidden units that is left out in each step of training.
        warm_up: Fraction of the run in which the weight of the divergence grows from 0 to 1.
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.
        schedule: "one-cycle"; or "scvi-tools", which is that package's for comparisons, and wants a
            learning_rate of 0.001.

    References:
        De Donno et al. (2023), Nature Methods 20, 1683.
    """
    units = (n_hidden,) * n_layers
    dispersion = varying(dispersion, label=labels)
    base = scvi(
        batch, covariates, n_latent, likelihood=likelihood, dispersion=dispersion, warm_up=warm_up,
        encode_covariates=True, n_embedding=n_embedding,
        encoder=mlp(*units, norm="layer", dropout=dropout), decoder=mlp(*units, norm="layer"),
        learning_rate=learning_rate, epochs=epochs, schedule=schedule,
    )  # fmt: skip
    terms, phases = base.terms, base.phases
    if labels is not None:
        late = Piecewise(((0, 0.0), (1, 0.0), (1, eta)), unit="phases")
        terms = (*terms, Prototypes(labels, weight=late))
        phases = _divided(phases[0], pretraining, learning_rate / 4)
    return replace(base, name="scpoli", terms=terms, phases=phases)


def _divided(phase: Phase, share: float, rate: float) -> tuple[Phase, Phase]:
    """A phase cut in two; the second begins from the best state of the first."""
    if not 0 < share < 1:
        raise InputError(f"pretraining must be between 0 and 1, got {share!r}", "pretraining")
    lr = phase.optimiser.lr
    later = replace(lr, peak=rate) if isinstance(lr, OneCycle) else rate
    optimiser = replace(phase.optimiser, lr=later)
    early = lambda n: max(1, round(share * n))
    rest = lambda n: max(1, n - early(n))
    cut = lambda part: {
        "epochs": part(phase.epochs) if phase.epochs else None,
        "updates": part(phase.updates),
    }
    return replace(phase, **cut(early)), replace(phase, **cut(rest), optimiser=optimiser)


@part
class Prototypes:
    """Mean distance of cells to the mean of their label in the minibatch, where it is known."""

    by: str
    on: str = "q.loc"
    weight: Schedule = 1.0

    @property
    def name(self) -> str:
        return f"prototypes {self.on} by {self.by}"

    @property
    def optional(self) -> tuple[str, ...]:
        return (self.by,)

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        h, codes = trace[self.on], cells.codes[self.by]
        known = (codes >= 0).to(h.dtype)
        same = (codes[:, None] == codes).to(h.dtype) * known
        centre = same @ h / same.sum(1, keepdim=True).clamp(min=1)
        far = ((h - centre).square().sum(-1) + 1e-6).sqrt()  # the root's slope at 0 is infinite
        return torch.where(known > 0, far, 0.0).mean()
