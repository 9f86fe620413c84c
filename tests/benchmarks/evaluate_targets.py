"""Which gene was knocked out? A screen of 25 targets, told from the effects of another replicate.

    python tests/benchmarks/evaluate_targets.py
    python tests/benchmarks/evaluate_targets.py --recipe cvae

The first replicate teaches what each knock-out does. The cells of a target in the second, without
their label, are a goal; controls of the second are the start; and perturbations are ranked by how
far they lead from there to there (`perturbation_map`). Printed is the rank of the true target
among all, by the model and by measured changes of expression without one, over targets whose
effect in the first replicate is clear of noise and over all; by chance the mean rank is 13.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from evaluate_perturbation import DATA
from evaluate_screen import CONTROL, FILE, FIRST, SECOND, load

import waddington as wd
from waddington import recipes
from waddington.cells import Cells
from waddington.recipe import adjust

RECIPES: dict[str, Any] = {
    "vae": lambda: recipes.vae(20),
    "scvi": lambda: recipes.scvi("replicate", n_latent=20),
    "cvae": lambda: recipes.cvae("target", n_latent=20),
    "cpa": lambda: recipes.cpa("target", CONTROL),
}
MEASURES = ("covered", "cosine", "covered, measured", "cosine, measured")


def ranks(model: Any, cells: Cells, target: str) -> dict[str, float]:
    """The rank of the true target, 1 the best, by measure; and whether its effect is clear."""
    state, replicate = cells.covariates["target"], cells.covariates["replicate"]
    own = (replicate == SECOND) & (state == target)
    some = cells.take(np.flatnonzero((replicate == FIRST) | (state == CONTROL) | own))
    state, replicate = some.covariates["target"], some.covariates["replicate"]
    start, goal = ((replicate == SECOND) & (state == k) for k in (CONTROL, target))
    found = wd.perturbation_map(model, some, "target", CONTROL, "replicate", start, goal)
    at = found.perturbations.index(target)
    row: dict[str, float] = {"clear": float(found.clear[at])}
    for name in MEASURES:
        score = np.nan_to_num(found.targets[name], nan=-np.inf)
        row[name] = 1 + (score > score[at]).sum() + ((score == score[at]).sum() - 1) / 2
    return row


def show(title: str, rows: list[dict[str, float]]) -> None:
    """Mean rank, and how often the true target is first or among the first five."""
    print(f"\n{title} ({len(rows)})\n{'':20s}{'mean rank':>10s}{'first':>8s}{'in five':>9s}")
    for name in MEASURES:
        rank = np.array([row[name] for row in rows])
        told = f"{rank.mean():10.1f}{(rank < 1.5).mean():8.2f}{(rank < 5.5).mean():9.2f}"
        print(f"{name:20s}{told}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", choices=RECIPES, default="vae")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not (DATA / FILE).is_file():
        sys.exit(f"needs {FILE} in {DATA}")
    cells = load()
    state, replicate = cells.covariates["target"], cells.covariates["replicate"]
    seen = cells.take(np.flatnonzero((replicate == FIRST) | (state == CONTROL)))
    recipe = adjust(RECIPES[args.recipe](), args.epochs)
    model = wd.train(seen, recipe, seed=args.seed, threads=1, verbose=False)
    table = {}
    for target in map(str, np.unique(state[state != CONTROL])):
        table[target] = row = ranks(model, cells, target)
        print(f"{target:12s}{'clear' if row['clear'] else '':8s}"
              + "".join(f"{row[k]:8.1f}" for k in MEASURES))  # fmt: skip
    show("effects clear of noise", [row for row in table.values() if row["clear"]])
    show("all targets", list(table.values()))


if __name__ == "__main__":
    main()
