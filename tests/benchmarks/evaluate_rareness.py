"""Are the cells of a planted rare type found: by the latent space, by components, by a sketch?

    python tests/benchmarks/evaluate_rareness.py [--pbmc3k] [--shares 0.005 0.01 0.02 0.05]

Simulated: four common types of 1,500 cells and 300 genes, and a fifth that resembles the first. Of
pbmc3k (`../shared/data`, 500 genes) the type --rare, thinned to these shares of the cells. Numbers
are average precisions, mean over seeds; chance is the share of the type. `density` and
`neighbours` ask an scVI model that saw all cells, without labels; `components` and `sketch` (as in
FiRE) none; "elbo" is minus the model's bound per cell, "depth" the library size turned round.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import waddington as wd
from waddington import simulate
from waddington.genes import variable_genes

PBMC = Path(__file__).resolve().parents[3] / "shared" / "data" / "pbmc3k_10xv1_2638x13714.h5ad"
CELLS, GENES, TYPES, OFF = 1500, 300, 4, 0.6
METHODS = ("density", "neighbours", "components", "sketch")


def planted(share, seed):
    """Counts, and which cells are of the rare type."""
    rng = np.random.default_rng(seed)
    profiles = rng.normal(0, 1, (TYPES, GENES))
    profiles = np.vstack([profiles, profiles[0] + rng.normal(0, OFF, GENES)])
    n = max(5, round(share / (1 - share) * CELLS))
    kind = rng.permutation(np.repeat(range(TYPES + 1), [*[CELLS // TYPES] * TYPES, n]))
    depth = rng.lognormal(np.log(1000), 0.5, (len(kind), 1))
    rate = depth * simulate.softmax(profiles[kind]) * rng.gamma(5, 0.2, (len(kind), GENES))
    return wd.Cells.from_arrays(rng.poisson(rate).astype(np.float32)), kind == TYPES


def thinned(rare, share, seed):
    """pbmc3k with fewer cells of the type, its variable genes."""
    import anndata

    cells = wd.Cells.from_anndata(anndata.read_h5ad(PBMC), categorical=("cell_type",))
    mine = cells.covariates["cell_type"] == rare
    n = min(int(mine.sum()), max(5, round(share / (1 - share) * int((~mine).sum()))))
    kept = np.random.default_rng(seed).choice(np.flatnonzero(mine), n, replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(~mine), kept]))
    cells = cells.take(rows)
    names = np.array(cells.features["rna"])[variable_genes(cells.views["rna"], 500)]
    return cells.match({"rna": tuple(names)}), np.isin(rows, kept)


def scores(cells, epochs, seed):
    """Rareness by method."""
    model = wd.train(cells, wd.recipes.scvi(epochs=epochs), seed=seed)
    found = {k: wd.rareness(model, cells, k, seed=seed) for k in METHODS}
    found["elbo"] = -wd.elbo(model, cells)
    found["depth"] = -np.asarray(cells.views["rna"].sum(1)).ravel()
    return found


def main() -> None:
    """Print a table."""
    from sklearn.metrics import average_precision_score

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pbmc3k", action="store_true")
    parser.add_argument("--rare", default="B", help="a type of pbmc3k")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.005, 0.01, 0.02, 0.05])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=None, help="of the model")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for share in args.shares:
        runs = []
        for seed in range(args.seeds):
            make = thinned(args.rare, share, seed) if args.pbmc3k else planted(share, seed)
            cells, rare = make
            found = scores(cells, args.epochs, seed)
            runs.append({k: average_precision_score(rare, v) for k, v in found.items()})
        means = {k: np.mean([r[k] for r in runs]) for k in runs[0]}
        told = "  ".join(f"{k} {v:.2f}" for k, v in means.items())
        print(f"{rare.sum():4d} of {len(rare)} cells ({rare.mean():.3f})  {told}", flush=True)


if __name__ == "__main__":
    main()
