"""A run that is killed goes on where it was last stored, as if it never had been."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from toys import cells, small

import waddington as wd
from waddington.checkpoint import save_checkpoint
from waddington.recipes import scvi
from waddington.trainer import Trainer

EVERY = 0.2
CHILD = """
import sys, time
sys.path[:0] = sys.argv[2:4]
from test_resume import EVERY, recipe
from toys import cells
from waddington import fit
from waddington.trainer import Trainer
move = Trainer._move
def told(self, *args):
    print(self.step, time.monotonic(), flush=True)
    return move(self, *args)
Trainer._move = told
fit.train(cells(), recipe(400), seed=5, threads=1, checkpoint=sys.argv[1], every=EVERY)
"""


def recipe(epochs=4):
    return small(scvi(batch="batch"), epochs=epochs, batch_size=32)


def same(a, b):
    assert a.history == b.history and a.record["why"] == b.record["why"]
    for k, v in a.weights.items():
        np.testing.assert_array_equal(b.weights[k], v, err_msg=k)


def killed(path, root):
    """The steps of a run that was killed in the middle of an epoch, and when each began."""
    folders = [str(root / "python"), str(root / "tests" / "python")]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, path, *folders], stdout=subprocess.PIPE, text=True
    )
    steps, since = {}, 0
    for line in child.stdout:
        step, when = line.split()
        steps[int(step)] = float(when)
        since += path.exists()
        if since > 100 and int(step) % 6 == 3:
            child.send_signal(signal.SIGKILL)
            break
    child.wait()
    assert child.returncode == -signal.SIGKILL
    return steps


def killed_and_resumed(folder, root):
    """The steps of a killed run, and the trainer that takes it up in the middle of an epoch.

    When a run is stored is a matter of time; one stored at the end of an epoch is left out.
    """
    for i in range(8):
        steps = killed(folder / f"run{i}", root)
        again = wd.resume(folder / f"run{i}", cells())
        if again.minibatch:
            break
    return steps, again


def test_a_kill_loses_at_most_one_interval(tmp_path, root):
    steps, again = killed_and_resumed(tmp_path, root)
    last = max(steps)
    assert 0 < again.step <= last + 1 and again.minibatch
    lost = steps[last] - steps[min(again.step, last)]
    slowest = max(np.diff(list(steps.values())))
    assert lost <= EVERY + 2 * slowest  # it is written between two steps

    whole = Trainer(recipe(400), cells(), seed=5, threads=1)
    for trainer in (whole, again):
        while trainer.step < last + 20:
            trainer.advance(0)
    for k, v in whole.network.state_dict().items():
        np.testing.assert_array_equal(again.network.state_dict()[k], v, err_msg=k)
    assert again.history == whole.history


def test_the_same_call_goes_on(tmp_path):
    whole = wd.train(cells(), recipe(), seed=5, threads=1)
    for steps in (3, 6, 11):  # in an epoch, at its end, in a later one
        trainer = Trainer(recipe(), cells(), seed=5, threads=1)
        while trainer.step < steps:
            trainer.advance(0)
        save_checkpoint(trainer, tmp_path / "run")
        same(whole, wd.train(cells(), recipe(), threads=1, checkpoint=tmp_path / "run"))


def test_a_run_that_ended_is_not_trained_again(tmp_path, monkeypatch):
    asked = {"seed": 5, "threads": 1, "checkpoint": tmp_path / "run", "every": 0.0}
    whole = wd.train(cells(), recipe(), **asked)
    monkeypatch.setattr(Trainer, "_move", None)
    same(whole, wd.train(cells(), recipe(), **asked))


def test_another_run_is_not_taken_for_this_one(tmp_path):
    wd.train(cells(), recipe(1), seed=5, checkpoint=tmp_path / "run")
    with pytest.raises(wd.InputError, match="keeps a run with another recipe; remove it"):
        wd.train(cells(), recipe(2), checkpoint=tmp_path / "run")
    with pytest.raises(wd.InputError, match="keeps a run with another seed; remove it"):
        wd.train(cells(), recipe(1), seed=6, checkpoint=tmp_path / "run")
