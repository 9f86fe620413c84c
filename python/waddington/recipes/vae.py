"""The variational autoencoder."""

from ..coders import Decoder, Encoder
from ..latents import Gaussian, Normal
from ..layers import Stack, mlp
from ..optim import Adam
from ..recipe import Phase, Recipe
from ..schedules import Linear
from ..terms import KL, NLL
from .heads import head, transform


def vae(
    n_latent: int = 10,
    hidden: tuple[int, ...] = (128,),
    likelihood: str = "nb",
    beta: float = 1.0,
    capacity: float | None = None,
    prior_sd: float = 1.0,
    warm_up: float = 0.25,
    dropout: float = 0.1,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    learning_rate: float = 1e-3,
    epochs: int | None = None,
) -> Recipe:
    """data ~ head(f(z)), z ~ N(0, prior_sd): a smooth map of cell states.

    Args:
        n_latent: Dimensions of z.
        hidden: Units of the encoder's hidden layers; the decoder's are the same, reversed.
        likelihood: "nb", "zinb", "poisson" or "multinomial" for raw counts, "normal" for
            log-normalised values, "bernoulli" for 0 and 1.
        beta: Weight of the divergence from the prior: 1 is the evidence lower bound, less
            reconstructs better, more disentangles. Log likelihoods are summed over genes.
        capacity: With it, the term is beta * |KL - C|, where C grows to `capacity` nats.
        prior_sd: Standard deviation of the prior.
        warm_up: Fraction of the run in which beta (or C) grows from 0.
        dropout: Share of hidden units that is left out in each step of training.
        encoder: A stack of layers in the place of `hidden`; None makes one.
        decoder: The same for the decoder.
        learning_rate: Of Adam.
        epochs: Passes over the cells; None is as many as make 6,000 updates, 8 to 400.

    References:
        Kingma and Welling (2014), ICLR. Higgins et al. (2017), ICLR, for beta > 1. Liang et al.
        (2018), WWW, for beta < 1. Burgess et al. (2018), arXiv:1804.03599, for the capacity.
    """
    warm = lambda stop: Linear(0.0, stop, warm_up) if warm_up else stop
    kl = KL(weight=warm(beta)) if capacity is None else KL(weight=beta, capacity=warm(capacity))
    return Recipe(
        name="vae",
        encoders=(
            Encoder(encoder or mlp(*hidden, dropout=dropout), transform=transform(likelihood)),
        ),
        latent=Gaussian(n_latent, Normal(prior_sd)),
        decoders=(Decoder(decoder or mlp(*hidden[::-1]), head(likelihood)),),
        terms=(NLL(), kl),
        phases=(Phase(epochs, optimiser=Adam(learning_rate)),),
    )
