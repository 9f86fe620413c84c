"""New cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse
from torch import Tensor

from ..cells import RNA, Cells, Minibatch
from ..devices import Random
from ..errors import InputError
from ..model import Model
from ..network import Network
from .ask import codes_of, each, verb


@verb("prior", "decoder")
def sample(
    model: Model,
    cells: Cells | None = None,
    n: int | None = None,
    view: str = RNA,
    near: bool = False,
    expected: bool = False,
    seed: int = 0,
    **as_if: str,
) -> np.ndarray:
    """New cells from the prior, or near given cells.

    Args:
        model: The model.
        cells: An AnnData or Cells that lend their library sizes and covariates, one new cell
            each; None draws both as they were in training.
        n: How many new cells, without `cells`; with them, that many are picked at random.
        view: Which of the views the model decodes.
        near: Draw z from the posterior of each given cell instead of the prior.
        expected: Return expected values, without the noise of the head.
        seed: Of all draws.
        **as_if: Levels by covariate that every new cell gets.

    Returns:
        (n, features): counts for a count head, else in the units of the data.

    Raises:
        InputError: If `near` is asked without cells or without an encoder, or n is not positive.
    """
    model.recipe.head(view)
    if near and (cells is None or not model.recipe.encoders):
        raise InputError("near=True needs cells to be near to, and a model with an encoder", "near")
    if n is not None and n < 1:
        raise InputError(f"n must be at least 1, got {n!r}", "n")
    rng = np.random.default_rng(seed)
    if cells is None:
        cells = imagined(model, 1000 if n is None else n, rng)
    elif n is not None:
        cells = cells.take(rng.integers(len(cells), size=n))
    codes = codes_of(model, as_if)

    def ask(net: Network, m: Minibatch) -> Tensor:
        here = m.as_if(codes)
        here = here if near else replace(here, said=here.library)  # it is lent, not inferred
        z = net.encode(m).rsample() if near else net.prior_net.sample(here)
        made = net.decode(z, here)[view]
        return made.mean if expected else made.sample()

    with Random(seed):
        return each(model, cells, ask)


def imagined(model: Model, n: int, rng: np.random.Generator) -> Cells:
    """Cells with library sizes and covariates as they were in training, and nothing else known.

    Their only count, of the first feature, is their library size.
    """
    record, views = model.record, {}
    for view, names in model.features.items():
        quantiles = np.asarray(record["library"][view])
        total = np.interp(rng.random(n), np.linspace(0, 1, len(quantiles)), quantiles)
        cell, first = np.arange(n), np.zeros(n, int)
        total = np.maximum(1, np.round(total)).astype(np.float32)
        views[view] = sparse.csr_matrix((total, (cell, first)), shape=(n, len(names)))
    some = np.asarray(record["profiles"])[rng.integers(len(record["profiles"]), size=n)]
    named = {
        k: np.array(sum(model.levels[k], ()))[some[:, i].astype(int)]
        for i, k in enumerate(model.levels)
    }
    cells = Cells(views, dict(model.features), named)
    numbers = model.recipe.numbers
    kept = {k: some[:, len(named) + i, None].astype(np.float32) for i, k in enumerate(numbers)}
    return replace(cells, values=kept)
