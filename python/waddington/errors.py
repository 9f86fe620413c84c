"""What can go wrong for a user; every message names the argument, the value and the remedy."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """Data or an argument that can't be used.

    Attributes:
        argument: The argument at fault, as the user typed it, or None.
    """

    def __init__(self, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class BadValue(InputError):
    """A value that data must not have; who knows the names of cells and features can tell them.

    Attributes:
        cell, feature: Where the first such value is, counted from 0.
        value: The value.
    """

    def __init__(self, said: str, value: float, cell: int, feature: int, remedy: str) -> None:
        self.said, self.value, self.remedy = said, value, remedy
        self.cell, self.feature = cell, feature
        super().__init__(self._told(str(feature), f"{cell} (counted from 0)"), "x")

    def named(self, feature: str, cell: str) -> InputError:
        """The same error, with names in the place of numbers."""
        return InputError(self._told(repr(feature), repr(cell)), self.argument)

    def _told(self, feature: str, cell: str) -> str:
        return (
            f"{self.said}, such as {self.value:g} of feature {feature} in cell {cell}; "
            f"{self.remedy}"
        )


class TrainingError(RuntimeError):
    """Training that can't go on, such as an objective that is not a number."""


class ModelFileError(ValueError):
    """A file or bytes that are not a model of this package, or not a whole one."""


def listed(items: Iterable[object], most: int = 5) -> str:
    """The first few of `items` in quotes, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(repr(str(i)) for i in items[:most]) + more
