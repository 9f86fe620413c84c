"""How good a network is: its terms on cells it was not trained on, and what to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from .annotation import describe_labels
from .cells import Cells, Levels
from .devices import Random
from .errors import listed
from .minibatches import CPU, Coded, minibatches
from .network import Network
from .players import Means
from .recipe import Recipe
from .stream import rows_at
from .terms import losses

Part = tuple[Coded, np.ndarray]
"""A data set, and which of its cells."""
EVALUATION_SEED = 17
"""Held-out scores use the same draws every time, so that epochs can be compared."""
ACTIVE = 0.01
"""A latent dimension is active if its posterior means vary by more than this over cells.

References:
    Burda et al. (2016), ICLR.
"""
SAMPLE = 20_000
"""The most cells from which the trivial model is estimated."""
SAMPLE_VALUES = 8_000_000
"""The most stored values of those cells: 64 MB."""


@torch.no_grad()
def evaluate(
    network: Network,
    recipe: Recipe,
    data: Coded,
    index: np.ndarray | None = None,
    size: int = 512,
    device: torch.device = CPU,
) -> dict[str, float]:
    """The value of each term over cells, not weighted, in nats per cell; always the same draws."""
    network.eval()
    means = Means()
    with Random(EVALUATION_SEED, device):
        for some in minibatches(data, {}, size, index, device=device):
            means.add(losses(recipe.terms, network(some), some), len(some))
    return means.result()


def sample_of(cells: Cells, index: np.ndarray, values: int = SAMPLE_VALUES) -> Cells:
    """At most SAMPLE of the cells at `index`, with about that many stored values, in memory.

    They are evenly spaced.
    """
    stored = sum(x.nnz for x in cells.views.values()) / max(1, len(cells))
    most = int(min(SAMPLE, max(SAMPLE // 20, values / max(1.0, stored))))
    some = cells.take(index[:: max(1, -(-len(index) // most))])
    return replace(some, views={k: rows_at(x, slice(None)) for k, x in some.views.items()})


@torch.no_grad()
def settle(network: Network, phase: int, trained: Part) -> None:
    """At the beginning of a phase, let modules start from where cells are after the one before.

    A module that wants to has `settle(phase, positions)`; positions() is (some cells, n).
    """

    def positions() -> np.ndarray:
        network.eval()
        few = trained[1][:: max(1, -(-len(trained[1]) // SAMPLE))]
        device = next(network.parameters()).device
        blocks = minibatches(trained[0], {}, 512, few, device=device)
        return torch.cat([network.encode(m).loc for m in blocks]).cpu().numpy()

    for module in network.modules():
        if settle := getattr(module, "settle", None):
            settle(phase, positions)


@torch.no_grad()
def report(
    network: Network, recipe: Recipe, trained: Part, held_out: Part
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Held-out score beside the trivial model's, and how many latent dimensions are in use.

    Then there are the weights of what a model knows of labels beside its network.
    """
    found: dict[str, Any] = {}
    beside: dict[str, np.ndarray] = {}
    data, held = held_out
    network.eval()
    if len(recipe.encoders) and all(hasattr(e, "stack") for e in recipe.encoders):
        z = [network.encode(m).loc for m in minibatches(data, {}, 512, held)]
        found["active_units"] = int((torch.cat(z).var(0) > ACTIVE).sum()) if z else None
    if recipe.labels:
        found["labels"], beside = describe_labels(network, recipe, trained, held_out)
    views = [d.view for d in recipe.decoders if _scored(recipe, d, data.cells)]
    if len(recipe.encoders) and len(held) and views:
        values = evaluate(network, recipe, data, held)
        found["held_out_nll"] = sum(values[f"nll {v}"] for v in views)
        if all(getattr(recipe.head(v), "comparable", True) for v in views):
            trivial = _trivial(recipe, trained, held_out)
            found["trivial_nll"] = sum(trivial[v] for v in views)
    return found, beside


def lends(data: Coded, train: np.ndarray, levels: Levels) -> dict[str, Any]:
    """What imagined cells borrow: quantiles of the library, and covariates as they occur."""
    few = train[:: max(1, -(-len(train) // 1000))]
    library = {
        k: np.quantile(np.asarray(x[few].sum(1)), np.linspace(0, 1, 101)).round(2).tolist()
        for k, x in data.cells.views.items()
    }
    columns = [data.codes[k].numpy()[few] for k in levels]
    columns += [v[few, 0] for v in data.cells.values.values() if v.shape[1] == 1]
    profiles = np.column_stack(columns).tolist() if columns else [[]] * len(few)
    return {"library": library, "profiles": profiles}


def _scored(recipe: Recipe, decoder: Any, cells: Cells) -> bool:
    named = f"nll {decoder.view}" in {t.name for t in recipe.terms}
    return named and decoder.view in cells.views and hasattr(decoder, "head")


def _trivial(recipe: Recipe, trained: Part, held_out: Part) -> Mapping[str, float]:
    """Negative log likelihood of each view if every cell had the mean profile, nats per cell."""
    few, means = sample_of(trained[0].cells, trained[1]), Means()
    start = {
        d.view: start_of(recipe.head(d.view), few, d.view)
        for d in recipe.decoders
        if _scored(recipe, d, few)
    }
    for m in minibatches(held_out[0], {}, 512, held_out[1]):
        for view, values in start.items():
            head, x = recipe.head(view), m.views[view]
            full = {
                k: v.expand(len(m), -1) if k in head.maps() else v[None] for k, v in values.items()
            }
            got = head.distribution(library=m.size(view, head.library), **full).log_prob(x)
            means.add({view: -torch.where(m.has(view), got, 0.0).mean()}, len(m))
    return means.result()


def start_of(head: Any, cells: Cells, view: str) -> dict[str, torch.Tensor]:
    """The trivial model of a view: one value per feature for every map and table of its head."""
    data = cells.views[view]
    size = np.maximum(np.asarray(data.sum(1)).reshape(-1, 1), 1.0)
    if head.library == "size_factor" and cells.size_factor is not None:
        size = cells.size_factor[:, None]
    elif head.library == "none":
        size = np.ones((len(cells), 1))
    like = torch.get_default_dtype()
    return {
        k: torch.as_tensor(np.asarray(v), dtype=like) for k, v in head.start(data, size).items()
    }


def cause_of_break(network: Network, recipe: Recipe, data: Coded, index: np.ndarray) -> str:
    """Why the objective is not a number, by the last good weights: some cells, or a step."""
    if culprits := broken_cells(network, recipe, data, index):
        who = listed(map(data.cells.name, culprits), 3)
        return f"the data of {len(culprits)} cells are the cause: {who}"
    return (
        f"the last good weights can score every cell, so a step was too large: lower "
        f"learning_rate or set clip; {extremes(data.cells, index)}"
    )


def extremes(cells: Cells, index: np.ndarray) -> str:
    """A sentence about the most extreme entry, for messages about training that broke down."""
    if not cells.views:
        return "its data may have extreme values"
    view, x = next(iter(cells.views.items()))
    some = index[:: max(1, -(-len(index) // SAMPLE))]
    few = rows_at(x, some)
    if not few.nnz:
        return "the data are all zero"
    at = int(np.abs(few.data).argmax())
    cell = int(some[np.searchsorted(few.indptr, at, "right") - 1])
    gene = cells.features[view][few.indices[at]]
    return f"the largest value is {few.data[at]:g}, of {gene!r} in cell {cells.name(cell)!r}"


@torch.no_grad()
def broken_cells(network: Network, recipe: Recipe, data: Coded, index: np.ndarray) -> list[int]:
    """Cells whose likelihood under `network` is not a number; at most 100 are looked for."""
    network.eval()
    found: list[int] = []
    for m in minibatches(data, {}, 512, index):
        trace = network(m)
        for term in recipe.terms:
            view = getattr(term, "view", "")
            if view in m.views:
                bad = ~torch.isfinite(trace[view].log_prob(m.views[view]))
                found += m.index[bad & m.has(view)].tolist()
        if len(found) >= 100:
            break
    return found
