"""What words of a command line mean: recipes by name, values by the types of their arguments."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from .errors import InputError
from .parts import from_json
from .recipes import RECIPES

YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
READERS: dict[type, Callable[[str], Any]] = {
    bool: lambda text: YES_NO[text.lower()],
    int: int,
    float: float,
    str: str,
}


def function_of(name: str) -> Any:
    """The function that makes a recipe.

    Raises:
        InputError: If there is none of that name.
    """
    if name not in RECIPES:
        raise InputError(f"recipe must be one of {', '.join(RECIPES)}, got {name!r}", "recipe")
    return RECIPES[name]


def recipe_of(name: str, given: dict[str, str]) -> Any:
    """The recipe of that name with arguments given as words.

    Raises:
        InputError: If it has no such argument, or a word does not mean a value of its type.
    """
    make = function_of(name)
    known = inspect.signature(make, eval_str=True).parameters
    if unknown := [k for k in given if k not in known]:
        raise InputError(
            f"recipe {name!r} has no argument {unknown[0]!r}; it has {', '.join(known)}"
        )
    return make(**{k: value_of(k, text, known[k].annotation) for k, text in given.items()})


def pair(text: str) -> tuple[str, str]:
    """The two sides of NAME=VALUE.

    Raises:
        InputError: If there is no "=".
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"{text!r} must be NAME=VALUE")
    return name.replace("-", "_"), value


def value_of(name: str, text: str, annotation: Any) -> Any:
    """What a word means as a value of that type, such as `int | None` or `tuple[int, ...]`.

    Raises:
        InputError: If it can't be one.
    """
    union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = typing.get_args(annotation) if union else (annotation,)
    if type(None) in kinds and text.lower() in ("none", "null"):
        return None
    many = [k for k in kinds if typing.get_origin(k) is tuple]
    if many and ("," in text or str not in kinds):
        kind = typing.get_args(many[0])[0]
        return tuple(value_of(name, x.strip(), kind) for x in text.split(",") if x.strip())
    for kind in sorted((k for k in kinds if k in READERS), key=list(READERS).index):
        try:
            return READERS[kind](text)
        except (KeyError, ValueError):
            continue
    if text.startswith("{"):
        return from_json(text)
    wanted = " or ".join(getattr(k, "__name__", str(k)) for k in kinds if k is not type(None))
    raise InputError(f"--set {name}={text}: {name} must be {wanted}", name)
