"""How well perturbations are predicted in cells that were not measured, and what helps.

    python tests/benchmarks/evaluate_perturbation.py kang       # 3,853 cells, four types left out
    python tests/benchmarks/evaluate_perturbation.py donors     # two donors, all five types
    python tests/benchmarks/evaluate_perturbation.py norman     # five double perturbations
    python tests/benchmarks/evaluate_perturbation.py kang --recipe scgen --set epochs=65
    python tests/benchmarks/evaluate_perturbation.py donors --updates 0 \\
        --recipe vae scgen scgen_log trvae cvae cpa             # one table of systems

Each type is left out in turn: a model is trained without its stimulated cells, which are then
predicted. Rows are means over the types left out; `--types` prints each, `--only` takes some.
Changes are scored with disjoint halves of the controls. By `--recipe` any system can be tried;
"scgen_log" is scGen as it was published, of log-normalised values. One system is taken apart, row
by row; several stand in one table, each by its own way and by the default "transfer". `--models`
trains so many that differ in their seeds, and adds their ensemble. Targets are printed below, with
what is missed.
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
from waddington.verbs.evaluate_perturbation import PREDICTED

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = {
    "kang": "kang_pbmc_ifnb_3853x4805.h5ad",
    "donors": "kang_pbmc_ifnb_2donors_1556x1267.h5ad",
    "norman": "perturbation_combinatorial_norman19_k562_3375x500.h5ad",
}
LEFT_OUT = {
    "kang": ("CD14+ Monocytes", "CD4 T cells", "B cells", "NK cells"),
    "donors": ("B cells", "CD14+ Monocytes", "CD4 T cells", "CD8 T cells", "FCGR3A+ Monocytes"),
    "norman": (
        "MAP2K3+MAP2K6", "KLF1+MAP2K6", "KLF1+TGFBR2", "MAPK1+TGFBR2", "MAP2K3+SLC38A2"
    ),
}  # fmt: skip
ABOUT = {"condition": "condition", "source": "control", "target": "stimulated"}
COLUMNS = ("r2_change", "r2_change_top", "r_change", "r_change_top", "direction_top",
           "r2_variance", "energy")  # fmt: skip
RECIPES: dict[str, Callable[..., Any]] = {
    "vae": lambda **o: recipes.vae(20, learning_rate=2e-3, **o),
    "scgen": lambda **o: recipes.scgen(likelihood="nb", **o),
    "scgen_log": lambda **o: recipes.scgen(**o),
    "cvae": lambda **o: recipes.cvae(n_latent=20, **o),
    "cpa": lambda **o: recipes.cpa(**o),
    "trvae": lambda **o: recipes.trvae(n_latent=20, **o),
}
BASELINE = "control + mean shift"
TARGETS = {"r2_change": 0.70, "r2_change_top": 0.82, "energy": 3.5}
Table = dict[str, list[dict[str, float]]]


def load(name: str, logs: bool) -> Cells:
    """A data set as counts, or as log-normalised values."""
    import anndata

    adata = anndata.read_h5ad(DATA / FILES[name])
    columns = ["perturbation"] if name == "norman" else ["condition", "cell_type"]
    adata.X = sparse.csr_matrix(adata.X).astype(np.float32)
    cells = Cells.from_anndata(adata, categorical=columns)
    return simulate.log_normalised(cells) if logs else cells


def train(cells: Cells, recipe: Any, updates: int | None, seed: int) -> Any:
    """A model of few updates, if so many are given; the recipe's own training otherwise."""
    phase = recipe.phases[-1]
    if updates:
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


def one_type(cells: Cells, kind: str, recipe: Any, args: argparse.Namespace) -> Table:
    """All rows for one type left out."""
    told = cells.covariates
    held = (told["cell_type"] == kind) & (told["condition"] == ABOUT["target"])
    seen = cells.take(np.flatnonzero(~held))
    models = [train(seen, recipe, args.updates, args.seed + i) for i in range(args.models)]
    counts = getattr(recipe.head("rna"), "counts", False)
    able = "condition" in recipe.covariates
    rows = ways(counts) | ({"decoded": (None, {"method": "condition"})} if able else {})
    table = {}
    for name, (part, options) in (rows if len(args.recipe) == 1 else own_ways(recipe)).items():
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
    return found.pop(PREDICTED), found


def one_pair(cells: Cells, pair: str, model: Any, args: argparse.Namespace) -> Table:
    """All rows for one double perturbation left out; controls of one half teach the change too."""
    state = cells.covariates["perturbation"]
    seen = cells.take(np.flatnonzero(~np.isin(state, LEFT_OUT["norman"])))
    control = np.flatnonzero(seen.covariates["perturbation"] == "control")
    table = {}
    ways = {
        "transfer (default)": {},
        "measured responses alone": {"trust": 0.0},
        "model alone": {"trust": 1.0},
    }
    if model.recipe.name == "cpa":
        ways["decoded, drawn"] = {"method": "condition", "draw": True}
    for name, options in ways.items():
        ask = lambda data, options=options: wd.predict_perturbation(
            model, data, "perturbation", "control", pair, **options
        )

        def again(half: np.ndarray, ask: Callable[..., Any] = ask) -> Any:
            gone = np.delete(control, half)
            return ask(seen.take(np.delete(np.arange(len(seen)), gone)))

        found = wd.evaluate_perturbation(
            ask(seen), cells, n_top=50, n_splits=args.splits, again=again
        )
        table[name] = found.pop(PREDICTED)
    return table | found


def show(title: str, table: dict[str, dict[str, float]]) -> None:
    """Print one table."""
    print(f"\n{title}\n{'':36s}" + "".join(f"{k:>15s}" for k in COLUMNS))
    for name, row in table.items():
        print(f"{name:36s}" + "".join(f"{row[k]:15.3f}" for k in COLUMNS))


def verdict(tables: dict[str, Table]) -> None:
    """Whether the default reaches the targets, and where it is below the mean shift."""
    best = {k: t["transfer (default)"] for k, t in tables.items()}
    print("\ntargets: " + ", ".join(f"{k} {v:g}" for k, v in TARGETS.items()))
    for key, aim in TARGETS.items():
        mean = np.mean([row[key] for row in best.values()])
        sign = -1 if key == "energy" else 1
        below = [k for k, t in tables.items() if sign * (best[k][key] - t[BASELINE][key]) < 0]
        reached = "reached" if sign * (mean - aim) >= 0 else "MISSED"
        print(f"{key}: {mean:.3f}, {reached}; below {BASELINE}: {', '.join(below) or 'no type'}")


def recipe_of(name: str, args: argparse.Namespace) -> Any:
    """The recipe of that name with the options of the command line."""
    options = {k: eval(v) for k, v in (pair.split("=", 1) for pair in args.set)}
    if name == "cpa":
        one = args.data == "norman"
        told = {"perturbation": "perturbation"} if one else {"covariates": ("cell_type",)}
        options = told | options
    return RECIPES[name](**options)


def tables_of(name: str, args: argparse.Namespace) -> dict[str, Table]:
    """All rows of one system, by what is left out."""
    cells, recipe = load(args.data, name == "scgen_log"), recipe_of(name, args)
    kinds = args.only or LEFT_OUT[args.data]
    if args.data != "norman":
        return {k: one_type(cells, k, recipe, args) for k in kinds}
    seen = np.flatnonzero(~np.isin(cells.covariates["perturbation"], LEFT_OUT["norman"]))
    model = train(cells.take(seen), recipe, args.updates, args.seed)
    return {k: one_pair(cells, k, model, args) for k in kinds}


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
    return {name: {k: mean(name, k) for k in COLUMNS} for name in rows}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", choices=FILES)
    parser.add_argument("--recipe", choices=RECIPES, default=["vae"], nargs="+")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--updates", type=int, default=1500, help="0: as the recipe says")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=int, default=1, help="more: also their ensemble")
    parser.add_argument("--types", action="store_true", help="also print each type")
    parser.add_argument("--only", nargs="*", metavar="TYPE", help="leave out these only")
    args = parser.parse_args()
    if not (DATA / FILES[args.data]).is_file():
        sys.exit(f"needs {FILES[args.data]} in {DATA}")
    every = {name: tables_of(name, args) for name in args.recipe}
    tables = next(iter(every.values())) if len(every) == 1 else joined(every)
    for kind in tables if args.types else ():
        show(f"{kind} left out", tables[kind])
    title = f"{args.data}, {', '.join(args.recipe)}: mean over {len(tables)} left out"
    show(title, mean_of(tables))
    if args.data != "norman" and len(every) == 1:
        verdict(tables)


if __name__ == "__main__":
    main()
