"""A time bin of an embryo that was left out, found between its neighbours.

    python tests/benchmarks/evaluate_timecourse.py
    python tests/benchmarks/evaluate_timecourse.py --only 330-390 --seeds 3

A model is trained without the cells of a time bin. They are then expected where cells of the bin
before become cells of the bin after: each is paired with one there by optimal transport, and the
new cell lies between the two as its time does. Rows:

- "latent, drawn": positions between the pair in the model's latent space, drawn from the decoder;
- "latent, carried": both cells of each pair, their counts thinned and added to by the fold change
  that the model expects from there to the position between, as `predict_perturbation` does;
- "genes": log expression between the pair's;
- "genes, pairs of components": the same, pairs found in principal components;
- "cells of both bins, mixed": no interpolation at all.

Scored are the change from the bin before (1 - SSE/SST over all genes and the 100 of largest
Wilcoxon |z|, with disjoint halves of the bin before), spread, and energy distance to the real cells
of the bin.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import anndata
from evaluate_perturbation import DATA, Table, mean_of, show

import waddington as wd
from waddington import recipes
from waddington.cells import RNA, Cells
from waddington.metrics import principal_components
from waddington.verbs import Prediction
from waddington.verbs.evaluate_perturbation import PREDICTED
from waddington.verbs.logs import dense, log_values
from waddington.verbs.question import decode
from waddington.verbs.responses import carried

FILE = "timecourse_celegans_embryo_neurons_1805.h5ad"
BINS = ("210-270", "270-330", "330-390", "390-450", "450-510", "510-580", "580-650", "> 650")
FEWEST = 0.02
"""Genes found in so many cells are looked at."""


def load() -> tuple[Cells, np.ndarray]:
    """Cells, and their times in minutes."""
    adata = anndata.read_h5ad(DATA / FILE)
    x = sparse.csr_matrix(adata.X)
    adata = adata[:, np.asarray((x > 0).mean(0)).ravel() > FEWEST].copy()
    cells = Cells.from_anndata(adata, categorical=["embryo_time_bin", "batch"])
    return cells, adata.obs["embryo_time"].to_numpy(float)


def paired(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which row of b each row of a becomes, at least squared distance in all; equally many."""
    n = min(len(a), len(b))
    i, j = rng.permutation(len(a))[:n], rng.permutation(len(b))[:n]
    rows, columns = linear_sum_assignment(cdist(a[i], b[j], "sqeuclidean"))
    return i[rows], j[columns]


def between(z: np.ndarray, before: np.ndarray, after: np.ndarray, share: float, seed: int):
    """Source cells, their partners, and positions between them."""
    i, j = paired(z[before], z[after], np.random.default_rng(seed))
    a, b = before[i], after[j]
    return a, b, ((1 - share) * z[a] + share * z[b]).astype(z.dtype)


def one_bin(cells: Cells, time: np.ndarray, which: int, batch: str | None, seed: int) -> Table:
    """All rows for one bin left out."""
    bins, x = cells.covariates["embryo_time_bin"], cells.views[RNA]
    before, here, after = (np.flatnonzero(bins == BINS[which + d]) for d in (-1, 0, 1))
    share = (time[here].mean() - time[before].mean()) / (time[after].mean() - time[before].mean())
    seen = cells.take(np.flatnonzero(bins != BINS[which]))
    model = wd.train(seen, recipes.scvi(batch=batch), seed=seed, threads=1, verbose=False)
    z, logs, rng = wd.latent(model, cells), log_values(x, True), np.random.default_rng(seed)
    a, b, at = between(z, before, after, share, seed)
    later = (rng.random(len(a)) < share)[:, None]
    moved = [carried_to(model, cells, i, z, at, rng) for i in (a, b)]
    drawn = decode(model, cells.take(a), at, draw=True, seed=seed)
    parts = principal_components(logs, 20, seed)
    c, d, _ = between(parts, before, after, share, seed)
    mix = lambda one, other: (1 - share) * one + share * other
    same = lambda values: (values, values)
    ends = [dense(logs[i]) for i in (a, b)]
    made = {
        "latent, drawn": same(log_values(drawn, True)),
        "latent, carried": (np.where(later, *moved[::-1]), mix(*moved)),
        "genes": same(mix(*ends)),
        "genes, pairs of components": same(mix(dense(logs[c]), dense(logs[d]))),
        "cells of both bins, mixed": (np.where(later, *ends[::-1]), mix(*ends)),
    }
    data, table, found = replace(cells, views={RNA: logs}), {}, {}
    for name, values in made.items():
        source = logs[c if "components" in name else a]
        found = wd.evaluate_perturbation(told(*values, source, cells, BINS[which]), data, here)
        table[name] = found.pop(PREDICTED)
    return table | found


def carried_to(
    model: Any, cells: Cells, rows: np.ndarray, z: np.ndarray, at: np.ndarray, rng: Any
) -> np.ndarray:
    """Log expression of cells at other positions, (cells, genes)."""
    some = cells.take(rows)
    before, after = (decode(model, some, p).astype(float) for p in (z[rows], at))
    counts = some.views[RNA].toarray().astype(float)
    return log_values(carried(counts, before, after, rng), True)


def told(
    made: np.ndarray, logs: np.ndarray, source: sparse.csr_matrix, cells: Cells, name: str
) -> Prediction:
    """Log expression of cells of the bin before as they would be in the next, as a prediction."""
    about = {"condition": "embryo_time_bin", "source": "", "target": name, "of": None}
    made, logs = made.astype(np.float32), logs.astype(np.float32)
    return Prediction(
        made, made[:, :2], np.arange(len(made)), cells.features[RNA], {}, "between", None, logs,
        source, None, {}, about, counts=False,
    )  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=BINS[1:-1], help="leave out these only")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--batch", help="a column; batches are confounded with time: none is used")
    args = parser.parse_args()
    if not (DATA / FILE).is_file():
        sys.exit(f"needs {FILE} in {DATA}")
    cells, time = load()
    tables = {}
    for name in args.only or BINS[1:-1]:
        every = [
            one_bin(cells, time, BINS.index(name), args.batch, seed) for seed in range(args.seeds)
        ]
        tables[name] = mean_of(dict(enumerate(every)))
        show(f"{name} minutes left out", tables[name])
    show(f"mean over {len(tables)} bins left out", mean_of(tables))


if __name__ == "__main__":
    main()
