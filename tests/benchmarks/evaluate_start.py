"""Where log theta starts: held-out bounds of `scvi()` from the trivial model's theta and above it.

    python tests/benchmarks/evaluate_start.py [FILE.h5ad:BATCH ...] [--seeds N]

Data sets as in evaluate_schedule.py. One line for each run: the best held-out objective in nats per
cell (lower is better), and its epoch.
"""

import argparse
from unittest import mock

from evaluate_schedule import data_sets

import waddington as wd
from waddington.likelihoods import NegativeBinomial
from waddington.readers import training_cells
from waddington.trainer import Trainer

LIFTS = (0.0, 1.0, 2.0, 3.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    print("data,seed,lift,held_out,best_epoch", flush=True)
    for name, data, batch in data_sets(options.files):
        recipe = wd.recipes.scvi(batch)
        cells = training_cells(data, recipe)
        for seed in range(options.seeds):
            for lift in LIFTS:
                with mock.patch.object(NegativeBinomial, "lift", {"log_theta": lift}):
                    trainer = Trainer(recipe, cells, seed=seed, threads=1)
                    trainer.advance()
                scores = [r["objective"] for r in trainer.history if r["cells"] == "held out"]
                best = min(scores)
                print(f"{name},{seed},{lift},{best:.2f},{scores.index(best) + 1}", flush=True)


if __name__ == "__main__":
    main()
