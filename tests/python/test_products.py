"""Large products: equal to the plain ones whichever library makes them, and so their gradients."""

import pytest
import torch

from waddington.kernels import product, products
from waddington.layers import Linear

BIG = (160, 130, 140)
SHAPES = [BIG, (1, 3, 4), (1, 3000, 900), (300, 1, 9000)]


def amd(monkeypatch, vectors="AVX512"):
    monkeypatch.setattr(products, "processor", lambda: "vendor_id : AuthenticAMD")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: vectors)
    products.preferred.cache_clear()


@pytest.fixture
def onednn(monkeypatch):
    """As on a processor where oneDNN is the faster; skips where torch has none."""
    amd(monkeypatch)
    if not products.preferred():
        pytest.skip("this torch has no oneDNN, or its BLAS is nobody's")
    yield
    products.preferred.cache_clear()


def operands(m, n, k, seed=0):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(m, k, generator=made), torch.randn(n, k, generator=made)


def gapped(x):
    """The same numbers, rows far apart."""
    return x.t().contiguous().t()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("with_bias", [False, True])
def test_products_are_those_of_double_precision(onednn, shape, with_bias):
    a, b = operands(*shape)
    bias = torch.arange(float(shape[1])) if with_bias else None
    want = (a.double() @ b.double().t() + (0 if bias is None else bias)).float()
    for x in (a, gapped(a)):
        for y in (b, gapped(b)):
            for out in (None, torch.empty(shape[0], shape[1])):
                torch.testing.assert_close(product(x, y, bias, out), want, rtol=1e-5, atol=2e-4)


def test_only_large_products_of_single_precision_go_to_onednn(onednn, monkeypatch):
    a, b = operands(*BIG)
    assert products.onednn_is_faster(a, b)
    assert not products.onednn_is_faster(a[:2], b)
    assert not products.onednn_is_faster(a.double(), b.double())
    assert not products.onednn_is_faster(a[None], b)
    assert products.status().startswith("oneDNN")
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not products.onednn_is_faster(a, b) and products.status() == "torch's BLAS"


def test_other_processors_and_other_torches_keep_their_blas(monkeypatch):
    amd(monkeypatch)
    monkeypatch.setattr(products, "processor", lambda: "vendor_id : GenuineIntel")
    assert not products.preferred()
    amd(monkeypatch, "AVX2")
    assert not products.preferred()
    amd(monkeypatch)

    def gone(*args):
        raise AttributeError("no such operator")

    monkeypatch.setattr(products, "_onednn", gone)
    assert not products.preferred()
    products.preferred.cache_clear()


def test_gradients_of_first_and_second_order_are_those_of_torch(onednn):
    a, b = (x.requires_grad_() for x in operands(*BIG))
    bias = torch.randn(BIG[1]).requires_grad_()
    leaves = (a, b, bias)

    def orders(made):
        first = torch.autograd.grad((made.sin() ** 2).sum(), leaves, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), leaves)
        return *first, *second

    for got, want in zip(orders(product(a, b, bias)), orders(a @ b.t() + bias), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4 * want.abs().max().item())


def test_a_layer_is_torchs_with_the_same_weights(onednn):
    torch.manual_seed(0)
    mine, theirs = Linear(140, 130), torch.nn.Linear(140, 130)
    theirs.load_state_dict(mine.state_dict())
    for shape in ((160, 140), (3, 160, 140), (140,)):
        h = torch.randn(*shape)
        torch.testing.assert_close(mine(h), theirs(h), rtol=1e-5, atol=1e-5)
