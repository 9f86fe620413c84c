"""How much faster the kernels are than plain formulas: ratios of times of one run.

    python tests/benchmarks/likelihood_speed.py [--genes 2000] [--cells 128] [--density 0.06]

For each kernel: CPU milliseconds of value and gradient by the plain formula in torch with autograd,
by the hand-written gradient in torch, and by compiled C where it is active, alternating, medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from waddington import kernels
from waddington.cells import Rows


def simulated(cells: int, genes: int, density: float) -> Rows:
    """Counts of which a share of `density` is not zero."""
    rng = np.random.default_rng(0)
    x = sparse.random(cells, genes, density, "csr", np.float32, rng)
    whole = lambda a: torch.from_numpy(a.astype(np.int64))
    values = torch.from_numpy(rng.geometric(0.6, x.nnz).astype(np.float32))
    return Rows(whole(x.indptr), whole(x.indices), values, genes)


def fresh(rows: Rows) -> Rows:
    """The same rows with nothing kept from earlier steps."""
    return Rows(rows.indptr, rows.indices, rows.values, rows.n_features)


def plain_nb(logits, log_theta, library, rows, zero_logits=None):
    """The textbook formula on dense counts."""
    x, theta = rows.dense(), log_theta.exp()
    mean = library * logits.softmax(-1)
    total = (theta + mean + 1e-8).log()
    entries = theta * ((theta + 1e-8).log() - total) + x * ((mean + 1e-8).log() - total)
    gammas = torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)
    if zero_logits is None:
        return (entries + gammas).sum(-1)
    soft = torch.nn.functional.softplus
    zero = soft(theta * ((theta + 1e-8).log() - total) - zero_logits) - soft(-zero_logits)
    return torch.where(x == 0, zero, entries + gammas - soft(zero_logits)).sum(-1)


def plain_poisson(logits, library, rows):
    """The textbook formula on dense counts."""
    x, mean = rows.dense(), library * logits.softmax(-1)
    return (x * (mean + 1e-8).log() - mean - torch.lgamma(x + 1)).sum(-1)


def cases(rows: Rows, units: int = 128) -> dict:
    """By kernel: the plain form and the fast one, both functions of rows, and the leaves."""
    n, g = len(rows), rows.n_features
    leaf = lambda *shape: torch.randn(*shape).requires_grad_()
    logits, zeros, weight = leaf(n, g), leaf(n, g), (leaf(g, units) * 0.01).detach()
    theta, thetas = leaf(1, g), leaf(n, g)
    library = rows.dense().sum(1, keepdim=True).clamp(min=1)
    weight.requires_grad_()
    a = (logits, theta, library)
    c = (logits, thetas, library)
    zinb = lambda r: kernels.zinb(logits, theta, zeros, library, r, True)
    return {
        "nb": (lambda r: plain_nb(*a, r), lambda r: kernels.nb(*a, r, True), a[:2]),
        "nb gene-cell": (lambda r: plain_nb(*c, r), lambda r: kernels.nb(*c, r, True), c[:2]),
        "zinb": (lambda r: plain_nb(*a, r, zeros), zinb, (*a[:2], zeros)),
        "poisson": (
            lambda r: plain_poisson(logits, library, r),
            lambda r: kernels.poisson(logits, library, r, True),
            (logits,),
        ),
        "linear": (
            lambda r: (r.dense() @ weight).sum(1),
            lambda r: kernels.sparse_linear(r, weight).sum(1),
            (weight,),
        ),
    }


def step(f, leaves, rows) -> float:
    """CPU seconds of value and gradient."""
    for leaf in leaves:
        leaf.grad = None
    rows = fresh(rows)
    start = time.process_time()
    (-f(rows).mean()).backward()
    return time.process_time() - start


def main() -> None:
    """Print one line per kernel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--cells", type=int, default=128)
    parser.add_argument("--density", type=float, default=0.062)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    rows = simulated(args.cells, args.genes, args.density)
    print(f"C active: {kernels.status()['active']} ({kernels.status()['why']})")
    print(f"{args.cells} cells, {args.genes} genes, {args.density:.0%} non-zero; CPU ms per step")
    for name, (plain, fast, leaves) in cases(rows).items():
        times: dict[str, list[float]] = {"plain": [], "torch": [], "C": []}
        for _ in range(args.repeats + 5):
            times["plain"].append(step(plain, leaves, rows))
            kernels.use(False)
            times["torch"].append(step(fast, leaves, rows))
            kernels.use(None)
            times["C"].append(step(fast, leaves, rows))
        ms = {k: 1000 * statistics.median(v[5:]) for k, v in times.items()}
        print(
            f"{name:13s}" + "".join(f" {k} {v:7.2f} " for k, v in ms.items()),
            f"plain/torch {ms['plain'] / ms['torch']:5.2f}  plain/C {ms['plain'] / ms['C']:5.2f}"
            f"  torch/C {ms['torch'] / ms['C']:5.2f}",
        )


if __name__ == "__main__":
    main()
