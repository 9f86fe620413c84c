"""Small data sets whose truth is known, for tests, examples and comparisons.

Every function returns cells and what they were made of. Counts are Gamma-Poisson draws around
library size x frequency, where frequency is a softmax over genes of a sum of log effects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from .cells import RNA, Cells
from .stream import rows_at


@dataclass(frozen=True)
class Simulated:
    """Cells, and their truth.

    Attributes:
        cells: What a model may see.
        truth: Arrays by name; each function says which.
    """

    cells: Cells
    truth: Mapping[str, np.ndarray]


def counts(
    n_cells: int = 600,
    n_genes: int = 100,
    n_types: int = 3,
    n_batches: int = 2,
    depth: float = 1000.0,
    theta: float = 5.0,
    seed: int = 0,
) -> Simulated:
    """Counts of cells of some types, each measured in one of some batches.

    Batches multiply the frequency of each gene, the same for all types, and all types occur in all
    batches in equal shares: what is batch and what is type can be told apart.

    Args:
        n_cells: Cells.
        n_genes: Genes.
        n_types: Levels of the covariate "cell_type": "type0", ...
        n_batches: Levels of the covariate "batch": "batch0", ...
        depth: Median library size, in counts.
        theta: Inverse dispersion, of all genes.
        seed: Of everything random.

    Returns:
        Cells; truth has "type" and "batch" (codes, (cells,)), "library" (cells, 1), "profiles"
        (types, genes) and "effects" (batches, genes) in logs, and "frequency" (cells, genes).
    """
    rng = np.random.default_rng(seed)
    kind, batch = rng.permutation(n_cells) % n_types, rng.integers(n_batches, size=n_cells)
    profiles = rng.normal(0, 1, (n_types, n_genes))
    effects = rng.normal(0, 0.4, (n_batches, n_genes)) * (n_batches > 1)
    truth = {
        "type": kind,
        "batch": batch,
        "profiles": profiles,
        "effects": effects,
        "frequency": softmax(profiles[kind] + effects[batch]),
    }
    covariates = {"batch": _named("batch", batch), "cell_type": _named("type", kind)}
    return _counted(truth, covariates, depth, theta, rng)


def programs(
    n_cells: int = 600,
    n_genes: int = 100,
    n_programs: int = 3,
    depth: float = 1000.0,
    theta: float = 20.0,
    seed: int = 0,
) -> Simulated:
    """Counts of cells that use gene programs to different extents: frequency = softmax(b + z W).

    Each program has loadings on a third of the genes.

    Args:
        n_cells: Cells.
        n_genes: Genes.
        n_programs: Programs, the dimensions of z ~ N(0, 1).
        depth: Median library size, in counts.
        theta: Inverse dispersion, of all genes.
        seed: Of everything random.

    Returns:
        Cells; truth has "z" (cells, programs), "loadings" (programs, genes), "library" (cells, 1)
        and "frequency" (cells, genes).
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n_cells, n_programs))
    loadings = rng.normal(0, 1, (n_programs, n_genes)) * (rng.random((n_programs, n_genes)) < 1 / 3)
    base = rng.normal(0, 0.5, n_genes)
    truth = {"z": z, "loadings": loadings, "frequency": softmax(base + z @ loadings)}
    return _counted(truth, {}, depth, theta, rng)


def perturbation(
    n_cells: int = 800,
    n_genes: int = 100,
    n_types: int = 4,
    n_responding: int = 20,
    flipped: int = 0,
    depth: float = 1000.0,
    seed: int = 0,
) -> Simulated:
    """Counts of cells of some types, half of them stimulated: log frequencies of some genes change.

    The change is the same for all types but those that are `flipped`: theirs has the other sign, so
    that nothing learnt from the others can predict it.

    Args:
        n_cells: Cells.
        n_genes: Genes.
        n_types: Levels of the covariate "cell_type".
        n_responding: Genes that respond, the first ones.
        flipped: How many types, the last ones, respond the other way round.
        depth: Median library size, in counts.
        seed: Of everything random.

    Returns:
        Cells with the covariates "cell_type" and "condition" ("control", "stimulated"); truth has
        "type", "stimulated" (bool), "profiles" (types, genes), "response" (types, genes) in logs,
        "library" (cells, 1) and "frequency" (cells, genes).
    """
    rng = np.random.default_rng(seed)
    kind, stimulated = rng.permutation(n_cells) % n_types, rng.random(n_cells) < 0.5
    profiles = rng.normal(0, 1, (n_types, n_genes))
    change = rng.choice([-1.0, 1.0], n_genes) * rng.uniform(1.0, 2.0, n_genes)
    change[n_responding:] = 0.0
    sign = np.where(np.arange(n_types) < n_types - flipped, 1.0, -1.0)
    response = sign[:, None] * change
    truth = {
        "type": kind,
        "stimulated": stimulated,
        "profiles": profiles,
        "response": response,
        "frequency": softmax(profiles[kind] + response[kind] * stimulated[:, None]),
    }
    covariates = {
        "cell_type": _named("type", kind),
        "condition": np.where(stimulated, "stimulated", "control"),
    }
    return _counted(truth, covariates, depth, 10.0, rng)


def linear_gaussian(
    n_cells: int = 500, n_genes: int = 20, n_latent: int = 3, sd: float = 1.0, seed: int = 0
) -> Simulated:
    """Probabilistic principal components: x ~ N(mean + z W, sd), z ~ N(0, 1).

    Args:
        n_cells: Cells.
        n_genes: Features.
        n_latent: Dimensions of z.
        sd: Standard deviation of the noise.
        seed: Of everything random.

    Returns:
        Cells of real numbers; truth has "z" (cells, n_latent), "loadings" (n_latent, genes), "mean"
        (genes,), and "log_likelihood" (cells,), the exact log density of each cell in nats.

    References:
        Tipping and Bishop (1999), Journal of the Royal Statistical Society B 61, 611.
    """
    rng = np.random.default_rng(seed)
    z, loadings = rng.normal(size=(n_cells, n_latent)), rng.normal(size=(n_latent, n_genes))
    mean = rng.normal(0, 2, n_genes)
    x = mean + z @ loadings + sd * rng.normal(size=(n_cells, n_genes))
    exact = gaussian_log_density(x, mean, loadings.T @ loadings + sd**2 * np.eye(n_genes))
    cells = Cells({RNA: sparse.csr_matrix(x)})
    return Simulated(cells, {"z": z, "loadings": loadings, "mean": mean, "log_likelihood": exact})


def ring(n_cells: int = 2000, n_modes: int = 8, sd: float = 0.1, seed: int = 0) -> Simulated:
    """A mixture of round normals, evenly spaced on a circle: what generators lose modes of.

    Args:
        n_cells: Cells, of two positive features.
        n_modes: Normals, in equal shares.
        sd: Standard deviation of each; the circle has radius 2 around (3, 3).
        seed: Of everything random.

    Returns:
        Cells with the covariate "mode"; truth has "mode" (codes,
        (cells,)) and "centres" (modes, 2).
    """
    rng = np.random.default_rng(seed)
    mode, angle = rng.permutation(n_cells) % n_modes, 2 * np.pi * np.arange(n_modes) / n_modes
    centres = 3 + 2 * np.column_stack([np.cos(angle), np.sin(angle)])
    x = centres[mode] + sd * rng.normal(size=(n_cells, 2))
    cells = Cells({RNA: sparse.csr_matrix(x)}, covariates={"mode": _named("mode", mode)})
    return Simulated(cells, {"mode": mode, "centres": centres})


def log_normalised(cells: Cells, total: float | None = 1e4, base: float = math.e) -> Cells:
    """The same cells with log(1 + counts per `total`) in every view.

    Args:
        cells: Cells of counts.
        total: What the counts of each cell are scaled to; None is the median library size.
        base: Of the logarithm.

    Returns:
        Cells; those without counts stay zero.
    """
    views = {}
    for name, rows in cells.views.items():
        x = rows_at(rows, slice(None))
        library = np.maximum(np.asarray(x.sum(1), dtype=float), 1.0)
        aim = float(np.median(library)) if total is None else total
        scaled = sparse.csr_matrix(x.multiply(aim / library))
        views[name] = (scaled.log1p() / math.log(base)).astype(np.float32)
    return replace(cells, views=views)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Shares that sum to 1 over the last axis."""
    up = np.exp(logits - logits.max(-1, keepdims=True))
    return up / up.sum(-1, keepdims=True)


def gaussian_log_density(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Log density of a multivariate normal at the rows of x, (rows,), in nats."""
    lower = np.linalg.cholesky(covariance)
    white = np.linalg.solve(lower, (x - mean).T)
    constant = len(mean) * math.log(2 * math.pi) + 2 * np.log(np.diag(lower)).sum()
    return -0.5 * ((white**2).sum(0) + constant)


def _counted(
    truth: dict[str, np.ndarray],
    covariates: dict[str, np.ndarray],
    depth: float,
    theta: float,
    rng: np.random.Generator,
) -> Simulated:
    """Cells of counts around library x frequency, the library log-normal around `depth`."""
    frequency = truth["frequency"]
    library = rng.lognormal(math.log(depth), 0.3, (len(frequency), 1))
    drawn = rng.poisson(rng.gamma(theta, library * frequency / theta)).astype(np.float32)
    names = {RNA: tuple(f"gene{i}" for i in range(drawn.shape[1]))}
    cells = Cells(
        {RNA: sparse.csr_matrix(drawn)},
        names,
        covariates,
        names=tuple(f"cell{i}" for i in range(len(drawn))),
    )
    return Simulated(cells, {**truth, "library": library})


def _named(what: str, codes: np.ndarray) -> np.ndarray:
    return np.array([f"{what}{i}" for i in range(int(codes.max()) + 1)])[codes]
