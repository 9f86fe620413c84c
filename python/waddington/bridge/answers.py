"""How the core answers R: values, warnings and errors as values, in types that R can hold."""

from __future__ import annotations

import math
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

INTERRUPTED = "(Unknown exception occurred)"
"""What Ctrl-C looks like when it strikes while Python lets R handle its events."""


def answer(f: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Make `f` answer R: what it returned, the warnings it gave, the exception it raised."""

    @wraps(f)
    def answered(*args: Any, **named: Any) -> dict[str, Any]:
        value, error = None, None
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            try:
                value = f(*args, **named)
            except (Exception, KeyboardInterrupt) as caught:
                error = told(caught)
        said = dict.fromkeys(str(w.message) for w in heard)
        return {"value": value, "warnings": list(said), "error": error}

    return answered


def told(error: BaseException) -> dict[str, Any]:
    interrupted = isinstance(error, RuntimeError) and str(error) == INTERRUPTED
    return {
        "class": "KeyboardInterrupt" if interrupted else type(error).__name__,
        "message": str(error),
        "argument": getattr(error, "argument", None),
        "traceback": "".join(traceback.format_exception(error)),
    }


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns; a number that a row lacks is NaN."""
    names = dict.fromkeys(k for row in rows for k in row)
    value = lambda row, name: math.nan if row.get(name) is None else row[name]
    return {name: [value(row, name) for row in rows] for name in names}


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: Python's numbers for numpy's, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
