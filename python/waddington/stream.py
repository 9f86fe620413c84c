"""Sparse rows that stay in a file and are read where they are needed, by contiguous pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from scipy import sparse

from .errors import InputError, listed

T = TypeVar("T")
S = TypeVar("S")
GAP = 8192
"""Unwanted values read to save a second read: as long as one takes."""
PIECE = 1_000_000
"""The most stored values read at a time, where unwanted ones lie between the wanted."""


@dataclass(frozen=True, eq=False)
class FileRows:
    """The rows of a matrix in an HDF5 file, (cells, features); stands in for a CSR matrix.

    The file is opened for each read, so that nothing is held between them.

    Attributes:
        path: The file.
        group: Where the matrix is in it.
        starts: Where each row of the file begins among its values, (rows + 1,).
        stored: Stored values of each row of the file, (rows,).
        width: Features in the file.
        rows: Which rows of the file these are, or None for all.
        columns: Which features, in which order, or None for all.
    """

    path: str
    group: str
    starts: np.ndarray
    stored: np.ndarray
    width: int
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None

    @classmethod
    def open(cls, path: str | Path, group: str = "X") -> FileRows:
        """The matrix in `group`: CSR of an .h5ad, 10x (genes x cells by cell), or dense.

        Raises:
            InputError: If it can't be read by rows.
        """
        with opened(path) as file:
            if group not in file:
                raise InputError(f"{str(path)!r} has no {group!r}; it has {listed(file)}", "data")
            source = file[group]
            if hasattr(source, "shape"):
                return cls(str(path), group, *_dense_layout(source, path))
            n, width = _sparse_shape(source, path)
            starts = source["indptr"][:].astype(np.int64)
            if len(starts) != n + 1 or starts[-1] != len(source["data"]):
                raise InputError(f"{group!r} in {str(path)!r} is damaged or cut short", "data")
            return cls(str(path), group, starts, np.diff(starts).astype(np.int32), width)

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and features."""
        n = len(self.stored) if self.rows is None else len(self.rows)
        return n, self.width if self.columns is None else len(self.columns)

    @property
    def nnz(self) -> int:
        """Stored values, of all features in the file."""
        return int(self.stored_by_row.sum())

    @property
    def stored_by_row(self) -> np.ndarray:
        """Stored values of each row, of all features in the file, (cells,)."""
        return self.stored if self.rows is None else self.stored[self.rows]

    def __getitem__(self, key: Any) -> FileRows:
        """Some rows, or with a pair of rows and columns some of both; nothing is read."""
        index, places = key if isinstance(key, tuple) else (key, slice(None))
        chosen = self
        if not _is_all(index):
            chosen = replace(chosen, rows=self._rows()[index])
        if not _is_all(places):
            columns = np.arange(self.width) if self.columns is None else self.columns
            chosen = replace(chosen, columns=columns[places])
        return chosen

    def gather(self, index: np.ndarray | slice) -> sparse.csr_matrix:
        """The rows at `index` in memory, in that order."""
        rows, back = np.unique(self._rows()[index], return_inverse=True)
        with opened(self.path) as file:
            source = file[self.group]
            if not hasattr(source, "shape"):
                source = source["data"], source["indices"]
            pieces = [self._piece(source, run) for run in self._runs(rows)]
        x = sparse.vstack(pieces, format="csr") if len(pieces) != 1 else pieces[0]
        x.sum_duplicates()
        if not np.array_equal(back, np.arange(len(rows))):
            x = x[back]
        if self.columns is not None:
            x = x[:, self.columns]
            x.sort_indices()  # so that sums have the order that they have in memory
        return x

    def sum(self, axis: int) -> np.ndarray:
        """Sums over features (axis 1), (cells, 1), or over cells (axis 0), (1, features)."""
        sums = [np.asarray(x.sum(axis)) for _, x in blocks_of(self)]
        return np.concatenate(sums) if axis == 1 else np.sum(sums, axis=0)

    def _rows(self) -> np.ndarray:
        return np.arange(len(self.stored)) if self.rows is None else self.rows

    def _runs(self, rows: np.ndarray) -> list[np.ndarray]:
        """Sorted rows of the file in runs that are worth one read each."""
        starts, ends = self.starts[rows], self.starts[rows + 1]
        far = (starts[1:] - ends[:-1] > GAP) | (np.diff(starts // PIECE) > 0)
        return np.split(rows, np.flatnonzero(far) + 1)

    def _piece(self, source: Any, run: np.ndarray) -> sparse.csr_matrix:
        """The rows of one run, read in one go from values and indices, or a dense matrix."""
        if not len(run):
            return sparse.csr_matrix((0, self.width), dtype=np.float32)
        first, last = run[0], run[-1] + 1
        if not isinstance(source, tuple):
            return sparse.csr_matrix(source[first:last][run - first])
        a, b = self.starts[first], self.starts[last]
        values, indices = (x[a:b] for x in source)
        indptr = (self.starts[first : last + 1] - a).astype(np.int32)
        slots = values, indices.astype(np.int32, copy=False), indptr
        x = sparse.csr_matrix(slots, shape=(last - first, self.width))
        return x if len(run) == last - first else x[run - first]


def opened(path: str | Path) -> Any:
    """An HDF5 file, open for reading.

    Raises:
        InputError: If it is not there, or is no such file.
    """
    import h5py

    if not Path(path).is_file():
        raise InputError(f"there is no file {str(path)!r}", "data")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        why = "another program has it open for writing" if "lock" in str(error) else error
        raise InputError(f"can't read {str(path)!r} as HDF5: {why}", "data") from None


def rows_at(x: sparse.csr_matrix | FileRows, index: np.ndarray | slice) -> sparse.csr_matrix:
    """The rows at `index` in memory, in that order, from memory or from a file."""
    if isinstance(x, FileRows):
        return x.gather(index)
    if not isinstance(index, slice) or index.step not in (None, 1):
        return x[index]
    return x if _is_all(index) else _run_of(x, *index.indices(x.shape[0])[:2])


def blocks_of(
    x: sparse.csr_matrix | FileRows, values: int = PIECE
) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """All rows in order, about so many stored values at a time, and where each block starts."""
    ends = np.cumsum(x.stored_by_row if isinstance(x, FileRows) else np.diff(x.indptr))
    cuts = [0, *(np.flatnonzero(np.diff(ends // values)) + 1).tolist(), len(ends)]
    for a, b in pairwise(cuts):
        yield a, rows_at(x, slice(a, b))


def ahead(make: Callable[[T], S], of: Sequence[T]) -> Iterator[S]:
    """make(x) for each x; a thread makes the next while the one before is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = [thread.submit(make, x) for x in of[:1]]
        for x in of[1:]:
            now = coming.pop().result()
            coming.append(thread.submit(make, x))
            yield now
            del now  # or there would be three at a time
        if coming:
            yield coming.pop().result()


def _run_of(x: sparse.csr_matrix, first: int, last: int) -> sparse.csr_matrix:
    """Rows first to last - 1, which share their values with x; scipy would look and copy."""
    a, b = x.indptr[first], x.indptr[last]
    rows = sparse.csr_matrix((last - first, x.shape[1]), dtype=x.dtype)
    rows.data, rows.indices = x.data[a:b], x.indices[a:b]
    rows.indptr = x.indptr[first : last + 1] - a
    return rows


def _is_all(key: Any) -> bool:
    return isinstance(key, slice) and key == slice(None)


def _sparse_shape(source: Any, path: str | Path) -> tuple[int, int]:
    """Cells and features of a sparse group.

    Raises:
        InputError: If its values are not stored by cell.
    """
    kind = source.attrs.get("encoding-type", source.attrs.get("h5sparse_format", ""))
    where = f"{source.name!r} in {str(path)!r}"
    if kind in ("csr_matrix", "csr"):
        n, width = map(int, source.attrs.get("shape", source.attrs.get("h5sparse_shape")))
        return n, width
    if kind in ("csc_matrix", "csc"):
        raise InputError(
            f"{where} is stored by gene (CSC), and can't be read by cell. Store it by cell: in "
            "Python adata.X = adata.X.tocsr() and adata.write_h5ad(...); or read it into memory",
            "data",
        )
    if not kind and {"shape", "data", "indices", "indptr"} <= set(source):
        width, n = map(int, source["shape"][:])  # 10x: genes x cells by cell
        return n, width
    raise InputError(f"{where} is not a matrix that can be read by cell, but {kind!r}", "data")


def _dense_layout(source: Any, path: str | Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Starts, stored values and width of a dense matrix, which is read once to count them."""
    if source.ndim != 2:
        raise InputError(f"{source.name!r} in {str(path)!r} is no matrix of cells x genes", "data")
    n, width = source.shape
    step = max(1, PIECE // max(1, width))
    stored = [np.count_nonzero(source[a : a + step], axis=1) for a in range(0, n, step)]
    counts = np.concatenate([np.zeros(0, np.int64), *stored])
    return np.arange(n + 1) * width, counts, width
