"""scGen: a VAE whose latent space is flat enough for responses to be vectors in it."""

from ..coders import Decoder, Encoder
from ..latents import Gaussian
from ..layers import Stack, mlp
from ..optim import Adam
from ..recipe import EarlyStopping, Phase, Recipe
from ..terms import KL, NLL
from .heads import head, transform


def scgen(
    n_latent: int = 100,
    hidden: tuple[int, ...] = (800, 800),
    likelihood: str = "normal",
    beta: float = 2.5e-5,
    dropout: float = 0.2,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    patience: int = 25,
    epochs: int = 100,
) -> Recipe:
    """data ~ head(f(z)), z hardly regularised; a response is a shift of z.

    Layers, sizes, dropout, learning rate, batch size, patience and epochs are those of the authors'
    code and tutorials. Their loss is half of the squared error plus 5e-5 divergences; half of a
    squared error is the negative log likelihood of unit variance, so beta is half of their 5e-5
    here. As there, the last state is kept and not the best one.
    It differs in one thing: training stops by held-out reconstruction, and not by the whole
    objective, which ends it early and costs much of the accuracy. The decoder of real numbers
    starts at random, as theirs does, where other recipes start at the means of the genes; for
    counts it starts there too.

    Args:
        n_latent: Dimensions of z.
        hidden: Units of the encoder's hidden layers, with leaky ReLU and batch normalisation; the
            decoder's are the same, reversed.
        likelihood: "normal" for log-normalised values, as the authors do; "nb" for raw counts,
            with the library of each cell, which `predict_perturbation` makes better use of.
        beta: Weight of the divergence from the prior.
        dropout: Share of hidden units that is left out in each step of training.
        encoder: A stack of layers in the place of `hidden`; None makes one.
        decoder: The same for the decoder.
        learning_rate: Of Adam.
        batch_size: Cells per minibatch.
        patience: Epochs without a better held-out reconstruction before training stops.
        epochs: Passes over the cells.

    References:
        Lotfollahi et al. (2019), Nature Methods 16, 715.
    """
    layers = lambda units: mlp(*units, act="leaky_relu", norm="batch", dropout=dropout)
    return Recipe(
        name="scgen",
        encoders=(Encoder(encoder or layers(hidden), transform=transform(likelihood)),),
        latent=Gaussian(n_latent),
        decoders=(
            Decoder(
                decoder or layers(hidden[::-1]), head(likelihood), at_means=likelihood != "normal"
            ),
        ),
        terms=(NLL(), KL(weight=beta)),
        phases=(
            Phase(
                epochs,
                optimiser=Adam(learning_rate, eps=0.01, weight_decay=1e-6),
                batch_size=batch_size,
                stop=EarlyStopping(patience, "nll rna", restore=False),
            ),
        ),
    )
