"""A knock-out screen of 25 genes: what one replicate tells of the other, and of which it is silent.

    python tests/benchmarks/evaluate_screen.py
    python tests/benchmarks/evaluate_screen.py --only STAT1 IFNGR2 CD86

Models see the first replicate, and of the second the cells with non-targeting guides, which are
carried over to each knock-out. Rows are means over targets: over all, over those where the second
replicate has an effect beyond the noise of its controls, and over those where it has none. Beside
them stands the mean shift of the first replicate, which is what was measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import anndata
from evaluate_perturbation import BASELINE, DATA, Table, mean_of, show

import waddington as wd
from waddington import recipes
from waddington.cells import Cells
from waddington.recipe import adjust
from waddington.verbs.evaluate_perturbation import PREDICTED
from waddington.verbs.groups import groups_of
from waddington.verbs.question import CHANCE, SHUFFLING
from waddington.verbs.responses import Profiles, beyond_noise

FILE = "perturbation_eccite_crispr_thp1_rep12_15429x299.h5ad"
FIRST, SECOND, CONTROL = "rep_1", "rep_2", "non-targeting"
WAYS: dict[str, dict[str, Any]] = {
    "transfer (default)": {},
    "transfer, half of it the model's": {"trust": 0.5},
    "other level, drawn": {"method": "condition", "draw": True},
}


def load() -> Cells:
    """All cells of both replicates."""
    adata = anndata.read_h5ad(DATA / FILE)
    return Cells.from_anndata(adata, categorical=["target", "replicate"])


def chance_of(cells: Cells, target: str) -> float:
    """p of the effect of a target on the cells given."""
    about = {"condition": "target", "source": CONTROL, "target": target}
    groups = groups_of(cells, {**about, "cell_type": None, "of": None})
    profiles = Profiles(cells.views["rna"], counts=True)
    return beyond_noise(profiles, groups, np.random.default_rng(SHUFFLING))


def one_target(model: Any, seen: Cells, second: Cells, target: str, splits: int) -> Table:
    """All rows of one target."""
    mine = np.isin(second.covariates["target"], (target, CONTROL))
    told = {"condition": "target", "source": CONTROL, "target": target}
    table, found = {}, {}
    for name, options in WAYS.items():
        made = wd.predict_perturbation(
            model, seen, **told, cell_type="replicate", of=SECOND, **options
        )
        observed = second.take(np.flatnonzero(mine))
        found = wd.evaluate_perturbation(made, observed, n_top=50, n_splits=splits)
        table[name] = found.pop(PREDICTED) | {"silent": float(made.chance > CHANCE)}
    return table | found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", metavar="TARGET")
    args = parser.parse_args()
    if not (DATA / FILE).is_file():
        sys.exit(f"needs {FILE} in {DATA}")
    cells = load()
    state, replicate = cells.covariates["target"], cells.covariates["replicate"]
    seen = cells.take(np.flatnonzero((replicate == FIRST) | (state == CONTROL)))
    second = cells.take(np.flatnonzero(replicate == SECOND))
    recipe = recipes.cpa("target", CONTROL, covariates=("replicate",))
    epochs = max(8, args.updates // (len(seen) // 128))
    start = time.perf_counter()
    model = wd.train(seen, adjust(recipe, epochs), seed=args.seed, threads=1, verbose=False)
    print(f"cpa: {time.perf_counter() - start:.0f} s, {model.record['epochs']} epochs")
    targets = args.only or [str(k) for k in np.unique(state) if k != CONTROL]
    tables = {k: one_target(model, seen, second, k, args.splits) for k in targets}
    real = {k: chance_of(second, k) <= CHANCE for k in targets}
    print(f"\n{'target':12s}{'effect':>8s}{'silent':>8s}" + f"{'r2, default':>14s}{BASELINE:>24s}")
    for k, t in tables.items():
        rows = [t[name]["r2_change_top"] for name in ("transfer (default)", BASELINE)]
        silent = "yes" if t["transfer (default)"]["silent"] else ""
        print(f"{k:12s}{'yes' if real[k] else '':>8s}{silent:>8s}{rows[0]:14.3f}{rows[1]:24.3f}")
    for title, some in (
        ("all targets", targets),
        ("an effect in the second replicate", [k for k in targets if real[k]]),
        ("no effect in the second replicate", [k for k in targets if not real[k]]),
    ):
        if some:
            show(f"{title} ({len(some)})", mean_of({k: tables[k] for k in some}))


if __name__ == "__main__":
    main()
