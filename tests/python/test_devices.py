"""Devices, threads, precision, and randomness that is nobody else's."""

import os

import pytest
import torch
from toys import OneDevice, fitted, small, trained

from waddington.devices import Random, computing, default_threads, resolve
from waddington.errors import InputError
from waddington.trainer import Trainer


def test_auto_is_the_cpu_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve("auto") == (torch.device("cpu"), None)
    assert resolve("cpu") == (torch.device("cpu"), None)


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_there_falls_back_and_says_so(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    device, note = resolve(name)
    assert device.type == "cpu"
    assert note == f"device {name!r} is not available here; training on the CPU"


def test_a_device_that_is_there_is_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve("auto")[0] == torch.device("cuda")
    assert resolve("cuda:1") == (torch.device("cuda", 1), None)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "tpu:0"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(InputError, match="device must be one of auto, cpu, cuda, mps, got") as got:
        resolve(name)
    assert got.value.argument == "device"


def test_threads_are_few_and_the_environment_can_lower_them(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(64), raising=False)
    assert default_threads() == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert default_threads() == 2
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(1), raising=False)
    assert default_threads() == 1


def test_threads_and_precision_are_put_back_even_after_an_error():
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    with (
        pytest.raises(ZeroDivisionError),
        computing(torch.device("cpu"), before[0] + 1, "bfloat16"),
    ):
        assert torch.get_num_threads() == before[0] + 1
        assert torch.get_float32_matmul_precision() == "medium"
        raise ZeroDivisionError
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


def test_an_unknown_precision_is_refused():
    with (
        pytest.raises(InputError, match="precision must be one of float32, bfloat16, got 'half'"),
        computing(torch.device("cpu"), 1, "half"),
    ):
        pass


def test_randomness_is_lent_and_taken_back():
    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    ours = Random(1)
    with ours:
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), want)
    with ours:
        second = torch.rand(2)
    with Random(1):
        assert torch.equal(torch.rand(4), torch.cat([first, second]))


def test_low_precision_trains_and_is_recorded():
    case = fitted("scvi")
    model = trained(small(case.recipe, epochs=2), case.cells, precision="bfloat16").model()
    assert model.record["precision"] == "bfloat16"
    assert {str(v.dtype) for v in model.weights.values()} <= {"float32", "int64"}


def test_the_note_about_a_missing_device_reaches_the_user(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    case = fitted("vae")
    trainer = Trainer(case.recipe, case.cells, device="cuda")
    assert "device 'cuda' is not available here; training on the CPU" in trainer.warnings
    assert trainer.model().record["device"] == "cpu"


def test_the_watch_over_devices_sees_what_meta_lets_pass():
    a, b = torch.ones(2, 2, device="meta"), torch.ones(2, 2)
    assert (a @ b).device.type == "meta"
    with OneDevice(), pytest.raises(AssertionError, match="reads tensors of"):
        a @ b
    with pytest.raises(RuntimeError, match="item"):
        a.sum().item()
