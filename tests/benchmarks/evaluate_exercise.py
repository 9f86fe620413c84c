"""The lecture's VAE on real blood cells: its learning rates, its fit, and what denoising does.

    python tests/benchmarks/evaluate_exercise.py [--epochs 300] [--seed 1]

Data are log2(1 + counts per 10,000), 80 % for training. With other than 1,000 epochs the schedule
of rates keeps its proportions. Printed: the rates at the epochs where the lecture's run was
recorded; the squared correlation of decoded and measured values over held-out cells; and the trend
of log2 CV against log2 mean over genes, on the scale of counts per 10,000, before and after.
Sampling noise alone makes it fall with slope -1/2, and denoising takes that noise away.
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
from waddington.schedules import Clock

RECORDED = {1: 2e-5, 81: 2e-5, 82: 2.75e-5, 345: 2e-3, 450: 2e-3, 451: 1e-4, 601: 1e-4, 602: 5e-6}
"""The learning rate at entries of the recorded trace, counted from 1."""


def rates() -> None:
    """Ours beside the recorded ones."""
    ours = wd.recipes.exercise_vae().phases[0].optimiser.lr
    for entry, want in RECORDED.items():
        got = ours.at(Clock(epoch=entry - 1))
        print(f"  entry {entry:4d}: recorded {want:.3e}, ours {got:.3e}")
        assert abs(got - want) < 1e-12


def trend(log2_values: np.ndarray) -> dict[str, float]:
    """Slope, intercept and r of log2 CV on log2 mean, over genes with a mean above 0.1."""
    x = np.maximum(2.0**log2_values - 1, 0)
    mean, cv = x.mean(0), x.std(0) / np.maximum(x.mean(0), 1e-9)
    kept = (mean > 0.1) & (cv > 0)
    a, b = np.log2(mean[kept]), np.log2(cv[kept])
    slope, intercept = np.polyfit(a, b, 1)
    return {
        "genes": int(kept.sum()), "slope": slope, "intercept": intercept,
        "r": np.corrcoef(a, b)[0, 1], "median log2 CV": float(np.median(b)),
    }  # fmt: skip


def main() -> None:
    """Train, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print("learning rates")
    rates()
    cells = wd.Cells.from_anndata(wd.datasets.kang_pbmc())
    logs = simulate.log_normalised(cells, base=2)
    order = np.random.default_rng(args.seed).permutation(len(logs))
    held, rest = logs.take(order[: len(logs) // 5]), logs.take(order[len(logs) // 5 :])
    start = time.perf_counter()
    recipe = wd.recipes.exercise_vae(epochs=args.epochs)
    model = wd.train(rest, recipe, seed=args.seed, held_out=held)
    print(f"{model.record['epochs']} epochs in {time.perf_counter() - start:.0f} s")
    print(model)
    x, made = held.views["rna"].toarray(), wd.reconstruct(model, held)
    r2 = np.corrcoef(x.ravel(), made.ravel())[0, 1] ** 2
    r2_mean = (
        np.corrcoef(x.ravel(), np.tile(rest.views["rna"].toarray().mean(0), len(x)))[0, 1] ** 2
    )
    print(f"squared correlation over held-out entries: {r2:.3f} (gene means alone {r2_mean:.3f})")
    for name, values in (("measured", x), ("denoised", made)):
        print(f"  {name}: " + ", ".join(f"{k} {v:.2f}" for k, v in trend(values).items()))
    means = np.corrcoef(x.mean(0), made.mean(0))[0, 1]
    print(f"  r of gene means, measured and denoised: {means:.4f}")


if __name__ == "__main__":
    main()
