"""The C accelerator: what it computes, and what becomes of it where it can't be had."""

import json
import os
import subprocess
import sys

import pytest
import torch
from test_kernels import counts, inputs

from waddington import kernels
from waddington.cells import Rows
from waddington.kernels import native, native_adam, native_counts
from waddington.kernels.build import BuildError

needs_c = pytest.mark.skipif(not kernels.status()["active"], reason=kernels.status()["why"])


def task(family="zinb", theta="gene", cells=16, genes=100):
    logits, log_theta, zeros, size, share = inputs(
        theta, "observed", torch.float32, 1, cells, genes
    )
    data = counts(2, cells, genes, torch.float32)
    zeros = zeros if family == "zinb" else None
    return native_counts.Inputs(logits, log_theta, zeros, size, data, share)


@needs_c
@pytest.mark.parametrize("family", ["nb", "zinb"])
@pytest.mark.parametrize("theta", ["gene", "cell"])
def test_gradients_may_be_written_over_the_logits(family, theta):
    given, weight = task(family, theta), torch.linspace(-1, 1, 16)
    made = native_counts.memory_for(given)
    log_p, _ = native_counts.counts(given, weight, made)
    zeros = None if given.zero_logits is None else given.zero_logits.clone()
    over = given._replace(logits=given.logits.clone(), zero_logits=zeros)
    there = made._replace(
        logits=over.logits, zero_logits=zeros, log_theta=torch.empty_like(made.log_theta)
    )
    assert torch.equal(native_counts.counts(over, weight, there)[0], log_p)
    for got, want in zip(there, made, strict=True):
        assert want is None or torch.equal(got, want)


@needs_c
@pytest.mark.parametrize("theta", ["gene", "cell"])
def test_threads_change_nothing_but_the_order_of_sums(theta):
    given, results = task(theta=theta), []
    before = torch.get_num_threads()
    try:
        for n in (1, 2, 2, 3):
            torch.set_num_threads(n)
            made = native_counts.memory_for(given)
            log_p, _ = native_counts.counts(given, None, made)
            results.append((log_p, *(x for x in made if x is not None)))
    finally:
        torch.set_num_threads(before)
    one, two, again, three = results
    for a, b, c, d in zip(one, two, again, three, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(a, d, rtol=1e-5, atol=1e-6)
        assert torch.equal(b, c)


@needs_c
def test_biases_are_added_and_get_their_gradients():
    given, bias, zero_bias = task(), torch.randn(100), torch.randn(100)
    weight = torch.linspace(-1, 1, 16)
    shifted = given._replace(logits=given.logits + bias, zero_logits=given.zero_logits + zero_bias)
    want = native_counts.memory_for(shifted)
    log_p, _ = native_counts.counts(shifted, weight, want)
    told = given._replace(bias=bias, zero_bias=zero_bias)
    made = native_counts.memory_for(told)._replace(
        bias=torch.empty(100), zero_bias=torch.empty(100)
    )
    assert torch.equal(native_counts.counts(told, weight, made)[0], log_p)
    assert torch.equal(made.logits, want.logits)
    torch.testing.assert_close(made.bias, want.logits.sum(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(made.zero_bias, want.zero_logits.sum(0), rtol=1e-5, atol=1e-5)


@needs_c
def test_gradients_can_be_asked_for_twice():
    given = task()
    logits, theta = given.logits.requires_grad_(), given.log_theta.requires_grad_()
    value = kernels.zinb(logits, theta, *given[2:6]).sum()
    first = torch.autograd.grad(value, (logits, theta), retain_graph=True)
    again = torch.autograd.grad(value, (logits, theta))
    for a, b in zip(first, again, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


@needs_c
def test_what_has_gaps_or_other_types_is_left_to_torch():
    x = torch.zeros(4, 6)
    assert native.able(x, None, torch.zeros(3, dtype=torch.int64))
    assert not native.able(x.t())
    assert not native.able(x.double())
    assert not native.able(x.to("meta"))


@needs_c
@pytest.mark.parametrize("units", [1, 5, 64, 70, 128])
def test_linear_maps_are_products(units, monkeypatch):
    data = counts(3, 9, 40, torch.float32)
    weight, upstream = torch.randn(40, units), torch.randn(9, units)
    torch.testing.assert_close(native.linear(data, weight), data.dense() @ weight)
    for training in (False, True):
        monkeypatch.setattr(native, "CACHED", 0)
        wide = native.linear(data, weight, training=training)
        torch.testing.assert_close(wide, data.dense() @ weight)
    torch.testing.assert_close(native.linear_gradient(data, upstream), data.dense().T @ upstream)


@needs_c
@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_is_torchs(decoupled):
    torch.manual_seed(0)
    weight = torch.randn(40, 70)
    mine, first, second = weight.clone(), torch.zeros(40, 70), torch.zeros(40, 70)
    joined, moments = weight.clone(), (torch.zeros(40, 70), torch.zeros(40, 70))
    theirs, a, b = weight.clone(), torch.zeros(40, 70), torch.zeros(40, 70)
    call = torch._fused_adamw_ if decoupled else torch._fused_adam_
    for t in range(1, 6):
        data, upstream = counts(t, 9, 40, torch.float32), torch.randn(9, 70)
        gradient = data.dense().T @ upstream
        by = native_adam.step(0.01, t, (0.9, 0.99), 1e-3, 0.1, decoupled)
        native_adam.adam(mine, first, second, gradient, by)
        native_adam.linear_adam(data, upstream, joined, moments, by)
        call(
            [theirs], [gradient], [a], [b], [], [torch.tensor(float(t))], lr=0.01, beta1=0.9,
            beta2=0.99, weight_decay=0.1, eps=1e-3, amsgrad=False, maximize=False,
        )  # fmt: skip
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(joined, theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(second, b, rtol=1e-5, atol=1e-6)


def test_it_can_be_switched_off(monkeypatch):
    kernels.use(False)
    assert kernels.status()["why"] == "switched off by use(False)"
    assert not native.able(torch.zeros(3))
    monkeypatch.setenv("WADDINGTON_KERNELS", "off")
    kernels.use(None)
    assert kernels.status()["why"] == "switched off by WADDINGTON_KERNELS"
    assert not kernels.status()["active"] and native.loaded() is None
    monkeypatch.undo()
    kernels.use(None)
    assert kernels.status()["why"] != "switched off by WADDINGTON_KERNELS"


@needs_c
def test_the_environment_is_not_read_in_every_step(monkeypatch):
    kernels.use(None)
    code = native.loaded()
    monkeypatch.setattr(native, "os", None)
    assert native.loaded() is code and native.able(torch.zeros(3))


PROBE = """
import json, torch
from waddington import kernels
from waddington.cells import Rows
rows = Rows(torch.tensor([0, 1]), torch.tensor([2]), torch.tensor([3.0]), 4)
value = kernels.nb(torch.zeros(1, 4), torch.zeros(1, 4), torch.ones(1, 1), rows, True)
print(json.dumps({**kernels.status(), "value": value.item()}))
"""
VALUE = pytest.approx(-0.223144 * 4 - 3 * 1.609438, rel=1e-5)  # theta 1, means 1/4


def run(cache, **environment):
    """What a new process says of its kernels."""
    told = {k: v for k, v in os.environ.items() if k not in ("CC", "WADDINGTON_KERNELS")}
    told |= {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    out = subprocess.run(
        [sys.executable, "-c", PROBE], env=told, capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


@needs_c
def test_it_is_compiled_once_and_kept_where_only_its_user_can_write(tmp_path):
    first = run(tmp_path)
    assert first["active"] and first["why"] == "compiled now" and first["seconds"] > 0
    folder = tmp_path / "waddington"
    assert [p.name for p in folder.iterdir()] == [os.path.basename(first["path"])]
    assert folder.stat().st_mode & 0o777 == 0o700
    second = run(tmp_path)
    assert second["why"] == "compiled earlier" and second["seconds"] == 0
    assert first["value"] == second["value"] == VALUE
    with open(first["path"], "wb") as file:
        file.write(b"not a library")
    assert run(tmp_path)["why"] == "compiled now"
    folder.chmod(0o777)
    refused = run(tmp_path)
    assert not refused["active"] and "can be written by, others" in refused["why"]
    assert refused["value"] == VALUE


def test_without_a_compiler_torch_does_the_work(tmp_path):
    told = run(tmp_path, PATH=str(tmp_path))
    assert not told["active"] and "no C compiler" in told["why"]
    assert told["value"] == VALUE


def test_a_compiler_that_fails_is_named(tmp_path):
    (tmp_path / "cc").write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
    (tmp_path / "cc").chmod(0o755)
    told = run(tmp_path, CC=str(tmp_path / "cc"))
    assert not told["active"]
    assert "could not compile" in told["why"] and "out of order" in told["why"]
    assert not list((tmp_path / "waddington").iterdir())


def test_to_insist_is_to_be_told_why_not(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(native, "_found", None)
    with pytest.raises(BuildError, match="no C compiler"):
        kernels.use(True)
    assert not kernels.status()["active"]


def test_plain_rows_have_what_the_kernels_keep():
    data = Rows(torch.tensor([0, 1, 3]), torch.tensor([1, 0, 1]), torch.tensor([1.0, 2.0, 3.0]), 2)
    starts, cells, values = (x.tolist() for x in data.csc)
    assert (starts, cells, values) == ([0, 1, 3], [1, 0, 1], [2.0, 1.0, 3.0])
