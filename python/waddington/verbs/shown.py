"""How answers print: a line for each of their parts, not the numbers of all cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ..errors import listed

WIDTH = 100
T = TypeVar("T", bound=type)


def shown(answer: T) -> T:
    """Make a dataclass print as its name and a line for each part that is there."""
    setattr(answer, "__repr__", _portrait)  # noqa: B010, a checker takes it for a method
    return answer


class Scores(dict[str, dict[str, float]]):
    """Scores by row and column; prints as a table."""

    def __repr__(self) -> str:
        import pandas as pd

        return pd.DataFrame(self).T.round(3).to_string()


def _portrait(self: Any) -> str:
    parts = {f.name: getattr(self, f.name) for f in fields(self) if f.repr}
    lines = (f"{k}: {_line(v)}" for k, v in parts.items() if v is not None)
    return "\n".join([type(self).__name__, *(f"  {line}"[:WIDTH] for line in lines)])


def _line(value: Any) -> str:
    """A part in a few words: an array by its shape, names by the first of them."""
    if hasattr(value, "dtype") and len(getattr(value, "shape", "")):
        return f"{' x '.join(map(str, value.shape))} {value.dtype}"
    if hasattr(value, "recipe") and hasattr(value, "features"):
        sizes = " + ".join(str(len(v)) for v in value.features.values())
        return f"{value.recipe.name} model of {sizes} features"
    if isinstance(value, Mapping):
        plain = all(isinstance(v, str | int | float | None) for v in value.values())
        return ", ".join(f"{k} {v}" for k, v in value.items()) if plain else listed(value, 8)
    if isinstance(value, tuple) and value and all(isinstance(v, str) for v in value):
        return listed(value, 3)
    return " ".join(repr(value).split())
