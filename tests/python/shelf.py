"""The same few cells in all the files that can be read by cell."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

N, GENES = 700, 40


def stored():
    """Counts sorted by batch, with a layer, raw, and columns of all kinds."""
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(0.4, (N, GENES)).astype(np.float32))
    obs = pd.DataFrame(
        {
            "batch": pd.Categorical(np.array(["a", "b"])[np.arange(N) // 350]),
            "age": rng.random(N),
            "size": rng.random(N) + 0.5,
        },
        index=[f"c{i}" for i in range(N)],
    )
    made = ad.AnnData(counts, obs, pd.DataFrame(index=[f"g{i}" for i in range(GENES)]))
    made.layers["twice"] = 2 * counts
    made.raw = made[:, ::-1].copy()
    return made


def shelf(adata, folder):
    """Paths by kind of file."""
    adata.write_h5ad(folder / "plain.h5ad")
    adata.write_h5ad(folder / "gzip.h5ad", compression="gzip")
    dense = adata.copy()
    dense.X = adata.X.toarray()
    dense.write_h5ad(folder / "dense.h5ad")
    long = adata.copy()
    long.X = adata.X.copy()
    long.X.indices, long.X.indptr = long.X.indices.astype(np.int64), long.X.indptr.astype(np.int64)
    long.write_h5ad(folder / "long.h5ad")
    ten_x(adata, folder / "10x.h5")
    return {path.stem: path for path in folder.iterdir()}


def ten_x(adata, path):
    """Cell Ranger's layout, with two antibodies before the genes and one symbol twice."""
    n_cells, n_genes = adata.shape
    bound = sparse.csr_matrix(np.ones((n_cells, 2), np.float32))
    x = sparse.hstack([bound, adata.X], format="csr")
    names = ["CD3", "CD4", *adata.var_names]
    names[4] = names[3]
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(x, key).astype(np.int32 if key == "data" else np.int64)
        group["shape"] = np.array([n_genes + 2, n_cells])
        group["barcodes"] = np.array(adata.obs_names, dtype="S")
        group["features/name"] = np.array(names, dtype="S")
        group["features/id"] = np.array([f"id{i}" for i in range(n_genes + 2)], dtype="S")
        kinds = ["Antibody Capture"] * 2 + ["Gene Expression"] * n_genes
        group["features/feature_type"] = np.array(kinds, dtype="S")
