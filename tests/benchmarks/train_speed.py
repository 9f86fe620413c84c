"""How fast scvi() trains: one line of JSON, with the fields that scvi_speed.py prints.

    python tests/benchmarks/train_speed.py FILE.h5ad --likelihood nb --epochs 5 --threads 1
        [--batch-key batch] [--batch-size 128] [--backed] [--kernels off] [--schedule one-cycle]

The split is that of scvi_speed.py, as are the sizes (one hidden layer of 128, 10 dimensions,
dropout 0.1) and, unless --schedule is given, the optimiser: Adam, constant 1e-3, eps 0.01, weight
decay 1e-6. Rates are medians over the epochs after the first; `cpu` counts the seconds of all
threads of the process, which neighbours on a busy machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

BEGAN = time.perf_counter()
SPLIT_SEED, HELD_OUT, DRAWS = 12345, 0.1, 3
LATENT_CELLS, DENOISED_CELLS, REPEATS = 20_000, 4_000, 5


def asked(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("file", type=Path)
    p.add_argument("--likelihood", default="nb")
    p.add_argument("--batch-key", default="batch", help="left out if the file has no such column")
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--backed", action="store_true", help="leave the cells in the file")
    p.add_argument("--kernels", choices=("on", "off"), default="on", help="those in C")
    p.add_argument("--schedule", choices=("constant", "one-cycle"), default="constant")
    p.add_argument("--kl-warmup", type=float, default=400, help="epochs; constant schedule only")
    p.add_argument("--infer", action=argparse.BooleanOptionalAction, default=True)
    return p.parse_args(arguments)


def memory(what: str) -> float:
    """VmRSS or VmHWM of this process, in MiB; 0 where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def forget_peak() -> None:
    """Let VmHWM start from what is in use now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def read(a: argparse.Namespace) -> Any:
    """The cells of the file, in memory or left where they are."""
    import h5py

    from waddington.cells import Cells

    with h5py.File(a.file, "r") as file:
        columns = [a.batch_key] if a.batch_key in file["obs"] else []
    if a.backed:
        return Cells.from_file(a.file, categorical=columns)
    import anndata

    return Cells.from_anndata(anndata.read_h5ad(a.file), None, columns)


def recipe_of(a: argparse.Namespace, batch: str | None) -> Any:
    """scvi() as asked; nothing stops it early, as nothing does in scvi_speed.py."""
    from waddington.recipes import scvi
    from waddington.schedules import Linear
    from waddington.terms import KL, NLL

    same = {"batch": batch, "likelihood": a.likelihood, "epochs": a.epochs}
    if a.schedule == "one-cycle":
        recipe = scvi(**same)
    else:
        recipe = scvi(**same, learning_rate=1e-3, schedule="scvi-tools")
        warm_up = Linear(over=a.kl_warmup, unit="epochs") if a.kl_warmup else 1.0
        recipe = replace(recipe, terms=(NLL(), KL(weight=warm_up)))
    phase = replace(recipe.phases[0], batch_size=a.batch_size, stop=None)
    return replace(recipe, phases=(phase,))


def timed(a: argparse.Namespace, cells: Any) -> tuple[Any, list[tuple[float, float]]]:
    """A trainer that notes the wall and CPU seconds of each epoch."""
    from waddington.trainer import Trainer

    epochs: list[tuple[float, float]] = []

    class Timed(Trainer):
        def _one_epoch(self, *which: Any) -> Iterator[None]:
            wall, cpu = time.perf_counter(), time.process_time()
            yield from super()._one_epoch(*which)
            epochs.append((time.perf_counter() - wall, time.process_time() - cpu))

    recipe = recipe_of(a, next(iter(cells.covariates), None))
    return Timed(recipe, cells, seed=a.seed, held_out=0.0, threads=a.threads), epochs


def speeds(n: int, epochs: list[tuple[float, float]]) -> dict[str, float]:
    """Cells per second."""
    wall, cpu = ([n / e[i] for e in epochs] for i in (0, 1))
    later = slice(1, None) if len(epochs) > 1 else slice(None)
    return {
        "first_epoch_s": round(epochs[0][0], 3),
        "cells_per_s_wall": round(statistics.median(wall[later]), 1),
        "cells_per_s_wall_best": round(max(wall), 1),
        "cells_per_s_cpu": round(statistics.median(cpu[later]), 1),
    }


def bound(model: Any, held: Any) -> dict[str, float]:
    """The evidence lower bound of held-out cells at full weight, nats per cell, lower is better."""
    import torch

    from waddington.devices import Random
    from waddington.minibatches import Coded, minibatches
    from waddington.players import Means
    from waddington.terms import losses

    means, data = Means(), Coded.of(held, model.levels)
    with Random(0), torch.no_grad():
        for _ in range(DRAWS):
            for m in minibatches(data, {}, 512):
                means.add(losses(model.recipe.terms, model.network(m), m), len(m))
    found = means.result()
    recon, kl = found["nll rna"], found["kl z"]
    told = {"heldout_elbo": recon + kl, "heldout_recon": recon, "heldout_kl": kl}
    return {k: round(v, 3) for k, v in told.items()}


def seconds_of(call: Any) -> tuple[float, float]:
    """Median seconds, wall and CPU, of calls that are all alike."""
    took = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = map(statistics.median, zip(*took, strict=True))
    return wall, cpu


def inference(model: Any, cells: Any, order: Any) -> dict[str, float]:
    """Cells per second of the two verbs that are asked most, and the memory of the second."""
    import numpy as np

    from waddington.verbs import denoise, latent

    some = cells.take(np.sort(order[:LATENT_CELLS]))
    wall, cpu = seconds_of(lambda: latent(model, some))
    told = {"latent_cells_per_s": len(some) / wall, "latent_cells_per_s_cpu": len(some) / cpu}
    few = cells.take(np.sort(order[:DENOISED_CELLS]))
    forget_peak()
    before = memory("VmRSS")
    out = denoise(model, few, library=1.0)
    peak, size = memory("VmHWM") - before, out.nbytes / 2**20
    del out
    wall, cpu = seconds_of(lambda: denoise(model, few, library=1.0))
    told |= {"normexpr_cells_per_s": len(few) / wall, "normexpr_cells_per_s_cpu": len(few) / cpu}
    told |= {"normexpr_peak_mib": peak, "normexpr_out_mib": size}
    return {k: round(v, 1) for k, v in told.items()}


def measured(a: argparse.Namespace) -> dict[str, Any]:
    """Train, and say how it went."""
    if a.kernels == "off":
        os.environ["WADDINGTON_KERNELS"] = "off"
    import numpy as np
    import torch

    import waddington
    from waddington.kernels import native

    torch.set_num_threads(a.threads)
    told: dict[str, Any] = {"tool": "waddington", "version": waddington.__version__}
    active = native.status()["active"]  # compiles them, if that has to be done
    told |= {"import_s": time.perf_counter() - BEGAN, "rss_import_mib": memory("VmRSS")}
    began = time.perf_counter()
    cells = read(a)
    told |= {"load_s": time.perf_counter() - began, "kernels": active, "schedule": a.schedule}
    told["rss_data_mib"] = memory("VmRSS") - told["rss_import_mib"]
    n, g = cells.views["rna"].shape
    order = np.random.default_rng(SPLIT_SEED).permutation(n)
    cut = n - round(HELD_OUT * n)
    trained, held = (cells.take(np.sort(i)) for i in (order[:cut], order[cut:]))
    before = memory("VmRSS")
    forget_peak()
    began = time.perf_counter()
    trainer, epochs = timed(a, trained)
    told |= {"setup_s": time.perf_counter() - began, "peak_rss_setup_mib": memory("VmHWM") - before}
    began, cpu = time.perf_counter(), time.process_time()
    trainer.advance()
    told |= {"train_s": time.perf_counter() - began, "train_cpu_s": time.process_time() - cpu}
    told |= {"peak_rss_train_mib": memory("VmHWM") - before, **speeds(len(trained), epochs)}
    told |= {"peak_rss_total_mib": round(memory("VmHWM")), "n": n, "g": g}
    told["elbo_train_last"] = trainer.history[-1]["objective"]
    model = trainer.model()
    told |= bound(model, held)
    if a.infer:
        told |= inference(model, cells, order)
    given = {k: v for k, v in vars(a).items() if k not in ("file", "kernels", "infer")}
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in told.items()}
    return {**given, "file": a.file.name, **rounded}


if __name__ == "__main__":
    print(json.dumps(measured(asked())), flush=True)
