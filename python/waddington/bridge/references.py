"""Labels, references, differences, checks and doublets, laid out as R has them.

Positions and shares are arrays; whatever has one value per gene or cell is a list, or R would see
an array of one dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import genes as genes_by_name
from .. import integration, verbs
from ..cells import RNA, Cells
from ..model import Model
from ..verbs.surgery import GeneReport
from .answers import answer, columns
from .training import described


@answer
def label(model: Model, cells: Cells, covariate: str | None, options: Mapping[str, Any]) -> dict:
    """Labels, one per cell, and the probabilities of all, (cells, labels)."""
    found = verbs.label(model, cells, covariate, **options)
    return {
        "covariate": found.covariate,
        "label": found.label.tolist(),
        "probability": found.probability.tolist(),
        "novelty": None if found.novelty is None else found.novelty.tolist(),
        "unknown": found.unknown.tolist(),
        "levels": list(found.levels),
        "probabilities": found.probabilities,
    }


@answer
def map_query(model: Model, cells: Cells, options: Mapping[str, Any]) -> dict[str, Any]:
    """The reference with a query's levels; where the query is, (cells, n_latent).

    `narrow` is the model for the genes of the query, None if it has all.
    """
    found = verbs.map_query(model, cells, **options)
    return {
        "model": described(found.model),
        "narrow": described(found.query) if found.genes.missing else None,
        "latent": verbs.latent(found.query, cells),
        "genes": _report(found.genes),
        "new": {k: list(v) for k, v in found.new.items()},
        "history": columns(found.history),
    }


@answer
def identifier_kind(genes: Sequence[str]) -> str:
    """What kind of identifiers these look like."""
    return genes_by_name.identifier_kind(list(genes))


def _report(genes: GeneReport) -> dict[str, Any]:
    return {
        "n_model": genes.n_model,
        "n_query": genes.n_data,
        "n_found": len(genes.found),
        "missing": list(genes.missing),
        "kinds": list(genes.kinds),
    }


@answer
def transfer_labels(
    reference: np.ndarray, labels: Sequence[str], query: np.ndarray, k: int
) -> dict[str, list]:
    """Labels by the votes of neighbours, and how uncertain they are."""
    found, doubt = verbs.transfer_labels(reference, list(labels), query, k)
    return {"label": found.tolist(), "uncertainty": doubt.tolist()}


@answer
def differential_expression(
    model: Model, cells: Cells, groups: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Columns of the table, genes in the order of the model, and what was compared."""
    found = verbs.differential_expression(model, cells, **groups, **options)
    return {
        "columns": _listed(found.columns),
        "pseudo": float(found.pseudo),
        "strata": list(found.strata),
        "n_cells": list(found.n_cells),
    }


@answer
def donor_differences(
    model: Model, cells: Cells, groups: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The same with donors as replicates."""
    return {"columns": _listed(verbs.donor_differences(model, cells, **groups, **options))}


@answer
def differential_abundance(
    model: Model, cells: Cells, by: str, n_most: int, seed: int
) -> dict[str, Any]:
    """Log densities, (cells, samples), and the names of the samples."""
    found, names = verbs.differential_abundance(model, cells, by, n_most=n_most, seed=seed)
    return {"log_density": found, "samples": list(names)}


@answer
def check_model(model: Model, cells: Cells, options: Mapping[str, Any]) -> dict[str, Any]:
    """What was compared with replicates: see the verb."""
    found = verbs.check_model(model, cells, **options)
    return {
        "statistics": list(found.table),
        "table": columns(list(found.table.values())),
        "genes": _listed(found.genes),
        "library": found.library,
        "uniform": found.uniform.tolist(),
        "flags": list(found.flags),
    }


@answer
def clusters(model: Model, cells: Cells, options: Mapping[str, Any]) -> dict[str, Any]:
    """The number of each cell's cluster, from 0, -1 for none; (cells, clusters) probabilities."""
    found = verbs.clusters(model, cells, **options)
    return {
        "cluster": found.cluster.tolist(),
        "method": found.method,
        "probabilities": found.probabilities,
    }


@answer
def zero_inflation(model: Model) -> dict[str, list]:
    """Columns of the table, genes in the order of the model."""
    return _listed(verbs.zero_inflation(model))


@answer
def find_doublets(
    cells: Cells, model: Model | None, lane: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Scores, one per cell, and the expected number by lane."""
    found = verbs.find_doublets(cells, model, lane=lane, **options)
    return {
        "doublet": found.doublet.tolist(),
        "probability": found.probability.tolist(),
        "score": found.score.tolist(),
        "lanes": list(found.expected),
        "expected": [float(n) for n in found.expected.values()],
    }


@answer
def integration_metrics(
    embeddings: Mapping[str, np.ndarray],
    batches: Sequence[str],
    labels: Sequence[str],
    cells: Cells,
    pca: str,
    seed: int,
) -> dict[str, Any]:
    """Rows and columns of the table; `pca` is the name of the row without integration."""
    made = {k: np.asarray(z, float) for k, z in dict(embeddings).items()}
    made[pca] = integration.log_components(cells.views[RNA], seed=seed)
    found = integration.integration_metrics(made, list(batches), list(labels), seed=seed)
    return {"rows": list(found), "columns": columns(list(found.values()))}


def _listed(table: Mapping[str, np.ndarray]) -> dict[str, list]:
    return {k: np.asarray(v).tolist() for k, v in table.items()}
