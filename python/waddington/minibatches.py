"""From a data set to the minibatches of an epoch, without a dense copy of anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from .cells import Cells, Levels, Minibatch, Rows

CPU = torch.device("cpu")
BLOCK_VALUES = 2_000_000
"""Stored values gathered at a time: 24 MB, whatever the number of genes."""


@dataclass(frozen=True)
class Coded:
    """Cells whose covariates are codes: what minibatches are cut from."""

    cells: Cells
    codes: Mapping[str, Tensor]

    @classmethod
    def of(cls, cells: Cells, levels: Levels) -> Coded:
        """Cells, coded by a model's levels."""
        return cls(cells, {k: torch.from_numpy(v) for k, v in cells.codes(levels).items()})

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def block(self) -> int:
        """How many cells have about BLOCK_VALUES stored values."""
        stored = sum(x.nnz for x in self.cells.views.values()) / max(1, len(self))
        return int(min(8192, max(64, BLOCK_VALUES / max(1.0, stored))))

    def gather(self, index: np.ndarray, device: torch.device) -> Minibatch:
        """A block of cells in memory of their own, in the order of `index`."""
        c, i = self.cells, torch.from_numpy(index)
        ones = np.ones(len(index), bool)
        views = {k: _rows(x, index) for k, x in c.views.items()}
        block = Minibatch(
            views=views,
            library={k: _totals(x) for k, x in views.items()},
            codes={k: v[i] for k, v in self.codes.items()},
            present={
                k: torch.from_numpy(c.present[k][index] if k in c.present else ones)
                for k in c.views
            },
            index=i,
            values={k: torch.from_numpy(v[index]).float() for k, v in c.values.items()},
            size_factor=torch.ones(len(index), 1)
            if c.size_factor is None
            else torch.from_numpy(c.size_factor[index]).float()[:, None],
        )
        return block if device.type == "cpu" else _pinned(block, device).to(device)


def minibatches(
    data: Cells | Coded,
    levels: Levels,
    size: int,
    order: np.ndarray | None = None,
    *,
    device: torch.device = CPU,
    skip: int = 0,
) -> Iterator[Minibatch]:
    """Cut cells into minibatches, in `order`; none has a single cell, unless there is just one.

    Rows are gathered (and moved to the device) a block at a time; a minibatch is a slice of it.

    Args:
        data: The cells.
        levels: The model's levels; not needed if the cells are coded.
        size: Cells per minibatch.
        order: Which cells, in which order; None is all of them as they are.
        device: Where networks are.
        skip: Minibatches to leave out at the start.
    """
    coded = data if isinstance(data, Coded) else Coded.of(data, levels)
    order = np.arange(len(coded)) if order is None else order
    cuts = cut(len(order), size)[skip:]
    per_block = max(1, coded.block // size)
    for k in range(0, len(cuts), per_block):
        here = cuts[k : k + per_block]
        start = here[0][0]
        block = coded.gather(order[start : here[-1][1]], device)
        bounds = {v: _bounds(coded, order, here, v) for v in block.views}
        for j, (a, b) in enumerate(here):
            yield _slice(block, a - start, b - start, {v: x[j : j + 2] for v, x in bounds.items()})


def shuffled(codes: Sequence[np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
    """A random order of n cells; with codes, their levels are spread evenly along it."""
    key = rng.random(n)
    for level in np.unique(np.stack(codes), axis=1).T if codes else ():
        mine = np.flatnonzero(np.all(np.stack(codes).T == level, axis=1))
        key[mine] = (rng.permutation(len(mine)) + rng.random()) / len(mine)
    return np.argsort(key)


def cut(n: int, size: int) -> list[tuple[int, int]]:
    """Bounds of minibatches; a lonely last cell joins the one before it."""
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True)) if n else []


def _rows(x: sparse.csr_matrix, index: np.ndarray) -> Rows:
    x = x[index]
    values = x.data if x.data.dtype in (np.float32, np.float64) else x.data.astype(np.float32)
    return Rows(
        torch.from_numpy(x.indptr.astype(np.int64)),
        torch.from_numpy(x.indices.astype(np.int64)),
        torch.from_numpy(values).to(torch.get_default_dtype()),
        x.shape[1],
    )


def _totals(rows: Rows) -> Tensor:
    total = rows.values.new_zeros(len(rows)).index_add_(0, rows.row, rows.values)
    return total.clamp_(min=1)[:, None]


def _bounds(
    coded: Coded, order: np.ndarray, cuts: Sequence[tuple[int, int]], view: str
) -> list[int]:
    """Where each minibatch of a block starts among its stored values, known without the device."""
    start, stop = cuts[0][0], cuts[-1][1]
    stored = np.diff(coded.cells.views[view].indptr)[order[start:stop]]
    ends = np.concatenate([[0], np.cumsum(stored)])
    return [int(ends[a - start]) for a, _ in cuts] + [int(ends[stop - start])]


def _slice(block: Minibatch, a: int, b: int, bounds: Mapping[str, Sequence[int]]) -> Minibatch:
    cut_all = lambda part: {k: v[a:b] for k, v in part.items()}
    views = {}
    for k, x in block.views.items():
        lo, hi = bounds[k]
        rows = Rows(x.indptr[a : b + 1] - lo, x.indices[lo:hi], x.values[lo:hi], x.n_features)
        views[k] = rows
    return Minibatch(
        views,
        cut_all(block.library),
        cut_all(block.codes),
        cut_all(block.present),
        block.index[a:b],
        cut_all(block.values),
        block.size_factor[a:b],
    )


def _pinned(block: Minibatch, device: torch.device) -> Minibatch:
    """The block in page-locked memory where that lets a copy to the device run by itself."""
    if device.type != "cuda":
        return block
    pin = lambda x: x.pin_memory()
    pinned = {
        k: Rows(*map(pin, (x.indptr, x.indices, x.values)), x.n_features)
        for k, x in block.views.items()
    }
    some = {
        k: {name: pin(x) for name, x in getattr(block, k).items()}
        for k in ("library", "codes", "present", "values")
    }
    return Minibatch(
        pinned,
        some["library"],
        some["codes"],
        some["present"],
        pin(block.index),
        some["values"],
        pin(block.size_factor),
    )
