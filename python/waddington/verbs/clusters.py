"""Groups of cells: those that a model was trained to find, or communities of its latent space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..cells import Cells, Minibatch
from ..communities import leiden, merged, neighbour_graph
from ..errors import InputError
from ..model import Model
from ..network import Network
from ..trace import Trace
from .ask import each, verb
from .latent import latent
from .shown import shown

ON = 1e-6
"""A unit is on if its activation is above this share of the largest.

References:
    Amodio et al. (2019), Nature Methods 16, 1139.
"""
MERGE = 0.25
"""Resolution at which codes are merged."""


@shown
@dataclass(frozen=True)
class Clusters:
    """Groups of cells.

    Attributes:
        cluster: The number of each cell's cluster, (cells,); 0 has most cells, -1 is none.
        method: "centres", "codes" or "communities".
        probabilities: How likely each cell is in each cluster, (cells, clusters); None where the
            method does not say.
    """

    cluster: np.ndarray
    method: str
    probabilities: np.ndarray | None = None


@verb("encoder")
def clusters(
    model: Model,
    cells: Cells,
    resolution: float | None = None,
    fewest: int | None = None,
    merge: bool = True,
    seed: int = 0,
) -> Clusters:
    """The cluster of each cell.

    A model with centres, as `cardec()`, assigns cells to those, so that a cluster has one meaning
    in all data. One with a code, as `saucie()`, groups cells by the units that are on, as if all
    were of one batch; codes that are neighbours in the latent space are merged. For other models,
    clusters are communities of the graph of neighbours in the latent space. Of the latter two,
    numbers mean something for the cells that were asked about together only.

    Args:
        model: The model.
        cells: An AnnData, or Cells; genes are matched by name.
        resolution: Higher finds more clusters; None is 0.25 for codes, 1 for communities.
        fewest: Codes of fewer cells are no cluster, -1; None is none. If codes are merged, they are
            counted after that.
        merge: Whether codes are merged.
        seed: Of the order in which cells are looked at.

    Raises:
        InputError: If the resolution is not positive.
    """
    if resolution is not None and not resolution > 0:
        raise InputError(f"resolution must be positive, got {resolution!r}", "resolution")
    if hasattr(model.recipe.latent, "centres"):
        p = each(model, cells, _memberships)
        order = np.argsort(-np.bincount(p.argmax(1), minlength=p.shape[1]), kind="stable")
        return Clusters(p[:, order].argmax(1), "centres", p[:, order])
    z = latent(model, cells)
    named = [t.code for t in model.recipe.terms if hasattr(t, "code")]
    if not named:
        found = leiden(neighbour_graph(z), 1.0 if resolution is None else resolution, seed)
        return Clusters(found, "communities")
    found = codes_of_cells(model, cells, named[0])
    if merge:
        found = merged(neighbour_graph(z), found, MERGE if resolution is None else resolution, seed)
    return Clusters(_large(found, fewest or 1), "codes")


def codes_of_cells(model: Model, cells: Cells, on: str) -> np.ndarray:
    """A number for each pattern of units of `on` that are on, (cells,)."""
    same = {c.covariate: 0 for c in model.recipe.conditions if c.covariate in model.levels}

    def activation(net: Network, m: Minibatch) -> Tensor:
        trace = Trace()
        net.decode(net.encode(m).loc, m.as_if(same), trace)
        return trace[on]

    top = each(model, cells, lambda net, m: activation(net, m).amax(-1)).max()
    units = each(model, cells, lambda net, m: activation(net, m) > ON * float(top))
    return np.unique(np.packbits(units, axis=1), axis=0, return_inverse=True)[1].ravel()


def _large(found: np.ndarray, fewest: int) -> np.ndarray:
    """Clusters by size, those of fewer cells -1."""
    size = np.bincount(found)
    place = np.argsort(np.argsort(-size, kind="stable"), kind="stable")
    return np.where(size[found] >= fewest, place[found], -1)


def _memberships(net: Network, m: Minibatch) -> Tensor:
    q: Any = net.encode(m)  # of a bottleneck with centres
    return q.memberships
