"""Where things are in an .h5ad file, a 10x .h5 file, and an AnnData that is backed by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError, listed
from .stream import FileRows, opened

RNA_10X = "Gene Expression"
"""What 10x calls the features that are genes."""


@dataclass(frozen=True, eq=False)
class FileNames(Sequence[str]):
    """Names in a file, read when asked for: they are only needed in messages."""

    path: str
    key: str
    n: int
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> str:  # type: ignore[override]  # nobody asks for a slice
        with opened(self.path) as file:
            return file[self.key].asstr()[int(i if self.rows is None else self.rows[i])]

    def __iter__(self) -> Iterator[str]:
        with opened(self.path) as file:
            names = file[self.key].asstr()[:]
        return iter(names if self.rows is None else names[self.rows])

    def take(self, index: np.ndarray) -> FileNames:
        """The names at `index`; nothing is read."""
        rows = (np.arange(self.n) if self.rows is None else self.rows)[index]
        return FileNames(self.path, self.key, len(rows), rows)


@dataclass(frozen=True)
class CellFile:
    """What a file has: a matrix, names of genes and cells, and columns of obs.

    Attributes:
        rows: The matrix, (cells, genes).
        genes: Unique names of the genes.
        names: Names of the cells.
        columns: What can be asked of `column`.
    """

    rows: FileRows
    genes: tuple[str, ...]
    names: FileNames
    columns: tuple[str, ...] = ()

    def column(self, name: str) -> Any:
        """A column of obs.

        Raises:
            InputError: If there is none of that name.
        """
        if name not in self.columns:
            known = listed(self.columns, 12) or "none: 10x files hold no metadata"
            raise InputError(f"{name!r} is not a column of obs; it has {known}", name)
        with opened(self.rows.path) as file:
            obs = file["obs"]
            if str(obs.attrs.get("encoding-version", "")) == "0.2.0":
                return _read_elem(obs[name])
            return _read_elem(obs)[name]


def open_cells(path: str | Path, layer: str | None = None, raw: bool = False) -> CellFile:
    """The cells of an .h5ad or 10x .h5 file; nothing but names is read.

    Args:
        path: The file.
        layer: The layer of an .h5ad; None is X.
        raw: Whether to take `raw` of an .h5ad in the place of X.

    Raises:
        InputError: If it is neither, or has no such layer.
    """
    with opened(path) as file:
        if "obs" in file and "var" in file:
            return _h5ad(file, path, layer, raw)
        groups = [k for k in file if {"indptr", "barcodes"} <= set(getattr(file[k], "keys", set)())]
        if not groups:
            raise InputError(f"{str(path)!r} is neither an .h5ad nor a 10x .h5 file", "data")
        if layer is not None or raw:
            raise InputError(f"{str(path)!r} is a 10x file, which has no layers", "layer")
        if len(groups) > 1:
            raise InputError(
                f"{str(path)!r} has the genomes {listed(groups)}; write the one you want as .h5ad",
                "data",
            )
        return _10x(file[groups[0]], path)


def columns_of(path: str | Path) -> tuple[str, ...]:
    """The columns of obs that a file has."""
    with opened(path) as file:
        obs = file.get("obs", {})
        return tuple(k for k in obs if k not in (_key(obs), "__categories"))


def backed(adata: Any) -> FileRows:
    """X of an AnnData in backed mode, or of a subset of one; nothing is read but names."""
    rows = FileRows.open(adata.filename, "X")
    with opened(adata.filename) as file:
        cells, genes = (_index(file[k]) for k in ("obs", "var"))
    for axis, (stored, wanted) in enumerate([(cells, adata.obs_names), (genes, adata.var_names)]):
        if len(stored) == len(wanted) and (stored == wanted).all():
            continue
        if not stored.is_unique:
            what = ("cells", "genes")[axis]
            raise InputError(
                f"the names of the {what} in {str(adata.filename)!r} repeat, so a subset of it "
                "can't be found in the file; give to_memory() of the subset",
                "data",
            )
        places = stored.get_indexer(wanted)
        rows = rows[places] if axis == 0 else rows[:, places]
    return rows


def _h5ad(file: Any, path: str | Path, layer: str | None, raw: bool) -> CellFile:
    if raw and layer is not None:
        raise InputError("give a layer or raw, not both", "layer")
    if raw and "raw" not in file:
        raise InputError(f"{str(path)!r} has no raw", "raw")
    layers = list(file.get("layers", ()))
    if layer is not None and layer not in layers:
        raise InputError(
            f"layer {layer!r} is not in {str(path)!r}; it has {listed(layers) or 'none'}", "layer"
        )
    group = "raw/X" if raw else "X" if layer is None else f"layers/{layer}"
    obs, genes = file["obs"], _index(file["raw/var" if raw else "var"])
    if not hasattr(obs, "keys"):
        raise InputError(
            f"{str(path)!r} has a format of before 2020; write it anew with "
            "anndata.read_h5ad(path).write_h5ad(path)",
            "data",
        )
    index = _key(obs)
    masked = "/values" if hasattr(obs[index], "keys") else ""
    names = FileNames(str(path), f"obs/{index}{masked}", len(file[f"obs/{index}{masked}"]))
    return CellFile(FileRows.open(path, group), tuple(genes), names, columns_of(path))


def _10x(group: Any, path: str | Path) -> CellFile:
    """Cell Ranger's file; genes by symbol, repeated ones told apart as AnnData does."""
    import pandas as pd
    from anndata.utils import make_index_unique

    new = "features" in group
    symbols = group["features/name" if new else "gene_names"].asstr()[:]
    rows = FileRows.open(path, group.name.lstrip("/"))
    if new and "feature_type" in group["features"]:
        kinds = group["features/feature_type"].asstr()[:]
        if (kinds != RNA_10X).any() and (kinds == RNA_10X).any():
            here = np.flatnonzero(kinds == RNA_10X)
            rows, symbols = rows[:, here], symbols[here]
    genes = make_index_unique(pd.Index(symbols.astype(str)))
    names = FileNames(str(path), f"{group.name.lstrip('/')}/barcodes", rows.shape[0])
    return CellFile(rows, tuple(genes), names)


def _key(frame: Any) -> str:
    """Which column of a data frame in a file has the names of its rows."""
    return str(frame.attrs.get("_index", "_index"))


def _index(frame: Any) -> Any:
    import pandas as pd

    names = frame[_key(frame)]
    return pd.Index(names.asstr()[:] if hasattr(names, "asstr") else _read_elem(names)).astype(str)


def _read_elem(element: Any) -> Any:
    try:
        from anndata.io import read_elem
    except ImportError:  # before 0.11
        from anndata.experimental import read_elem
    return read_elem(element)
