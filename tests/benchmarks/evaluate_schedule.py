"""How long to train, and at which rate: held-out bounds and seconds of the schedules of `scvi()`.

    python tests/benchmarks/evaluate_schedule.py [FILE.h5ad:BATCH ...] [--seeds N] [--short]

Without files: the two data sets that ship, and three of ../shared/data where they are. One line for
each run: the best held-out objective in nats per cell (lower is better), its epoch, CPU seconds.
With --short, runs of 350, 700 and 1,400 updates by their peak, and as `scvi(epochs=)` has them.
"""

import argparse
import time
from pathlib import Path

import anndata

import waddington as wd
from waddington.optim import Adam
from waddington.parts import replace
from waddington.readers import training_cells
from waddington.recipe import EarlyStopping
from waddington.recipes.schedule import PASSES, PEAK
from waddington.schedules import OneCycle
from waddington.trainer import Trainer

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = {
    "kang_pbmc_control_8donors_12261x1287.h5ad": "donor",
    "trajectory_paul15_myeloid_2660x3004.h5ad": None,
}
SCHEDULES = {
    "constant 1e-3, 6000 updates": (6000, 1e-3, 45),
    "one-cycle 4e-3, 3000 updates": (3000, OneCycle(4e-3), 30),
    "one-cycle 4e-3, 2000 updates": (2000, OneCycle(4e-3), 30),
    "one-cycle 2e-3, 3000 updates": (3000, OneCycle(2e-3), 30),
    "one-cycle by passes, 3000 updates": (3000, OneCycle(PEAK, full=PASSES), 30),
}
SHORT = {
    f"one-cycle {name}, {updates} updates": (updates, OneCycle(peak, full=full), 30)
    for updates in (350, 700, 1400)
    for name, peak, full in (("2e-3", 2e-3, 0), ("8e-3", 8e-3, 0), ("by passes", PEAK, PASSES))
}


def data_sets(files: list[str]):
    """Name, data and batch column of each."""
    if files:
        for entry in files:
            path, _, batch = entry.partition(":")
            yield Path(path).stem, anndata.read_h5ad(path), batch or None
        return
    yield "kang_pbmc", wd.datasets.kang_pbmc(), "donor"
    yield "pbmc_3chemistries", wd.datasets.pbmc_3chemistries(), "batch"
    for name, batch in FILES.items():
        if (SHARED / name).exists():
            yield Path(name).stem, anndata.read_h5ad(SHARED / name), batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="runs of few updates")
    options = parser.parse_args()
    print("data,schedule,seed,held_out,best_epoch,epochs,cpu_s", flush=True)
    for name, data, batch in data_sets(options.files):
        for schedule, (updates, rate, patience) in (SHORT if options.short else SCHEDULES).items():
            for seed in range(options.seeds):
                recipe = wd.recipes.scvi(batch)
                adam = Adam(rate, eps=0.01, weight_decay=1e-6)
                phase = replace(recipe.phases[0], updates=updates, optimiser=adam)
                recipe = replace(recipe, phases=(replace(phase, stop=EarlyStopping(patience)),))
                began = time.process_time()
                trainer = Trainer(recipe, training_cells(data, recipe), seed=seed, threads=1)
                trainer.advance()
                scores = [r["objective"] for r in trainer.history if r["cells"] == "held out"]
                spent = time.process_time() - began
                row = (min(scores), scores.index(min(scores)) + 1, len(scores), spent)
                print(f"{name},{schedule},{seed}," + ",".join(f"{v:.6g}" for v in row), flush=True)


if __name__ == "__main__":
    main()
