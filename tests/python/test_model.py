"""The model file: whole or not at all, no data in it, and told apart from everything else."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from safetensors.numpy import save as save_arrays
from toys import fitted

import waddington as wd
from waddington.errors import InputError, ModelFileError
from waddington.model import FORMAT, Model
from waddington.parts import replace


@pytest.fixture
def model():
    return fitted("scvi with batches").model


def test_one_file_has_all_and_no_pickle(model, tmp_path):
    path = tmp_path / "model.wad"
    model.save(path)
    header = path.read_bytes()[8:]
    assert header.startswith(b"{") and b"pickle" not in header
    again = wd.load(path)
    assert again.recipe == model.recipe and dict(again.record) == dict(model.record)
    assert os.listdir(tmp_path) == ["model.wad"]  # nothing temporary is left


def test_a_model_holds_no_cells(model):
    names = fitted("scvi with batches").cells.names
    assert not any(n.encode() in model.to_bytes() for n in (names[0], names[100]))
    assert len(model.to_bytes()) < 4 * sum(v.size for v in model.weights.values()) + 100_000


def test_saving_again_replaces_the_file(model, tmp_path):
    path = tmp_path / "model.wad"
    path.write_bytes(b"old")
    model.save(path)
    assert wd.load(path).recipe == model.recipe


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_told(model, share, tmp_path):
    data = model.to_bytes()
    (tmp_path / "cut.wad").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelFileError, match=r"cut\.wad.*(damaged|not a model)"):
        wd.load(tmp_path / "cut.wad")


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 100,
        b"\x80\x04\x95" + b"pickle" * 20,
        save_arrays({"w": np.ones(3)}),
        save_arrays({"w": np.ones(3)}, {"other": "{}"}),
    ],
    ids=["text", "pickle", "safetensors", "safetensors with words"],
)
def test_a_foreign_file_is_told(data, tmp_path):
    (tmp_path / "foreign").write_bytes(data)
    with pytest.raises(ModelFileError, match="not a model of waddington"):
        wd.load(tmp_path / "foreign")


def test_a_newer_format_says_what_to_do(model):
    from waddington.model import _read

    arrays, words = _read(model.to_bytes())
    newer = save_arrays(arrays, {"waddington": json.dumps(words | {"format": FORMAT + 1})})
    with pytest.raises(ModelFileError, match=f"file format {FORMAT + 1}; .*: update waddington"):
        Model.from_bytes(newer)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"can't read the model file .*none\.wad': No such file"):
        wd.load(tmp_path / "none.wad")


def full_disk(*args, **named):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_as_it_was(model, call, tmp_path, monkeypatch):
    path = tmp_path / "model.wad"
    model.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(InputError, match="No space left on device; the file that was there is unc"):
        replace(model, history=()).save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.wad"]


def test_others_may_read_the_file_if_the_user_lets_them(model, tmp_path):
    before = os.umask(0o022)
    try:
        model.save(tmp_path / "model.wad")
    finally:
        os.umask(before)
    assert (tmp_path / "model.wad").stat().st_mode & 0o777 == 0o644


def test_a_model_loads_in_a_process_that_has_imported_nothing(model, tmp_path):
    model.save(tmp_path / "model.wad")
    code = f"import waddington as wd; print(wd.load({str(tmp_path / 'model.wad')!r}).recipe.name)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "python", capture_output=True, text=True
    )
    assert run.stdout == "scvi\n", run.stderr


def test_a_folder_that_is_not_there_is_told(model, tmp_path):
    with pytest.raises(InputError, match=r"can't write .*No such file or directory$") as caught:
        model.save(tmp_path / "no" / "model.wad")
    assert caught.value.argument == "path"


def test_the_summary_says_what_a_person_wants_to_know(model):
    lines = model.summary()
    assert lines["recipe"] == "scvi"
    assert lines["size"] == "37 rna features x 10 latent dimensions"
    assert "batch (2 levels)" in lines["covariates"]
    assert lines["trained"] == "6 epochs on 181 cells"
    assert lines["parameters"] == f"{sum(v.size for v in model.weights.values()):,}"
    assert "nats per cell; " in lines["held out"] and "feature means x library" in lines["held out"]
    assert lines["active"].endswith("of 10 latent dimensions")
    assert repr(model).splitlines()[0] == "recipe: scvi"


def test_a_model_that_is_not_better_than_the_trivial_one_says_so(model):
    worse = replace(model, record={**model.record, "held_out_nll": 9e9})
    assert "NOT better" in worse.summary()["held out"]


def test_building_a_network_draws_nothing_from_torch(model):
    import torch

    before = torch.get_rng_state()
    assert replace(model).network and model.expand(batch=("new",))
    assert torch.equal(torch.get_rng_state(), before)


def test_new_levels_start_at_the_mean_of_the_old(model):
    wider = model.expand(batch=("b2", "b3"))
    assert wider.levels["batch"][-1] == ("b2", "b3") and wider.dims.levels["batch"] == (2, 2)
    name = "decoders.rna.stack.0.shift.of.batch.blocks."
    want = model.weights[name + "0"].mean(0)
    np.testing.assert_allclose(wider.weights[name + "1"], [want, want], rtol=1e-6)
    np.testing.assert_array_equal(wider.weights[name + "0"], model.weights[name + "0"])
