"""Deep generative models for single-cell genomics.

    import waddington as wd
    adata = wd.datasets.kang_pbmc()
    model = wd.train(adata, wd.recipes.scvi(batch="donor"))
    adata.obsm["X_vae"] = wd.latent(model, adata)

Importing this does no work: everything below is loaded when it is first used.
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.99.0"

# Threads of OpenMP wait for each other at full speed. As soon as anything else runs on the
# machine, two are ten times slower than one (`tests/benchmarks/threads.py`). The library reads this
# once, when torch loads it; a value that the user has set is kept.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_VERBS = (
    "augment", "check_model", "clusters", "correct_batch", "denoise", "differential_abundance",
    "differential_expression", "donor_differences", "elbo", "evaluate_perturbation",
    "find_doublets", "interpolate", "invert", "label", "latent", "library_size",
    "log_likelihood", "map_query", "path_between", "perturbation_map", "predict_perturbation",
    "rareness", "reconstruct", "sample", "transfer_labels", "transform", "traverse", "why_not",
    "zero_inflation",
)  # fmt: skip
_HOME = {
    "Cells": "cells", "InputError": "errors", "Model": "model", "ModelFileError": "errors",
    "Recipe": "recipe", "Trainer": "trainer", "TrainingError": "errors", "load": "model",
    "resume": "checkpoint", "save_checkpoint": "checkpoint", "train": "fit",
    **dict.fromkeys(_VERBS, "verbs"),
}  # fmt: skip
_ROOMS = ("datasets", "integration", "metrics", "recipes", "simulate", "verbs")
__all__ = [*_HOME, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
