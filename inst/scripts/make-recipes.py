"""Write R/recipes.R, the R constructor of every recipe, from Python's signatures and docstrings.

    python inst/scripts/make-recipes.py            # writes R/recipes.R
    python inst/scripts/make-recipes.py --check    # fails if R/recipes.R is stale

So there is one copy of every default and of every sentence about an argument: the Python one.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "R" / "recipes.R"
sys.path.insert(0, str(ROOT / "python"))

HEADER = """\
# Generated from the Python recipes by inst/scripts/make-recipes.py: no edits.
"""
OVERVIEW = """\
#' Recipes: what can be trained
#'
#' A recipe says what a model is made of and how it is trained: layers, the
#' bottleneck, the distribution of the counts, the terms of the objective, the
#' phases. Give one to \\code{\\link{trainVAE}} or \\code{\\link{trainGAN}}.
#'
#' \\describe{
{items}
#' }
#'
#' Arguments \\code{encoder} and \\code{decoder}, where a recipe has them, also
#' take layers written as \\code{keras_model_sequential() \\%>\\% layer_dense(64)}.
#'
#' @name recipes
#' @aliases recipe
#' @examples
#' scvi(n_latent = 20)
NULL
"""


def main() -> int:
    """Write the file, or say whether it is stale."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the file is stale")
    check = parser.parse_args().check
    wanted = text()
    if not check:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{TARGET} is stale: run python {Path(__file__).relative_to(ROOT)}", file=sys.stderr)
    return 1


def text() -> str:
    """The whole of R/recipes.R."""
    from waddington.recipes import RECIPES

    items = "\n".join(
        rd_lines(rf"\item{{\code{{\link{{{name}}}()}}}}{{{rd(title(f))}}}")
        for name, f in RECIPES.items()
    )
    parts = [HEADER, OVERVIEW.replace("{items}", items)]
    return "\n".join([*parts, *(constructor(name, f) for name, f in RECIPES.items())])


def constructor(name: str, f: Callable[..., Any]) -> str:
    """The documented R function of one recipe."""
    sections = dict(docstring(f))
    arguments = dict(entries(sections.get("Args", "")))
    parameters = inspect.signature(f).parameters
    lines = [rd_lines(rd(title(f))), "#'", rd_lines(paragraphs(sections[""])), "#'"]
    lines += [rd_lines(f"@param {k} {rd(arguments[k])}", 2) for k in parameters]
    lines += ["#'", *returned()]
    if "References" in sections:
        lines += ["#'", "#' @references", rd_lines(paragraphs(sections["References"]))]
    lines += ["#'", r"#' @seealso \link{recipes} for the others.", "#' @examples"]
    lines += [f"#' {name}()", "#' @export", signature(name, parameters)]
    return "\n".join(lines) + "\n"


def signature(name: str, parameters: Mapping[str, inspect.Parameter]) -> str:
    """The R function itself."""
    glue = "\u00a0=\u00a0"  # no line ends here
    arguments = ", ".join(f"{k}{glue}{r_value(p.default)}" for k, p in parameters.items())
    head = textwrap.wrap(
        f"{name} <- function({arguments})", 76, subsequent_indent=" " * 8, break_on_hyphens=False
    )
    return (
        "\n".join([*head, "{", f'    .recipeCall("{name}")', "}"])
        .replace(")\n{", ") {")
        .replace("\u00a0", " ")
    )


def title(f: Callable[..., Any]) -> str:
    """The title of a recipe: the first line of its module."""
    return inspect.getmodule(f).__doc__.splitlines()[0].rstrip(".")


def paragraphs(said: str) -> str:
    """Text as paragraphs of one line each."""
    return "\n\n".join(rd(" ".join(p.split())) for p in said.strip().split("\n\n"))


def returned() -> list[str]:
    """What every constructor returns."""
    return [
        r"#' @return A recipe, for \code{\link{trainVAE}} or \code{\link{trainGAN}}: a",
        r"#'   list of class \code{waddington_recipe} that prints.",
    ]


def docstring(f: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """The sections of a Google docstring by name; what stands before them has the name ""."""
    pieces = re.split(r"\n(Args|Returns|Raises|References|Attributes):\n", inspect.getdoc(f))
    yield "", pieces[0].strip()
    yield from zip(pieces[1::2], pieces[2::2], strict=True)


def entries(section: str) -> Iterator[tuple[str, str]]:
    """The arguments of an Args section and what is said of each."""
    for entry in re.split(r"\n(?=\S)", textwrap.dedent(section).strip()):
        name, _, said = entry.partition(":")
        yield name.strip(), " ".join(said.split())


def rd(said: str) -> str:
    """Python's words as R documentation: code marked, R's constants, nothing special left."""
    said = said.replace("\\", "\\\\").replace("%", "\\%").replace("{", "\\{").replace("}", "\\}")
    pieces = re.split(r"`([^`]+)`", said)
    pieces[::2] = [re.sub(r'\b(?:None|True|False)\b|"[^"` ]+"', code, p) for p in pieces[::2]]
    pieces[1::2] = [code(p) for p in pieces[1::2]]
    return "".join(pieces).replace("@", "@@")


def code(said: str | re.Match[str]) -> str:
    """Python code as marked R code: constants, tuples, and spaces about the sign of arguments."""
    said = said if isinstance(said, str) else said.group()
    for python, r in {"None": "NULL", "True": "TRUE", "False": "FALSE"}.items():
        said = re.sub(rf"\b{python}\b", r, said)
    said = re.sub(r"(\w)=\(\)", r"\1=list()", said)
    said = re.sub(r"(\w)=\((\d[^()]*)\)", r"\1=c(\2)", said)
    return rf"\code{{{re.sub(r'(?<=[a-z_])=(?=[^=])', ' = ', said)}}}"


def rd_lines(said: str, indent: int = 0) -> str:
    """Text as roxygen lines of at most 78 columns."""
    lines: list[str] = []
    for paragraph in said.split("\n\n"):
        lines += ["", *textwrap.wrap(
            paragraph, 75, subsequent_indent=" " * indent, break_on_hyphens=False,
            break_long_words=False,
        )]  # fmt: skip
    return "\n".join(f"#' {line}".rstrip() for line in lines[1:])


def r_value(value: Any) -> str:
    """A Python default as R code."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        inside = ", ".join(map(r_value, value))
        return f"c({inside})" if len(value) > 1 else inside or "list()"
    raise TypeError(f"no R value for the default {value!r}")


if __name__ == "__main__":
    sys.exit(main())
