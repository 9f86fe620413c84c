"""Stored runs; that they end as if they had never stopped is in test_contract."""

from dataclasses import replace

import numpy as np
import pytest
from toys import fitted

import waddington as wd
from waddington.checkpoint import fingerprint
from waddington.errors import InputError, ModelFileError
from waddington.trainer import Trainer


@pytest.fixture
def run(tmp_path):
    """A run in its second epoch, and the file it was stored in."""
    case = fitted("scvi with batches")
    trainer = Trainer(case.recipe, case.cells, seed=1)
    while trainer.epoch < 1 or trainer.minibatch < 2:
        trainer.advance(0)
    wd.save_checkpoint(trainer, tmp_path / "run")
    return trainer, tmp_path / "run", case.cells


def test_everything_comes_back(run):
    trainer, path, cells = run
    again = wd.resume(path, cells)
    for name in ("epoch", "step", "phase", "minibatch", "progress", "history", "seed", "score"):
        assert getattr(again, name) == getattr(trainer, name), name
    for k, v in trainer.network.state_dict().items():
        np.testing.assert_array_equal(again.network.state_dict()[k], v)
    np.testing.assert_array_equal(again.held, trainer.held)


def test_storing_does_not_disturb_the_run(run):
    trainer, _, cells = run
    whole = Trainer(trainer.recipe, cells, seed=1)
    whole.advance()
    trainer.advance()
    for k, v in whole.model().weights.items():
        np.testing.assert_array_equal(trainer.model().weights[k], v)


def test_a_run_that_stopped_by_itself_stays_stopped(run, tmp_path):
    trainer, _, cells = run
    trainer.interrupt()
    wd.save_checkpoint(trainer, tmp_path / "stopped")
    again = wd.resume(tmp_path / "stopped", cells)
    assert again.done and again.why == "interrupted after 1 epochs"


def test_other_cells_are_refused(run):
    _, path, cells = run
    x = cells.views["rna"].copy()
    x.data[0] += 1
    others = [
        cells.take(np.arange(200)),
        cells.take(np.arange(len(cells))[::-1]),
        replace(cells, views={"rna": x}),
        replace(cells, covariates={**cells.covariates, "batch": cells.covariates["batch"][::-1]}),
    ]
    for other in others:
        with pytest.raises(InputError, match="the cells are not those of the run stored in"):
            wd.resume(path, other)


def test_the_same_cells_have_the_same_fingerprint_whatever_their_type(run):
    cells = run[2]
    same = replace(cells, views={"rna": cells.views["rna"].astype(np.float64)})
    assert fingerprint(cells) == fingerprint(same)


@pytest.mark.parametrize("change", ["values", "size_factor", "covariates"])
def test_cells_with_other_columns_have_another_fingerprint(run, change):
    age, size = np.arange(len(run[2]), dtype=float)[:, None], np.ones(len(run[2]))
    cells = replace(run[2], values={"age": age}, size_factor=size)
    other = {
        "values": {"age": age + 1},
        "size_factor": size * 2,
        "covariates": {"batch": cells.covariates["batch"][::-1]},
    }
    assert fingerprint(cells) != fingerprint(replace(cells, **{change: other[change]}))


def test_what_is_no_stored_run_is_told(run, tmp_path):
    _, path, cells = run
    (tmp_path / "cut").write_bytes(path.read_bytes()[:-100])
    fitted("vae").model.save(tmp_path / "model.wad")
    for name in ("cut", "model.wad"):
        with pytest.raises(ModelFileError, match="is not a stored run of waddington, or damaged"):
            wd.resume(tmp_path / name, cells)
    with pytest.raises(InputError, match=r"can't read .*No such file"):
        wd.resume(tmp_path / "none", cells)


def test_a_run_with_held_out_cells_of_its_own_says_that_it_can_not_be_stored(tmp_path):
    case = fitted("vae")
    trainer = Trainer(case.recipe, case.cells, held_out=case.cells.take(np.arange(20)))
    with pytest.raises(InputError, match="held_out are cells can't be stored; give a share"):
        wd.save_checkpoint(trainer, tmp_path / "run")
