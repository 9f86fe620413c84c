"""The conditional variational autoencoder."""

from ..coders import Decoder, Encoder
from ..conditions import conditions
from ..latents import Gaussian
from ..layers import Stack, mlp
from ..parts import replace
from ..recipe import Recipe
from ..terms import KL, NLL
from .heads import head, transform
from .schedule import PEAK, training, warm


def cvae(
    condition: str | tuple[str, ...] = "condition",
    covariates: tuple[str, ...] = (),
    n_latent: int = 10,
    hidden: tuple[int, ...] = (128,),
    likelihood: str = "nb",
    beta: float = 1.0,
    warm_up: float = 0.25,
    dropout: float = 0.1,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    learning_rate: float = PEAK,
    epochs: int | None = None,
) -> Recipe:
    """data ~ head(f(z, condition)), z ~ N(0, 1): what the condition explains need not be in z.

    Encoder and decoder receive the condition in every layer. A cell decoded with another level is
    that cell as if it had been in that condition.

    Args:
        condition: A categorical column of the cells, or several.
        covariates: Continuous columns, given to the layers likewise.
        n_latent: Dimensions of z.
        hidden: Units of the encoder's hidden layers; the decoder's are the same, reversed.
        likelihood: "nb", "zinb", "poisson" or "multinomial" for raw counts, "normal" for
            log-normalised values, "bernoulli" for 0 and 1.
        beta: Weight of the divergence from the prior.
        warm_up: Fraction of the run in which beta grows from 0.
        dropout: Share of hidden units that is left out in each step of training.
        encoder: A stack of layers in the place of `hidden`; None makes one.
        decoder: The same for the decoder.
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.

    References:
        Sohn et al. (2015), NeurIPS 28.
    """
    told = lambda stack: replace(stack, inject=stack.inject or "every")
    return Recipe(
        name="cvae",
        encoders=(
            Encoder(
                told(encoder or mlp(*hidden, dropout=dropout)), transform=transform(likelihood)
            ),
        ),
        latent=Gaussian(n_latent),
        decoders=(Decoder(told(decoder or mlp(*hidden[::-1])), head(likelihood)),),
        conditions=conditions(condition, covariates),
        terms=(NLL(), KL(weight=warm(beta, warm_up))),
        phases=training(learning_rate, epochs),
    )
