"""Differential expression where nothing differs, and where it is known what does.

    python tests/benchmarks/evaluate_differential.py [--splits 20] [--epochs 60]

null: B cells of eight control donors are split at random, cell by cell and then donor by donor:
    the share of genes called at a nominal FDR of 0.05 by each mode, by t-tests of log counts over
    cells, and by the two donor-level tests.
power: a tenth of the simulated genes change by one log2 unit: average precision, realised FDR and
    the slope of estimated on true changes.

Null, 20 splits of 1,306 B cells: neither mode of the model calls a gene in any split, nor does the
donor-level test of the model; pseudobulk calls one in 1 of 20 splits by cells and in none by
donors; t-tests over cells, none by cells, but 1.1 % of the genes and some in every split by donors.
Power, of 50 genes that differ: "change" has average precision 1.00, calls 35, none wrongly;
"vanilla", which asks for any difference, has 1.00 and calls 59, of which 15 % are wrong: for calls,
take "change". The slope is 0.81: changes are shrunk.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import anndata
import numpy as np
from scipy import sparse, stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import waddington as wd
from waddington.cells import Cells
from waddington.parts import replace
from waddington.simulate import softmax
from waddington.verbs.differential import benjamini_hochberg

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILE = "kang_pbmc_control_8donors_12261x1287.h5ad"


def cell_tests(x, halves):
    """Adjusted p-values of Welch's tests of log counts per 10,000 over cells."""
    log = np.log1p(x.multiply(1e4 / np.maximum(x.sum(1), 1)).toarray())
    p = stats.ttest_ind(log[halves == "0"], log[halves == "1"], equal_var=False).pvalue
    return benjamini_hochberg(np.nan_to_num(p, nan=1.0))


def null(splits, epochs):
    """Shares of genes called where there is nothing to find."""
    adata = anndata.read_h5ad(DATA / FILE)
    adata = adata[adata.obs.cell_type == "B cells"].copy()
    donors = adata.obs.donor.astype(str).to_numpy()
    cells = Cells.from_arrays(
        adata.X, adata.var_names, adata.obs_names, categorical={"donor": donors}
    )
    recipe = wd.recipes.scvi(batch="donor", epochs=epochs)
    model = wd.train(cells, recipe, seed=0, threads=1, verbose=False)
    print(f"{len(cells)} B cells, {len(np.unique(donors))} donors, {splits} random splits")
    for unit in ("cells", "donors"):
        called: dict[str, list[float]] = {}
        for seed in range(splits):
            rng = np.random.default_rng(seed)
            if unit == "cells":
                halves = rng.permutation(np.arange(len(cells)) % 2)
            else:
                names = rng.permutation(np.unique(donors))
                halves = np.isin(donors, names[: len(names) // 2]).astype(int)
            halves = halves.astype(str)
            mine = replace(cells, covariates={**cells.covariates, "half": halves})
            for mode in ("change", "vanilla"):
                batch = "donor" if unit == "cells" else None
                found = wd.differential_expression(
                    model, mine, "half", "0", "1", batch=batch, mode=mode, n_samples=2000, seed=seed
                )
                called.setdefault(f"model, {mode}", []).append(found.columns["is_de"].mean())
            tested = cell_tests(cells.views["rna"], halves) <= 0.05
            called.setdefault("t-tests over cells", []).append(tested.mean())
            found = wd.donor_differences(model, mine, "half", "0", "1", "donor")
            called.setdefault("model, donors", []).append(found["is_de"].mean())
            called.setdefault("pseudobulk", []).append(found["bulk_is_de"].mean())
        for name, share in called.items():
            some = np.mean(np.array(share) > 0)
            print(
                f"split by {unit:7s} {name:20s} called {np.mean(share):7.4f} of the genes; "
                f"any in {some:.2f} of the splits",
                flush=True,
            )


def power(epochs, seed=0, n=2000, genes=500):
    """What is found of known changes."""
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    group, batch = rng.integers(2, size=n), rng.integers(2, size=n)
    change = np.where(np.arange(genes) < genes // 10, rng.choice([-1, 1], genes), 0) * np.log(2)
    base, effect = rng.normal(0, 1, genes), rng.normal(0, 0.4, genes)
    share = softmax(base + group[:, None] * change + batch[:, None] * effect)
    library = rng.lognormal(np.log(2500), 0.3, (n, 1))
    x = rng.poisson(rng.gamma(5.0, library * share / 5.0)).astype(np.float32)
    levels = {"group": np.array(["b", "a"])[group], "batch": np.array(["x", "y"])[batch]}
    cells = Cells.from_arrays(sparse.csr_matrix(x), categorical=levels)
    recipe = wd.recipes.scvi(batch="batch", epochs=epochs)
    model = wd.train(cells, recipe, seed=seed, threads=1, verbose=False)
    for mode in ("change", "vanilla"):
        found = wd.differential_expression(
            model, cells, "group", "a", "b", batch="batch", mode=mode
        ).columns
        truth = change != 0
        ap = average_precision_score(truth, found["p_de"])
        false = (found["is_de"] & ~truth).sum() / max(1, found["is_de"].sum())
        slope = np.polyfit(change[truth] / np.log(2), found["lfc_mean"][truth], 1)[0]
        print(
            f"power, {mode:8s} average precision {ap:.3f}, called {found['is_de'].sum()} of "
            f"{truth.sum()}, realised FDR {false:.3f}, slope of log2 changes {slope:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=60)
    warnings.simplefilter("ignore")
    given = parser.parse_args()
    power(given.epochs)
    null(given.splits, given.epochs)
