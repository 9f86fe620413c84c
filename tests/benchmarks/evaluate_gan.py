"""What a WGAN-GP generates: whether any type is lost, and whether a forest can tell it from real.

    python tests/benchmarks/evaluate_gan.py [--updates 20000] [--seed 0] [--real]

On simulated types (1,600 cells x 60 genes, six types), or with --real on the shipped blood cells
and their 200 most variable genes. Half of the cells train, the other half is what generated cells
are compared with. Coverage is the share of generated cells by the type of their nearest real cell;
AUC is that of a random forest, cross-validated, on all genes and on 10 principal components: 0.5 is
indistinguishable, and real against real is beside it.
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
from waddington.parts import replace


def simulated(seed):
    """Log-normalised cells of six types."""
    made = simulate.counts(1600, 60, 6, 1, depth=2000.0, seed=seed)
    return simulate.log_normalised(made.cells)


def blood():
    """The shipped cells with their most variable genes."""
    cells = wd.Cells.from_anndata(wd.datasets.kang_pbmc(), categorical=("cell_type",))
    logs = simulate.log_normalised(cells)
    x = logs.views["rna"]
    spread = np.asarray(x.multiply(x).mean(0) - np.square(x.mean(0))).ravel()
    names = np.array(logs.features["rna"])[np.sort(np.argsort(-spread)[:200])]
    return logs.match({"rna": tuple(names)})


def compared(title, a, b, seed):
    """One line: AUCs of a forest, energy distance, and how alike gene means and sds are."""
    both = metrics.principal_components(np.vstack([a, b]), 10)
    few = both[: len(a)], both[len(a) :]
    print(
        f"  {title:24s} AUC {metrics.two_sample_auc(a, b, seed):.3f}"
        f"  AUC in 10 PCs {metrics.two_sample_auc(*few, seed):.3f}"
        f"  energy {metrics.energy_distance(*few):7.3f}"
        f"  r of means {np.corrcoef(a.mean(0), b.mean(0))[0, 1]:.3f}"
        f"  r of sds {np.corrcoef(a.std(0), b.std(0))[0, 1]:.3f}"
    )


def main() -> None:
    """Print coverage and comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=20_000, help="steps of the critic")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--real", action="store_true", help="blood cells in place of simulated ones"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    cells = blood() if args.real else simulated(args.seed)
    order = np.random.default_rng(args.seed).permutation(len(cells))
    train, other = cells.take(order[::2]), cells.take(order[1::2])
    start = time.perf_counter()
    recipe = wd.recipes.wgan(updates=args.updates)
    epochs = max(1, args.updates // max(1, len(train) // recipe.phases[0].batch_size))
    recipe = replace(recipe, phases=(replace(recipe.phases[0], epochs=epochs),))
    model = wd.train(train, recipe, seed=args.seed, held_out=0)
    print(f"{model.record['updates']} updates in {time.perf_counter() - start:.0f} s")
    x, y = (c.views["rna"].toarray() for c in (train, other))
    made = wd.sample(model, n=len(y), seed=args.seed)
    types = other.covariates["cell_type"]
    shares = metrics.coverage(made, y, types)
    real = {k: float((types == k).mean()) for k in shares}
    print("  " + "  ".join(f"{k} {v:.3f} (real {real[k]:.3f})" for k, v in shares.items()))
    compared("real against real", x, y, args.seed)
    compared("generated against real", made, y, args.seed)


if __name__ == "__main__":
    main()
