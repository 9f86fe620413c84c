"""GAN: a generator of counts or of log expression, and a discriminator."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ..coders import Decoder
from ..contracts import HeadPart
from ..latents import Gaussian
from ..layers import check_choice, mlp
from ..likelihoods import NegativeBinomial, NormalHead, Poisson
from ..opponents import GAN, Opponent
from ..optim import Adam
from ..parts import part
from ..recipe import Phase, Recipe

LIKELIHOODS = ("nb", "poisson", "normal")


@part
class GeneratedCounts(NegativeBinomial):
    """Negative binomial counts whose theta starts high, so that types are for z to tell apart.

    A critic moves theta slowly. From the start that suits likelihoods, pbmc3k was generated with
    more noise than it has, and was easier to tell from real cells.
    """

    library: str = "none"
    lift: ClassVar[Mapping[str, float]] = {"log_theta": 2.5}


def gan(
    n_latent: int = 64,
    generator: tuple[int, ...] = (128, 256),
    discriminator: tuple[int, ...] = (256, 128),
    learning_rate: float = 2e-4,
    batch_size: int = 64,
    updates: int = 10000,
    epochs: int | None = None,
    likelihood: str = "nb",
) -> Recipe:
    """Cells from z ~ N(0, 1), so that a discriminator takes them for data.

    The game as it was first played, with the loss for the generator that does not saturate. It may
    lose modes, and its loss tells nothing; `wgan` is what to use. Layers are those of `wgan`, so
    that the two can be compared; learning rate and first moment are those that made such games
    stable.

    Args:
        n_latent: Dimensions of z.
        generator: Units of the generator's hidden layers.
        discriminator: Units of the discriminator's hidden layers.
        learning_rate: Of Adam, of both players.
        batch_size: Cells per minibatch.
        updates: Steps of either player, where `epochs` is None.
        epochs: Passes over the cells.
        likelihood: "nb" or "poisson" for counts, "normal" for values; see `wgan`.

    References:
        Goodfellow et al. (2014), NeurIPS 27. Radford et al. (2016), ICLR, for the optimiser.
    """
    adam = Adam(learning_rate, betas=(0.5, 0.999))
    head, look = generated(likelihood)
    judge = Opponent(
        against="rna",
        form=GAN(),
        stack=mlp(*discriminator, act="leaky_relu"),
        optimiser=adam,
        **look,
    )
    return Recipe(
        name="gan",
        encoders=(),
        latent=Gaussian(n_latent),
        decoders=(Decoder(mlp(*generator), head),),
        opponents=(judge,),
        phases=(Phase(epochs, updates, adam, batch_size=batch_size, stop=None),),
    )


def generated(likelihood: str) -> tuple[HeadPart, dict[str, Any]]:
    """The head of a generator, and how its opponent looks at what it made and at real cells.

    Raises:
        InputError: If the likelihood is none of LIKELIHOODS.
    """
    check_choice(likelihood, LIKELIHOODS, "likelihood")
    if likelihood == "normal":
        return NormalHead("relu", sd=0.0), {"on": "rna.mean"}
    head = Poisson("none") if likelihood == "poisson" else GeneratedCounts()
    return head, {"on": "rna.log_draw", "transform": "log1p"}
