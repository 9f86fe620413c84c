"""How rare cells are among the others."""

from __future__ import annotations

import numpy as np

from ..cells import RNA, Cells
from ..layers import check_choice
from ..metrics import principal_components
from ..model import Model
from .ask import verb
from .latent import latent
from .logs import dense, log_expression

METHODS = ("neighbours", "density", "components", "sketch")
NEIGHBOURS, COMPONENTS = 15, 30
MOST_CELLS, BLOCK = 5000, 256
"""Densities are of a sample of so many cells, asked for so many cells at a time."""
ESTIMATORS, TESTS = 100, 50


@verb("encoder")
def rareness(model: Model, cells: Cells, method: str = "neighbours", seed: int = 0) -> np.ndarray:
    """How rare each cell is, (cells,); more is rarer, and only the order means something.

    Baselines see log counts per 10,000, so that depth alone makes no cell rare there; latent
    positions know the library. Doublets and damaged cells do look rare; take them out first. A type
    with more cells than there are neighbours looked at is dense, however small its share. B cells
    of pbmc3k, thinned to 1 in 200, were found by no method among the odd cells of other types.
    `tests/benchmarks/evaluate_rareness.py` compares the methods on planted types.

    Args:
        model: The model.
        cells: An AnnData, or Cells.
        method: "neighbours", the log distance to the 15th neighbour in latent space, which found
            planted types best; "density", minus the log density of the other cells' posteriors at
            the cell, in nats. Without the model, to compare: "components", the same distance in 30
            principal components; "sketch", how seldom other cells pass the same random tests of
            expression.
        seed: Of samples and tests.

    References:
        Jindal et al. (2018), Nature Communications 9, 4719, for the sketch (FiRE: 100 estimators of
        50 tests of a gene against a threshold; -2 times the mean log share).
    """
    check_choice(method, METHODS, "method")
    rng = np.random.default_rng(seed)
    if method == "sketch":
        return _sketch(dense(log_expression(model, cells.views[RNA])), rng)
    if method == "components":
        return _far(principal_components(log_expression(model, cells.views[RNA]), COMPONENTS))
    z = latent(model, cells)
    if method == "neighbours" or model.recipe.latent.prior is None:
        return _far(z)
    return _seldom(z, latent(model, cells, of="sd"), rng)


def _far(z: np.ndarray) -> np.ndarray:
    """Log distance to the 15th neighbour, (cells,)."""
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(z) - 1)
    away = NearestNeighbors(n_neighbors=k).fit(z).kneighbors()[0][:, -1]
    return np.log(np.maximum(away, 1e-12))


def _seldom(z: np.ndarray, sd: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Minus the log density of the aggregated posterior of the other cells, (cells,)."""
    from scipy.special import logsumexp

    some = rng.permutation(len(z))[:MOST_CELLS]
    loc, scale = z[some].astype(float), sd[some].astype(float)
    constant = -np.log(scale).sum(1) - 0.5 * z.shape[1] * np.log(2 * np.pi)
    out = np.empty(len(z))
    for a in range(0, len(z), BLOCK):
        here = z[a : a + BLOCK]
        off = (here[:, None] - loc) / scale
        log_density = constant - 0.5 * (off**2).sum(-1)
        log_density[np.arange(a, a + len(here))[:, None] == some] = -np.inf
        out[a : a + len(here)] = np.log(len(some)) - logsumexp(log_density, axis=1)
    return out


def _sketch(logs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """-2 times the mean log share of cells that pass the same tests, (cells,)."""
    varying = np.flatnonzero(logs.std(0) > 0)
    low, high = logs.min(0), logs.max(0)
    total = np.zeros(len(logs))
    for _ in range(ESTIMATORS):
        genes = rng.choice(varying, TESTS)
        passed = logs[:, genes] > rng.uniform(low[genes], high[genes])
        _, code, count = np.unique(
            np.packbits(passed, axis=1), axis=0, return_inverse=True, return_counts=True
        )
        total += np.log(count[code.ravel()] / len(logs))
    return -2 * total / ESTIMATORS
