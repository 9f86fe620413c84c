"""The command line, as a person types it."""

import os
import subprocess
import sys

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from toys import cells as toy_cells

import waddington as wd
from waddington.__main__ import main
from waddington.recipes import RECIPES

TRAIN = ["--recipe", "scvi", "--batch", "batch", "--set", "n_latent=3", "--set", "n-hidden=8"]
QUICK = ["--epochs", "2", "--batch-size", "32", "--seed", "1", "--threads", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with cells.h5ad, and a model trained on it by the command line."""
    path, data = tmp_path_factory.mktemp("cli"), toy_cells(80)
    obs = pd.DataFrame(data.covariates, index=list(data.names)).astype("category")
    var = pd.DataFrame(index=list(data.features["rna"]))
    x = data.views["rna"]
    anndata.AnnData(x * 0.5, obs, var, layers={"counts": x}).write_h5ad(path / "cells.h5ad")
    words = ["train", str(path / "cells.h5ad"), "--layer", "counts", *TRAIN, *QUICK]
    assert main([*words, "--out", str(path / "model.wad")]) == 0
    return path


@pytest.fixture
def run(folder, capsys):
    """A function that runs a command in the folder: its status, and what it said."""

    def command(text):
        before = os.getcwd()
        os.chdir(folder)
        try:
            status = main(text.split())
        except SystemExit as left:
            status = left.code
        finally:
            os.chdir(before)
        said = capsys.readouterr()
        return status, said.out, said.err

    return command


# train -----------------------------------------------------------------------------------------


def test_train_writes_a_model_and_its_history(folder):
    model = wd.load(folder / "model.wad")
    assert (model.recipe.name, model.recipe.latent.n) == ("scvi", 3)
    assert model.record["layer"] == "counts" and model.record["seed"] == 1
    assert model.record["epochs"] == 2 and model.levels == {"batch": (("batch0", "batch1"),)}
    history = pd.read_csv(folder / "model.csv")
    assert history["cells"].tolist() == ["training", "held out"] * 2
    np.testing.assert_allclose(history["objective"], [r["objective"] for r in model.history])


def test_train_prints_the_summary_and_where_things_are(run):
    status, out, err = run("train cells.h5ad --layer counts --epochs 1 --seed 7 --out again.wad")
    assert status == 0 and "recipe: scvi" in out and "nats per cell" in out
    assert "seed: 7\nmodel: again.wad\nhistory: again.csv" in out
    assert err == "warning: there are fewer cells (80) than batch_size (128); " + (
        "every update uses all of them\n"
    )


def test_quiet_is_quiet(run):
    words = "train cells.h5ad --layer counts --epochs 1 --batch-size 32 --out q.wad --quiet"
    assert run(words) == (0, "", "")


def test_a_run_goes_on_from_its_checkpoint(run, folder):
    words = "train cells.h5ad --layer counts --epochs 2 --batch-size 32 --seed 1 --quiet"
    assert run(f"{words} --out a.wad --checkpoint run") == (0, "", "")
    assert run(f"{words} --out b.wad --checkpoint run") == (0, "", "")
    a, b = (wd.load(folder / f"{k}.wad") for k in "ab")
    assert all(np.array_equal(v, b.weights[k]) for k, v in a.weights.items())


# latent, denoise -------------------------------------------------------------------------------


def test_latent_as_a_table(run, folder):
    assert run("latent cells.h5ad model.wad --out z.csv") == (0, "", "")
    table, adata = (
        pd.read_csv(folder / "z.csv", index_col="cell"),
        anndata.read_h5ad(folder / "cells.h5ad"),
    )
    want = wd.latent(wd.load(folder / "model.wad"), adata)
    assert list(table.index) == list(adata.obs_names) and table.columns[0] == "X_vae1"
    np.testing.assert_allclose(table.to_numpy(), want, rtol=1e-4, atol=1e-6)


def test_latent_in_a_copy_of_the_file(run, folder):
    before = (folder / "cells.h5ad").read_bytes()
    assert run("latent cells.h5ad model.wad --out z.h5ad --name X_sd --of sd") == (0, "", "")
    made, adata = anndata.read_h5ad(folder / "z.h5ad"), anndata.read_h5ad(folder / "cells.h5ad")
    want = wd.latent(wd.load(folder / "model.wad"), adata, of="sd")
    np.testing.assert_allclose(made.obsm["X_sd"], want, rtol=1e-5)
    assert (made.X != adata.X).nnz == 0 and made.obs.equals(adata.obs)
    assert (folder / "cells.h5ad").read_bytes() == before
    assert run("latent z.h5ad model.wad --out z.h5ad --name X_sd") == (0, "", "")
    again = anndata.read_h5ad(folder / "z.h5ad").obsm["X_sd"]
    np.testing.assert_allclose(
        again, wd.latent(wd.load(folder / "model.wad"), adata), rtol=1e-4, atol=1e-6
    )


def test_denoised_genes_in_a_file_of_their_own(run, folder):
    words = "denoise cells.h5ad model.wad --out d.h5 --genes gene5,gene2 --library 1000"
    assert run(f"{words} --as batch=batch1") == (0, "", "")
    model, adata = wd.load(folder / "model.wad"), anndata.read_h5ad(folder / "cells.h5ad")
    want = wd.denoise(model, adata, library=1000, genes=["gene5", "gene2"], batch="batch1")
    with h5py.File(folder / "d.h5") as file:
        np.testing.assert_allclose(file["denoised"][:], want, rtol=1e-4)
        assert file["genes"].asstr()[:].tolist() == ["gene5", "gene2"]
        assert file["cells"].asstr()[:].tolist() == list(adata.obs_names)


def test_a_denoised_layer_in_a_copy_of_the_file(run, folder, monkeypatch):
    from waddington import __main__ as room

    monkeypatch.setattr(room, "BLOCK", 30)
    assert run("denoise cells.h5ad model.wad --out d.h5ad --library median") == (0, "", "")
    made, adata = anndata.read_h5ad(folder / "d.h5ad"), anndata.read_h5ad(folder / "cells.h5ad")
    want = wd.denoise(wd.load(folder / "model.wad"), adata, library="median")
    np.testing.assert_allclose(made.layers["denoised"], want, rtol=1e-4)
    assert set(made.layers) == {"counts", "denoised"}


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_a_layer_of_a_file_with_more_genes_is_refused_with_a_way_out(run, folder):
    adata = anndata.read_h5ad(folder / "cells.h5ad")
    wide = anndata.concat([adata, adata[:, :3].copy()], axis=1, merge="same")
    wide.var_names = [*adata.var_names, "more0", "more1", "more2"]
    wide.write_h5ad(folder / "wide.h5ad")
    status, _, err = run("denoise wide.h5ad model.wad --out wide_d.h5ad")
    assert status == 2 and "does not know 3 of them ('more0', 'more1', 'more2'); write to" in err
    assert not (folder / "wide_d.h5ad").exists()
    assert run("denoise wide.h5ad model.wad --out wide_d.h5") == (0, "", "")


# recipes, status, help -------------------------------------------------------------------------


def test_recipes_are_listed_and_described(run):
    status, out, _ = run("recipes")
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == list(RECIPES)
    status, out, _ = run("recipes scvi")
    assert out.startswith("scvi(batch=None, ") and "n_latent: Dimensions of z." in out


def test_status_says_what_a_report_of_a_problem_should(run):
    status, out, err = run("status")
    assert status == 0 and err == ""
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    assert lines["waddington"].startswith(wd.__version__)
    assert {
        "python",
        "torch",
        "numpy",
        "anndata",
        "devices",
        "threads",
        "kernels",
        "products",
    } <= set(lines)
    assert lines["devices"].startswith("cpu") and int(lines["threads"]) >= 1


@pytest.mark.parametrize("command", ["", "train ", "latent ", "denoise ", "recipes ", "status "])
def test_help_is_there(run, command):
    status, out, _ = run(f"{command}--help")
    assert status == 0 and out.startswith(f"usage: waddington {command}".rstrip())


def test_help_shows_units_defaults_and_examples(run):
    out = run("train --help")[1]
    assert "where to train it" in out and "[0.1]" in out and "cells per update" in out
    assert "waddington train pbmc.h5ad --batch donor" in run("--help")[1]


def test_it_is_a_module_and_a_version(tmp_path):
    run = lambda *words: subprocess.run(
        [sys.executable, "-m", "waddington", *words],
        cwd=ROOT / "python", capture_output=True, text=True,
    )  # fmt: skip
    assert run("--version").stdout == f"waddington {wd.__version__}\n"
    bad = run("train", "none.h5ad", "--out", str(tmp_path / "m.wad"))
    assert bad.returncode == 2 and bad.stderr == "error: there is no file 'none.h5ad'\n"


# Errors ----------------------------------------------------------------------------------------

BAD = {
    "train none.h5ad": "there is no file 'none.h5ad'",
    "train cells.h5ad": "are not whole numbers",
    "train cells.h5ad --layer raw": "layer 'raw'",
    "train cells.h5ad --layer counts --batch lane": "'lane' is not a column of obs",
    "train cells.h5ad --recipe scvo": "recipe must be one of autoencoder, ",
    "train cells.h5ad --set latent=3": "recipe 'scvi' has no argument 'latent'; it has batch, ",
    "train cells.h5ad --set n_latent=ten": "--set n_latent=ten: n_latent must be int",
    "train cells.h5ad --set n_latent=0": "n_latent must be at least 1, got 0",
    "train cells.h5ad --set n_latent": "'n_latent' must be NAME=VALUE",
    "train cells.h5ad --recipe vae --batch batch": "recipe 'vae' has no argument 'batch'",
    "train cells.h5ad --layer counts --device gpu": "device must be one of auto, cpu,",
    "train cells.h5ad --layer counts --epochs 0": "epochs must be at least 1, got 0",
    "train cells.h5ad --out no/model.wad": "the folder of 'no/model.wad' does not exist; create",
    "train cells.h5ad --epochs many": "argument --epochs: invalid int value: 'many' (see wadd",
    "train": "the following arguments are required: FILE (see waddington train --help)",
    "fly": "invalid choice: 'fly'",
    "latent cells.h5ad cells.h5ad --out z.csv": "this is not a model of waddington",
    "latent cells.h5ad none.wad --out z.csv": "can't read the model file 'none.wad': No such file",
    "latent cells.h5ad model.wad": "the following arguments are required: --out",
    "denoise cells.h5ad model.wad --out d.h5 --library big": 'must be "observed", "median" or',
    "denoise cells.h5ad model.wad --out d.h5 --as batch=b9": "'batch' has no level 'b9'; it has",
    "denoise cells.h5ad model.wad --out d.h5 --as lane=1": "the model has no covariate 'lane'",
    "denoise cells.h5ad model.wad --out d.h5 --genes foo": "the model has no genes 'foo'",
}


@pytest.mark.parametrize("command,said", BAD.items(), ids=BAD)
def test_errors_are_one_line_and_status_two(run, folder, command, said):
    there = set(os.listdir(folder))
    status, out, err = run(command)
    assert status == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and said in err
    assert set(os.listdir(folder)) == there  # and nothing is left behind
