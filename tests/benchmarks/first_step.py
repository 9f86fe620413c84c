"""Seconds from the start of Python to the end of the first update, beside scvi-tools.

    python tests/benchmarks/first_step.py FILE.h5ad --scvi SCVI/bin/python [--rounds 5]

Each round starts a new process of either package: it imports the package, reads the file, builds
the model and trains it for one minibatch of 128 cells. Printed are medians of seconds on the clock,
of the imports before the file is read and of all but reading the file, their ranges and ratios.
waddington imports torch when it is first needed, so the second line is the one to compare by.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "python"
TIMED = """
import json, sys, time
began = time.perf_counter()
{imports}
imported = time.perf_counter()
data = anndata.read_h5ad(sys.argv[1])
read = time.perf_counter()
{step}
done = time.perf_counter()
print(json.dumps(["import", imported - began, "first update", done - read + imported - began]))
"""
OURS = TIMED.format(
    imports=f"sys.path.insert(0, {str(PACKAGE)!r}); import anndata, waddington",
    step="""
from waddington.cells import Cells
from waddington.recipes import scvi
from waddington.trainer import Trainer
trainer = Trainer(scvi(), Cells.from_anndata(data, None, []), threads=1)
trainer.advance(0)
assert trainer.step == 1
""",
)
THEIRS = TIMED.format(
    imports="import anndata, scvi; scvi.settings.verbosity = 40",
    step="""
import torch
torch.set_num_threads(1)
scvi.model.SCVI.setup_anndata(data)
model = scvi.model.SCVI(data)
model.train(max_steps=1, max_epochs=1, accelerator="cpu", enable_progress_bar=False)
""",
)


def seconds(python: str | Path, code: str, file: Path) -> dict[str, float]:
    """What one process took, by name."""
    command = [python, "-W", "ignore", "-c", code, file]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(run.stdout.strip().splitlines()[-1])
    return dict(zip(told[::2], told[1::2], strict=True))


def main() -> None:
    """Print a line for each of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--scvi", type=Path, required=True, help="the Python that has scvi-tools")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {"scvi-tools": [], "waddington": []}
    for _ in range(args.rounds):
        runs["scvi-tools"].append(seconds(args.scvi, THEIRS, args.file))
        runs["waddington"].append(seconds(sys.executable, OURS, args.file))
    for what in ("import", "first update"):
        took = {name: [r[what] for r in rounds] for name, rounds in runs.items()}
        middle = {name: statistics.median(s) for name, s in took.items()}
        told = (f"{n} {middle[n]:.2f} s ({min(s):.2f}-{max(s):.2f})" for n, s in took.items())
        print(
            f"{what:14} {'  '.join(told)}  ratio {middle['scvi-tools'] / middle['waddington']:.1f}"
        )


if __name__ == "__main__":
    main()
