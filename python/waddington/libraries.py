"""The library size of a cell where it is not the total of its counts, but inferred from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from .cells import Cells, Dims, Levels, Minibatch
from .conditions import Table
from .latents import GaussianLatent, Posterior, kl_normal, log_normal
from .layers import mlp
from .parts import part
from .trace import Trace

LEAST_SD = 0.05
"""Smallest sd of log library sizes that the prior starts with."""


@part
class LatentLibrary:
    """log library ~ N(loc, sd) of each level of `by`, and q(log library | counts) is normal.

    The prior starts at the moments of log totals and is trained along. The total of a cell mixes
    how much was captured of it with what it expresses; where batches differ in both, an inferred
    library lets the model tell them apart.

    References:
        Lopez et al. (2018), Nature Methods 15, 1053.
    """

    by: str | None = None
    units: int = 128

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.by,) if self.by else ()

    def build(self, view: str, dims: Dims) -> LibraryNet:
        return LibraryNet(self, view, dims)


class LibraryNet(nn.Module):
    """See `LatentLibrary`; leaves "library", "library.kl" and "library.log_ratio" in the trace."""

    def __init__(self, spec: LatentLibrary, view: str, dims: Dims) -> None:
        super().__init__()
        self.view, self.by = view, spec.by
        self.stack = mlp(spec.units, norm="batch").build({view: dims.features[view]}, (), dims)
        self.latent = GaussianLatent(self.stack.width, 1)
        self.prior = Table(spec.by, dims, 2)  # loc and log sd

    def posterior(self, cells: Minibatch) -> Posterior:
        """q(log library | counts), (cells, 1); its mean is told as an offset from the log total."""
        rows = {self.view: cells.views[self.view].map(torch.log1p)}
        q = self.latent(self.stack(rows, cells, Trace(), "library"))
        return Posterior(cells.library[self.view].log() + q.loc, q.scale)

    def forward(self, cells: Minibatch, trace: Trace) -> Minibatch:
        """The cells, with a library size that is drawn if z was, else at the posterior's median.

        One that was said stays as it is.
        """
        if self.view in cells.said:
            return cells
        q = self.posterior(cells)
        drawn = "q" in trace and trace["z"] is not trace["q"].loc
        log = q.rsample() if drawn else q.loc
        loc, log_sd = self.prior(cells).chunk(2, -1)
        trace["library"], trace["library.kl"] = q, kl_normal(q, loc, log_sd.exp())
        trace["library.log_ratio"] = log_normal(log, loc, log_sd.exp()) - q.log_prob(log)
        return replace(cells, library={**cells.library, self.view: log.exp()})

    @torch.no_grad()
    def prepare(self, cells: Cells, levels: Levels) -> None:
        """Start at the totals, and at the moments of their logs."""
        total = np.log(np.maximum(np.asarray(cells.views[self.view].sum(1), dtype=float), 1))
        code = cells.codes(levels)[self.by] if self.by else np.zeros(len(cells), int)
        self.prior.fill(self._moments(total))
        for k in np.unique(code):
            if (code == k).sum() > 1:
                self.prior.blocks[0][k] = self._moments(total[code == k])
        out = self.latent.linear
        assert isinstance(out, nn.Linear)  # behind a stack
        out.weight.mul_(0.1)
        out.bias.copy_(torch.tensor([0.0, -2.0]))  # an sd of 0.13

    @staticmethod
    def _moments(log: np.ndarray) -> Tensor:
        return torch.tensor([log.mean(), np.log(max(log.std(), LEAST_SD))])
