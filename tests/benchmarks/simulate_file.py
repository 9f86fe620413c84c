"""Writes the simulated cells that the table of speeds is about, as an .h5ad file.

    python tests/benchmarks/simulate_file.py CELLS GENES FILE.h5ad

Negative binomial counts about means of low rank: 12 types, 3 batches, log-normal depths around 0.15
counts per gene; 6 % of the entries are not zero.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from scipy import sparse

RANK, TYPES, BATCHES, BLOCK = 10, 12, 3, 2000


def main() -> None:
    """Write the file, and say what is in it."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("cells", type=int)
    p.add_argument("genes", type=int)
    p.add_argument("file")
    a = p.parse_args()
    import anndata as ad
    import pandas as pd

    rng = np.random.default_rng(0)
    base, loadings = rng.normal(-1.0, 1.6, a.genes), rng.normal(0, 0.55, (RANK, a.genes))
    centres, kind = rng.normal(0, 1, (TYPES, RANK)), rng.integers(0, TYPES, a.cells)
    z = centres[kind] + 0.35 * rng.normal(size=(a.cells, RANK))
    batch, shift = rng.integers(0, BATCHES, a.cells), rng.normal(0, 0.25, (BATCHES, a.genes))
    theta = np.exp(rng.normal(0.7, 0.7, a.genes))
    depth = np.exp(rng.normal(np.log(0.15 * a.genes), 0.45, a.cells))
    parts = (slice(s, s + BLOCK) for s in range(0, a.cells, BLOCK))
    logits = (base + z[s] @ loadings + shift[batch[s]] for s in parts)
    x = sparse.vstack(list(counts(logits, theta, depth, rng)), format="csr")
    obs = {
        "batch": pd.Categorical([f"b{i}" for i in batch]),
        "celltype": pd.Categorical([f"t{i}" for i in kind]),
    }
    names = pd.DataFrame(index=[f"g{i}" for i in range(a.genes)])
    cells = pd.DataFrame(obs, index=[f"c{i}" for i in range(a.cells)])
    ad.AnnData(x, obs=cells, var=names).write_h5ad(a.file)
    print(f"{a.cells} cells x {a.genes} genes, {x.nnz / x.shape[0] / x.shape[1]:.1%} non-zero")


def counts(
    logits: Iterator[np.ndarray], theta: np.ndarray, depth: np.ndarray, rng: np.random.Generator
) -> Iterator[sparse.csr_matrix]:
    """Draws a block of cells at a time, (cells, genes)."""
    at = 0
    for eta in logits:
        share = np.exp(eta - eta.max(1, keepdims=True))
        mean = share / share.sum(1, keepdims=True) * depth[at : at + len(eta), None]
        rate = rng.gamma(theta[None].repeat(len(eta), 0), mean / theta)
        yield sparse.csr_matrix(rng.poisson(rate).astype(np.float32))
        at += len(eta)


if __name__ == "__main__":
    main()
