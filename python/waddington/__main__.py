"""The command line: train a model on an .h5ad file and ask it, without writing code."""

from __future__ import annotations

import argparse
import csv
import inspect
import platform
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .errors import InputError, ModelFileError, TrainingError, listed

EXAMPLES = """\
examples:
  waddington train pbmc.h5ad --batch donor --out pbmc.wad
  waddington train pbmc.h5ad --recipe vae --set n_latent=20 --set hidden=256,128 --seed 1
  waddington latent pbmc.h5ad pbmc.wad --out pbmc_latent.csv
  waddington denoise pbmc.h5ad pbmc.wad --out denoised.h5 --library 10000 --as donor=101
  waddington recipes scvi
  waddington status
"""
BLOCK = 2048
"""Cells decoded at a time on the way to a file."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and leave."""
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Words of the command line; None takes those of the process.

    Returns:
        Exit status: 0, or 2 for anything that a user can put right.
    """
    args = parser().parse_args(arguments)
    try:
        with spoken_warnings():
            args.run(args)
    except (InputError, ModelFileError, TrainingError, OSError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0


def parser() -> Parser:
    """All commands and their options."""
    top = Parser(
        prog="waddington",
        description="Deep generative models for single-cell genomics, on .h5ad files of "
        "cells x genes with raw counts in X (or in a layer that you name).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"waddington {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    train_options(commands)
    latent_options(commands)
    denoise_options(commands)
    recipes_options(commands)
    status = commands.add_parser("status", help="print versions, devices, threads and kernels")
    status.set_defaults(run=status_of)
    return top


# ------------------------------------------------------------------ train


def train_options(commands: Any) -> None:
    """Add `train`."""
    p = commands.add_parser(
        "train",
        help="train a model and write it to a file",
        description="Train a recipe on the cells of FILE. Ctrl-C stops early and keeps the best "
        "state so far.",
    )
    p.add_argument("file", metavar="FILE", type=Path, help="an .h5ad file, or a 10x .h5 file")
    what = p.add_argument_group("what to train")
    what.add_argument(
        "--recipe", default="scvi", help="name of a recipe; `waddington recipes` lists them [scvi]"
    )
    what.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="an argument of the recipe, as --set n_latent=20 or --set hidden=256,128; repeatable",
    )  # fmt: skip
    what.add_argument("--batch", metavar="COLUMN", help="same as --set batch=COLUMN")
    what.add_argument("--layer", help="layer that has the counts [X]")
    what.add_argument("--size-factor", metavar="COLUMN", help="column of obs with size factors")
    how = p.add_argument_group("how to train it (what is left out is as the recipe says)")
    how.add_argument("--epochs", type=int, metavar="N", help="passes over the cells")
    how.add_argument("--batch-size", type=int, metavar="N", help="cells per update")
    how.add_argument("--learning-rate", type=float, metavar="X", help="step size of the optimiser")
    how.add_argument(
        "--patience", type=int, metavar="N",
        help="stop after N epochs without a better held-out score",
    )  # fmt: skip
    how.add_argument(
        "--held-out", type=float, default=0.1, metavar="SHARE",
        help="share of the cells that decides when to stop [0.1]",
    )  # fmt: skip
    how.add_argument("--seed", type=int, help="of everything random [drawn, and printed]")
    machine_options(p)
    out = p.add_argument_group("results")
    out.add_argument("--out", type=Path, default=Path("model.wad"), help="model file [model.wad]")
    out.add_argument("--history", type=Path, help="CSV of scores by epoch [OUT with .csv]")
    out.add_argument("--quiet", action="store_true", help="print nothing but errors")
    p.set_defaults(run=train_to_file)


def machine_options(p: argparse.ArgumentParser) -> None:
    """Add where a model is trained."""
    machine = p.add_argument_group("where to train it")
    machine.add_argument("--device", default="auto", help="auto, cpu, cuda or mps [auto]")
    machine.add_argument("--threads", type=int, metavar="N", help="CPU threads [cores, 4 at most]")
    machine.add_argument(
        "--precision", default="float32", help="float32 or bfloat16, which is faster [float32]"
    )
    machine.add_argument(
        "--checkpoint", type=Path, metavar="FILE",
        help="file that keeps the run; the same command goes on from it",
    )  # fmt: skip


def train_to_file(args: argparse.Namespace) -> None:
    """Train, write model and history, print the summary."""
    from .distributed import join
    from .fit import train
    from .words import pair, recipe_of

    given = dict(pair(text) for text in args.set)
    if args.batch is not None:
        given["batch"] = args.batch
    recipe = recipe_of(args.recipe, given)
    check_place(args.out)
    model = train(
        str(args.file), recipe, layer=args.layer, size_factor=args.size_factor,
        epochs=args.epochs, batch_size=args.batch_size, learning_rate=args.learning_rate,
        patience=args.patience, seed=args.seed, held_out=args.held_out, device=args.device,
        threads=args.threads, precision=args.precision, checkpoint=args.checkpoint,
        verbose=not args.quiet and sys.stderr.isatty(),
    )  # fmt: skip
    if not join().leads:  # under torchrun one process speaks for all
        return
    model.save(args.out)
    history = args.history or args.out.with_suffix(".csv")
    write_history(history, model.history)
    if not args.quiet:
        print(model)
        print(f"seed: {model.record['seed']}\nmodel: {args.out}\nhistory: {history}")


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line per epoch and set of cells; a value that a row lacks is left empty."""
    from .model import whole_file

    names = dict.fromkeys(k for row in rows for k in row)
    with whole_file(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(names))
        writer.writeheader()
        writer.writerows(rows)


# ------------------------------------------------------------------ recipes


def recipes_options(commands: Any) -> None:
    """Add `recipes`."""
    p = commands.add_parser("recipes", help="list the recipes, or describe one and its arguments")
    p.add_argument("name", nargs="?", metavar="RECIPE", help="one of them")
    p.set_defaults(run=describe_recipes)


def describe_recipes(args: argparse.Namespace) -> None:
    """The first line of every recipe, or all that is known of one."""
    from .recipes import RECIPES
    from .words import function_of

    if args.name is None:
        for name, make in RECIPES.items():
            print(f"{name:14s} {str(inspect.getdoc(make)).splitlines()[0]}")
        return
    make = function_of(args.name)
    shown = (p.replace(annotation=p.empty) for p in inspect.signature(make).parameters.values())
    print(f"{args.name}({', '.join(map(str, shown))})\n\n{inspect.getdoc(make)}")


# ------------------------------------------------------------------ verbs


def latent_options(commands: Any) -> None:
    """Add `latent`."""
    p = commands.add_parser(
        "latent",
        help="write where cells are in the latent space",
        description="Write the latent position of every cell of FILE: to a .csv, or into the obsm "
        "of a copy of FILE if the output ends in .h5ad.",
    )
    file_and_model(p, "a .csv file, or an .h5ad file")
    p.add_argument("--of", choices=("mean", "sd"), default="mean", help="of the posterior [mean]")
    p.add_argument("--name", default="X_vae", help="name in obsm [X_vae]")
    p.set_defaults(run=latent_to_file)


def denoise_options(commands: Any) -> None:
    """Add `denoise`."""
    p = commands.add_parser(
        "denoise",
        help="write expected expression",
        description="Write the expected expression of every cell of FILE, a block of cells at a "
        "time: to an HDF5 file with `denoised` (cells x genes), `cells` and `genes`, or as a layer "
        "of a copy of FILE if the output ends in .h5ad.",
    )
    file_and_model(p, "an .h5 file, or an .h5ad file")
    p.add_argument(
        "--library", default="observed",
        help="what counts of a cell add up to: observed, median, or a number [observed]",
    )  # fmt: skip
    p.add_argument("--genes", metavar="A,B,...", help="only these genes [all]")
    p.add_argument(
        "--as", dest="as_if", action="append", default=[], metavar="COLUMN=LEVEL",
        help="decode every cell as if it had that level, as --as donor=101; repeatable",
    )  # fmt: skip
    p.add_argument("--name", default="denoised", help="name of the layer or data set [denoised]")
    p.set_defaults(run=denoise_to_file)


def file_and_model(p: argparse.ArgumentParser, kinds: str) -> None:
    """What every verb asks for."""
    p.add_argument("file", metavar="FILE", type=Path, help="an .h5ad file")
    p.add_argument("model", metavar="MODEL", type=Path, help="a model file, from `train`")
    p.add_argument("--out", type=Path, required=True, help=kinds)
    p.add_argument("--layer", help="layer that has the counts [the one of training]")


def latent_to_file(args: argparse.Namespace) -> None:
    """Ask for the latent space and write it."""
    import pandas as pd

    from . import verbs
    from .model import whole_file

    model, cells = read(args)
    z = verbs.latent(model, cells, of=args.of)
    if is_h5ad(args):
        with copy_of(args) as file:
            write_element(file, f"obsm/{args.name}", z)
        return
    columns = [f"{args.name}{i + 1}" for i in range(z.shape[1])]
    table = pd.DataFrame(z, pd.Index(list(cells.names), name="cell"), columns)
    with whole_file(args.out) as temporary:
        table.to_csv(temporary)


def denoise_to_file(args: argparse.Namespace) -> None:
    """Ask for expected expression and write it block by block."""
    import h5py

    from .model import whole_file

    model, cells = read(args)
    genes = args.genes.split(",") if args.genes else list(model.features["rna"])
    if is_h5ad(args):
        with copy_of(args) as file:
            genes = genes_of(file, model)
            data = dense_layer(file, args.name, (len(cells), len(genes)))
            fill(data, model, cells, genes, args)
        return
    with whole_file(args.out) as temporary, h5py.File(temporary, "w") as file:
        shape, chunks = (len(cells), len(genes)), (min(256, len(cells)), min(1024, len(genes)))
        data = file.create_dataset(args.name, shape, "float32", chunks=chunks, compression="lzf")
        file["cells"], file["genes"] = list(cells.names), genes
        fill(data, model, cells, genes, args)


def fill(data: Any, model: Any, cells: Any, genes: list[str], args: argparse.Namespace) -> None:
    """Write the expected expression of all cells into an HDF5 data set, (cells, genes)."""
    import numpy as np

    from . import verbs
    from .verbs.denoise import library_of
    from .words import pair

    library, as_if = args.library, dict(pair(text) for text in args.as_if)
    if library != "observed":  # the median is that of all cells, not of a block
        library = library_of(model, cells, "rna", library)
    for start in range(0, len(cells), BLOCK):
        some = cells.take(np.arange(start, min(start + BLOCK, len(cells))))
        made = verbs.denoise(model, some, library=library, genes=genes, **as_if)
        data[start : start + len(some)] = made


def read(args: argparse.Namespace) -> tuple[Any, Any]:
    """The model, and the cells as it needs them."""
    from .model import load
    from .readers import query_cells

    check_place(args.out)
    model = load(args.model)
    return model, query_cells(str(args.file), model, args.layer)


# ------------------------------------------------------------------ files


def check_place(out: Path) -> None:
    """Find out before hours of work whether the result can be written.

    Raises:
        InputError: If the folder is not there.
    """
    if not out.resolve().parent.is_dir():
        raise InputError(f"the folder of {str(out)!r} does not exist; create it first", "out")


def is_h5ad(args: argparse.Namespace) -> bool:
    """Whether the result goes into a copy of the input."""
    return args.out.suffix == ".h5ad"


@contextmanager
def copy_of(args: argparse.Namespace) -> Iterator[Any]:
    """A copy of the input, open to be added to, that becomes the output if all goes well."""
    import h5py

    from .model import whole_file

    with whole_file(args.out) as temporary:
        shutil.copyfile(args.file, temporary)
        with h5py.File(temporary, "r+") as file:
            yield file


def write_element(file: Any, key: str, value: Any) -> None:
    """Put an array into an open .h5ad file, in the place of one of that name."""
    try:
        from anndata.io import write_elem
    except ImportError:
        from anndata.experimental import write_elem
    write_elem(file, key, value)


def dense_layer(file: Any, name: str, shape: tuple[int, int]) -> Any:
    """An empty dense layer of an open .h5ad file, to be filled a block at a time."""
    layers = file["layers"]
    if name in layers:
        del layers[name]
    data = layers.create_dataset(name, shape, "float32", compression="lzf")
    data.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    return data


def genes_of(file: Any, model: Any) -> list[str]:
    """The genes of an .h5ad file in its order, all of which a layer needs.

    Raises:
        InputError: If the model does not know them all.
    """
    var = file["var"]
    names = [str(x) for x in var[var.attrs.get("_index", "_index")].asstr()[:]]
    if missing := [name for name in names if name not in set(model.features["rna"])]:
        raise InputError(
            f"a layer needs all {len(names)} genes of the file, and the model does not know "
            f"{len(missing)} of them ({listed(missing, 3)}); write to an .h5 file instead",
            "out",
        )
    return names


# ------------------------------------------------------------------ status


def status_of(args: argparse.Namespace) -> None:
    """Print what a report of a problem should say."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    from .devices import default_threads
    from .kernels import products, status

    print(f"waddington: {__version__} ({Path(__file__).parent})")
    print(f"python: {platform.python_version()} ({sys.executable})")
    print(f"system: {platform.platform()}")
    for name in ("torch", "numpy", "scipy", "anndata", "h5py", "pandas", "scikit-learn"):
        try:
            print(f"{name}: {version(name)}")
        except PackageNotFoundError:
            print(f"{name}: not installed")
    there = ["cpu"]
    there += [f"cuda ({torch.cuda.get_device_name()})"] if torch.cuda.is_available() else []
    there += ["mps"] if torch.backends.mps.is_available() else []
    print(f"devices: {', '.join(there)}")
    print(f"threads: {default_threads()}")
    print("kernels: " + ", ".join(f"{k} {v}" for k, v in status().items()))
    print(f"products: {products.status()}")


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Warnings of ours as lines on standard error, others as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *rest: print("warning:", message, file=sys.stderr)
        yield


if __name__ == "__main__":
    sys.exit(main())
