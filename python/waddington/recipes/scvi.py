"""scVI: a VAE of counts."""

from ..coders import Decoder, Encoder
from ..conditions import conditions
from ..latents import Gaussian
from ..layers import Stack, check_choice, mlp
from ..libraries import LatentLibrary
from ..parts import replace
from ..recipe import Recipe
from ..scales import Standardised
from ..terms import KL, NLL
from .heads import head, varying
from .schedule import PEAK, training, warm


def scvi(
    batch: str | tuple[str, ...] | None = None,
    covariates: tuple[str, ...] = (),
    n_latent: int = 10,
    n_hidden: int = 128,
    n_layers: int = 1,
    likelihood: str = "nb",
    dispersion: str = "gene",
    library: str = "observed",
    dropout: float = 0.1,
    warm_up: float = 0.25,
    encode_covariates: bool = False,
    inject: str = "every",
    n_embedding: int = 0,
    standardise: bool = False,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    learning_rate: float = PEAK,
    epochs: int | None = None,
    schedule: str = "one-cycle",
) -> Recipe:
    """counts ~ NB(library * softmax(f(z, batch)), theta), z ~ N(0, 1).

    Args:
        batch: A categorical column whose effect is to stay out of z, or several; None is none.
        covariates: Continuous columns, given to the decoder likewise.
        n_latent: Dimensions of z.
        n_hidden: Units of each hidden layer.
        n_layers: Hidden layers of the encoder, and of the decoder.
        likelihood: "nb"; "zinb" where there are more zeros than counts of this depth explain,
            which is rare for UMIs; or "poisson".
        dispersion: Whether theta is one number per "gene", per gene and level of the (first) batch
            ("gene-batch") or of another column ("gene-" and its name), or per "gene-cell".
        library: The "observed" total of a cell; "latent", inferred, with a log-normal prior for
            each level of the (first) batch; a "size_factor" of yours; or "none".
        dropout: Share of the encoder's hidden units that is left out in each step of training.
        warm_up: Fraction of the run in which the weight of the divergence grows from 0 to 1.
        encode_covariates: Whether the encoder sees batch and covariates too.
        inject: Whether "every" layer receives them, or the "first" of each stack only.
        n_embedding: Dimensions of the learnt points that stand for levels, the same for all layers;
            0 gives each level a row of its own in every layer. For hundreds of levels.
        standardise: Whether the encoder reads log shares standardised within levels of the (first)
            batch, in the place of log counts: batches mix better, and rare genes count as much as
            others, at two to three times the time per update. It also takes away how batches
            differ in composition. A batch that is mapped later has the scale of all cells.
        encoder: A stack of layers in the place of `n_hidden` and `n_layers`; None makes one.
        decoder: The same for the decoder.
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.
        schedule: "one-cycle"; or "scvi-tools", which is that package's for comparisons, and wants a
            learning_rate of 0.001.

    References:
        Lopez et al. (2018), Nature Methods 15, 1053.
    """
    check_choice(inject, ("every", "first"), "inject")
    check_choice(library, ("observed", "latent", "size_factor", "none"), "library")
    units = (n_hidden,) * n_layers
    encoder = encoder or mlp(*units, norm="batch", dropout=dropout)
    decoder = decoder or mlp(*units, norm="batch")
    encoder = replace(encoder, inject=inject if encode_covariates else None)
    varies = varying(dispersion, batch=first_of(batch))
    size = _inferred(library, batch, n_hidden)
    counted = head(likelihood, varies, "observed" if size else library)
    told = Decoder(replace(decoder, inject=inject), counted, library=size)
    return Recipe(
        name="scvi",
        encoders=(Encoder(encoder, scale=Standardised(first_of(batch)) if standardise else None),),
        latent=Gaussian(n_latent),
        decoders=(told,),
        conditions=conditions(batch, covariates, n_embedding),
        terms=(NLL(), KL(weight=warm(1.0, warm_up, schedule)), *([KL("library")] if size else ())),
        phases=training(learning_rate, epochs, schedule),
    )


def _inferred(
    library: str, batch: str | tuple[str, ...] | None, units: int
) -> LatentLibrary | None:
    """The library that "latent" stands for; its prior is by the first batch."""
    return LatentLibrary(first_of(batch), units) if library == "latent" else None


def first_of(batch: str | tuple[str, ...] | None) -> str | None:
    """The first of several columns."""
    return (batch if isinstance(batch, str) else next(iter(batch or ()), None)) or None
