"""Real cells that ship with the package, as AnnData.

The files are plain text in the folder `extdata`, and `inst/extdata/README.md` says where they come
from, under which licence, and what was done to them.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

_CATEGORIES = ("condition", "cell_type", "cell_type_broad", "donor", "sample", "batch")


def kang_pbmc() -> anndata.AnnData:
    """Blood cells of two donors, resting and after six hours with interferon beta.

    Returns:
        An AnnData of 1,556 cells x 1,267 genes. `X` holds raw counts (CSR, float32); `obs` the
        categories condition (control, stimulated), cell_type (5), donor (101, 107) and
        sample (4); `var` the Ensembl identifiers.

    References:
        Kang HM et al. (2018). Nature Biotechnology 36, 89-94.
    """
    return _read("kang_pbmc")


def pbmc_3chemistries() -> anndata.AnnData:
    """Blood cells measured with three 10x chemistries, a case for batch integration.

    Returns:
        An AnnData of 1,200 cells x 1,767 genes. `X` holds raw counts (CSR, float32); `obs` the
        categories batch (3pv1, 3pv2, 5p), cell_type (9) and cell_type_broad (7), and
        total_umi_all_genes, the counts of the cell over all genes, the unlisted ones included.

    References:
        Korsunsky I et al. (2019). Nature Methods 16, 1289-1296.
    """
    return _read("pbmc_3chemistries")


def _read(name: str) -> anndata.AnnData:
    """The data set in the folder `name`: categories as such, all other columns as found."""
    folder = _folder(name)
    text = dict.fromkeys(("cell", "gene", *_CATEGORIES), str)
    obs = pd.read_csv(folder / "cells.csv.gz", dtype=text, index_col="cell", na_filter=False)
    var = pd.read_csv(folder / "genes.csv.gz", dtype=text, index_col="gene", na_filter=False)
    for column in obs.columns.intersection(_CATEGORIES):
        obs[column] = obs[column].astype("category")
    with gzip.open(folder / "counts.csv.gz", "rt") as lines:
        genes = [np.fromstring(line, np.float32, sep=",") for line in lines]
    return anndata.AnnData(csr_matrix(np.stack(genes, axis=1)), obs=obs, var=var)


def _folder(name: str) -> Path:
    """The folder of a data set, wherever this package was put."""
    tried = [extdata / name for extdata in _places()]
    for folder in tried:
        if (folder / "counts.csv.gz").is_file():
            return folder
    listed = "\n  ".join(map(str, tried))
    raise FileNotFoundError(
        f"the data set {name!r} is missing from this installation of waddington; looked in\n"
        f"  {listed}\nReinstall the package to bring it back."
    )


def _places() -> Iterator[Path]:
    """Where `extdata` may be: in the wheel, in an installed R package, in the source tree."""
    package = Path(__file__).resolve().parent
    yield package / "extdata"
    yield package.parents[1] / "extdata"
    yield package.parents[1] / "inst" / "extdata"
