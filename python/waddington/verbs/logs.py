"""The scale on which expression is compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..cells import RNA
from ..model import Model

PER_TEN_THOUSAND = 1e4


def log_expression(model: Model, x: Any) -> Any:
    """log(1 + counts per 10,000) for a count head, sparse or dense as given; else as it is."""
    return log_values(x, counted(model))


def counted(model: Model) -> bool:
    """Whether the data of a model are counts."""
    return bool(getattr(model.recipe.head(RNA), "counts", False))


def log_values(x: Any, counts: bool) -> Any:
    """log(1 + counts per 10,000), sparse or dense as given; what are no counts stay as they are."""
    if not counts:
        return x
    total = np.maximum(np.asarray(x.sum(1), dtype=np.float64).reshape(-1, 1), 1e-12)
    if sparse.issparse(x):
        return sparse.csr_matrix(x.multiply(PER_TEN_THOUSAND / total)).log1p()
    return np.log1p(x * (PER_TEN_THOUSAND / total))


def dense(x: Any) -> np.ndarray:
    """As an array of 4-byte floats, whatever it was."""
    return np.asarray(x.todense() if sparse.issparse(x) else x, dtype=np.float32)


def shifted(logs: np.ndarray, shift: np.ndarray, counts: bool) -> np.ndarray:
    """Log expression plus a shift, nothing below the lowest there can be, (cells, features)."""
    low = 0.0 if counts else min(0.0, float(logs.min(initial=0.0)))
    return np.maximum(logs + shift.astype(np.float32), low)
