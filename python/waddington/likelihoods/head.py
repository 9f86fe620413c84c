"""The module of a head part: its linear maps and its tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..cells import Cells, Dims, Minibatch
from ..conditions import Modules, Shift, Table
from ..contracts import ConditionPart, Distribution, HeadPart
from ..layers import Linear


class Head(nn.Module):
    """The maps and tables of a head part.

    Args:
        spec: The part.
        n_in: Width of h.
        n_features: Features of the view.
        dims: The sizes of the network.
        conditions: What the maps receive besides h, where no layer before them does.
    """

    def __init__(
        self,
        spec: HeadPart,
        n_in: int,
        n_features: int,
        dims: Dims,
        conditions: Sequence[ConditionPart] = (),
    ) -> None:
        super().__init__()
        self.spec = spec
        self.maps = Modules({k: Linear(n_in, n_features) for k in spec.maps()})
        self.shifts = Modules(
            {k: Shift(conditions, n_features, dims) for k in spec.maps() if conditions}
        )
        self.tables = Modules({k: Table(by, dims, n_features) for k, by in spec.tables().items()})

    def forward(self, h: Tensor, cells: Minibatch, view: str) -> Distribution:
        """The distribution of the data of `view`, from h (cells, n_in)."""
        values = {k: f(h) for k, f in self.maps.items()}
        values |= {k: shift(values[k], cells) for k, shift in self.shifts.items()}
        values |= {k: table(cells) for k, table in self.tables.items()}
        size = None if self.spec.library == "none" else cells.size(view, self.spec.library)
        return self.spec.distribution(library=size, **values)

    @torch.no_grad()
    def start(self, cells: Cells, view: str) -> None:
        """Start at the trivial model of the cells that have `view`; see also a head's `lift`."""
        data = cells.views[view]
        here = np.asarray(cells.present.get(view, np.ones(data.shape[0], bool)))
        data = data if here.all() else data[here]
        values = self.spec.start(data, _sizes(cells, view, self.spec.library)[here])
        lift = getattr(self.spec, "lift", {})
        for name, row in values.items():
            if name in self.tables:
                self.tables[name].fill(torch.as_tensor(row + lift.get(name, 0.0)))
            else:
                self.maps[name].bias.copy_(torch.as_tensor(row))


def _sizes(cells: Cells, view: str, library: str) -> np.ndarray:
    """What multiplies a decoded mean, (cells, 1)."""
    if library == "observed":
        return np.maximum(np.asarray(cells.views[view].sum(1), dtype=float), 1)
    if library == "size_factor" and cells.size_factor is not None:
        return np.asarray(cells.size_factor, dtype=float)[:, None]
    return np.ones((len(cells), 1))
