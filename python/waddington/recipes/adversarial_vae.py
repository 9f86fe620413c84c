"""scVI whose latent space must not tell batches apart."""

from __future__ import annotations

from ..layers import Stack, check_choice, mlp
from ..opponents import Flip, Fool, Opponent
from ..optim import Adam
from ..parts import replace
from ..recipe import Recipe
from .schedule import PEAK, warm
from .scvi import scvi


def adversarial_vae(
    batch: str = "batch",
    covariates: tuple[str, ...] = (),
    n_latent: int = 10,
    n_hidden: int = 128,
    n_layers: int = 1,
    likelihood: str = "nb",
    dispersion: str = "gene",
    library: str = "observed",
    kappa: float = 10.0,
    form: str = "flip",
    opponent: tuple[int, ...] = (32, 32),
    dropout: float = 0.1,
    warm_up: float = 0.25,
    encode_covariates: bool = False,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    learning_rate: float = PEAK,
    epochs: int | None = None,
    schedule: str = "one-cycle",
) -> Recipe:
    """As scVI; a classifier of batches reads z, and the encoder is paid for its mistakes.

    Mixing is bought with conservation: types that one batch has and another lacks are mixed too.

    Args:
        batch: The categorical column that z must not tell.
        covariates: Continuous columns, given to the decoder.
        n_latent: Dimensions of z.
        n_hidden: Units of each hidden layer.
        n_layers: Hidden layers of the encoder, and of the decoder.
        likelihood: "nb", "zinb" or "poisson".
        dispersion: "gene", "gene-cell", "gene-batch", or "gene-" and the name of another column.
        library: The "observed" total of a cell, "latent" (see `scvi()`), a "size_factor" of yours,
            or "none".
        kappa: Weight of the opponent, in nats per cell; the strength of mixing.
        form: "flip": the encoder gets minus the opponent's cross-entropy; or "fool": it makes all
            batches but the true one equally likely.
        opponent: Units of the opponent's hidden layers.
        dropout: Share of the encoder's hidden units that is left out in each step of training.
        warm_up: Fraction of the run in which kappa and the weight of the divergence grow from 0.
        encode_covariates: Whether the encoder sees batch and covariates too.
        encoder: A stack of layers in the place of `n_hidden` and `n_layers`; None makes one.
        decoder: The same for the decoder.
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs. The opponent's is a constant 0.001.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.
        schedule: "one-cycle"; or "scvi-tools", which is that package's for comparisons, and wants a
            learning_rate of 0.001.

    References:
        Ganin et al. (2016), JMLR 17, 59; the adversarial training plan of scvi-tools.
    """
    base = scvi(
        batch, covariates, n_latent, n_hidden, n_layers, likelihood, dispersion, library,
        dropout, warm_up, encode_covariates, encoder=encoder, decoder=decoder,
        learning_rate=learning_rate, epochs=epochs, schedule=schedule,
    )  # fmt: skip
    check_choice(form, ("flip", "fool"), "form")
    player = Opponent(
        "z",
        against=batch,
        form=Flip() if form == "flip" else Fool(),
        stack=mlp(*opponent),
        weight=warm(kappa, warm_up, schedule),
        optimiser=Adam(1e-3),
    )
    return replace(base, name="adversarial_vae", opponents=(player,))
