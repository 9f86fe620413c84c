"""SAUCIE: two dimensions to look at, clusters from a layer that is on or off, batches aligned."""

from __future__ import annotations

from ..cluster_terms import Entropy, WithinCode
from ..coders import Decoder, Encoder
from ..conditions import conditions
from ..latents import Point
from ..layers import Dense, Stack, mlp
from ..optim import Adam
from ..recipe import Phase, Recipe
from ..schedules import OneCycle
from ..terms import MMD, NLL
from .heads import head, transform

WIDTHS = tuple(10 ** (i / 3) for i in range(-9, 10))
"""Of the kernel that compares batches: an embedding has no scale of its own."""


def saucie(
    batch: str | None = None,
    n_latent: int = 2,
    hidden: tuple[int, ...] = (512, 256, 128),
    likelihood: str = "normal",
    entropy: float = 5.0,
    within: float = 30.0,
    mmd: float = 3.0,
    learning_rate: float = 2e-3,
    epochs: int | None = None,
) -> Recipe:
    """data ~ N(f(z), 1), z a point in the plane; f's last layer is a code of the cell's cluster.

    `latent()` is the embedding, `clusters()` the clusters, `denoise()` the imputed data, and with a
    batch `denoise(batch = )` the corrected ones. The paper corrects batches and finds clusters with
    two models, and keeps batches of the decoder; here both are one model, and layers are told the
    batch, so that a code is read as if every cell were of one batch. Weights are on this package's
    scale, a sum over genes: the paper's lambda is of a mean, half the number of genes times as
    much.

    Args:
        batch: A categorical column whose levels are aligned in z; None aligns nothing.
        n_latent: Dimensions of z.
        hidden: Units of the encoder's hidden layers; the decoder's are the same, reversed, so that
            the code is as wide as the first.
        likelihood: "normal" for log-normalised values; "nb", "zinb" or "poisson" for raw counts.
        entropy: Weight of the entropy of the code; more of it leaves fewer units, and clusters.
        within: Weight of the distance between the data of cells of like code.
        mmd: Weight of the discrepancy between batches, which is summed over pairs of them. It mixes
            types that one batch lacks, too; ten times as much leaves nothing of eight batches.
        learning_rate: Of Adam, at the peak of its cycle.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.

    References:
        Amodio et al. (2019), Nature Methods 16, 1139.
    """
    read, code = transform(likelihood), f"rna.decoder.{len(hidden) - 1}"
    back = mlp(*hidden[:0:-1], act="leaky_relu").layers
    terms = (NLL(), Entropy(code, weight=entropy), WithinCode(code, transform=read, weight=within))
    return Recipe(
        name="saucie",
        encoders=(Encoder(mlp(*hidden, act="leaky_relu", inject="first"), transform=read),),
        latent=Point(n_latent),
        decoders=(Decoder(Stack((*back, Dense(hidden[0])), "first"), head(likelihood)),),
        conditions=conditions(batch),
        terms=(*terms, MMD("z", batch, mmd, WIDTHS)) if batch else terms,
        phases=(
            Phase(
                epochs,
                optimiser=Adam(OneCycle(learning_rate)),
                spread=(batch,) if batch else (),
                stop=None,
            ),
        ),
    )
