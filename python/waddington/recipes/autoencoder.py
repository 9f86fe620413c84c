"""The plain autoencoder, shallow or deep."""

from ..coders import Decoder, Encoder
from ..latents import Point
from ..layers import Stack, mlp
from ..recipe import Recipe
from ..terms import NLL
from .heads import head, transform
from .schedule import PEAK, training


def autoencoder(
    n_latent: int = 10,
    hidden: tuple[int, ...] = (128,),
    likelihood: str = "nb",
    dropout: float = 0.0,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    learning_rate: float = PEAK,
    epochs: int | None = None,
) -> Recipe:
    """A code of each cell from which its data can be had back; nothing shapes the code.

    With `hidden=()` and a normal likelihood it is linear, and finds the space of principal
    components.

    Args:
        n_latent: Dimensions of the code.
        hidden: Units of the encoder's hidden layers; the decoder's are the same, reversed.
        likelihood: "nb", "zinb", "poisson" or "multinomial" for raw counts, "normal" for
            log-normalised values, "bernoulli" for 0 and 1.
        dropout: Share of hidden units that is left out in each step of training.
        encoder: A stack of layers in the place of `hidden`; None makes one.
        decoder: The same for the decoder.
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.

    References:
        Hinton and Salakhutdinov (2006), Science 313, 504. Eraslan et al. (2019), Nature
        Communications 10, 390, for counts.
    """
    return Recipe(
        name="autoencoder",
        encoders=(
            Encoder(encoder or mlp(*hidden, dropout=dropout), transform=transform(likelihood)),
        ),
        latent=Point(n_latent),
        decoders=(Decoder(decoder or mlp(*hidden[::-1], dropout=dropout), head(likelihood)),),
        terms=(NLL(),),
        phases=training(learning_rate, epochs),
    )
