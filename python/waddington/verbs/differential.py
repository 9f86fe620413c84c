"""Which genes differ between groups of cells, by what a model believes of each cell's shares."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse, stats

from ..cells import RNA, Cells, Minibatch
from ..devices import Random
from ..errors import InputError, listed
from ..layers import check_choice, check_share
from ..model import Model
from ..network import Network
from ..readers import column_of, query_cells
from ..stream import rows_at
from .ask import each, why_not
from .shown import shown

MODES = ("change", "vanilla")
PER_TEN_THOUSAND = 1e4
GENES = 512
"""Genes whose pairs of draws are compared at a time."""
TINY_COUNT = 0.1
FEW = 10
"""Cells of a group below which a user is warned."""


@shown
@dataclass(frozen=True)
class Differences:
    """One row per gene; a is compared with b.

    Attributes:
        groups: The names of a and b.
        columns: By name, (genes,) each:
            "lfc_mean", "lfc_median", "lfc_sd": of log2(share in a / in b), over pairs of cells.
            "lfc_low", "lfc_high": 95 % interval of the same.
            "p_up", "p_down": probability that it is at least delta, or at most -delta.
            "p_de": the larger of the two.
            "mc_error": Monte-Carlo standard error of p_de.
            "lfsr": probability that the sign of lfc_median is wrong.
            "bayes_factor": log odds of p_de, in nats.
            "share_a", "share_b": mean expected share of the library, 0 to 1.
            "raw_a", "raw_b": mean counts per 10,000, from the data.
            "detected_a", "detected_b": share of cells with a count.
            "fdr": expected share of false ones among this gene and all with a higher p_de.
            "is_de": whether fdr is at most the level asked for.
        features: Names of the genes.
        pseudo: The share that was added to both before logs were taken.
        strata: Levels of the batch within which cells were paired; () is no batch.
        n_cells: Cells of a and b that could be drawn.
    """

    groups: tuple[str, str]
    columns: dict[str, np.ndarray]
    features: tuple[str, ...]
    pseudo: float
    strata: tuple[str, ...]
    n_cells: tuple[int, int]

    def frame(self) -> Any:
        """A pandas data frame, genes of highest p_de first."""
        import pandas as pd

        table = pd.DataFrame(self.columns, index=pd.Index(self.features, name="gene"))
        return table.sort_values(["p_de", "lfc_sd"], ascending=[False, True], kind="stable")


def differential_expression(
    model: Model,
    data: Any,
    by: str,
    a: str,
    b: str | None = None,
    *,
    batch: str | None = None,
    mode: str = "change",
    delta: float = 0.25,
    fdr: float = 0.05,
    n_samples: int = 5000,
    n_pairs: int = 10_000,
    pseudo: float | None = None,
    seed: int = 0,
    layer: str | None = None,
) -> Differences:
    """Compare two groups of cells, gene by gene, through the posterior of their shares.

    Cells of a and of b are drawn at random, a position of each from its posterior, and its shares
    decoded; log2 ratios are taken of random pairs. With `batch`, only batches with cells of both
    groups count, all the same, and pairs are of one batch, so that batches can't differ for types.

    Cells are no replicates: a difference between two donors is found here as surely as one between
    two conditions. Where donors are the replicates, ask `donor_differences`.

    Args:
        model: A model with a count head.
        data: An AnnData, or Cells.
        by: The column of groups.
        a: A level of it.
        b: Another; None is all cells but a.
        batch: A column within whose levels cells are paired.
        mode: "change" asks for a log2 fold change of delta or more; "vanilla" for any: it ranks by
            consistency, not by size.
        delta: The least change of interest, in log2.
        fdr: Expected share of false genes among those called.
        n_samples: Draws per group.
        n_pairs: Pairs of draws.
        pseudo: Share added before logs; None takes the larger of a tenth of a count in a cell of
            median library, and the 90 % quantile of the shares of genes that are hardly there.
        seed: Of all draws.
        layer: The layer of an AnnData that has the data; None is the one of training.

    References:
        Lopez et al. (2018), Nature Methods 15, 1053. Boyeau et al. (2019), bioRxiv 794289.
    """
    check_choice(mode, MODES, "mode")
    check_share(fdr, "fdr")
    _check_head(model)
    groups, cells = column_of(data, by), query_cells(data, model, layer)
    masks = _two_groups(groups, by, a, b)
    strata = _strata(None if batch is None else column_of(data, batch), masks, batch)
    rng = np.random.default_rng(seed)
    with Random(seed):
        shares = [
            _draws(model, cells, [m & s for s in strata.values()], n_samples, rng) for m in masks
        ]
    raw = [_raw(rows_at(cells.views[RNA], np.flatnonzero(m))) for m in masks]
    pseudo = _pseudo(shares, raw, cells) if pseudo is None else pseudo
    pairs = _pairs(len(strata), len(shares[0]) // len(strata), n_pairs, rng)
    columns = _contrast(shares, pairs, pseudo, delta if mode == "change" else 0.0)
    for name, share, (mean, found) in zip("ab", shares, raw, strict=True):
        columns |= {f"share_{name}": share.mean(0), f"raw_{name}": mean, f"detected_{name}": found}
    columns["fdr"] = expected_fdr(columns["p_de"])
    columns["is_de"] = columns["fdr"] <= fdr
    names = tuple(k for k in strata if batch is not None)
    n_a, n_b = (int(m.sum()) for m in masks)
    pair = (a, b if b is not None else f"not {a}")
    return Differences(pair, columns, model.features[RNA], pseudo, names, (n_a, n_b))


def expected_fdr(p: np.ndarray) -> np.ndarray:
    """Mean of 1 - p over each gene and those with a higher p, (genes,).

    References:
        Newton et al. (2004), Biostatistics 5, 155.
    """
    order = np.argsort(-p, kind="stable")
    running = np.cumsum(1 - p[order]) / np.arange(1, len(p) + 1)
    out = np.empty(len(p))
    out[order] = running
    return out


def donor_differences(
    model: Model,
    data: Any,
    by: str,
    a: str,
    b: str,
    donor: str,
    *,
    fdr: float = 0.05,
    pseudo: float | None = None,
    layer: str | None = None,
) -> dict[str, np.ndarray]:
    """The same question with donors as replicates: t-tests of their mean log2 shares.

    A donor with cells of both groups is paired with itself; with fewer than two such donors, the
    donors of a are compared with those of b by Welch's test. Beside it, the same test of the
    donors' summed counts (pseudobulk), which knows no model.

    Args:
        model: A model with a count head.
        data: An AnnData, or Cells.
        by: The column of groups.
        a: A level of it.
        b: Another.
        donor: The column of donors.
        fdr: False discovery rate, after Benjamini and Hochberg.
        pseudo: Share added before logs; None is a tenth of a count in a cell of median library.
        layer: The layer of an AnnData that has the data; None is the one of training.

    Returns:
        By name, (genes,): "lfc" (log2), "t", "p", "q", "is_de"; and "bulk_lfc", "bulk_t", "bulk_p",
        "bulk_q", "bulk_is_de" of the pseudobulk.

    Raises:
        InputError: If a group has fewer than two donors.
    """
    _check_head(model)
    groups, donors = column_of(data, by), column_of(data, donor)
    cells = query_cells(data, model, layer)
    x = cells.views[RNA]
    pseudo = TINY_COUNT / float(np.median(np.asarray(x.sum(1)))) if pseudo is None else pseudo
    share = each(model, cells, lambda net, m: _shares(net, m, net.encode(m).loc))
    sides = []
    for level, mask in zip((a, b), _two_groups(groups, by, a, b), strict=True):
        here = {d: np.flatnonzero(mask & (donors == d)) for d in np.unique(donors[mask])}
        if len(here) < 2:
            told = (
                f"{level!r} has cells of {len(here)} level of {donor!r}; a test needs two or more"
            )
            raise InputError(told, "donor")
        sides.append(here)
    counted = lambda i: np.asarray(x[i].sum(0)).ravel()
    bulk = lambda i: (k := counted(i)) / max(1.0, k.sum())
    columns = _t_tests(sides, lambda i: np.log2(share[i].mean(0) + pseudo), fdr)
    beside = _t_tests(sides, lambda i: np.log2(bulk(i) + pseudo), fdr)
    return columns | {f"bulk_{k}": v for k, v in beside.items()}


def differential_abundance(
    model: Model, data: Any, by: str, n_most: int = 1000, seed: int = 0, layer: str | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """How dense the cells of each sample are at the place of each cell.

    The density of a sample is the mean of the posteriors of its cells.

    Args:
        model: A model with a posterior.
        data: An AnnData, or Cells.
        by: The column of samples.
        n_most: Cells that stand for a sample, picked at random.
        seed: Of that.
        layer: The layer of an AnnData that has the data; None is the one of training.

    Returns:
        Log densities, (cells, samples), in nats, and the names of the samples. A difference of two
        columns is a log ratio of abundances.
    """
    if model.recipe.latent.prior is None or why_not(model, "latent"):
        raise InputError(
            f"a {model.recipe.name} model has no posterior to take densities of", "model"
        )
    samples, cells = column_of(data, by), query_cells(data, model, layer)
    loc = each(model, cells, lambda net, m: net.encode(m).loc).astype(float)
    sd = each(model, cells, lambda net, m: net.encode(m).spread).astype(float)
    rng, names = np.random.default_rng(seed), tuple(np.unique(samples).tolist())
    out = np.empty((len(cells), len(names)))
    for j, name in enumerate(names):
        mine = rng.permutation(np.flatnonzero(samples == name))[:n_most]
        out[:, j] = _log_mixture(loc, loc[mine], sd[mine])
    return out, names


def _log_mixture(z: np.ndarray, loc: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Log of the mean density at z of normals, (cells,)."""
    weight = 1 / sd**2
    constant = -np.log(sd).sum(1) - 0.5 * z.shape[1] * np.log(2 * np.pi)
    square = z**2 @ weight.T - 2 * z @ (loc * weight).T + (loc**2 * weight).sum(1)
    log = constant - 0.5 * square
    top = log.max(1, keepdims=True)
    return np.log(np.exp(log - top).mean(1)) + top[:, 0]


def _check_head(model: Model) -> None:
    reason = why_not(model, "denoise")
    if reason is None and not getattr(model.recipe.head(RNA), "counts", False):
        reason = "its head is not of counts"
    if reason:
        raise InputError(f"a {model.recipe.name} model can't compare shares: {reason}", "model")


def _two_groups(groups: np.ndarray, by: str, a: str, b: str | None) -> tuple[np.ndarray, ...]:
    """Which cells are of a, and which of b."""
    for name, level in (("a", a), ("b", b)):
        if level is not None and level not in groups:
            known = listed(np.unique(groups), 10)
            raise InputError(f"{by!r} has no cells of {level!r}; it has {known}", name)
    if a == b:
        raise InputError(f"a and b are both {a!r}", "b")
    masks = groups == a, (groups != a if b is None else groups == b)
    for mask, name in zip(masks, (a, b if b is not None else f"not {a}"), strict=True):
        if (n := int(mask.sum())) < FEW:
            told = f"{n} cells are" if n > 1 else "1 cell is"
            warnings.warn(
                f"only {told} of {name!r}: what is found may be special to it, and is not what "
                "another sample would show",
                stacklevel=3,
            )
    return masks


def _strata(
    batches: np.ndarray | None, masks: Sequence[np.ndarray], name: str | None
) -> dict[str, np.ndarray]:
    """Cells by batch, of those batches that have both groups."""
    if batches is None:
        return {"": np.ones(len(masks[0]), bool)}
    both = {str(k): batches == k for k in np.unique(batches)}
    both = {k: here for k, here in both.items() if all((here & m).any() for m in masks)}
    if not both:
        raise InputError(
            f"no level of {name!r} has cells of both groups: they can't be told from batches; "
            "leave out batch= to compare them all the same",
            "batch",
        )
    return both


def _draws(
    model: Model,
    cells: Cells,
    strata: Sequence[np.ndarray],
    n: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Shares of cells drawn from each stratum in turn, as many from each, (draws, genes)."""
    size = max(1, n // len(strata))
    index = np.concatenate([rng.choice(np.flatnonzero(s), size) for s in strata])
    ask = lambda net, m: _shares(net, m, net.encode(m).rsample())
    return each(model, cells.take(index), ask)


def _shares(net: Network, m: Minibatch, z: torch.Tensor) -> torch.Tensor:
    """Expected shares of the library, (cells, genes)."""
    made = net.decode(z, m)[RNA]
    return made.frequency


def _raw(x: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Mean counts per 10,000 and share of cells with a count, (genes,) each."""
    total = np.maximum(np.asarray(x.sum(1), dtype=float), 1.0)
    mean = np.asarray(x.multiply(PER_TEN_THOUSAND / total).mean(0)).ravel()
    return mean, np.asarray((x > 0).mean(0)).ravel()


def _pseudo(
    shares: Sequence[np.ndarray], raw: Sequence[tuple[np.ndarray, np.ndarray]], cells: Cells
) -> float:
    """A share that stands for next to nothing."""
    least = TINY_COUNT / max(1.0, float(np.median(np.asarray(cells.views[RNA].sum(1)))))
    silent = np.maximum(raw[0][1], raw[1][1]) < 0.01
    if silent.sum() < 10:
        return least
    top = np.maximum(shares[0][:, silent].mean(0), shares[1][:, silent].mean(0))
    return max(least, float(np.quantile(top, 0.9)))


def _pairs(n_strata: int, size: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Pairs of draws of one stratum, (2, pairs)."""
    each_n = max(1, n // n_strata)
    picked = [k * size + rng.integers(size, size=(2, each_n)) for k in range(n_strata)]
    return np.concatenate(picked, axis=1)


def _contrast(
    shares: Sequence[np.ndarray], pairs: np.ndarray, pseudo: float, delta: float
) -> dict[str, np.ndarray]:
    """Columns that come from log2 ratios of pairs, a block of genes at a time."""
    blocks = []
    for start in range(0, shares[0].shape[1], GENES):
        here = slice(start, start + GENES)
        logs = [np.log2(s[:, here] + np.float32(pseudo)) for s in shares]
        lfc = logs[0][pairs[0]] - logs[1][pairs[1]]
        low, middle, high = np.quantile(lfc, [0.025, 0.5, 0.975], axis=0)
        up, down = (lfc >= delta).mean(0), (lfc <= -delta).mean(0)
        if delta == 0:
            up, down = (lfc > 0).mean(0), (lfc < 0).mean(0)
        right = np.where(middle >= 0, (lfc > 0).mean(0), (lfc < 0).mean(0))
        blocks.append([lfc.mean(0), middle, lfc.std(0), low, high, up, down, 1 - right])
    names = ("lfc_mean", "lfc_median", "lfc_sd", "lfc_low", "lfc_high", "p_up", "p_down", "lfsr")
    columns = {k: np.concatenate(v) for k, v in zip(names, zip(*blocks, strict=True), strict=True)}
    p = columns["p_de"] = np.maximum(columns["p_up"], columns["p_down"])
    n = min(len(shares[0]), pairs.shape[1])
    columns["mc_error"] = np.sqrt(np.maximum(p * (1 - p), 0.25 / n) / n)
    inside = np.clip(p, 0.5 / n, 1 - 0.5 / n)
    columns["bayes_factor"] = np.log(inside) - np.log1p(-inside)
    return columns


def _t_tests(
    sides: Sequence[dict[str, np.ndarray]], value: Any, fdr: float
) -> dict[str, np.ndarray]:
    """Tests of the mean of `value` (cells to (genes,)) over donors."""
    both = sorted(set(sides[0]) & set(sides[1]))
    names = [both, both] if len(both) >= 2 else [sorted(s) for s in sides]
    x, y = (np.stack([value(s[d]) for d in some]) for s, some in zip(sides, names, strict=True))
    with np.errstate(all="ignore"):
        found = stats.ttest_rel(x, y) if len(both) >= 2 else stats.ttest_ind(x, y, equal_var=False)
    t, p = np.nan_to_num(found.statistic), np.nan_to_num(found.pvalue, nan=1.0)
    q = benjamini_hochberg(p)
    return {"lfc": x.mean(0) - y.mean(0), "t": t, "p": p, "q": q, "is_de": q <= fdr}


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """The false discovery rate at which each of these p-values is called, (tests,)."""
    order = np.argsort(p)[::-1]
    adjusted = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(adjusted, 1.0)
    return out
