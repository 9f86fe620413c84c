"""How fast scvi-tools trains the same model: one line of JSON. Runs in an environment of its own.

    SCVI/bin/python tests/benchmarks/scvi_speed.py FILE.h5ad --likelihood nb --epochs 5 --threads 1

See train_speed.py, whose fields these are; compare.py runs both.
"""

import argparse
import json
import logging
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
BEGAN = time.perf_counter()
SPLIT_SEED, HELD_OUT, DRAWS = 12345, 0.1, 3
LATENT_CELLS, DENOISED_CELLS, REPEATS = 20_000, 4_000, 5


def asked():
    """The command line; 0 epochs are scvi-tools' own budget."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("file", type=Path)
    p.add_argument("--likelihood", default="nb")
    p.add_argument("--batch-key", default="batch")
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--backed", action="store_true")
    p.add_argument("--kl-warmup", type=int, default=400)
    p.add_argument("--infer", action=argparse.BooleanOptionalAction, default=True)
    return p.parse_args()


def memory(what):
    """VmRSS or VmHWM of this process, in MiB; 0 where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def forget_peak():
    """Let VmHWM start from what is in use now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def trained(a, model, train, rest):
    """Train on `train`, and say how fast it went."""
    import lightning.pytorch as lightning
    import numpy as np

    class Clock(lightning.Callback):
        def __init__(self):
            self.wall, self.cpu = [], []

        def on_train_epoch_start(self, *_):
            self.began = time.perf_counter(), time.process_time()

        def on_train_epoch_end(self, *_):
            self.wall.append(time.perf_counter() - self.began[0])
            self.cpu.append(time.process_time() - self.began[1])

    clock, before = Clock(), memory("VmRSS")
    forget_peak()
    began, cpu = time.perf_counter(), time.process_time()
    model.train(
        max_epochs=a.epochs or None, accelerator="cpu", devices=1, batch_size=a.batch_size,
        enable_progress_bar=False, enable_model_summary=False, logger=None, callbacks=[clock],
        check_val_every_n_epoch=None, plan_kwargs={"n_epochs_kl_warmup": a.kl_warmup},
        datasplitter_kwargs={"external_indexing": [train, np.array([], int), rest]},
    )  # fmt: skip
    later = slice(1, None) if len(clock.wall) > 1 else slice(None)
    wall, by_cpu = (len(train) / np.array(x) for x in (clock.wall, clock.cpu))
    return {
        "train_s": time.perf_counter() - began, "train_cpu_s": time.process_time() - cpu,
        "peak_rss_train_mib": memory("VmHWM") - before, "epochs": len(clock.wall),
        "first_epoch_s": clock.wall[0], "cells_per_s_wall": float(np.median(wall[later])),
        "cells_per_s_wall_best": float(wall.max()),
        "cells_per_s_cpu": float(np.median(by_cpu[later])),
        "elbo_train_last": float(model.history["elbo_train"].iloc[-1, 0]),
        "peak_rss_total_mib": memory("VmHWM"),
    }  # fmt: skip


def bound(model, adata, held):
    """The evidence lower bound of held-out cells at full weight, nats per cell, lower is better."""
    import torch

    model.module.eval()
    torch.manual_seed(0)
    recon = kl = seen = 0.0
    loader = model._make_data_loader(adata=adata, indices=held, batch_size=512)
    with torch.no_grad():
        for _ in range(DRAWS):
            for tensors in loader:
                loss = model.module(tensors)[2]
                recon += float(loss.reconstruction_loss_sum)
                kl += float(loss.kl_local_sum)
                seen += loss.n_obs_minibatch
    return {
        "heldout_elbo": (recon + kl) / seen, "heldout_recon": recon / seen, "heldout_kl": kl / seen,
    }  # fmt: skip


def seconds_of(call):
    """Median seconds, wall and CPU, of calls that are all alike."""
    import numpy as np

    took = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    return tuple(map(float, np.median(took, axis=0)))


def inference(model, order):
    """Cells per second of what is asked most, and the memory of the second."""
    import numpy as np

    some = np.sort(order[:LATENT_CELLS])
    wall, cpu = seconds_of(lambda: model.get_latent_representation(indices=some))
    told = {"latent_cells_per_s": len(some) / wall, "latent_cells_per_s_cpu": len(some) / cpu}
    few = np.sort(order[:DENOISED_CELLS])
    forget_peak()
    before = memory("VmRSS")
    out = model.get_normalized_expression(indices=few)
    peak, size = memory("VmHWM") - before, out.values.nbytes / 2**20
    del out
    wall, cpu = seconds_of(lambda: model.get_normalized_expression(indices=few))
    told |= {"normexpr_cells_per_s": len(few) / wall, "normexpr_cells_per_s_cpu": len(few) / cpu}
    return told | {"normexpr_peak_mib": peak, "normexpr_out_mib": size}


def measured(a):
    """Train, and say how it went."""
    import numpy as np
    import torch

    torch.set_num_threads(a.threads)
    import anndata
    import scvi

    scvi.settings.seed, scvi.settings.verbosity = a.seed, logging.ERROR
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    told = {"tool": "scvi-tools", "version": scvi.__version__}
    told |= {"import_s": time.perf_counter() - BEGAN, "rss_import_mib": memory("VmRSS")}
    began = time.perf_counter()
    adata = anndata.read_h5ad(a.file, backed="r" if a.backed else None)
    told["load_s"] = time.perf_counter() - began
    told["rss_data_mib"] = memory("VmRSS") - told["rss_import_mib"]
    n, g = adata.shape
    order = np.random.default_rng(SPLIT_SEED).permutation(n)
    train, held = order[: n - round(HELD_OUT * n)], np.sort(order[n - round(HELD_OUT * n) :])
    began = time.perf_counter()
    batch = a.batch_key if a.batch_key in adata.obs else None
    scvi.model.SCVI.setup_anndata(adata, batch_key=batch)
    model = scvi.model.SCVI(adata, gene_likelihood=a.likelihood)
    told |= {"setup_s": time.perf_counter() - began, "n": n, "g": g}
    told |= trained(a, model, train, held)
    told |= bound(model, adata, held)
    if a.infer:
        told |= inference(model, order)
    given = {k: v for k, v in vars(a).items() if k not in ("file", "infer")}
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in told.items()}
    return {**given, "file": a.file.name, **rounded}


if __name__ == "__main__":
    print(json.dumps(measured(asked())), flush=True)
