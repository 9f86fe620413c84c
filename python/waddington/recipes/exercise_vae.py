"""The lecture's own VAE, of log expression."""

from ..coders import Decoder, Encoder
from ..latents import Gaussian, Normal
from ..layers import Stack, mlp
from ..likelihoods import NormalHead
from ..optim import Adam
from ..recipe import EarlyStopping, Phase, Recipe
from ..schedules import Piecewise
from ..terms import KL, NLL

BURN_IN_RAMP_DROP = (
    (0, 2e-5),
    (80, 2e-5),
    (344, 2e-3),
    (450, 2e-3),
    (450, 1e-4),
    (601, 1e-4),
    (601, 5e-6),
)
"""Learning rate by epoch of 1,000, counted from 0; two entries of one epoch are a jump."""


def exercise_vae(
    n_latent: int = 32,
    prior_sd: float = 0.8,
    beta: float = 1.9,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    batch_size: int = 512,
    patience: int = 125,
    epochs: int = 1000,
) -> Recipe:
    """x ~ N(relu(f(z)), 1), z ~ N(0, prior_sd); x is log2(counts per 10,000 + 1).

    The learning rate burns in, climbs, and drops twice; with other `epochs` in proportion.

    Args:
        n_latent: Dimensions of z; hidden layers are 8, 4 and 2 times as wide.
        prior_sd: Standard deviation of the prior.
        beta: Weight of the divergence from the prior. The exercise averages squared errors over
            its 1,222 genes and weighs the mean divergence by 0.1: 0.1 * 1222 / (2 * 32) = 1.9 here.
        encoder: A stack of layers in the place of its own; None makes that.
        decoder: The same for the decoder.
        batch_size: Cells per minibatch.
        patience: Epochs without a better held-out objective before training stops.
        epochs: Passes over the cells.

    References:
        fmicompbio/adv_scrnaseq_2020, DGNs exercise.
    """
    widths = (8 * n_latent, 4 * n_latent, 2 * n_latent)
    rate = Piecewise(tuple((t * epochs / 1000, v) for t, v in BURN_IN_RAMP_DROP), unit="epochs")
    return Recipe(
        name="exercise_vae",
        encoders=(Encoder(encoder or mlp(*widths, act="elu", dropout=0.2), transform="none"),),
        latent=Gaussian(n_latent, Normal(prior_sd)),
        decoders=(
            Decoder(decoder or mlp(*widths[::-1], act="elu", dropout=0.2), NormalHead("relu")),
        ),
        terms=(NLL(), KL(weight=beta)),
        phases=(
            Phase(
                epochs,
                optimiser=Adam(rate, amsgrad=True),
                batch_size=batch_size,
                stop=EarlyStopping(patience),
            ),
        ),
    )
