"""A step of scvi() by autograd with torch's kernels, with C kernels, and written out by hand.

    python tests/benchmarks/step_speed.py [--likelihood nb] [--genes 2000] [--density 0.06]

Prints cells per CPU second of each, medians of alternating rounds, and their ratios: gradients and
Adam, without the trainer's bookkeeping. The three take the same steps but for rounding.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from waddington import kernels
from waddington.cells import Cells, Dims, Minibatch
from waddington.minibatches import minibatches
from waddington.network import Network
from waddington.recipe import Recipe
from waddington.recipes import RECIPES
from waddington.schedules import END, at
from waddington.terms import losses, weighted
from waddington.whole_step import match


def simulated(n: int, genes: int, density: float) -> Cells:
    """Counts of which about a share of `density` is not zero, in three batches."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.3, 1.0, genes) * rng.lognormal(0, 0.5, (n, 1))
    low, high = 1e-4, 1e4
    for _ in range(30):  # a factor that makes it so dense
        middle = (low * high) ** 0.5
        dense = (1 - np.exp(-middle * rate[:200])).mean() > density
        low, high = (low, middle) if dense else (middle, high)
    x = sparse.csr_matrix(rng.poisson(low * rate).astype(np.float32))
    return Cells({"rna": x}, covariates={"batch": rng.choice(["a", "b", "c"], n)})


def stepper(recipe: Recipe, cells: Cells, by_hand: bool) -> Callable[[Minibatch], None]:
    """A network of its own, and a function that takes a step of it."""
    torch.manual_seed(0)
    levels = {k: tuple(map(len, v)) for k, v in cells.levels().items()}
    network = Network(recipe, Dims({"rna": cells.views["rna"].shape[1]}, levels)).train()
    how = recipe.phases[0].optimiser
    optimiser, weights = how.build(list(network.parameters())), {}
    weights = {t.name: at(t.weight, END) for t in recipe.terms}
    written = match(recipe, network, optimiser) if by_hand else None

    def step(batch: Minibatch) -> None:
        optimiser.zero_grad()
        if written is not None:
            written(batch, weights, 1e-3)
        else:
            values = losses(recipe.terms, network(batch), batch)
            torch.stack(list(weighted(recipe.terms, values, END).values())).sum().backward()
        optimiser.step(1e-3)

    return step


def rate(step: Callable[[Minibatch], None], cells: Cells, size: int, repeats: int) -> float:
    """Cells per CPU second."""
    spent = done = 0
    batches = minibatches(cells, cells.levels(), size)
    for k, batch in enumerate(batches):
        start = time.process_time()
        step(batch)
        if k >= 3:
            spent, done = spent + time.process_time() - start, done + len(batch)
        if k == repeats + 3:
            break
    return done / spent


def main() -> None:
    """Print a line per engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--likelihood", default="nb")
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--density", type=float, default=0.062)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cells = simulated((args.steps + 5) * args.batch_size, args.genes, args.density)
    recipe = RECIPES["scvi"](batch="batch", likelihood=args.likelihood)
    stored = cells.views["rna"].nnz / np.prod(cells.views["rna"].shape)
    print(
        f"{args.likelihood}, {args.genes} genes, {stored:.1%} non-zero, {kernels.status()['why']}"
    )
    steps = {name: stepper(recipe, cells, name == "by hand") for name in ("torch", "C", "by hand")}
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(args.rounds):
        for name, step in steps.items():
            kernels.use(False if name == "torch" else None)
            rates[name].append(rate(step, cells, args.batch_size, args.steps))
    middle = {k: statistics.median(v) for k, v in rates.items()}
    for name, value in middle.items():
        print(f"{name:8s} {value:9.0f} cells/s  {value / middle['torch']:5.2f} times torch")


if __name__ == "__main__":
    main()
