"""What one pass through a network computed, by name."""

from __future__ import annotations

from typing import Any

from .errors import InputError


class Trace(dict):
    """Activations and distributions by name; "rna.mean" is the mean of the distribution "rna"."""

    def __missing__(self, name: str) -> Any:
        owner, _, attribute = name.rpartition(".")
        if owner not in self or not hasattr(self[owner], attribute):
            known = ", ".join(sorted(map(str, self)))
            raise InputError(f"there is no activation {name!r}; there are {known}")
        return getattr(self[owner], attribute)
