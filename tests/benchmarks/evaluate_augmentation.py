"""Does a classifier find a rare type better if generated cells of it are added to its training set?

    python tests/benchmarks/evaluate_augmentation.py [--rare NK] [--few 5 10 30] [--splits 5]

Of pbmc3k (`../shared/data`, 500 genes; or with --simulated three types, two of them alike) half of
the cells are for training and half are the test; of the rare type only a few stay in training. A
logistic regression on log values, and a random forest, learn the types: from the training cells as
they are; with the rare cells drawn with replacement up to --to cells; with those and Poisson noise
(counts drawn around each cell's own); with class weights; and with cells that `augment` makes, by a
model that saw the training cells only. Rows are the F1 of the rare type on the test, mean and
standard error over splits, and its difference to doing nothing.
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
from waddington import simulate
from waddington.genes import variable_genes

PBMC = Path(__file__).resolve().parents[3] / "shared" / "data" / "pbmc3k_10xv1_2638x13714.h5ad"
GENES = 500


def blood():
    """pbmc3k, its variable genes."""
    import anndata

    cells = wd.Cells.from_anndata(anndata.read_h5ad(PBMC), categorical=("cell_type",))
    names = np.array(cells.features["rna"])[variable_genes(cells.views["rna"], GENES)]
    return cells.match({"rna": tuple(names)})


def alike(seed):
    """Three types of shallow cells; what sets the third apart from the second is slight."""
    rng = np.random.default_rng(seed)
    base, off = rng.normal(0, 1, (2, 200)), rng.normal(0, 0.4, 200)
    kind = rng.permutation(1800) % 3
    logits = np.array([base[0], base[1], base[1] + off])[kind]
    depth = rng.lognormal(np.log(300), 0.4, (1800, 1))
    rate = depth * simulate.softmax(logits) * rng.gamma(5, 0.2, (1800, 200))
    return wd.Cells.from_arrays(
        rng.poisson(rate).astype(np.float32), categorical={"cell_type": kind.astype(str)}
    )


def split(types, rare, few, rng):
    """Training cells with few of the rare type, and the cells of the test."""
    order = rng.permutation(len(types))
    train, test = order[::2], order[1::2]
    mine = types[train] == rare
    return np.concatenate([train[~mine], train[mine][:few]]), test


def logs(x):
    """log(1 + counts per 1,000)."""
    return np.log1p(1000 * x / np.maximum(x.sum(1, keepdims=True), 1))


def f1(truth, said, rare):
    """Of the rare type."""
    hit = ((truth == rare) & (said == rare)).sum()
    return 2 * hit / max(1, (truth == rare).sum() + (said == rare).sum())


def classifiers(weight, seed):
    """By name."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = LogisticRegression(C=0.01, max_iter=500, class_weight=weight)
    forest = RandomForestClassifier(200, class_weight=weight, random_state=seed)
    return {"logistic": make_pipeline(StandardScaler(), line), "forest": forest}


def added(cells, rare, n, models, seed):
    """Counts of cells to add, by how they were made."""
    rng = np.random.default_rng(seed)
    x, kind = cells.views["rna"].toarray(), cells.covariates["cell_type"]
    drawn = x[rng.choice(np.flatnonzero(kind == rare), n)]
    made = {"as they are": x[:0], "class weights": x[:0], "oversampled": drawn}
    made["oversampled, Poisson"] = rng.poisson(drawn)
    for name, recipe in models.items():
        model = wd.train(cells, recipe, seed=seed)
        made[name] = wd.augment(model, cells, "cell_type", rare, n, seed=seed).cells
    return made


def one_split(cells, rare, few, args, models, seed):
    """F1 by classifier and way."""
    types = cells.covariates["cell_type"]
    train, test = split(types, rare, few, np.random.default_rng(seed))
    x, truth = logs(cells.views["rna"][test].toarray()), types[test]
    known, kind = cells.take(train), types[train]
    scores = {}
    for way, more in added(known, rare, max(0, args.to - few), models, seed).items():
        a = logs(np.vstack([known.views["rna"].toarray(), more]))
        labels = np.concatenate([kind, np.full(len(more), rare)])
        weight = "balanced" if way == "class weights" else None
        for name, classifier in classifiers(weight, seed).items():
            said = classifier.fit(a, labels).predict(x)
            scores[name, way] = f1(truth, said, rare)
    return scores


def recipes(args):
    """The models that make cells."""
    made = {"scvi": wd.recipes.scvi(epochs=args.epochs)}
    if args.cvae:
        made["cvae, told the type"] = wd.recipes.cvae("cell_type", epochs=args.epochs)
    if args.gan:
        made["cscGAN"] = wd.recipes.scgan(
            "cell_type", 64, (128, 256), (256, 128), learning_rate=5e-4, batch_size=64,
            updates=args.gan, likelihood="poisson",
        )  # fmt: skip
    return made


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", action="store_true", help="three simulated types")
    parser.add_argument("--rare", default=None, help="the type; NK, or the third simulated one")
    parser.add_argument("--few", type=int, nargs="+", default=[5, 10, 30])
    parser.add_argument("--to", type=int, default=150, help="cells of the type after augmentation")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=None, help="of the VAEs")
    parser.add_argument("--cvae", action="store_true", help="also a VAE that is told the type")
    parser.add_argument("--gan", type=int, default=0, help="also cscGAN, of so many updates")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    cells = alike(0) if args.simulated else blood()
    rare = args.rare or ("2" if args.simulated else "NK")
    for few in args.few:
        start = time.perf_counter()
        runs = [one_split(cells, rare, few, args, recipes(args), s) for s in range(args.splits)]
        print(f"{few} cells of {rare!r} in training ({time.perf_counter() - start:.0f} s)")
        for name, way in runs[0]:
            values = np.array([r[name, way] for r in runs])
            gain = values - np.array([r[name, "as they are"] for r in runs])
            error = lambda v: v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else np.nan
            print(
                f"  {name:9s} {way:22s} F1 {values.mean():.3f} +- {error(values):.3f}"
                f"   gain {gain.mean():+.3f} +- {error(gain):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
