"""Parts: the frozen values that say what a system is made of, and their JSON.

A part is a dataclass without tensors. It compares, prints, and goes to JSON and back by its class
name; defining one with `@part`, in whatever file, is all the registration there is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from typing import Any

try:
    from typing import dataclass_transform
except ImportError:  # Python 3.10
    from typing_extensions import dataclass_transform

from .errors import InputError

__all__ = ["from_json", "part", "parts_of", "replace", "to_json", "tuples"]

PARTS: dict[str, type] = {}


@dataclass_transform(frozen_default=True)
def part(cls: type) -> type:
    """Make `cls` a part: frozen, and known to `from_json` under its name."""
    cls.__post_init__ = _coerce  # type: ignore[attr-defined]
    cls = dataclass(frozen=True)(cls)
    other = PARTS.setdefault(cls.__name__, cls)
    if other.__module__ != cls.__module__:
        raise TypeError(
            f"{cls.__module__} and {other.__module__} both define a part {cls.__name__!r}"
        )
    return cls


def to_json(value: Any) -> str:
    """The JSON of a tree of parts, every default written out."""
    return json.dumps(_plain(value))


def from_json(text: str) -> Any:
    """The tree of parts that `text` describes; fields left out take their defaults.

    Raises:
        InputError: If a part is unknown, or has a field it should not have.
    """
    return json.loads(text, object_hook=_revive)


def parts_of(value: Any) -> Iterator[Any]:
    """`value` and every part inside it, outermost first."""
    if is_dataclass(value):
        yield value
        for f in fields(value):
            yield from parts_of(getattr(value, f.name))
    elif isinstance(value, tuple):
        for v in value:
            yield from parts_of(v)


def tuples(value: Any) -> Any:
    """`value` with every list in it made a tuple."""
    return tuple(tuples(v) for v in value) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {
            "part": type(value).__name__,
            **{f.name: _plain(getattr(value, f.name)) for f in fields(value)},
        }
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _revive(entries: Mapping[str, Any]) -> Any:
    if "part" not in entries:
        return entries
    name, values = entries["part"], {k: v for k, v in entries.items() if k != "part"}
    for room in (".recipes", ".keras"):  # a model file is read before anything is imported
        if name not in PARTS:
            import_module(room, __package__)
    if name not in PARTS:
        raise InputError(f"no part is named {name!r}; import the package that defines it")
    try:
        return PARTS[name](**values)
    except TypeError as error:
        raise InputError(f"{name}: {error}") from None


def _coerce(self: Any) -> None:
    """One part stands for a tuple of one, a list for a tuple, R's 10 for an integer."""
    for f in fields(self):
        value, kind = getattr(self, f.name), str(f.type)
        if kind.startswith("tuple"):
            value = tuples(value) if isinstance(value, list | tuple) else (value,)
        elif kind.startswith("int") and isinstance(value, float) and value.is_integer():
            value = int(value)
        object.__setattr__(self, f.name, value)
    if hasattr(self, "check"):
        self.check()
