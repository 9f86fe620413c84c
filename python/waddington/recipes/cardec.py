"""CarDEC: genes of high and of low variance apart, standardised within batches, and centres."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from ..cells import RNA, Cells, Dims, Levels, Minibatch
from ..cluster_terms import SelfTraining
from ..communities import divided
from ..contracts import ConditionPart, LatentPart
from ..errors import InputError
from ..genes import variable_genes
from ..latents import Posterior
from ..layers import Linear, SparseLinear
from ..likelihoods.normal import NormalData
from ..likelihoods.rates import check_finite
from ..optim import Adam
from ..parts import part
from ..recipe import EarlyStopping, Phase, Recipe
from ..scales import Scales, Standardised
from ..schedules import OneCycle
from ..terms import NLL
from ..trace import Trace

SEED = 17
"""Of the clustering that centres start from."""


def cardec(
    batch: str | None = None,
    n_clusters: int = 10,
    n_variable: int = 2000,
    n_latent: int = 32,
    n_hidden: int = 128,
    clustering: float = 100.0,
    learning_rate: float = 2e-3,
    pretraining: int | None = None,
    epochs: int | None = None,
) -> Recipe:
    """z-scores within batches ~ N(f(z), 1); cells are drawn to the nearest of some centres in z.

    For log-normalised values. Genes of high and of low variance have codes of their own; the first
    half of z is that of the former, and what to embed and cluster. Both decode the genes of low
    variance. Autoencoders are trained first; then centres, which start as communities of the cells,
    pull, and `clusters()` tells whose pull is strongest. `denoise(batch = )` returns log expression
    of all genes on the scale of one batch.

    Standardising within batches takes away how batches differ in composition, too. There will be
    `n_clusters` clusters whether there are as many kinds of cells or not. A batch that was not
    trained on can't be asked about.

    Args:
        batch: The categorical column within whose levels genes are standardised; None is over all.
        n_clusters: Centres.
        n_variable: Genes of high variance; half of all genes if there are fewer than twice as many.
        n_latent: Dimensions of each of the two codes; z has twice as many.
        n_hidden: Units of the hidden layer of each encoder and decoder.
        clustering: Weight of the divergence from sharper assignments. The paper's 1 is beside a
            mean over genes: half their number here.
        learning_rate: Of Adam, at the peak of its cycle; a quarter of it once centres pull.
        pretraining: Passes over the cells before; None is as many as make 3,000 updates, 8 to 400.
        epochs: Passes over the cells with centres; None is as many as make 3,000 updates, 8 to 400.

    References:
        Lakkis et al. (2021), Genome Research 31, 1753; Xie et al. (2016), ICML.
    """
    for name, value, least in (("n_clusters", n_clusters, 2), ("n_variable", n_variable, 1)):
        if value < least:
            raise InputError(f"{name} must be at least {least}, got {value!r}", name)
    rate = lambda peak: Adam(OneCycle(peak))
    return Recipe(
        name="cardec",
        encoders=(Branches(batch, n_variable, n_hidden),),
        latent=Centres(2 * n_latent, n_clusters),
        decoders=(BranchesBack(ZScored(batch), n_variable, n_hidden),),
        terms=(NLL(), SelfTraining(weight=clustering)),
        phases=(
            Phase(pretraining, optimiser=rate(learning_rate)),
            Phase(epochs, optimiser=rate(learning_rate / 4), stop=EarlyStopping(20, f"nll {RNA}")),
        ),
    )


class Genes(Scales):
    """Scales of log expression, and which genes vary much within batches, (genes,) bool."""

    per_gene = (*Scales.per_gene, "high")
    high: Tensor

    def __init__(self, batch: str | None, n_variable: int, dims: Dims) -> None:
        super().__init__(Standardised(batch, shares=False), RNA, dims)
        self.n_variable = n_variable
        self.register_buffer("high", torch.zeros(dims.features[RNA], dtype=torch.bool))

    def prepare(self, cells: Cells, levels: Levels) -> None:
        """Learn both."""
        super().prepare(cells, levels)
        x, by = self.values(cells.views[RNA]), self.spec.by
        code = cells.codes(levels)[by] if by else None
        most = max(1, min(self.n_variable, x.shape[1] // 2))
        self.high[variable_genes(x, most, code)] = True


class Reader(nn.Module):
    """relu(W z + b) of the z-scores of the genes of high variance, or of the others."""

    def __init__(self, high: bool, n_genes: int, units: int) -> None:
        super().__init__()
        self.high, self.linear = high, SparseLinear({RNA: n_genes}, units)

    def forward(self, cells: Minibatch, genes: Genes) -> Tensor:
        """(cells, units)."""
        wanted = genes.high if self.high else ~genes.high
        return torch.relu(self.linear({RNA: genes(cells, wanted)}))


@part
class Branches:
    """Two encoders, of genes of high and of low variance, standardised within batches."""

    batch: str | None = None
    n_variable: int = 2000
    units: int = 128
    reads: tuple[str, ...] = (RNA,)

    @property
    def name(self) -> str:
        return RNA

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.batch,) if self.batch else ()

    def build(
        self, latent: LatentPart, conditions: Sequence[ConditionPart], dims: Dims
    ) -> BranchesNet:
        return BranchesNet(self, latent, dims)


class BranchesNet(nn.Module):
    """See `Branches`."""

    def __init__(self, spec: Branches, latent: LatentPart, dims: Dims) -> None:
        super().__init__()
        self.scales = Genes(spec.batch, spec.n_variable, dims)
        genes = dims.features[RNA]
        self.readers = nn.ModuleList(Reader(high, genes, spec.units) for high in (True, False))
        self.latent = latent.build(2 * spec.units)

    def forward(self, cells: Minibatch, trace: Trace) -> Posterior:
        """A point, (cells, n)."""
        return self.latent(torch.cat([f(cells, self.scales) for f in self.readers], -1))


@dataclass(frozen=True)
class Clustered(Posterior):
    """Points, and how strongly centres pull at the first half of their dimensions.

    Attributes:
        centres: (centres, n / 2).
        found: 1, or 0 before there are any.
    """

    centres: Tensor = field(kw_only=True)
    found: Tensor = field(kw_only=True)

    @property
    def memberships(self) -> Tensor:
        """Shares of the pull of each centre, by a Student t kernel, (cells, centres)."""
        at = self.loc[:, : self.centres.shape[1]]
        square = (at[:, None] - self.centres).square().sum(-1)
        return (-square.log1p() * self.found).softmax(-1)


@part
class Centres:
    """A point of two halves, (-1, 1) each way, and centres among the first."""

    n: int = 64
    centres: int = 10
    prior: None = None

    def build(self, n_in: int) -> CentresLatent:
        return CentresLatent(self, n_in)


class CentresLatent(nn.Module):
    """See `Centres`; `found` is 0 until there are centres, and memberships are even so long."""

    found: Tensor

    def __init__(self, spec: Centres, n_in: int) -> None:
        super().__init__()
        self.high, self.low = (Linear(n_in // 2, spec.n // 2) for _ in "12")
        self.centres = nn.Parameter(0.1 * torch.randn(spec.centres, spec.n // 2))
        self.register_buffer("found", torch.zeros(()))

    def forward(self, h: Tensor) -> Clustered:
        """From both encoders' outputs side by side, (cells, n_in)."""
        high, low = h.chunk(2, -1)
        loc = torch.cat([self.high(high), self.low(low)], -1).tanh()
        return Clustered(loc, centres=self.centres, found=self.found)

    @torch.no_grad()
    def settle(self, phase: int, positions: Callable[[], np.ndarray]) -> None:
        """After the first phase, centres are the means of communities of the cells."""
        if phase == 0 or self.found:
            return
        n, width = self.centres.shape
        z = positions()[:, :width]
        means = divided(z, n, SEED)
        self.centres.copy_(torch.from_numpy(means))
        self.found.fill_(1.0)


@part
class ZScored:
    """Real numbers whose z-scores within batches have a mean and sd 1."""

    batch: str | None = None
    counts: ClassVar[bool] = False
    library: ClassVar[str] = "none"

    @property
    def comparable(self) -> bool:
        """Whether the trivial model, which has the scales of all cells, can be scored beside."""
        return self.batch is None

    def maps(self) -> tuple[str, ...]:
        return ("mean",)

    def tables(self) -> Mapping[str, str | None]:
        return {"loc": self.batch, "log_sd": self.batch}

    def start(self, data: sparse.csr_matrix, library: np.ndarray) -> Mapping[str, np.ndarray]:
        """The trivial model: means and sds of all cells, (features,) each."""
        loc = np.asarray(data.mean(0), dtype=float).ravel()
        square = np.asarray(data.multiply(data).mean(0), dtype=float).ravel()
        sd = np.sqrt(np.maximum(square - loc**2, 0))
        return {"mean": np.zeros_like(loc), "loc": loc, "log_sd": np.log(np.where(sd > 0, sd, 1))}

    def validate(self, data: sparse.csr_matrix) -> None:
        check_finite(data)

    def distribution(
        self, library: Tensor | None, mean: Tensor, loc: Tensor, log_sd: Tensor
    ) -> NormalData:
        return NormalData(loc + log_sd.exp() * mean, None, log_sd)


@part
class BranchesBack:
    """Two decoders: genes of high variance from the first half of z, the others from all of it."""

    head: ZScored = ZScored()
    n_variable: int = 2000
    units: int = 128
    view: str = RNA

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> BranchesBackNet:
        return BranchesBackNet(self, n_in, dims)


class BranchesBackNet(nn.Module):
    """See `BranchesBack`."""

    def __init__(self, spec: BranchesBack, n_in: int, dims: Dims) -> None:
        super().__init__()
        self.spec, self.n, genes = spec, n_in // 2, dims.features[RNA]
        self.scales = Genes(spec.head.batch, spec.n_variable, dims)
        self.high, self.low = Linear(self.n, spec.units), Linear(n_in, spec.units)
        self.head = nn.ModuleDict({k: Linear(spec.units, genes) for k in ("high", "low")})

    def forward(self, z: Tensor, cells: Minibatch, trace: Trace) -> NormalData:
        """Log expression, (cells, genes), on the scale of each cell's batch."""
        high = self.head["high"](torch.relu(self.high(z[:, : self.n])))
        low = self.head["low"](torch.relu(self.low(z)))
        mean, level = torch.where(self.scales.high, high, low), self.scales.level(cells)
        loc, log_sd = self.scales.loc[level], self.scales.sd.log()[level]
        return self.spec.head.distribution(None, mean, loc, log_sd)
