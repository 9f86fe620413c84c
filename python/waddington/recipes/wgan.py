"""WGAN-GP: a generator of log expression, and a critic."""

from ..coders import Decoder
from ..latents import Gaussian
from ..layers import mlp
from ..likelihoods import NormalHead
from ..opponents import Opponent, WassersteinGP
from ..optim import Adam
from ..recipe import Phase, Recipe


def wgan(
    n_latent: int = 64,
    generator: tuple[int, ...] = (128, 256),
    critic: tuple[int, ...] = (256, 128),
    n_critic: int = 5,
    penalty: float = 10.0,
    learning_rate: float = 1e-4,
    batch_size: int = 64,
    updates: int = 20000,
    epochs: int | None = None,
) -> Recipe:
    """x = relu(f(z)), z ~ N(0, 1), as close to the data as a critic of slope one can tell.

    For log-normalised values. It generates; it has no encoder.

    Args:
        n_latent: Dimensions of z.
        generator: Units of the generator's hidden layers.
        critic: Units of the critic's hidden layers.
        n_critic: Steps of the critic to each of the generator.
        penalty: Weight of the gradient penalty.
        learning_rate: Of Adam, of both players.
        batch_size: Cells per minibatch.
        updates: Steps of the critic, where `epochs` is None.
        epochs: Passes over the cells.

    References:
        Gulrajani et al. (2017), NeurIPS 30. Ghahramani et al. (2018), bioRxiv 262501, for cells.
    """
    adam = Adam(learning_rate, betas=(0.5, 0.9))
    judge = Opponent(
        "rna.mean",
        against="rna",
        form=WassersteinGP(penalty),
        stack=mlp(*critic, act="leaky_relu"),
        optimiser=adam,
    )
    return Recipe(
        name="wgan",
        encoders=(),
        latent=Gaussian(n_latent),
        decoders=(Decoder(mlp(*generator), NormalHead("relu", sd=0.0)),),
        opponents=(judge,),
        phases=(Phase(epochs, updates, adam, batch_size=batch_size, every=n_critic, stop=None),),
    )
