"""Two processes that share every minibatch train the model that one would."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from toys import NoNoise, cells, opposed, phased, small

import waddington as wd
from waddington.__main__ import main
from waddington.cells import Cells
from waddington.distributed import Alone, join
from waddington.fit import drawn_seed
from waddington.minibatches import Coded
from waddington.recipe import EarlyStopping
from waddington.recipes import scvi
from waddington.trainer import Trainer


def stopping():
    """A run that gets worse at once, so that it is stopped early."""
    recipe = small(scvi(dropout=0.0), epochs=20, lr=0.3)
    return replace(recipe, phases=(replace(recipe.phases[0], stop=EarlyStopping(2)),))


CASES = {
    "scvi": lambda: small(scvi(batch="batch", dropout=0.0), epochs=3),
    "opposed": lambda: without_dropout(small(opposed(), epochs=2)),
    "phased": lambda: without_dropout(small(phased(), epochs=2)),
    "stopping": stopping,
}


def without_dropout(recipe):
    return replace(recipe, encoders=scvi(dropout=0.0).encoders)


def trained(name, data, path=None):
    """A run without noise, which may be stored and taken up again in its second epoch."""
    with NoNoise():
        trainer = Trainer(CASES[name](), data, seed=0, threads=1)
        while path and (trainer.epoch < 1 or trainer.minibatch < 3):
            trainer.advance(0)
        if path:
            if trainer.team.leads:
                wd.save_checkpoint(trainer, path)
            torch.distributed.barrier()
            trainer = wd.resume(path, data)
        trainer.advance()
    return trainer


def several(folder, file):
    """What each process does: all cases, one from a file, one interrupted; it tells what it got."""
    Coded.block = 96  # several blocks
    data, told = cells(403), {}
    runs = {name: trained(name, data) for name in CASES}
    runs["filed"] = trained("scvi", Cells.from_file(file, categorical=["batch"]))
    runs["resumed"] = trained("scvi", data, f"{folder}/run")
    runs["noisy"] = Trainer(small(scvi(batch="batch"), epochs=3), data, seed=0, threads=1)
    runs["noisy"].advance()
    state = int(runs["noisy"].random.state[0].sum())
    for name, run in runs.items():
        model = run.model()
        told[name] = {"history": model.history, "why": run.why, "state": state}
        if run.team.leads:
            model.save(f"{folder}/{name}.wad")
    main(["train", file, "--batch", "batch", "--epochs", "1", "--out", f"{folder}/cli.wad"])
    told["seed"] = drawn_seed()
    with open(f"{folder}/{runs['scvi'].team.part[0]}.json", "w") as out:
        json.dump(told, out)


@pytest.fixture(scope="module")
def pair(tmp_path_factory, root):
    """The folder with what two processes found, and what each of them told."""
    import anndata
    import pandas as pd

    folder, data = tmp_path_factory.mktemp("pair"), cells(403)
    obs = pd.DataFrame(dict(data.covariates), index=list(data.names))
    anndata.AnnData(data.views["rna"], obs).write_h5ad(folder / "cells.h5ad")
    code = f"import sys; sys.path[:0] = {[str(root / 'python'), str(root / 'tests/python')]!r}\n"
    code += "from test_distributed import several; several(*sys.argv[1:])"
    (folder / "script.py").write_text(code)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    asked = [*torchrun, "--standalone", folder / "script.py", folder, folder / "cells.h5ad"]
    run = subprocess.run(asked, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("recipe: scvi") == 1
    return folder, [json.loads((folder / f"{i}.json").read_text()) for i in (0, 1)]


def numbers(history, cells):
    rows = [row for row in history if row["cells"] == cells]
    return np.array([[v for v in row.values() if isinstance(v, float)] for row in rows])


@pytest.mark.parametrize("name", [*CASES, "filed", "resumed"])
def test_two_processes_find_what_one_does(name, pair, monkeypatch):
    folder, _ = pair
    monkeypatch.setattr(Coded, "block", 96)
    case = {"filed": "scvi", "resumed": "scvi"}.get(name, name)
    want, got = trained(case, cells(403)).model(), wd.load(folder / f"{name}.wad")
    if name != "stopping":  # at that rate rounding grows
        for k, v in want.weights.items():
            np.testing.assert_allclose(got.weights[k], v, rtol=1e-4, atol=1e-4, err_msg=k)
        # a stored run knows what the first process saw of the epoch it is in
        for some in ("training", "held out")[name == "resumed" :]:
            found, true = (numbers(m.history, some) for m in (got, want))
            np.testing.assert_allclose(found, true, rtol=1e-4, atol=1e-4)
        assert got.record["held_out_nll"] == pytest.approx(want.record["held_out_nll"], rel=1e-5)
    assert got.record["why"] == want.record["why"]


def test_what_the_first_decides_all_do(pair):
    _, (first, second) = pair
    assert first["stopping"]["why"].startswith("held-out objective no better")
    assert first["seed"] == second["seed"]
    for name in (*CASES, "filed", "resumed"):
        assert first[name]["why"] == second[name]["why"]
        assert first[name]["history"] == second[name]["history"]


def test_noise_is_each_process_s_own_and_does_no_harm(pair):
    folder, (first, second) = pair
    assert first["scvi"]["state"] != second["scvi"]["state"]
    alone = Trainer(small(scvi(batch="batch"), epochs=3), cells(403), seed=0)
    alone.advance()
    want = alone.model().record["held_out_nll"]
    assert wd.load(folder / "noisy.wad").record["held_out_nll"] == pytest.approx(want, rel=0.02)


def test_the_command_line_writes_one_model(pair):
    folder, _ = pair
    model = wd.load(folder / "cli.wad")
    assert model.record["epochs"] == 1 and model.levels == {"batch": (("batch0", "batch1"),)}
    assert len((folder / "cli.csv").read_text().splitlines()) == 3


def test_one_process_shares_with_nobody(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")  # as some schedulers set it, without torchrun
    alone, layer = join(), nn.BatchNorm1d(3)
    alone.prepare(layer)
    assert type(alone) is Alone and alone.leads and alone.part == (0, 1)
    assert type(layer) is nn.BatchNorm1d and alone.led(lambda: 3) == 3
