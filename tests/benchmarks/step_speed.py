"""A step of training by plain formulas, with torch's kernels, with those in C, and by hand in both.

    python tests/benchmarks/step_speed.py [--model scvi ...] [--genes 2000] [--density 0.06]

Prints cells per CPU second of each, medians of alternating rounds, and their ratios: gradients and
Adam, without the trainer's bookkeeping. The engines take the same steps but for rounding: "plain"
is autograd through the textbook formulas on dense counts, "torch" has gradients written by hand and
sparse counts, "C" the same compiled; "by hand" is a whole step without autograd, in torch or in C.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from likelihood_speed import plain_nb, plain_poisson

from waddington import kernels, layers
from waddington.cells import Cells, Dims, Minibatch
from waddington.minibatches import minibatches
from waddington.network import Network
from waddington.recipe import Recipe
from waddington.recipes import RECIPES
from waddington.schedules import END, at
from waddington.terms import losses, weighted
from waddington.whole_step import known, match


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
    columns = {"batch": ["a", "b", "c"], "donor": list("abcdefgh"), "condition": ["a", "b"]}
    covariates = {k: rng.choice(levels, n) for k, levels in columns.items()}
    return Cells({"rna": x}, covariates=covariates, values={"age": rng.normal(40, 9, (n, 1))})


def models() -> dict[str, Recipe]:
    """What can be asked for, by name."""
    scvi = partial(RECIPES["scvi"], batch="batch")
    return {
        "scvi": scvi(),
        "zinb": scvi(likelihood="zinb"),
        "layers": scvi(n_layers=2),
        "covariates": scvi(batch=("batch", "donor"), covariates=("age",)),
        "gene-batch": scvi(dispersion="gene-batch"),
        "gene-cell": scvi(dispersion="gene-cell"),
        "poisson": scvi(likelihood="poisson"),
        "cvae": RECIPES["cvae"](condition="condition"),
        "exercise_vae": RECIPES["exercise_vae"](),
    }


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
    """Print a line per model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["scvi"], choices=(*models(), "all"))
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--density", type=float, default=0.062)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cells = simulated((args.steps + 5) * args.batch_size, args.genes, args.density)
    stored = cells.views["rna"].nnz / np.prod(cells.views["rna"].shape)
    print(f"{args.genes} genes, {stored:.1%} non-zero, {kernels.status()['why']}")
    for name in models() if "all" in args.model else args.model:
        told(name, rates(models()[name], cells, args))


def rates(recipe: Recipe, cells: Cells, args: argparse.Namespace) -> dict[str, float]:
    """Cells per CPU second by engine; by hand only where that step is written."""
    engines = ("plain", "torch", "C")
    if known(recipe):
        engines += ("torch by hand", "C by hand")
    steps = {}
    for name in engines:
        kernels.use(None if name.startswith("C") else False)
        steps[name] = stepper(recipe, cells, name.endswith("by hand"))
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(args.rounds):
        for name, step in steps.items():
            kernels.use(None if name.startswith("C") else False)
            with plain() if name == "plain" else nullcontext():
                found[name].append(rate(step, cells, args.batch_size, args.steps))
    return {k: statistics.median(v) for k, v in found.items()}


@contextmanager
def plain() -> Iterator[None]:
    """Formulas as they are in books, in the place of kernels."""
    forms = {
        "nb": lambda y, theta, size, x, share: plain_nb(y, theta, size, x),
        "zinb": lambda y, theta, zero, size, x, share: plain_nb(y, theta, size, x, zero),
        "poisson": lambda y, size, x, share: plain_poisson(y, size, x),
    }
    with ExitStack() as stack:
        for name, form in forms.items():
            stack.enter_context(mock.patch.object(kernels, name, form))
        dense = lambda x, weight: x.dense() @ weight
        stack.enter_context(mock.patch.object(layers, "sparse_linear", dense))
        yield


def told(name: str, found: dict[str, float]) -> None:
    """A line about one model."""
    each = (f"{k} {v:7.0f} ({v / found['plain']:4.2f})" for k, v in found.items())
    print(f"{name:13s}", "  ".join(each), "cells/s (times plain)", flush=True)


if __name__ == "__main__":
    main()
