"""AutoZI: which genes have more zeros than a negative binomial makes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional as F

from ..cells import RNA, Minibatch, Rows
from ..likelihoods.dispersion import check_dispersion, maps_of, start_log_theta, tables_of
from ..likelihoods.negative_binomial import NBCounts
from ..likelihoods.rates import Rates, check_counts, check_library, start_logits
from ..likelihoods.zero_inflated import ZINBCounts
from ..parts import part, replace
from ..recipe import Recipe
from ..schedules import Schedule
from ..trace import Trace
from .heads import varying
from .schedule import PEAK
from .scvi import first_of, scvi

LEAST = 0.01
"""Smallest probability of an extra zero, so that a gene with any differs from one without."""
PRIOR = 0.5
"""Both parameters of the Beta prior of a gene's delta: most likely near 0 or near 1."""


def autozi(
    batch: str | tuple[str, ...] | None = None,
    covariates: tuple[str, ...] = (),
    n_latent: int = 10,
    n_hidden: int = 128,
    n_layers: int = 1,
    dispersion: str = "gene",
    library: str = "observed",
    n_cells: int = 3000,
    dropout: float = 0.1,
    warm_up: float = 0.25,
    learning_rate: float = PEAK,
    epochs: int | None = None,
    schedule: str = "one-cycle",
) -> Recipe:
    """counts ~ delta NB + (1 - delta) ZINB with a delta for each gene, delta ~ Beta(1/2, 1/2).

    Genes with hardly any counts can't be decided, and stay near the prior. `zero_inflation()` tells
    what was found. The posterior of delta is logistic-normal here, where the paper's is a Beta.

    Args:
        batch: A categorical column whose effect is to stay out of z, or several; None is none.
        covariates: Continuous columns, given to the decoder likewise.
        n_latent: Dimensions of z.
        n_hidden: Units of each hidden layer.
        n_layers: Hidden layers of the encoder, and of the decoder.
        dispersion: "gene", "gene-cell", "gene-batch", or "gene-" and the name of another column.
        library: The "observed" total of a cell, a "size_factor" of yours, or "none".
        n_cells: About how many cells there are: the prior of delta counts once, not once per cell.
        dropout: Share of the encoder's hidden units that is left out in each step of training.
        warm_up: Fraction of the run in which the weight of the divergence grows from 0 to 1.
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.
        schedule: "one-cycle"; or "scvi-tools", which is that package's for comparisons, and wants a
            learning_rate of 0.001.

    References:
        Clivio et al. (2019), bioRxiv 794875.
    """
    base = scvi(
        batch, covariates, n_latent, n_hidden, n_layers, dispersion=dispersion, library=library,
        dropout=dropout, warm_up=warm_up, learning_rate=learning_rate, epochs=epochs,
        schedule=schedule,
    )  # fmt: skip
    (decoder,) = base.decoders
    varies = varying(dispersion, batch=first_of(batch))
    decoder = replace(decoder, head=PerhapsInflated(varies, library))
    terms = (*base.terms, SharedKL(weight=1.0 / n_cells))
    return replace(base, name="autozi", decoders=(decoder,), terms=terms)


@part
class SharedKL:
    """Divergence of what all cells share from its prior; its weight is one over their number."""

    of: str = RNA
    weight: Schedule = 1.0

    @property
    def name(self) -> str:
        return f"shared kl {self.of}"

    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor:
        return trace[f"{self.of}.shared_kl"]


@dataclass(frozen=True)
class PerhapsZINB:
    """Counts with extra zeros in those genes that have them.

    Attributes:
        present: The negative binomial, (cells, genes).
        extra: Logits of an extra zero, if the gene has them, (cells, genes).
        loc, log_sd: Of logit delta, (1, genes).
        drawn: A draw of logit delta, (1, genes).
    """

    present: NBCounts
    extra: Tensor
    loc: Tensor
    log_sd: Tensor
    drawn: Tensor

    @property
    def logits(self) -> Tensor:
        """What the decoder said of the expected counts, (cells, genes)."""
        return self.present.logits

    @property
    def frequency(self) -> Tensor:
        """Expected share of the library but for extra zeros, (cells, genes)."""
        return self.present.frequency

    @property
    def expected(self) -> ZINBCounts:
        """With delta at its posterior mean; a mixture of an NB and a ZINB is a ZINB."""
        shrunk = self.loc / (1 + math.pi / 8 * (2 * self.log_sd).exp()).sqrt()
        return self._with(shrunk)

    @property
    def mean(self) -> Tensor:
        """Expected counts, (cells, genes)."""
        return self.expected.mean

    @property
    def variance(self) -> Tensor:
        """Variance of the counts, (cells, genes)."""
        return self.expected.variance

    @property
    def zero_prob(self) -> Tensor:
        """Extra-zero probability, (cells, genes)."""
        return self.expected.zero_prob

    @property
    def shared_kl(self) -> Tensor:
        """Divergence of the posterior of delta from its prior, summed over genes, in nats."""
        log_prior = PRIOR * (F.logsigmoid(self.drawn) + F.logsigmoid(-self.drawn))
        entropy = self.log_sd + 0.5 * math.log(2 * math.pi * math.e)
        return (-entropy - log_prior + math.log(math.pi)).sum()  # B(1/2, 1/2) is pi

    def log_prob(self, counts: Rows) -> Tensor:
        """Log probability of each cell, in nats, (cells,)."""
        return self._with(self.drawn).log_prob(counts)

    def sample(self) -> Tensor:
        """One draw, (cells, genes)."""
        return self.expected.sample()

    def _with(self, logit_delta: Tensor) -> ZINBCounts:
        p = torch.sigmoid(-logit_delta) * (LEAST + (1 - LEAST) * self.extra.sigmoid())
        p = p.clamp(1e-6, 1 - 1e-6)
        return ZINBCounts(self.present, p.log() - (-p).log1p())


@part
class PerhapsInflated:
    """A negative binomial, or one with extra zeros: each gene decides.

    Args:
        dispersion: What theta varies by, as in `NegativeBinomial`.
        library: What multiplies the mean, as in `NegativeBinomial`.
    """

    dispersion: str = "gene"
    library: str = "observed"
    counts: ClassVar[bool] = True

    def check(self) -> None:
        check_dispersion(self.dispersion)
        check_library(self.library)

    def maps(self) -> tuple[str, ...]:
        return ("logits", "extra", *maps_of(self.dispersion))

    def tables(self) -> Mapping[str, str | None]:
        return {**tables_of(self.dispersion), "delta_loc": None, "delta_log_sd": None}

    def start(self, data: sparse.csr_matrix, library: np.ndarray) -> Mapping[str, np.ndarray]:
        """The trivial negative binomial, (features,) each; delta is undecided."""
        logits = start_logits(data, library)
        theta = start_log_theta(data, library, logits)
        same = {k: np.zeros(len(logits)) for k in ("extra", "delta_loc", "delta_log_sd")}
        return {"logits": logits, "log_theta": theta, **same}

    def validate(self, data: sparse.csr_matrix) -> None:
        check_counts(data, "the zero-inflated negative binomial")

    def distribution(
        self,
        library: Tensor | None,
        logits: Tensor,
        extra: Tensor,
        log_theta: Tensor,
        delta_loc: Tensor,
        delta_log_sd: Tensor,
    ) -> PerhapsZINB:
        present = NBCounts(Rates.of(logits, library, self.library), log_theta)
        drawn = delta_loc + delta_log_sd.exp() * torch.randn_like(delta_loc)
        return PerhapsZINB(present, extra, delta_loc, delta_log_sd, drawn)
