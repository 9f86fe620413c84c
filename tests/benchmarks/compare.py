"""waddington beside scvi-tools on the same cells: alternating runs, medians, ratios.

    python tests/benchmarks/compare.py FILE.h5ad --scvi SCVI/bin/python [--rounds 3]
        [--likelihood nb] [--epochs 5] [--threads 1] [--backed] [--kernels off]
    python tests/benchmarks/compare.py FILE.h5ad --scvi SCVI/bin/python --to-elbo --epochs 20

Without --scvi an environment with scvi-tools is made in a folder of its own, which downloads it.
With --to-elbo scvi-tools trains for its own budget (or for --epochs, its KL weight growing in the
first half), and waddington with its own schedule for a 32nd, a 24th, ... of that, until its
held-out bound is as low; the ratio is of CPU seconds of training, at full weight of the divergence.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCVI = "scvi-tools==1.4.2"
HIGHER = tuple(
    f"{what}cells_per_s{clock}"
    for what, wall in (("", "_wall"), ("latent_", ""), ("normexpr_", ""))
    for clock in ("_cpu", wall)
)
LOWER = ("import_s", "peak_rss_train_mib", "peak_rss_total_mib", "heldout_elbo")
SHARES = (32, 24, 16, 12, 8, 6, 4, 3, 2, 1.5, 1.25, 1)

Run = dict[str, Any]


def asked() -> tuple[argparse.Namespace, list[str]]:
    """The command line, and what is passed on."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("file", type=Path)
    p.add_argument("--scvi", type=Path, help="the Python that has scvi-tools; None makes one")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--kernels", choices=("on", "off"), default="on")
    p.add_argument("--epochs", type=int, help="5; with --to-elbo scvi-tools' own budget")
    p.add_argument("--to-elbo", action="store_true", help="time to the same held-out bound")
    return p.parse_known_args()


def environment() -> Path:
    """The Python of a new environment with scvi-tools."""
    folder = Path(tempfile.gettempdir()) / "waddington-compare"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", SCVI], check=True)
    return python


def run(python: Path | str, script: str, *words: object) -> Run:
    """The JSON that one script printed."""
    asked = [str(python), str(HERE / script), *map(str, words)]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(asked)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def median(runs: list[Run], field: str) -> float:
    """Of one field over runs."""
    return statistics.median(r[field] for r in runs)


def side_by_side(a: argparse.Namespace, rest: list[str]) -> None:
    """Alternate, and print medians with their ranges."""
    words = [a.file, "--epochs", a.epochs or 5, *rest]
    ours, theirs = [], []
    for _ in range(a.rounds):
        theirs.append(run(a.scvi, "scvi_speed.py", *words))
        ours.append(run(sys.executable, "train_speed.py", *words, "--kernels", a.kernels))
    print(f"{'':26}{'scvi-tools':>26}{'waddington':>26}{'ratio':>8}")
    for field in (f for f in (*HIGHER, *LOWER) if f in ours[0]):
        x, y = median(theirs, field), median(ours, field)
        ratio = y / x if field in HIGHER else x / y
        cells = "".join(f"{shown(runs, field):>26}" for runs in (theirs, ours))
        print(f"{field:26}{cells}{ratio:8.2f}")
    print(json.dumps({"scvi-tools": theirs, "waddington": ours}))


def shown(runs: list[Run], field: str) -> str:
    """A median, and the range it is of."""
    values = [r[field] for r in runs]
    digits = ",.0f" if abs(values[0]) >= 1000 else ",.2f"
    low, high = (format(f(values), digits) for f in (min, max))
    return f"{format(statistics.median(values), digits)} ({low}-{high})"


def to_elbo(a: argparse.Namespace, rest: list[str]) -> None:
    """How long until the bound that scvi-tools ends with."""
    rest = [*rest, "--no-infer"]
    warm_up = ["--kl-warmup", max(1, a.epochs // 2)] if a.epochs else []
    theirs = run(a.scvi, "scvi_speed.py", a.file, "--epochs", a.epochs or 0, *warm_up, *rest)
    print(told(theirs))
    for epochs in sorted({max(1, int(theirs["epochs"] / share)) for share in SHARES}):
        words = [a.file, "--epochs", epochs, *rest]
        own = ["--schedule", "one-cycle", "--kernels", a.kernels]
        ours = run(sys.executable, "train_speed.py", *words, *own)
        print(told(ours))
        if ours["heldout_elbo"] <= theirs["heldout_elbo"]:
            print(f"ratio of CPU seconds: {theirs['train_cpu_s'] / ours['train_cpu_s']:.1f}")
            return
    print("waddington did not get there in as many epochs")


def told(r: Run) -> str:
    """One line about a run."""
    return (
        f"{r['tool']:12}{r['epochs']:5} epochs {r['train_cpu_s']:9.1f} CPU s "
        f"{r['train_s']:9.1f} s   held-out bound {r['heldout_elbo']:.3f}"
    )


if __name__ == "__main__":
    arguments, rest = asked()
    arguments.scvi = arguments.scvi or environment()
    (to_elbo if arguments.to_elbo else side_by_side)(arguments, rest)
