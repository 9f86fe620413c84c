"""The variational autoencoder."""

from ..coders import Decoder, Encoder
from ..latents import Gaussian, Normal
from ..layers import Stack, mlp
from ..recipe import Recipe
from ..terms import KL, NLL
from .heads import head, transform
from .schedule import PEAK, training, warm


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
    learning_rate: float = PEAK,
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
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.

    References:
        Kingma and Welling (2014), ICLR. Higgins et al. (2017), ICLR, for beta > 1. Liang et al.
        (2018), WWW, for beta < 1. Burgess et al. (2018), arXiv:1804.03599, for the capacity.
    """
    kl = KL(weight=warm(beta, warm_up))
    if capacity is not None:
        kl = KL(weight=beta, capacity=warm(capacity, warm_up))
    return Recipe(
        name="vae",
        encoders=(
            Encoder(encoder or mlp(*hidden, dropout=dropout), transform=transform(likelihood)),
        ),
        latent=Gaussian(n_latent, Normal(prior_sd)),
        decoders=(Decoder(decoder or mlp(*hidden[::-1]), head(likelihood)),),
        terms=(NLL(), kl),
        phases=training(learning_rate, epochs),
    )
