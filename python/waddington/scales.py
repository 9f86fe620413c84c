"""Expression on one scale: standardised within the levels of a covariate, yet sparse."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from .cells import Cells, Dims, Levels, Minibatch
from .layers import Offset
from .parts import part

PER = 1e4
"""Counts per cell that shares are told of."""
MOST = 10.0
"""No standardised value is larger."""


@part
class Standardised:
    """z-scores within the levels of `by`, of log(1 + counts per 10,000) or of the data as they are.

    Means and sds are those of the training. Levels that came later have those of all its cells.

    Attributes:
        by: A categorical covariate; None standardises over all cells.
        shares: Whether the data are counts, of which log shares are taken.
    """

    by: str | None = None
    shares: bool = True

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.by,) if self.by else ()

    def build(self, view: str, dims: Dims) -> Scales:
        return Scales(self, view, dims)


class Scales(nn.Module):
    """See `Standardised`.

    Attributes:
        loc, sd: (levels + 1, features); the last row is that of all cells.
    """

    per_gene: tuple[str, ...] = ("loc", "sd")
    loc: Tensor
    sd: Tensor

    def __init__(self, spec: Standardised, view: str, dims: Dims) -> None:
        super().__init__()
        self.spec, self.view = spec, view
        self.n = dims.levels[spec.by][0] if spec.by else 0
        self.register_buffer("loc", torch.zeros(self.n + 1, dims.features[view]))
        self.register_buffer("sd", torch.ones(self.n + 1, dims.features[view]))

    def level(self, cells: Minibatch) -> Tensor:
        """The row of each cell, (cells,)."""
        if not self.spec.by:
            return torch.zeros_like(cells.index)
        code = cells.codes[self.spec.by]
        return torch.where(code < 0, self.n, code.clamp(max=self.n))

    def forward(self, cells: Minibatch, keep: Tensor | None = None) -> Offset:
        """z-scores, (cells, features), as a sparse part and one for each level.

        Args:
            cells: The cells.
            keep: Features that are wanted, (features,) bool; the others are 0.
        """
        x, level = cells.views[self.view], self.level(cells)
        scale = 1 / self.sd if keep is None else keep / self.sd
        if self.spec.shares:
            size = PER / cells.library[self.view][:, 0]
            x = x.map(lambda v: (v * size[x.row]).log1p())
        top, here = self.loc + MOST * self.sd, level[x.row]
        scaled = lambda v: torch.minimum(v, top[here, x.indices]) * scale[here, x.indices]
        return Offset(x.map(scaled), -self.loc * scale, level)

    @torch.no_grad()
    def prepare(self, cells: Cells, levels: Levels) -> None:
        """Learn means and sds; a gene that does not vary within a level keeps its units there."""
        x = self.values(cells.views[self.view])
        code = cells.codes(levels)[self.spec.by] if self.spec.by else np.zeros(len(cells), int)
        for k in range(self.n + 1):
            some = x[code == k] if k < self.n else x
            if some.shape[0]:
                loc, sd = _moments(some)
                self.loc[k], self.sd[k] = torch.from_numpy(loc), torch.from_numpy(sd)

    def values(self, data: sparse.csr_matrix) -> sparse.csr_matrix:
        """What is standardised, (cells, features)."""
        x = sparse.csr_matrix(data, dtype=np.float64)
        if not self.spec.shares:
            return x
        return sparse.csr_matrix(x.multiply(PER / np.maximum(np.asarray(x.sum(1)), 1.0))).log1p()


def _moments(x: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of each feature; an sd of nothing is 1."""
    loc, square = (np.asarray(a.mean(0)).ravel() for a in (x, x.multiply(x)))
    sd = np.sqrt(np.maximum(square - loc**2, 0))
    return loc, np.where(sd > 1e-6, sd, 1.0)
