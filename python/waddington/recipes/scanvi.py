"""scANVI: scVI with a prior that knows cell types, and a classifier on its latent space."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..cells import Dims, Minibatch
from ..coders import Decoder
from ..latents import Gaussian, GaussianLatent, Posterior, kl_normal, log_normal
from ..layers import Stack, mlp
from ..likelihoods import Categorical
from ..parts import part, replace
from ..recipe import Recipe
from ..terms import KL, NLL
from ..trace import Trace
from .heads import varying
from .schedule import PEAK, warm
from .scvi import scvi


def scanvi(
    labels: str = "cell_type",
    batch: str | tuple[str, ...] | None = None,
    covariates: tuple[str, ...] = (),
    n_latent: int = 30,
    n_hidden: int = 128,
    n_layers: int = 2,
    likelihood: str = "nb",
    dispersion: str = "gene",
    library: str = "observed",
    alpha: float = 50.0,
    dropout: float = 0.1,
    warm_up: float = 0.25,
    encode_covariates: bool = False,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    learning_rate: float = PEAK,
    epochs: int | None = None,
    schedule: str = "one-cycle",
) -> Recipe:
    """As scVI, and z ~ N(f(z2, y), g(z2, y)), z2 ~ N(0, 1), y uniform over the labels.

    Cells of unknown label ("") are summed over all labels, weighed by the classifier q(y | z).

    Args:
        labels: The column of labels; "" where unknown.
        batch: A categorical column whose effect is to stay out of z, or several; None is none.
        covariates: Continuous columns, given to the decoder likewise.
        n_latent: Dimensions of z.
        n_hidden: Units of each hidden layer.
        n_layers: Hidden layers of the encoder, and of the decoder.
        likelihood: "nb", "zinb" or "poisson".
        dispersion: "gene", "gene-cell", "gene-batch", "gene-label", or "gene-" and the name of
            another column.
        library: The "observed" total of a cell, "latent" (see `scvi()`), a "size_factor" of yours,
            or "none".
        alpha: Weight of the classification of labelled cells. A large one pulls types apart.
        dropout: Share of the encoder's hidden units that is left out in each step of training.
        warm_up: Fraction of the run in which the weight of z2 and y grows from 0 to 1.
        encode_covariates: Whether the encoder sees batch and covariates too.
        encoder: A stack of layers in the place of `n_hidden` and `n_layers`; None makes one.
        decoder: The same for the decoder.
        learning_rate: Of Adam, at the peak of its cycle; up to four times as much, in proportion,
            in runs of fewer than 120 epochs.
        epochs: Passes over the cells; None is as many as make 3,000 updates, 8 to 400.
        schedule: "one-cycle"; or "scvi-tools", which is that package's for comparisons, and wants a
            learning_rate of 0.001.

    References:
        Xu et al. (2021), Molecular Systems Biology 17, e9620.
    """
    dispersion = varying(dispersion, label=labels)
    base = scvi(
        batch, covariates, n_latent, n_hidden, n_layers, likelihood, dispersion, library,
        dropout, warm_up, encode_covariates, encoder=encoder, decoder=decoder,
        learning_rate=learning_rate, epochs=epochs, schedule=schedule,
    )  # fmt: skip
    weight = warm(1.0, warm_up, schedule)
    classifier = Decoder(mlp(n_hidden, dropout=dropout), Categorical(), view=labels)
    return replace(
        base,
        name="scanvi",
        latent=Gaussian(n_latent, TwoLevel(labels, n_hidden)),
        decoders=(*base.decoders, classifier),
        terms=(
            *(NLL(), KL("z"), KL("z2", weight), KL("y", weight), NLL(labels, alpha)),
            *base.terms[2:],
        ),
    )


@part
class TwoLevel:
    """z ~ N(f(z2, y), g(z2, y)), z2 ~ N(0, 1), y uniform; the labels' classifier is q(y | z)."""

    labels: str
    hidden: int = 128

    def build(self, n: int, dims: Dims) -> TwoLevelPrior:
        return TwoLevelPrior(self, n, sum(dims.levels[self.labels]))


class TwoLevelPrior(nn.Module):
    """See `TwoLevel`; leaves "z.kl", "z2.kl" and "y.kl" in the trace, (cells,) each."""

    def __init__(self, spec: TwoLevel, n: int, n_labels: int) -> None:
        super().__init__()
        self.spec, self.n, self.n_labels = spec, n, n_labels
        width = n + n_labels
        self.up, self.down = (
            nn.Sequential(nn.Linear(width, spec.hidden), nn.ReLU(), GaussianLatent(spec.hidden, n))
            for _ in "12"
        )

    def forward(self, q: Posterior, z: Tensor, trace: Trace) -> None:
        """From the posterior, a draw z of it and the classifier; draws nothing if z is the mean."""
        log_q_y = trace[self.spec.labels].logits.log_softmax(-1)
        q_y, y = log_q_y.exp(), self._each_label(z)
        q_z2 = self.up(torch.cat([_along(z, y), y], -1))
        z2 = q_z2.loc if z is q.loc else q_z2.rsample()
        p_z = self.down(torch.cat([z2, y], -1))
        trace["z.kl"] = q.log_prob(z) - (q_y * p_z.log_prob(z[:, None])).sum(-1)
        trace["z2.kl"] = (q_y * kl_normal(q_z2)).sum(-1)
        trace["y.kl"] = (q_y * log_q_y).sum(-1) + math.log(self.n_labels)

    def sample(self, cells: Minibatch) -> Tensor:
        """One z per cell, (cells, n), of a label at random."""
        like = cells.size_factor
        code = torch.randint(self.n_labels, (len(cells),), device=like.device)
        y = torch.eye(self.n_labels, device=like.device, dtype=like.dtype)[code]
        z2 = torch.randn(len(cells), self.n, device=like.device, dtype=like.dtype)
        return self.down(torch.cat([z2, y], -1)).rsample()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log of an unbiased estimate of the density at z, from one z2 per label, (cells,)."""
        y = self._each_label(z)
        q_z2 = self.up(torch.cat([_along(z, y), y], -1))
        z2 = q_z2.rsample()
        p_z = self.down(torch.cat([z2, y], -1))
        weight = log_normal(z2, 0.0, torch.ones_like(z2)) - q_z2.log_prob(z2)
        return (p_z.log_prob(z[:, None]) + weight).logsumexp(-1) - math.log(self.n_labels)

    def _each_label(self, z: Tensor) -> Tensor:
        """Every label for every cell, (cells, labels, labels)."""
        y = torch.eye(self.n_labels, device=z.device, dtype=z.dtype)
        return y.expand(len(z), -1, -1)


def _along(z: Tensor, y: Tensor) -> Tensor:
    return z[:, None].expand(-1, y.shape[1], -1)
