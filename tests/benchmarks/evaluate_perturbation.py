"""How well perturbations are predicted in cells that were not measured, and what helps.

    python tests/benchmarks/evaluate_perturbation.py kang       # 3,853 cells, four types left out
    python tests/benchmarks/evaluate_perturbation.py donors     # two donors, all five types
    python tests/benchmarks/evaluate_perturbation.py kang --recipe scgen --set epochs=65
    python tests/benchmarks/evaluate_perturbation.py donors --genes
    python tests/benchmarks/evaluate_perturbation.py donors --updates 0 \\
        --recipe vae scgen scgen_log trvae cvae cpa wgan        # one table of systems

Each type is left out in turn: a model is trained without its stimulated cells, which are then
predicted. Rows are means over the types left out; `--types` prints each, `--only` takes some.
Changes are scored with disjoint halves of the controls. By `--recipe` any system can be tried;
"scgen_log" is scGen as it was published, of log-normalised values. One system is taken apart, row
by row; several stand in one table, each by its own way and by the default "transfer". `--models`
trains so many that differ in their seeds, and adds their ensemble. Targets are printed below, with
what is missed.

On the two donors, over four seeds: R2 of the change 0.760 ± 0.003, of top genes 0.850 ± 0.005,
energy 1.492 ± 0.049 (mean shift 0.518, 0.597, 4.840); 92 % of all genes and 89 % of top genes are
within 2 sd. One score of one type is missed: of top genes of B cells, 0.028 ± 0.011 (over seeds)
below the mean shift. They respond to interferon more than the T cells that are most like them at
rest, which the data do not tell before they are seen. `--genes` takes the gap of the measured
responses apart, on the scale of log fold changes: 0.067 ± 0.030 over genes, of which CXCL10 alone
is 0.028; in the other set it is 0.007 ± 0.020. No rule closed it that left the others as good:
other kernels, reaches, distances and equal weights, in the model's part alone too; means over
reaches by their likelihood; a nugget; a reach for each group of genes; a drift with the control
level; other floors. With `special` judged by the 95 % quantile of the strongest responses 95 % of
top genes are within 2 sd, by sds that are several times the response where a type is unlike the
others: not kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import waddington as wd
from waddington import recipes, simulate
from waddington.cells import Cells
from waddington.parts import replace
from waddington.verbs import responses
from waddington.verbs.evaluate_perturbation import PREDICTED, most_changed
from waddington.verbs.groups import groups_of
from waddington.verbs.logs import dense, log_values

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = {
    "kang": "kang_pbmc_ifnb_3853x4805.h5ad",
    "donors": "kang_pbmc_ifnb_2donors_1556x1267.h5ad",
}
LEFT_OUT = {
    "kang": ("CD14+ Monocytes", "CD4 T cells", "B cells", "NK cells"),
    "donors": ("B cells", "CD14+ Monocytes", "CD4 T cells", "CD8 T cells", "FCGR3A+ Monocytes"),
}
ABOUT = {"condition": "condition", "source": "control", "target": "stimulated"}
COLUMNS = ("r2_change", "r2_change_top", "r_change", "r_change_top", "direction_top",
           "r2_variance", "energy")  # fmt: skip
INSIDE = ("inside", "inside_top")
RECIPES: dict[str, Callable[..., Any]] = {
    "vae": lambda **o: recipes.vae(20, learning_rate=2e-3, **o),
    "scgen": lambda **o: recipes.scgen(likelihood="nb", **o),
    "scgen_log": lambda **o: recipes.scgen(**o),
    "cvae": lambda **o: recipes.cvae(n_latent=20, **o),
    "cpa": lambda **o: recipes.cpa(**o),
    "trvae": lambda **o: recipes.trvae(n_latent=20, **o),
    "wgan": lambda **o: recipes.wgan(**o),
}
BASELINE = "control + mean shift"
TARGETS = {"r2_change": 0.70, "r2_change_top": 0.82, "energy": 3.5}
Table = dict[str, list[dict[str, float]]]


def load(name: str, logs: bool) -> Cells:
    """A data set as counts, or as log-normalised values."""
    import anndata

    adata = anndata.read_h5ad(DATA / FILES[name])
    adata.X = sparse.csr_matrix(adata.X).astype(np.float32)
    cells = Cells.from_anndata(adata, categorical=["condition", "cell_type"])
    return simulate.log_normalised(cells) if logs else cells


def train(cells: Cells, recipe: Any, updates: int | None, seed: int) -> Any:
    """A model of few updates, if so many are given; else, or as a GAN, as the recipe says."""
    phase = recipe.phases[-1]
    if updates and phase.stop:
        stop = replace(phase.stop, patience=25)
        phase = replace(phase, epochs=None, updates=updates, batch_size=128, stop=stop)
    start = time.perf_counter()
    model = wd.train(cells, replace(recipe, phases=(phase,)), seed=seed, threads=1, verbose=False)
    took = time.perf_counter() - start
    why = model.record["why"]
    print(f"    {model.recipe.name}: {took:.0f} s, {model.record['epochs']} epochs; {why}")
    return model


@contextmanager
def without(part: str | None) -> Iterator[None]:
    """Leave one idea of the measured response out."""
    before = responses.LENGTHS, responses.shrunk
    if part == "nearest types":
        responses.LENGTHS = (1e-6,)
    if part == "shrinkage":
        responses.shrunk = lambda change, noise: change
    try:
        yield
    finally:
        responses.LENGTHS, responses.shrunk = before


def own_ways(recipe: Any) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """The way of a system itself, and the default, by row."""
    able = "condition" in recipe.covariates
    draw = bool(getattr(recipe.head("rna"), "counts", False))
    if not recipe.encoders:
        return {"inversion, shift": (None, {"method": "inversion", "draw": draw})}
    own = {"method": "condition" if able else "shift", "draw": draw}
    told = "other level" if able else "latent shift"
    return {f"{told}{', drawn' if draw else ''}": (None, own), "transfer (default)": (None, {})}


def ways(counts: bool) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """What is left out, and the options of the verb, by row."""
    found: dict[str, tuple[str | None, dict[str, Any]]] = {
        "transfer (default)": (None, {}),
        "measured responses alone": (None, {"trust": 0.0}),
        "model alone": (None, {"trust": 1.0}),
        "all types alike": ("nearest types", {}),
        "no shrinkage": ("shrinkage", {}),
        "latent shift, decoded": (None, {"method": "shift"}),
    }
    if counts:
        found["latent shift, drawn"] = (None, {"method": "shift", "draw": True})
    return found


def held_out(cells: Cells, kind: str) -> np.ndarray:
    """Which cells are left out with a type, (cells,)."""
    told = cells.covariates
    return (told["cell_type"] == kind) & (told["condition"] == ABOUT["target"])


def one_type(cells: Cells, kind: str, recipe: Any, args: argparse.Namespace, seed: int) -> Table:
    """All rows for one type left out."""
    seen = cells.take(np.flatnonzero(~held_out(cells, kind)))
    models = [train(seen, recipe, args.updates, seed + i) for i in range(args.models)]
    counts = getattr(recipe.head("rna"), "counts", False)
    able = "condition" in recipe.covariates
    rows, table = own_ways(recipe), {}
    if len(args.recipe) == 1 and recipe.encoders:
        rows = ways(counts) | ({"decoded": (None, {"method": "condition"})} if able else {})
    for name, (part, options) in rows.items():
        with without(part):
            table[name], found = scored(models[0], cells, kind, options, args)
    if len(models) > 1:
        table[f"ensemble of {len(models)}"], found = scored(models, cells, kind, {}, args)
    return table | found


def scored(
    models: Any, cells: Cells, kind: str, options: dict[str, Any], args: argparse.Namespace
) -> tuple[dict[str, float], Table]:
    """Scores of one prediction, and of its baselines."""
    told = {**ABOUT, "cell_type": "cell_type", "of": kind}
    made = wd.predict_perturbation(models, cells, **told, **options)
    found = wd.evaluate_perturbation(made, cells, n_splits=args.splits)
    sure = inside(made, cells, held_out(cells, kind)) if made.sd else {}
    return found.pop(PREDICTED) | sure, found


def inside(made: Any, cells: Cells, held: np.ndarray) -> dict[str, float]:
    """Shares of genes, all and top ones, whose observed change is within 2 sd of the predicted."""
    x = cells.views["rna"]
    profiles = responses.Profiles(x, made.counts, np.flatnonzero(~held))
    after, noise = profiles.of(np.flatnonzero(held))
    told = made.cells.astype(float)
    if made.counts:
        share = told / np.maximum(told.sum(1, keepdims=True), 1)
        told = np.log(share.mean(0) + profiles.floor)[None]
    near = np.abs(told.mean(0) - after) <= 2 * np.sqrt(made.sd["total"] ** 2 + noise)
    logs = log_values(x, made.counts)
    top = most_changed(dense(logs[held]), dense(logs[made.index]), 100)
    return dict(zip(INSIDE, (float(near.mean()), float(near[top].mean())), strict=True))


def show(title: str, table: dict[str, dict[str, float]]) -> None:
    """Print one table."""
    print(f"\n{title}\n{'':36s}" + "".join(f"{k:>15s}" for k in COLUMNS))
    for name, row in table.items():
        print(f"{name:36s}" + "".join(f"{row[k]:15.3f}" for k in COLUMNS))


def verdict(runs: list[dict[str, Table]]) -> None:
    """Whether the default reaches the targets, and where it is below the mean shift."""
    best = "transfer (default)"
    print("\ntargets: " + ", ".join(f"{k} {v:g}" for k, v in TARGETS.items()))
    for key, aim in TARGETS.items():
        sign = -1 if key == "energy" else 1
        value = np.array([[t[best][key] for t in run.values()] for run in runs])
        gain = {k: [sign * (r[k][best][key] - r[k][BASELINE][key]) for r in runs] for k in runs[0]}
        below = [f"{k} ({plus_minus(v)})" for k, v in gain.items() if np.mean(v) < 0]
        reached = "reached" if sign * (value.mean() - aim) >= 0 else "MISSED"
        told = f"{plus_minus(value.mean(1))}, {reached}"
        print(f"{key}: {told}; below {BASELINE}: {', '.join(below) or 'no type'}")
    told = {k: np.mean([[t[best][k] for t in run.values()] for run in runs], 0) for k in INSIDE}
    for name, k in zip(("all genes", "top genes"), INSIDE, strict=True):
        each = ", ".join(f"{kind} {v:.2f}" for kind, v in zip(runs[0], told[k], strict=True))
        print(f"observed change within 2 sd, {name}: {told[k].mean():.3f} ({each})")


def plus_minus(values: Any) -> str:
    """Mean of runs and, if there are several, its standard error."""
    values = np.asarray(values, dtype=float)
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{values.mean():.3f} +- {values.std(ddof=1) / len(values) ** 0.5:.3f}"


def recipe_of(name: str, args: argparse.Namespace) -> Any:
    """The recipe of that name with the options of the command line."""
    options = {k: eval(v) for k, v in (pair.split("=", 1) for pair in args.set)}
    if name == "cpa":
        options = {"covariates": ("cell_type",)} | options
    return RECIPES[name](**options)


def runs_of(name: str, args: argparse.Namespace) -> list[dict[str, Table]]:
    """All rows of one system, by seed and by what is left out."""
    cells, recipe = load(args.data, name == "scgen_log"), recipe_of(name, args)
    seeds = range(args.seed, args.seed + args.seeds)
    kinds = args.only or LEFT_OUT[args.data]
    return [{k: one_type(cells, k, recipe, args, seed) for k in kinds} for seed in seeds]


def over_seeds(runs: list[dict[str, Table]]) -> dict[str, Table]:
    """Means over seeds, by what is left out."""
    return {k: mean_of({str(i): run[k] for i, run in enumerate(runs)}) for k in runs[0]}


def joined(every: dict[str, dict[str, Table]]) -> dict[str, Table]:
    """The rows of several systems, by what is left out: each with its name, baselines once."""
    baselines = ("control", BASELINE, "half of the observed")
    tables: dict[str, Table] = {}
    for recipe, one in every.items():
        for kind, table in one.items():
            mine = {f"{recipe}: {k}": v for k, v in table.items() if k not in baselines}
            same = {k: v for k, v in table.items() if k in baselines}
            tables[kind] = mine | tables.get(kind, {}) | same
    return {
        kind: dict(sorted(t.items(), key=lambda row: row[0] in baselines))
        for kind, t in tables.items()
    }


def mean_of(tables: dict[str, Table]) -> Table:
    """Means over what was left out."""
    rows = next(iter(tables.values()))
    mean = lambda name, k: float(np.mean([t[name].get(k, np.nan) for t in tables.values()]))
    return {name: {k: mean(name, k) for k in COLUMNS + INSIDE} for name in rows}


def by_gene(data: str) -> None:
    """Where measured responses and their plain mean tell the top genes of each type differently."""
    cells = load(data, logs=False)
    x, logs = cells.views["rna"], dense(log_values(cells.views["rna"], True))
    names = np.array(cells.features["rna"])
    for kind in LEFT_OUT[data]:
        held = held_out(cells, kind)
        groups = groups_of(cells, {**ABOUT, "cell_type": "cell_type", "of": kind})
        profiles = responses.Profiles(x, True, np.flatnonzero(~held))
        top = most_changed(logs[held], logs[groups.predict], 100)
        wanted = (profiles.of(np.flatnonzero(held))[0] - profiles.of(groups.predict)[0])[top]
        told = responses.response(profiles, groups.pairs, groups.predict).change[top]
        mean = np.mean([profiles.change(p)[0] for p in groups.pairs], 0)[top]
        gain = ((mean - wanted) ** 2 - (told - wanted) ** 2) / ((wanted - wanted.mean()) ** 2).sum()
        most = np.argsort(-np.abs(gain))[:3]
        genes = ", ".join(f"{names[top[i]]} {gain[i]:+.3f}" for i in most)
        print(f"{kind}: {gain.sum():+.3f} +- {gain.std() * len(gain) ** 0.5:.3f} ({genes})")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", choices=FILES)
    parser.add_argument("--recipe", choices=RECIPES, default=["vae"], nargs="+")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--updates", type=int, default=1500, help="0: as the recipe says")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="means over so many, from --seed on")
    parser.add_argument("--models", type=int, default=1, help="more: also their ensemble")
    parser.add_argument("--types", action="store_true", help="also print each type")
    parser.add_argument("--only", nargs="*", metavar="TYPE", help="leave out these only")
    parser.add_argument("--genes", action="store_true", help="no model: which genes gain")
    args = parser.parse_args()
    if not (DATA / FILES[args.data]).is_file():
        sys.exit(f"needs {FILES[args.data]} in {DATA}")
    if args.genes:
        by_gene(args.data)
        return
    every = {name: runs_of(name, args) for name in args.recipe}
    means = {name: over_seeds(runs) for name, runs in every.items()}
    tables = next(iter(means.values())) if len(means) == 1 else joined(means)
    for kind in tables if args.types else ():
        show(f"{kind} left out", tables[kind])
    title = f"{args.data}, {', '.join(args.recipe)}: mean over {len(tables)} left out"
    show(title, mean_of(tables))
    if len(every) == 1 and args.recipe != ["wgan"]:
        verdict(every[args.recipe[0]])


if __name__ == "__main__":
    main()
