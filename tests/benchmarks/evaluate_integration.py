"""Integration of batches: what is kept and what is mixed, by recipe, on three data sets.

    python tests/benchmarks/evaluate_integration.py [--data chem cellbench kang] [--rows scvi ...]

Rows: principal components and a random embedding always; scvi as it comes (d 10, 1 layer), "deep"
(d 30, 2 layers), "told" (deep, and the encoder sees the batch), "opposed" (adversarial_vae),
"scpoli", and scanvi, which is given a fifth of the labels ("scanvi 20 %") or all of them, so that
its conservation can't be compared with the others. Sets with more than 2,000 genes are cut to the
2,000 most variable ones; of more than 4,000 cells, 4,000 are scored.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import anndata
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import waddington as wd
from waddington import recipes
from waddington.cells import Cells
from waddington.genes import variable_genes
from waddington.integration import integration_metrics
from waddington.parts import replace

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SETS = {
    "chem": ("pbmc_3chemistries_1200x1767.h5ad", "batch", "cell_type"),
    "cellbench": (
        "integration_cellbench_lungcelllines_5batches_1408.h5ad",
        "batch",
        "cell_line",
    ),
    "kang": ("kang_pbmc_control_8donors_12261x1287.h5ad", "donor", "cell_type"),
}
DEEP = {"n_latent": 30, "n_layers": 2}
ROWS = {
    "scvi": lambda: recipes.scvi(batch="batch"),
    "deep": lambda: recipes.scvi(batch="batch", **DEEP),
    "told": lambda: recipes.scvi(batch="batch", **DEEP, encode_covariates=True),
    "opposed": lambda: recipes.adversarial_vae(batch="batch", **DEEP),
    "scpoli": lambda: recipes.scpoli(batch="batch"),
    "scpoli labels": lambda: recipes.scpoli(batch="batch", labels="type"),
    "scanvi 20 %": lambda: recipes.scanvi(labels="type", batch="batch"),
    "scanvi": lambda: recipes.scanvi(labels="type", batch="batch"),
}
MOST = 4000


def cells_of(name):
    """A data set with the covariates "batch" and "type"."""
    file, batch, label = SETS[name]
    adata = anndata.read_h5ad(DATA / file)
    if adata.n_vars > 2000:
        adata = adata[:, variable_genes(adata.X, 2000, adata.obs[batch])].copy()
    columns = {"batch": adata.obs[batch], "type": adata.obs[label]}
    return Cells.from_arrays(adata.X, adata.var_names, adata.obs_names, categorical=columns)


def embedding(name, cells, seed, epochs):
    """Where a recipe places the cells, and what it took."""
    given = cells
    if name == "scanvi 20 %":
        known = np.random.default_rng(seed).random(len(cells)) < 0.2
        types = np.where(known, cells.covariates["type"], "")
        given = replace(cells, covariates={**cells.covariates, "type": types})
    start = time.perf_counter()
    model = wd.train(given, ROWS[name](), seed=seed, epochs=epochs, threads=1, verbose=False)
    took = f"{model.record['epochs']} epochs, {time.perf_counter() - start:.0f} s"
    return wd.latent(model, given), took


def main(sets, rows, seed, epochs):
    """Print a table for each data set."""
    for name in sets:
        cells = cells_of(name)
        few = np.sort(np.random.default_rng(0).permutation(len(cells))[:MOST])
        some = cells.take(few)
        labels, batches = some.covariates["type"], some.covariates["batch"]
        print(f"{name}: {len(cells)} cells, {cells.views['rna'].shape[1]} genes", flush=True)
        table = integration_metrics({}, batches, labels, some.views["rna"], seed)
        show("PCA", table["PCA"], "")
        show("random", table["random"], "")
        for row in rows:
            z, took = embedding(row, cells, seed, epochs)
            show(row, integration_metrics({row: z[few]}, batches, labels, seed=seed)[row], took)


def show(name, scores, took):
    """One line of the table."""
    numbers = "  ".join(f"{k} {v:.3f}" for k, v in scores.items())
    print(f"{name:14s} {numbers}  {took}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=None)
    warnings.simplefilter("ignore")
    given = parser.parse_args()
    main(given.data, given.rows, given.seed, given.epochs)
