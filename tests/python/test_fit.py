"""Training in one call."""

import anndata
import numpy as np
import pandas as pd
import pytest
from toys import cells as toy_cells

import waddington as wd
from waddington import fit
from waddington.fit import progress_line, run
from waddington.recipe import Phase
from waddington.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore:there are fewer cells")


def adata(n=80):
    data = toy_cells(n)
    obs = pd.DataFrame(
        {**data.covariates, "age": data.values["age"][:, 0], "size": data.size_factor},
        index=list(data.names),
    )
    var = pd.DataFrame(index=list(data.features["rna"]))
    x = data.views["rna"]
    return anndata.AnnData(x * 0.5, obs, var, layers={"counts": x})


def quick(**options):
    return wd.recipes.vae(n_latent=2, hidden=(4,), epochs=2, **options)


def test_an_anndata_is_enough():
    data = adata()
    model = wd.train(data, quick(), layer="counts", seed=1)
    assert model.record["layer"] == "counts" and model.record["seed"] == 1
    assert model.features["rna"] == tuple(data.var_names)
    assert wd.latent(model, data).shape == (80, 2)  # the layer of training is remembered


def test_the_recipe_s_columns_are_read_and_no_others():
    recipe = wd.recipes.scvi(batch="batch", covariates="age", n_hidden=4, epochs=1)
    model = wd.train(adata(), recipe, layer="counts", seed=0)
    assert model.levels == {"batch": (("batch0", "batch1"),)}


def test_size_factors_are_a_column():
    recipe = wd.recipes.scvi(library="size_factor", n_hidden=4, epochs=1)
    model = wd.train(adata(), recipe, layer="counts", size_factor="size", seed=0)
    assert np.isfinite(wd.denoise(model, adata())).all()
    with pytest.raises(wd.InputError, match="scvi needs size factors; give size_factor="):
        wd.train(adata(), recipe, layer="counts")


def test_arguments_replace_what_the_recipe_says():
    model = wd.train(
        toy_cells(80), quick(), epochs=3, batch_size=16, learning_rate=1e-2, patience=2, seed=0
    )
    (phase,) = model.recipe.phases
    assert isinstance(phase, Phase)
    assert (phase.epochs, phase.batch_size) == (3, 16)
    rate = phase.optimiser.lr
    assert getattr(rate, "peak", rate) == 1e-2
    assert phase.stop.patience == 2 and model.record["epochs"] == 3


def test_the_seed_is_drawn_recorded_and_reproduces():
    first = wd.train(toy_cells(80), quick())
    again = wd.train(toy_cells(80), quick(), seed=first.record["seed"])
    other = wd.train(toy_cells(80), quick())
    assert other.record["seed"] != first.record["seed"]
    for k, v in first.weights.items():
        np.testing.assert_array_equal(again.weights[k], v)


def test_nothing_said_is_scvi():
    model = wd.train(toy_cells(40), epochs=1, seed=0)
    assert model.recipe.name == "scvi"


def test_notes_become_warnings():
    data = toy_cells(80)
    data.views["rna"].data[slice(*data.views["rna"].indptr[3:5])] = 0
    with pytest.warns(UserWarning, match="1 of 80 cells have no rna counts"):
        wd.train(data, quick(), seed=0)


def test_ctrl_c_keeps_what_there_is(monkeypatch):
    trainer = Trainer(quick(), toy_cells(80))
    slices = iter([None, None, KeyboardInterrupt])
    advance = trainer.advance

    def until_ctrl_c(seconds):
        if next(slices):
            raise KeyboardInterrupt
        advance(0)

    trainer.advance = until_ctrl_c
    run(trainer)
    assert trainer.done and trainer.why.startswith("interrupted after")
    assert trainer.model().weights


def test_one_line_of_progress_and_only_if_asked(capsys):
    run(Trainer(quick(), toy_cells(80)), verbose=True)
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert "epoch 2/2, held out" in said.err and "all 2 epochs done" in said.err
    wd.train(toy_cells(80), quick(), seed=0)
    assert capsys.readouterr().err == ""


def test_the_line_says_how_long_it_may_take():
    trainer = Trainer(quick(), toy_cells(80))
    assert progress_line(trainer, 0).startswith("epoch 0/2, ")
    assert "s left at most" in progress_line(trainer, 0)


def test_a_slice_is_short_enough_to_answer_ctrl_c():
    assert fit.SLICE <= 0.25
