"""Layers against plain torch."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional as F

from waddington.cells import Cells, Dims
from waddington.errors import InputError
from waddington.layers import (
    ACTIVATIONS,
    Activation,
    Dense,
    Dropout,
    Noise,
    Norm,
    SparseLinear,
    Stack,
    mlp,
)  # fmt: skip
from waddington.minibatches import minibatches
from waddington.trace import Trace

DIMS = Dims({"rna": 6, "protein": 3}, {})
CELLS = Cells(
    {
        "rna": sparse.random(20, 6, 0.5, "csr", np.float32, 0),
        "protein": sparse.random(20, 3, 0.5, "csr", np.float32, 1),
    }
)
M = next(minibatches(CELLS, {}, 99))
DENSE = torch.cat([M.views["rna"].dense(), M.views["protein"].dense()], 1)


def test_a_sparse_layer_is_the_dense_one_on_views_side_by_side():
    layer = SparseLinear({"rna": 6, "protein": 3}, 4)
    w = torch.cat([layer.weight["rna"], layer.weight["protein"]])
    torch.testing.assert_close(layer(M.views), DENSE @ w + layer.bias)
    bare = SparseLinear({"rna": 6}, 4, bias=False)
    views = {"rna": M.views["rna"]}
    torch.testing.assert_close(bare(views), M.views["rna"].dense() @ bare.weight["rna"])


@pytest.mark.parametrize("act", sorted(ACTIVATIONS))
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_a_dense_layer_is_norm_then_activation(act, norm):
    layer = Dense(5, act, norm).build(6, (), DIMS)
    h = torch.randn(20, 6)
    lin = h @ layer.linear.weight.T + layer.linear.bias
    if norm == "batch":
        lin = F.batch_norm(lin, None, None, training=True, eps=1e-3)
    elif norm == "layer":
        lin = F.layer_norm(lin, (5,))
    torch.testing.assert_close(layer(h, M), ACTIVATIONS[act](lin), rtol=1e-4, atol=1e-5)


def test_activations_are_what_their_names_say():
    h = torch.linspace(-2, 2, 9)
    exact = {
        "elu": torch.where(h > 0, h, h.exp() - 1),
        "leaky_relu": torch.where(h > 0, h, 0.01 * h),
        "softplus": (1 + h.exp()).log(),
        "swish": h / (1 + (-h).exp()),
        "softsign": h / (1 + h.abs()),
        "linear": h,
        "exponential": h.exp(),
    }
    for name, want in exact.items():
        torch.testing.assert_close(ACTIVATIONS[name](h), want, msg=name)


def test_dropout_leaves_out_its_share_in_training_only():
    layer = Dense(400, "linear", dropout=0.3).build(6, (), DIMS)
    h = torch.ones(50, 6)
    full = layer.eval()(h, M)
    some = layer.train()(h, M)
    assert (some == 0).float().mean() == pytest.approx(0.3, abs=0.02)
    kept = some != 0
    torch.testing.assert_close(some[kept], full[kept] / 0.7)


def test_dropout_of_a_view_drops_stored_values():
    layer = Dropout(0.5).build({"rna": 6}, (), DIMS).train()
    dropped = layer({"rna": M.views["rna"]}, M)["rna"].dense()
    whole = M.views["rna"].dense()
    zero = (dropped == 0) & (whole != 0)
    assert 0 < zero.sum() < (whole != 0).sum()
    torch.testing.assert_close(dropped[dropped != 0], 2 * whole[dropped != 0])


def test_small_layers_do_one_thing():
    h = torch.randn(20, 6)
    assert torch.equal(Activation("relu").build(6, (), DIMS)(h, M), h.relu())
    torch.testing.assert_close(Norm("layer").build(6, (), DIMS)(h, M), F.layer_norm(h, (6,)))
    noise = Noise(0.5).build(6, (), DIMS)
    assert (noise.train()(h, M) - h).std() == pytest.approx(0.5, rel=0.3)
    assert torch.equal(noise.eval()(h, M), h)


def test_a_stack_names_each_output():
    stack = mlp(5, 4, 3).build({"rna": 6}, (), DIMS)
    trace = Trace()
    out = stack({"rna": M.views["rna"]}, M, trace, "rna.encoder")
    assert list(trace) == ["rna.encoder.0", "rna.encoder.1", "rna.encoder.2"]
    assert [trace[k].shape[1] for k in trace] == [5, 4, 3] and stack.width == 3
    assert out is trace["rna.encoder.2"]


@pytest.mark.parametrize("inject,told", [("first", [1, 0]), ("every", [1, 1]), (None, [0, 0])])
def test_conditions_reach_the_layers_that_inject_says(inject, told):
    from waddington.conditions import OneHot

    dims = Dims({}, {"batch": (2,)})
    stack = mlp(4, 3, inject=inject).build(6, (OneHot("batch"),), dims)
    assert [len(layer.shift.of) for layer in stack] == told


def test_mlp_is_a_stack_of_dense_layers():
    wanted = Stack((Dense(3, "elu", "layer", 0.1), Dense(2, "elu", "layer", 0.1)), "every")
    assert mlp(3, 2, act="elu", norm="layer", dropout=0.1, inject="every") == wanted


@pytest.mark.parametrize(
    "make,argument,said",
    [
        (lambda: Dense(0), "units", "units must be at least 1, got 0"),
        (lambda: Dense(3, "rleu"), "act", "act must be one of .*leaky_relu.*, got 'rleu'"),
        (lambda: Dense(3, norm="group"), "norm", "norm must be one of None, batch, layer, got 'gr"),
        (lambda: Dense(3, dropout=1.0), "dropout", r"dropout must be in \[0, 1\), got 1.0"),
        (lambda: Dropout(-0.1), "rate", r"rate must be in \[0, 1\), got -0.1"),
        (lambda: Activation("wave"), "act", "got 'wave'"),
        (lambda: Norm("instance"), "kind", "kind must be one of batch, layer, got 'instance'"),
        (lambda: Stack((), "last"), "inject", "inject must be one of first, every, None, got 'las"),
    ],
)
def test_layers_that_can_not_be_are_refused(make, argument, said):
    with pytest.raises(InputError, match=said) as caught:
        make()
    assert caught.value.argument == argument
