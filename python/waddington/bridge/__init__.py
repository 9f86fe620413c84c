"""What R calls: slots of sparse matrices, arrays, lists and strings in; the same, and bytes, out.

R sees only what this module names. Every function answers with a dictionary of `value`, `warnings`
and `error`, because an exception that crosses into R loses its class and a warning goes past it.
Handles (cells, trainers, models) are passed back as they came; R never looks into them. An R list
without names is a list here even where it stands for an empty mapping, hence dict(...).
"""

from .. import __version__
from .expression import denoise, denoise_to_file, latent, sample
from .generation import augment, path_between, rareness, transform, traverse
from .inputs import cells, cells_in_file, check_query, needs, needs_of, recipe
from .perturbations import evaluate_perturbation, perturbation_map, predict_perturbation
from .references import (
    check_model,
    clusters,
    differential_abundance,
    differential_expression,
    donor_differences,
    find_doublets,
    identifier_kind,
    integration_metrics,
    label,
    map_query,
    transfer_labels,
    zero_inflation,
)
from .training import advance, describe, finish, interrupt, open_model, trainer


def version() -> str:
    """The version of the core, which must be that of the R package."""
    return __version__


__all__ = [
    "advance",
    "augment",
    "cells",
    "cells_in_file",
    "check_model",
    "check_query",
    "clusters",
    "denoise",
    "denoise_to_file",
    "describe",
    "differential_abundance",
    "differential_expression",
    "donor_differences",
    "evaluate_perturbation",
    "find_doublets",
    "finish",
    "identifier_kind",
    "integration_metrics",
    "interrupt",
    "label",
    "latent",
    "map_query",
    "needs",
    "needs_of",
    "open_model",
    "path_between",
    "perturbation_map",
    "predict_perturbation",
    "rareness",
    "recipe",
    "sample",
    "trainer",
    "transfer_labels",
    "transform",
    "traverse",
    "version",
    "zero_inflation",
]
