"""What a WGAN-GP generates: is a type lost, can a forest tell it from real cells, is it a copy.

    python tests/benchmarks/evaluate_gan.py [ring|simulated|blood|pbmc3k] [--updates 10000]

On `ring`, eight normals on a circle, the share of cells made of each by a WGAN-GP and by the first
GAN. On cells (six simulated types; the shipped blood cells, 200 most variable genes; pbmc3k from
`../shared/data`, 500) half of them train, and generated ones are compared with the other half, on
log-normalised values of these genes. Rows are real against real, WGAN-GPs of counts and of log
values, and a baseline: each gene drawn from the training cells by itself. AUC is that of a random
forest, cross-validated, on all genes and on 10 principal components: 0.5 is indistinguishable.
All but the first AUC is in principal components: shares are of cells by the type of their nearest
real cell. A copy would be nearer to the training cells than other real cells are: the last columns
are the median distance to the nearest training cell over that of held-out cells, and the share of
cells that are nearer than 5 % of these.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import waddington as wd
from waddington import metrics, simulate
from waddington.genes import variable_genes

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PBMC = SHARED / "pbmc3k_10xv1_2638x13714.h5ad"
SETS = {"blood": 200, "pbmc3k": 500}


def data(name, seed):
    """Counts of cells with types."""
    if name == "simulated":
        return simulate.counts(1600, 60, 6, 1, depth=2000.0, seed=seed).cells
    if name == "blood":
        source = wd.datasets.kang_pbmc()
    else:
        import anndata

        source = anndata.read_h5ad(PBMC)
    cells = wd.Cells.from_anndata(source, categorical=("cell_type",))
    names = np.array(cells.features["rna"])[variable_genes(cells.views["rna"], SETS[name])]
    return cells.match({"rna": tuple(names)})


def logs(counts):
    """log(1 + counts per 1,000), (cells, genes)."""
    return np.log1p(1000 * counts / np.maximum(counts.sum(1, keepdims=True), 1))


def log_cells(cells):
    """The same cells with these values."""
    return simulate.log_normalised(cells, total=1000)


def alone(counts, seed):
    """Each gene drawn from the training cells by itself."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.permutation(x) for x in counts.T])


def generated(cells, likelihood, args):
    """Log values of cells that a WGAN-GP makes."""
    start = time.perf_counter()
    recipe = wd.recipes.wgan(updates=args.updates, likelihood=likelihood)
    given = log_cells(cells) if likelihood == "normal" else cells
    model = wd.train(given, recipe, seed=args.seed, held_out=0)
    made = wd.sample(model, n=len(cells), seed=args.seed)
    took = time.perf_counter() - start
    print(f"  wgan {likelihood}: {model.record['updates']} updates in {took:.0f} s", flush=True)
    return made if likelihood == "normal" else logs(made)


def nearest(a, b):
    """Distance of each of a to the nearest of b."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=1).fit(b).kneighbors(a)[0][:, 0]


def compared(title, made, train, other, types, seed):
    """One line: AUCs, energy distance, gene sds, zeros, copies, and shares of the types."""
    both = metrics.principal_components(np.vstack([made, other, train]), 20)
    few = np.split(both, np.cumsum([len(made), len(other)]))
    away, usual = nearest(few[0], few[2]), nearest(few[1], few[2])
    print(
        f"  {title:22s} AUC {metrics.two_sample_auc(made, other, seed):.3f}"
        f"  in 10 PCs {metrics.two_sample_auc(few[0][:, :10], few[1][:, :10], seed):.3f}"
        f"  energy {metrics.energy_distance(few[0], few[1]):7.3f}"
        f"  r of sds {np.corrcoef(made.std(0), other.std(0))[0, 1]:.3f}"
        f"  zeros {(made == 0).mean():.3f} (real {(other == 0).mean():.3f})"
        f"  nearest {np.median(away) / np.median(usual):.2f}"
        f"  nearer {(away < np.quantile(usual, 0.05)).mean():.3f}"
    )
    shares = metrics.coverage(few[0], few[1], types)
    real = {k: float((types == k).mean()) for k in shares}
    told = "  ".join(f"{k} {v:.3f} ({real[k]:.3f})" for k, v in shares.items())
    print(f"    made (real): {told}", flush=True)


def on_cells(args):
    """Print comparisons of generated and real cells."""
    cells = data(args.data, args.seed)
    order = np.random.default_rng(args.seed).permutation(len(cells))
    train, other = cells.take(order[::2]), cells.take(order[1::2])
    x, y = (logs(c.views["rna"].toarray()) for c in (train, other))
    beside = (x, y, other.covariates["cell_type"], args.seed)
    third = len(other) // 2
    halves = (y[:third], x, y[third:], beside[2][third:], args.seed)
    compared("real against real", *halves)
    compared("each gene by itself", alone(x, args.seed), *beside)
    for likelihood in args.likelihood:
        compared(f"wgan {likelihood}", generated(train, likelihood, args), *beside)


def on_ring(args):
    """Print how many of eight modes are made, and how many cells are at none."""
    ring = simulate.ring(2000, 8, 0.1, args.seed)
    x = ring.cells.views["rna"].toarray()
    wide = {"n_latent": 8, "generator": (128, 128), "learning_rate": 1e-3, "likelihood": "normal"}
    recipes = {
        "wgan": wd.recipes.wgan(critic=(128, 128), penalty=1.0, updates=args.updates, **wide),
        "gan": wd.recipes.gan(discriminator=(128, 128), updates=args.updates, **wide),
    }
    for name, recipe in recipes.items():
        model = wd.train(ring.cells, recipe, seed=args.seed, held_out=0)
        made = wd.sample(model, n=2000, seed=args.seed)
        shares = list(metrics.coverage(made, x, ring.cells.covariates["mode"]).values())
        away = np.linalg.norm(made[:, None] - ring.truth["centres"], axis=-1).min(1)
        told = " ".join(f"{v:.3f}" for v in shares)
        print(
            f"  {name:5s} {sum(v > 0.02 for v in shares)}/8 modes, shares {told};"
            f" {(away < 0.3).mean():.2f} within 3 sd of one (real 0.99)",
            flush=True,
        )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "data", nargs="?", default="simulated", choices=["ring", "simulated", *SETS]
    )
    parser.add_argument("--updates", type=int, default=10_000, help="steps of the critic")
    parser.add_argument("--likelihood", nargs="+", default=["nb", "normal"])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(args.data)
    (on_ring if args.data == "ring" else on_cells)(args)


if __name__ == "__main__":
    main()
