"""Cells, and the minibatches that networks see of them; sparse rows throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from .errors import InputError, listed
from .files import FileNames, backed, open_cells
from .stream import FileRows, rows_at

Levels = Mapping[str, tuple[tuple[str, ...], ...]]
"""Levels of each covariate in groups: those of the first training, then one group per surgery."""

RNA = "rna"
"""The view that a data set has when nothing else is said."""


@dataclass(frozen=True)
class Dims:
    """The sizes that turn a recipe into a network.

    Attributes:
        features: Number of features by view.
        levels: Number of levels by covariate and group.
    """

    features: Mapping[str, int]
    levels: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Rows:
    """Sparse rows of one view, (cells, features), CSR; indices are int64."""

    indptr: Tensor
    indices: Tensor
    values: Tensor
    n_features: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def map(self, f: Callable[[Tensor], Tensor]) -> Rows:
        """The same rows with f(values); f(0) must be 0."""
        rows = replace(self, values=f(self.values))
        if "row" in vars(self):
            vars(rows)["row"] = self.row
        return rows

    @cached_property
    def row(self) -> Tensor:
        """The row of each stored value, (values,)."""
        n = torch.arange(len(self), device=self.values.device)
        return n.repeat_interleave(self.indptr.diff(), output_size=len(self.values))

    @cached_property
    def csc(self) -> tuple[Tensor, Tensor, Tensor]:
        """The same entries by feature: indptr (features + 1,), rows and values (values,)."""
        if self.values.device.type == "cpu":  # by counting: sorting takes six times as long
            x = self._csr().tocsc()
            return torch.from_numpy(x.indptr), torch.from_numpy(x.indices), torch.from_numpy(x.data)
        order = torch.argsort(self.indices, stable=True)
        counts = self.values.new_zeros(self.n_features, dtype=torch.long)
        counts = counts.index_add(0, self.indices, torch.ones_like(self.indices))
        indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return indptr, self.row[order], self.values[order]

    def dense(self) -> Tensor:
        """(cells, features)."""
        if self.values.device.type == "cpu" and self.values.dtype in (torch.float32, torch.float64):
            return torch.from_numpy(self._csr().toarray())  # in half the time
        out = self.values.new_zeros(len(self), self.n_features)
        return out.index_put((self.row, self.indices), self.values)

    def _csr(self) -> sparse.csr_matrix:
        slots = (x.detach().numpy() for x in (self.values, self.indices, self.indptr))
        return sparse.csr_matrix(tuple(slots), (len(self), self.n_features), copy=False)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> Rows:
        """The same rows elsewhere, or of another floating type."""
        values = self.values.to(device, dtype, non_blocking=True)
        indptr, indices = (x.to(device, non_blocking=True) for x in (self.indptr, self.indices))
        return Rows(indptr, indices, values, self.n_features)


@dataclass(frozen=True)
class Minibatch:
    """The cells of one step. Counterfactuals are edits: see `as_if`.

    Attributes:
        views: Data by view, (cells, features).
        library: Counts per cell by view, at least 1, (cells, 1).
        codes: Levels by covariate, -1 is unknown, (cells,).
        present: Which cells have a view, (cells,) bool.
        index: Which cells of the data set these are, (cells,).
        size_factor: The user's size factors, (cells, 1); ones if there are none.
        values: Covariates that are numbers, (cells, k).
        said: Library sizes by view that a user said, which no model is to infer, (cells, 1).
    """

    views: Mapping[str, Rows]
    library: Mapping[str, Tensor]
    codes: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    index: Tensor
    size_factor: Tensor
    values: Mapping[str, Tensor] = field(default_factory=dict)
    said: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    def data(self, view: str) -> Rows | Tensor:
        """What was observed: rows of a view, or the codes of a covariate, -1 where unknown."""
        return self.views[view] if view in self.views else self.codes[view]

    def has(self, view: str) -> Tensor:
        """Which cells have that view or that covariate, (cells,) bool."""
        return self.present[view] if view in self.present else self.codes[view] >= 0

    def size(self, view: str, kind: str) -> Tensor:
        """What multiplies a decoded mean, (cells, 1); `kind` is a head's `library`."""
        if kind == "observed":
            return self.library[view]
        if kind == "size_factor":
            return self.size_factor
        return torch.ones_like(self.size_factor)

    def as_if(self, codes: Mapping[str, int] = {}, library: float | None = None) -> Minibatch:
        """The same cells with other covariates or another library size."""
        new = {**self.codes, **{k: torch.full_like(self.index, v) for k, v in codes.items()}}
        old = self.library.items()
        size = {} if library is None else {k: torch.full_like(v, library) for k, v in old}
        return replace(self, codes=new, library=size or self.library, said=size or self.said)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> Minibatch:
        """The same cells on another device, or of another floating type."""

        def move(x: Any) -> Any:
            if isinstance(x, Mapping):
                return {k: move(v) for k, v in x.items()}
            if isinstance(x, Rows):
                return x.to(device, dtype)
            floating = isinstance(x, Tensor) and x.is_floating_point()
            return x.to(device, dtype if floating else None, non_blocking=True)

        return Minibatch(*(move(getattr(self, f.name)) for f in fields(self)))


@dataclass(frozen=True)
class Cells:
    """A data set: all that a model may see of it.

    Attributes:
        views: CSR matrices by view, (cells, features), in memory or in a file.
        features: Feature names by view.
        covariates: One level per cell and categorical covariate, "" is unknown, (cells,).
        present: Which cells have a view, (cells,) bool; views left out are there for all.
        values: Continuous covariates, (cells, k).
        size_factor: The user's size factors, (cells,), or None.
        names: Names of the cells.
    """

    views: Mapping[str, sparse.csr_matrix | FileRows]
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    covariates: Mapping[str, np.ndarray] = field(default_factory=dict)
    present: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    size_factor: np.ndarray | None = None
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        named = {
            k: self.features.get(k) or tuple(map(str, range(x.shape[1])))
            for k, x in self.views.items()
        }
        object.__setattr__(self, "features", named)

    def __len__(self) -> int:
        columns = (*self.views.values(), *self.values.values(), *self.covariates.values())
        return next((x.shape[0] for x in columns), 0)

    def name(self, i: int) -> str:
        """The name of cell i, or its number where cells have no names."""
        return str(self.names[i]) if len(self.names) else str(i)

    def take(self, index: np.ndarray) -> Cells:
        """The cells at `index`, in that order."""
        index = np.arange(len(self))[index]
        some = lambda part: {k: v[index] for k, v in part.items()}
        return replace(
            self,
            views=some(self.views),
            covariates=some(self.covariates),
            present=some(self.present),
            values=some(self.values),
            size_factor=None if self.size_factor is None else self.size_factor[index],
            names=_named(self.names, index),
        )

    def in_memory(self) -> Cells:
        """The same cells, with the rows that are in a file read."""
        return replace(self, views={k: rows_at(x, slice(None)) for k, x in self.views.items()})

    def levels(self) -> Levels:
        """The levels of each covariate, sorted, in one group."""
        return {
            k: (tuple(str(level) for level in np.unique(v) if level != ""),)
            for k, v in self.covariates.items()
        }

    def codes(self, levels: Levels) -> dict[str, np.ndarray]:
        """Codes by covariate, (cells,) int64; -1 is unknown.

        Raises:
            InputError: For a level that is not in `levels`.
        """
        codes = {}
        for name, groups in levels.items():
            known = sum(groups, ())
            number = {"": -1} | {level: i for i, level in enumerate(known)}
            given = self.covariates.get(name)
            if given is None:
                codes[name] = np.full(len(self), -1, dtype=np.int64)
                continue
            present, inverse = np.unique(given, return_inverse=True)
            if unseen := [level for level in present if str(level) not in number]:
                raise InputError(
                    f"{name!r} has levels that the model was not trained on: {listed(unseen)}. "
                    f"It knows {listed(known, 10)}. Leave those cells out, or map_query() first.",
                    name,
                )
            codes[name] = np.array([number[str(v)] for v in present], dtype=np.int64)[inverse]
        return codes

    def match(self, features: Mapping[str, Sequence[str]]) -> Cells:
        """The same cells with exactly these features, in this order, matched by name.

        Raises:
            InputError: If a feature is missing; the message says how many and which.
        """
        views = {}
        for view, wanted in features.items():
            if view not in self.views:
                raise InputError(
                    f"the model reads the view {view!r}; the data have {listed(self.views)}"
                )
            x, here = self.views[view], self.features[view]
            views[view] = x if here == tuple(wanted) else x[:, _places(here, wanted)]
        return replace(self, views=views, features={k: tuple(v) for k, v in features.items()})

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        genes: Sequence[str] | None = None,
        cells: Sequence[str] | None = None,
        *,
        categorical: Mapping[str, Sequence[str]] = {},
        continuous: Mapping[str, Sequence[float]] = {},
        size_factor: Sequence[float] | None = None,
    ) -> Cells:
        """Cells of one view, from a matrix and columns.

        Args:
            x: Sparse or dense matrix, (cells, genes); sparse ones are not copied if CSR, rows in
                a file (FileRows) stay there.
            genes: Unique names of the genes; None numbers them.
            cells: Names of the cells, for messages.
            categorical: Levels by covariate, one per cell; "" is unknown.
            continuous: Numbers by covariate, one per cell.
            size_factor: Positive numbers, one per cell.

        Raises:
            InputError: For names that repeat, wrong lengths, or missing values.
        """
        csr = as_csr(x)
        names = tuple(map(str, genes)) if genes is not None else ()
        _check_names(names, csr.shape[1])
        n = csr.shape[0]
        for what, column in [*categorical.items(), *continuous.items()]:
            if len(column) != n:
                raise InputError(f"{what!r} has {len(column)} values for {n} cells", what)
        return cls(
            views={RNA: csr},
            features={RNA: names} if names else {},
            covariates={k: _strings(k, v) for k, v in categorical.items()},
            values={k: _numbers(k, v)[:, None] for k, v in continuous.items()},
            size_factor=None if size_factor is None else _positive("size_factor", size_factor),
            names=_named(() if cells is None else cells),
        )

    @classmethod
    def from_anndata(
        cls,
        adata: Any,
        layer: str | None = None,
        categorical: Sequence[str] = (),
        continuous: Sequence[str] = (),
        size_factor: str | None = None,
    ) -> Cells:
        """Cells of an AnnData; `layer` None is X, the rest name columns of obs.

        Raises:
            InputError: If a layer or a column is not there, or has missing values.
        """
        if layer is not None and layer not in adata.layers:
            raise InputError(
                f"layer {layer!r} is not in the data; it has {listed(adata.layers)}", "layer"
            )
        columns = [*categorical, *continuous, *([size_factor] if size_factor else [])]
        for column in columns:
            if column not in adata.obs:
                raise InputError(
                    f"{column!r} is not a column of obs; it has {listed(adata.obs, 12)}", column
                )
        filed = layer is None and getattr(adata, "isbacked", False)
        return cls.from_arrays(
            backed(adata) if filed else adata.X if layer is None else adata.layers[layer],
            adata.var_names,
            adata.obs_names,
            categorical={k: adata.obs[k] for k in categorical},
            continuous={k: adata.obs[k] for k in continuous},
            size_factor=adata.obs[size_factor] if size_factor else None,
        )

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        layer: str | None = None,
        raw: bool = False,
        categorical: Sequence[str] = (),
        continuous: Sequence[str] = (),
        size_factor: str | None = None,
    ) -> Cells:
        """Cells of an .h5ad or 10x .h5 file, which stay there and are read when needed.

        Args:
            path: The file; its matrix must be stored by cell, or be dense.
            layer: The layer of an .h5ad; None is X.
            raw: Whether to take `raw` of an .h5ad in the place of X.
            categorical: Columns of obs with levels.
            continuous: Columns of obs with numbers.
            size_factor: The column of obs with size factors.

        Raises:
            InputError: If the file, the layer or a column is not there or can't be used.
        """
        file = open_cells(path, layer, raw)
        return cls.from_arrays(
            file.rows,
            file.genes,
            file.names,
            categorical={k: file.column(k) for k in categorical},
            continuous={k: file.column(k) for k in continuous},
            size_factor=file.column(size_factor) if size_factor else None,
        )


def as_csr(x: Any) -> sparse.csr_matrix | FileRows:
    """Any matrix as CSR, without a copy if it is one already; rows in a file stay there.

    Raises:
        InputError: If it is no matrix.
    """
    if isinstance(x, FileRows):
        return x
    if hasattr(x, "to_memory"):
        x = x.to_memory()
    if sparse.issparse(x):
        csr = sparse.csr_matrix(x)
        if not csr.has_canonical_format:  # the user's arrays are not ours to sort or add up
            csr = csr.copy()
            csr.sum_duplicates()
        return csr
    x = np.asarray(x)
    if x.ndim != 2:
        raise InputError(f"the data must be a matrix of cells x genes, not {x.ndim}-dimensional")
    return sparse.csr_matrix(x)


def _named(names: Sequence[str], index: np.ndarray | None = None) -> Sequence[str]:
    """Names of cells, of those at `index`; names in a file stay there."""
    if isinstance(names, FileNames):
        return names if index is None else names.take(index)
    return tuple(map(str, names if index is None or not len(names) else (names[i] for i in index)))


def _places(have: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    place = {name: i for i, name in enumerate(have)}
    if missing := [name for name in wanted if name not in place]:
        hint = "give the same gene names as in training; genes the model does not know are ignored"
        if len(missing) == len(wanted):
            hint = f"the data name theirs {listed(have, 2)}: is it another type of identifier?"
        raise InputError(
            f"{len(missing)} of the model's {len(wanted)} genes are not in the data: "
            f"{listed(missing, 3)}; {hint}",
            "genes",
        )
    return np.array([place[name] for name in wanted])


def _check_names(names: Sequence[str], n: int) -> None:
    if names and len(names) != n:
        raise InputError(f"there are {len(names)} gene names for {n} genes", "genes")
    if names and len(set(names)) < n:
        seen: set[str] = set()
        twice = list(dict.fromkeys(x for x in names if x in seen or seen.add(x)))  # type: ignore[func-returns-value]
        raise InputError(
            f"gene names must be unique; {len(twice)} are not: {listed(twice, 3)}. "
            "Make them unique or add up their counts.",
            "genes",
        )


def _strings(name: str, column: Any) -> np.ndarray:
    import pandas as pd

    missing = int(pd.isna(pd.Series(column)).sum())
    if missing:
        raise InputError(
            f"{name!r} is missing for {missing} of {len(column)} cells; "
            "leave them out, or give them a level of their own",
            name,
        )
    return np.asarray(column).astype(str)


def _numbers(name: str, column: Any) -> np.ndarray:
    try:
        numbers = np.asarray(column, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{name!r} must be numbers to be a continuous covariate", name) from None
    if bad := int((~np.isfinite(numbers)).sum()):
        raise InputError(f"{name!r} is missing or infinite for {bad} of {len(numbers)} cells", name)
    return numbers


def _positive(name: str, column: Any) -> np.ndarray:
    numbers = _numbers(name, column)
    if (numbers <= 0).any():
        raise InputError(f"{name!r} must be positive; the smallest is {numbers.min()}", name)
    return numbers
