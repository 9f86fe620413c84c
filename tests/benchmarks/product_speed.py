"""Speed of matrix products by the two libraries that torch brings: ratios of one run.

    python tests/benchmarks/product_speed.py [--cells 128] [--units 128] [--threads 1]

For the three products of a decoder's last map (forward, and the gradients of its input and of its
weight) at several numbers of genes: milliseconds and 10^9 multiply-adds a second by torch's BLAS
and by oneDNN, alternating, medians. The first lines say which of them `kernels.product` takes here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

from waddington.kernels import products

GENES = (20, 128, 500, 2000, 20000)


def operands(cells: int, units: int, genes: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """By product: a and b of a b^T."""
    h, weight, d = (torch.randn(*s) for s in ((cells, units), (genes, units), (cells, genes)))
    return {
        "forward": (h, weight),
        "gradient of input": (d, weight.t()),
        "gradient of weight": (d.t(), h.t()),
    }


def both(a: torch.Tensor, b: torch.Tensor, rounds: int) -> list[float]:
    """Median seconds by the BLAS and by oneDNN."""
    forms = (lambda: torch.mm(a, b.t()), lambda: products._onednn(a, b, None))
    told: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 3):
        for form, seconds in zip(forms, told, strict=True):
            start = time.perf_counter()
            form()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(s[3:]) for s in told]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=128)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"taken here: {products.status()}; vectors: {torch.backends.cpu.get_cpu_capability()}")
    print(f"{'genes':>6} {'product':20} {'BLAS ms':>8} {'oneDNN':>8} {'10^9/s':>8} {'ratio':>6}")
    for genes in GENES:
        work = args.cells * args.units * genes
        for name, (a, b) in operands(args.cells, args.units, genes).items():
            blas, onednn = both(a, b, max(10, min(400, int(2e9 / work))))
            told = f"{1e3 * blas:8.3f} {1e3 * onednn:8.3f} {work / onednn / 1e9:8.1f}"
            print(f"{genes:>6} {name:20} {told} {blas / onednn:6.2f}")


if __name__ == "__main__":
    main()
