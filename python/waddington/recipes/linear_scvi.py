"""scVI with a linear decoder: every latent dimension has a loading for each gene."""

from ..layers import Stack
from ..parts import replace
from ..recipe import Recipe
from .schedule import PEAK
from .scvi import scvi


def linear_scvi(
    batch: str | tuple[str, ...] | None = None,
    covariates: tuple[str, ...] = (),
    n_latent: int = 10,
    n_hidden: int = 128,
    n_layers: int = 1,
    likelihood: str = "nb",
    dispersion: str = "gene",
    dropout: float = 0.1,
    warm_up: float = 0.25,
    learning_rate: float = PEAK,
    epochs: int | None = None,
) -> Recipe:
    """counts ~ NB(library * softmax(W z + batch), theta), z ~ N(0, 1).

    Loadings W are log-fold changes of a gene's share per unit of z; a constant added to all genes
    of a dimension changes nothing.

    Args:
        batch: A categorical column whose effect is to stay out of z, or several; None is none.
        covariates: Continuous columns, given to the decoder likewise.
        n_latent: Dimensions of z.
        n_hidden: Units of each hidden layer of the encoder.
        n_layers: Hidden layers of the encoder.
        likelihood: "nb", "zinb" or "poisson".
        dispersion: "gene", "gene-cell", "gene-batch", or "gene-" and the name of another column.
        dropout: Share of the encoder's hidden units that is left out in each step of training.
        warm_up: Fraction of the run in which the weight of the divergence grows from 0 to 1.
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.

    References:
        Svensson et al. (2020), Bioinformatics 36, 3418.
    """
    base = scvi(
        batch, covariates, n_latent, n_hidden, n_layers, likelihood, dispersion,
        dropout=dropout, warm_up=warm_up, learning_rate=learning_rate, epochs=epochs,
    )  # fmt: skip
    (decoder,) = base.decoders
    linear = replace(decoder, stack=Stack((), inject="every"))
    return replace(base, name="linear_scvi", decoders=(linear,))
