"""From the name of a likelihood to a head, once."""

from ..contracts import HeadPart
from ..errors import InputError
from ..likelihoods import (
    Bernoulli,
    Multinomial,
    NegativeBinomial,
    NormalHead,
    Poisson,
    ZeroInflatedNegativeBinomial,
)

HEADS = {
    "nb": NegativeBinomial,
    "zinb": ZeroInflatedNegativeBinomial,
    "poisson": Poisson,
    "normal": NormalHead,
    "bernoulli": Bernoulli,
    "multinomial": Multinomial,
}
LOG1P = ("nb", "zinb", "poisson", "multinomial")
"""Likelihoods of counts, which encoders read as log(1 + count)."""


def head(likelihood: str, dispersion: str = "gene", library: str = "observed") -> HeadPart:
    """The head of that name.

    Raises:
        InputError: If there is none.
    """
    if likelihood not in HEADS:
        raise InputError(
            f"likelihood must be one of {', '.join(HEADS)}, got {likelihood!r}", "likelihood"
        )
    if likelihood in ("nb", "zinb"):
        return HEADS[likelihood](dispersion=dispersion, library=library)
    return HEADS[likelihood](library=library) if likelihood == "poisson" else HEADS[likelihood]()


def varying(dispersion: str, **columns: str | None) -> str:
    """The dispersion with the name of a column in the place of the word for it.

    Args:
        dispersion: As `head` takes it; "gene-batch" and the like say the word.
        **columns: The column of each word that a recipe has, such as batch="donor".

    Raises:
        InputError: If there is no such column.
    """
    word = dispersion.removeprefix("gene-")
    if word not in columns:
        return dispersion
    if columns[word] is None:
        told = f"dispersion={dispersion!r} needs a {word}; give {word}=, or write 'gene-' and"
        raise InputError(f"{told} the name of a column", "dispersion")
    return f"gene-{columns[word]}"


def transform(likelihood: str) -> str:
    """How an encoder reads the data that this likelihood describes."""
    return "log1p" if likelihood in LOG1P else "none"
