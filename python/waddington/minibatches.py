"""From a data set to the minibatches of an epoch, without a dense copy of anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from .cells import Cells, Levels, Minibatch, Rows
from .stream import FileRows, ahead, rows_at

Part = tuple[int, int]
"""Which of how many parts; those of a minibatch are shared by processes."""
WHOLE = (0, 1)

CPU = torch.device("cpu")
BLOCK_VALUES = 1_000_000
"""Stored values gathered at a time: 12 MB, whatever the number of genes."""
FEWEST, MOST = 64, 8192
"""Cells in a block."""
LARGEST = 31 << 20
"""Bytes of the largest block that the C library can be taught to keep."""
CHUNKS = 128
"""Runs of neighbouring cells that a block is made of, where the data are more than a block."""
LANES = 4
"""A minibatch takes as many cells from each quarter of a block: processes can read one each."""
RUNS = 2048
"""Held-out cells are single ones up to that many, then this many runs of neighbours."""


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
    def filed(self) -> bool:
        """Whether some view is in a file."""
        return any(isinstance(x, FileRows) for x in self.cells.views.values())

    @cached_property
    def block(self) -> int:
        """How many cells have about BLOCK_VALUES stored values."""
        stored = sum(x.nnz for x in self.cells.views.values()) / max(1, len(self))
        return int(min(MOST, max(FEWEST, BLOCK_VALUES / max(1.0, stored))))

    def per_block(self, size: int) -> int:
        """How many minibatches of that size are gathered at a time."""
        return max(1, self.block // size)

    def read(self, index: np.ndarray | slice) -> dict[str, sparse.csr_matrix]:
        """The rows of all views at `index`, in that order."""
        return {k: rows_at(x, index) for k, x in self.cells.views.items()}

    def gather(
        self, index: np.ndarray, rows: Mapping[str, sparse.csr_matrix], device: torch.device
    ) -> Minibatch:
        """All there is of the cells at `index`, of which `rows` were read, on a device."""
        c, i = self.cells, torch.from_numpy(index)
        ones = np.ones(len(index), bool)
        views = {k: _rows(x) for k, x in rows.items()}
        block = Minibatch(
            views=views,
            library={k: _totals(x) for k, x in rows.items()},
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
    part: Part = WHOLE,
) -> Iterator[Minibatch]:
    """Cut cells into minibatches, in `order`; none has a single cell, unless there is just one.

    Rows are gathered (and moved to the device) a block at a time; a minibatch is a slice of it.
    From a file the next block is read while one is in use.

    Args:
        data: The cells.
        levels: The model's levels; not needed if the cells are coded.
        size: Cells per minibatch.
        order: Which cells, in which order; None is all of them as they are.
        device: Where networks are.
        skip: Minibatches to leave out at the start.
        part: Which part of each minibatch to take, where several processes share it.
    """
    coded = data if isinstance(data, Coded) else Coded.of(data, levels)
    reuse_memory()
    whole = order is None and part == WHOLE
    order = np.arange(len(coded)) if order is None else order
    cuts, step = cut(len(order), size, part[1]), coded.per_block(size)
    starts = range(skip - skip % step, len(cuts), step)

    def read(start: int) -> tuple[list[int], np.ndarray, dict[str, sparse.csr_matrix]]:
        mine = [share(a, b, part) for a, b in cuts[start : start + step]]
        index = np.concatenate([order[a:b] for a, b in mine])
        rows = coded.read(slice(mine[0][0], mine[-1][1]) if whole else index)
        return [b - a for a, b in mine], index, rows

    done = skip - skip % step
    for sizes, index, rows in ahead(read, starts) if coded.filed else map(read, starts):
        block, ends = coded.gather(index, rows, device), np.cumsum([0, *sizes])
        bounds = {k: x.indptr[ends].tolist() for k, x in rows.items()}
        del rows
        for j, (a, b) in enumerate(pairwise(ends.tolist())):
            if done + j >= skip:
                yield _slice(block, a, b, {k: x[j : j + 2] for k, x in bounds.items()})
        done += len(sizes)
        del block  # or it stays while the next one is gathered


@cache
def reuse_memory() -> None:
    """Let the memory of one minibatch serve the next; once per process.

    The C library of Linux gives large blocks back to the system when they are freed, and asks for
    them again, page by page, in each step: up to half of the time of a wide one. It stops doing so
    for blocks of the size of the largest that it ever saw freed, up to 32 MB.
    """
    torch.empty(LARGEST, dtype=torch.uint8)


def shuffled(
    codes: Sequence[np.ndarray],
    n: int,
    rng: np.random.Generator,
    size: int = 1,
    block: int | None = None,
) -> np.ndarray:
    """A random order of n cells, the same in memory and from a file, which it can be read in.

    Up to `block` cells any order is as likely as any other. More are cut into chunks of neighbours;
    chunks come in random order, and cells are shuffled among the chunks that make up a block. Each
    minibatch takes as many cells from each of LANES groups of those chunks.

    Args:
        codes: Of covariates whose levels are spread evenly along the order, (n,) each.
        n: Number of cells.
        rng: Where randomness comes from.
        size: Cells per minibatch.
        block: Cells gathered at a time, a multiple of `size`; None is all.
    """
    if block is None or n <= block:
        return _spread(codes, n, rng)
    chunk = max(1, block // CHUNKS)
    starts = np.arange(0, n, chunk)
    starts = starts[_spread([c[starts] for c in codes], len(starts), rng)]
    order = (starts[:, None] + np.arange(chunk)).ravel()
    order = order[order < n]
    for a in range(0, n, block):
        order[a : a + block] = _mixed(order[a : a + block], codes, rng, size)
    return order


def held_out_cells(n: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which of n cells are held out, sorted; at least two are left.

    From large data they are short runs of neighbours, so that a file is not read all over.
    """
    k = min(round(share * n), n - 2)
    run = max(1, k // RUNS)
    starts = run * rng.permutation(n // run)[: k // run]
    return np.sort((starts[:, None] + np.arange(run)).ravel())


def cut(n: int, size: int, least: int = 1) -> list[tuple[int, int]]:
    """Bounds of minibatches; a lonely last cell joins the one before, as do fewer than `least`."""
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] < max(2, least):
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True)) if n else []


def share(a: int, b: int, part: Part) -> tuple[int, int]:
    """Bounds of the part of a minibatch that one of several processes takes."""
    i, of = part
    return a + (b - a) * i // of, a + (b - a) * (i + 1) // of


def _spread(codes: Sequence[np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
    """Any order of n cells; with codes, their levels are spread evenly along it."""
    key = rng.random(n)
    for level in np.unique(np.stack(codes), axis=1).T if codes else ():
        mine = np.flatnonzero(np.all(np.stack(codes).T == level, axis=1))
        key[mine] = (rng.permutation(len(mine)) + rng.random()) / len(mine)
    return np.argsort(key)


def _mixed(
    cells: np.ndarray, codes: Sequence[np.ndarray], rng: np.random.Generator, size: int
) -> np.ndarray:
    """The cells of a block in random order, lane by lane in each minibatch."""
    lanes = math.gcd(size, LANES) if len(cells) % size == 0 else 1
    mixed = [x[_spread([c[x] for c in codes], len(x), rng)] for x in np.split(cells, lanes)]
    if lanes == 1:
        return mixed[0]
    return np.stack(mixed).reshape(lanes, -1, size // lanes).swapaxes(0, 1).ravel()


def _rows(x: sparse.csr_matrix) -> Rows:
    ready = x.data.dtype in (np.float32, np.float64) and x.data.flags.writeable
    values = x.data if ready else x.data.astype(np.float32)
    return Rows(
        torch.from_numpy(x.indptr.astype(np.int64)),
        torch.from_numpy(x.indices.astype(np.int64)),
        torch.from_numpy(values).to(torch.get_default_dtype()),
        x.shape[1],
    )


def _totals(x: sparse.csr_matrix) -> Tensor:
    """Sums over features, at least 1, (cells, 1)."""
    total = torch.from_numpy(np.asarray(x.sum(1))).to(torch.get_default_dtype())
    return total.clamp_(min=1)


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
        block.size_factor[a:b],
        cut_all(block.values),
    )


def _pinned(block: Minibatch, device: torch.device) -> Minibatch:
    """The block in page-locked memory where that lets a copy to the device run by itself."""
    if device.type != "cuda":
        return block
    pin = lambda x: x.pin_memory()
    pinned = {
        k: Rows(pin(x.indptr), pin(x.indices), pin(x.values), x.n_features)
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
        pin(block.size_factor),
        some["values"],
    )
