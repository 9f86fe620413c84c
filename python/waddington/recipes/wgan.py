"""WGAN-GP: a generator of counts or of log expression, and a critic."""

from ..coders import Decoder
from ..latents import Gaussian
from ..layers import mlp
from ..opponents import Opponent, WassersteinGP
from ..optim import Adam
from ..recipe import Phase, Recipe
from ..schedules import OneCycle
from .gan import generated


def wgan(
    n_latent: int = 64,
    generator: tuple[int, ...] = (128, 256),
    critic: tuple[int, ...] = (256, 128),
    n_critic: int = 5,
    penalty: float = 10.0,
    learning_rate: float = 5e-4,
    batch_size: int = 64,
    updates: int = 10000,
    epochs: int | None = None,
    likelihood: str = "nb",
) -> Recipe:
    """Cells from z ~ N(0, 1), as close to the data as a critic of slope one can tell.

    It generates; it has no encoder. From counts ("nb" or "poisson") it makes counts: f(z) is the
    log of their means, how deep a cell is among what z says, and the critic sees log(1 + count) of
    draws, so that zeros are zeros on both sides; gradients pass through draws (see
    `likelihoods.rates.draw_logs`). From values ("normal") it makes values, relu(f(z));
    log-normalised cells of that kind are told from real ones by their zeros. The command
    `tests/benchmarks/evaluate_gan.py` compares them.

    Args:
        n_latent: Dimensions of z.
        generator: Units of the generator's hidden layers.
        critic: Units of the critic's hidden layers.
        n_critic: Steps of the critic to each of the generator.
        penalty: Weight of the gradient penalty.
        learning_rate: Of Adam, of both players, at the start; it falls along a cosine.
        batch_size: Cells per minibatch.
        updates: Steps of the critic, where `epochs` is None.
        epochs: Passes over the cells.
        likelihood: "nb" or "poisson" for counts, "normal" for values.

    References:
        Gulrajani et al. (2017), NeurIPS 30. Ghahramani et al. (2018), bioRxiv 262501, for cells.
    """
    adam = Adam(OneCycle(learning_rate, rise=0.02, stop=0.02), betas=(0.5, 0.9))
    head, look = generated(likelihood)
    judge = Opponent(
        against="rna",
        form=WassersteinGP(penalty),
        stack=mlp(*critic, act="leaky_relu"),
        optimiser=adam,
        **look,
    )
    return Recipe(
        name="wgan",
        encoders=(),
        latent=Gaussian(n_latent),
        decoders=(Decoder(mlp(*generator), head),),
        opponents=(judge,),
        phases=(Phase(epochs, updates, adam, batch_size=batch_size, every=n_critic, stop=None),),
    )
