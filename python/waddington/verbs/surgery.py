"""A trained model made to fit other data: with more levels of a covariate, or with fewer genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..cells import RNA
from ..coders import TRANSFORMS
from ..errors import InputError, listed
from ..genes import identifier_kind
from ..layers import SparseLinear
from ..model import Model
from ..regression import Regression, regressions_of
from .sample import sample

FEW = 0.8
"""Share of genes below which a warning is due."""


@dataclass(frozen=True)
class GeneReport:
    """Which of a model's genes some data have.

    Attributes:
        n_model: Genes of the model.
        n_data: Genes of the data.
        found: Those in both, in the order of the model.
        missing: Those that only the model has.
        kinds: What identifiers look like: ("human symbol", "Ensembl gene") is model and data.
    """

    n_model: int
    n_data: int
    found: tuple[str, ...]
    missing: tuple[str, ...]
    kinds: tuple[str, str]

    def __str__(self) -> str:
        told = f"{len(self.found)} of the model's {self.n_model} genes are in the data"
        if self.missing:
            told += f"; {len(self.missing)} are not: {listed(self.missing, 3)}"
        if self.kinds[0] != self.kinds[1]:
            told += f"; the model has {self.kinds[0]} identifiers, the data {self.kinds[1]}"
        return told

    @property
    def warning(self) -> str | None:
        """A sentence if so many are missing that results suffer."""
        return str(self) if len(self.found) < FEW * self.n_model else None


def gene_report(model: Model, genes: Sequence[str], view: str = RNA) -> GeneReport:
    """Compare the genes of data with those of a model.

    Raises:
        InputError: If none of the model's genes is there; the message guesses why.
    """
    there, wanted = set(genes), model.features[view]
    found = tuple(g for g in wanted if g in there)
    missing = tuple(g for g in wanted if g not in there)
    kinds = (identifier_kind(wanted), identifier_kind(genes))
    report = GeneReport(len(wanted), len(genes), found, missing, kinds)
    if not found:
        why = f"the model has {kinds[0]} identifiers ({listed(wanted, 2)})"
        data = f"the data {kinds[1]} ({listed(genes, 2)})"
        remedy = "rename the genes of the data" if kinds[0] != kinds[1] else "is it that model?"
        raise InputError(
            f"none of the model's genes are in the data: {why}, {data}; {remedy}", "genes"
        )
    return report


def new_levels(model: Model, covariates: Mapping[str, np.ndarray]) -> dict[str, tuple[str, ...]]:
    """Levels of the model's conditions that it was not trained on, by covariate."""
    grows = {c.covariate for c in model.recipe.conditions if c.covariate in model.levels}
    seen = {k: set(sum(model.levels[k], ())) | {""} for k in grows}
    new = {
        k: tuple(str(v) for v in np.unique(covariates[k]) if str(v) not in seen[k])
        for k in sorted(grows)
        if k in covariates
    }
    return {k: v for k, v in new.items() if v}


def expected_inputs(model: Model, view: str = RNA, n: int = 2000) -> np.ndarray:
    """What the encoder reads of each gene on average, by the model's own account, (genes,).

    Means over cells drawn from the prior; zeros for a model without one.
    """
    reader = next(e for e in model.recipe.encoders if view in e.reads)
    if model.recipe.latent.prior is None:
        return np.zeros(len(model.features[view]), np.float32)
    made = torch.from_numpy(sample(model, n=n, view=view))
    return TRANSFORMS[getattr(reader, "transform", "none")](made).mean(0).numpy()


def restrict(model: Model, genes: Sequence[str], view: str = RNA) -> Model:
    """The same model for cells in which only some of its genes were measured.

    Decoders keep the rows of these genes, and shares are shares of them. The first layer of the
    encoder adds what it expects of the others: an absent gene is not a zero.

    Args:
        model: A model with one encoder that reads `view`.
        genes: Those that were measured, in the order that the new model is to have.
        view: Whose genes they are.

    Raises:
        InputError: If the model does not know one of them.
    """
    names = model.features[view]
    if tuple(genes) == tuple(names):
        return model
    place = {g: i for i, g in enumerate(names)}
    if unknown := [g for g in genes if g not in place]:
        raise InputError(f"the model has no genes {listed(unknown)}", "genes")
    keep = np.array([place[g] for g in genes])
    absent = np.setdiff1d(np.arange(len(names)), keep)
    weights = dict(model.weights)
    expected = expected_inputs(model, view)
    for name, module in model.network.named_modules():
        _narrow(weights, name, module, (view, keep, absent, expected))
    for key in weights:
        if key.startswith(f"decoders.{view}.head.") and not key.endswith((".loc", ".scale")):
            weights[key] = np.take(weights[key], keep, int(".blocks." in key))
    for covariate in regressions_of(weights) if view == RNA else ():
        if beside := Regression.among(weights, covariate):
            weights |= beside.narrowed(keep).arrays(covariate)
    features = {**model.features, view: tuple(genes)}
    return replace(model, weights=weights, features=features)


def _narrow(weights: dict, name: str, module: object, which: tuple) -> None:
    """Leave in `weights` what a module that reads genes knows of those to keep."""
    view, keep, absent, expected = which
    for key in getattr(module, "per_gene", ()):
        weights[f"{name}.{key}"] = weights[f"{name}.{key}"][..., keep]
    if isinstance(module, SparseLinear) and view in module.weight:
        first = weights[f"{name}.weight.{view}"]
        weights[f"{name}.weight.{view}"] = first[keep]
        if module.bias is not None:
            weights[f"{name}.bias"] = weights[f"{name}.bias"] + expected[absent] @ first[absent]


def put_back(model: Model, few: Model, rows: Sequence[str], view: str = RNA) -> Model:
    """The model with the parameters `rows` of `few`, a restriction of it that learnt new levels.

    What the new levels do to genes that `few` lacks stays what it was in `model`.
    """
    if tuple(few.features[view]) == tuple(model.features[view]):
        return replace(model, weights={**model.weights, **{k: few.weights[k] for k in rows}})
    place = {g: i for i, g in enumerate(model.features[view])}
    keep = np.array([place[g] for g in few.features[view]])
    weights = dict(model.weights)
    for key in rows:
        if key.startswith(f"decoders.{view}.head."):
            whole = weights[key].copy()
            whole[:, keep] = few.weights[key]
            weights[key] = whole
        else:
            weights[key] = few.weights[key]
    return replace(model, weights=weights)
