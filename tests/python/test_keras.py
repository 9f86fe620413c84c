"""Graphs of layers: each against plain torch, and trained by the one trainer."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn
from torch.nn import functional as F

from waddington.errors import InputError
from waddington.keras import (
    Compared,
    Graph,
    Learner,
    Node,
    Operation,
    Penalty,
    Plan,
    Session,
    fit,
    predict,
    recipe_of,
    score,
    sequential,
)  # fmt: skip
from waddington.keras.layers import BatchNorm, LayerNorm, Masked, Slope
from waddington.keras.session import built, cells_of
from waddington.layers import Activation, Dense, Dropout, Noise
from waddington.optim import Adam, Nadam, RmsProp, Sgd
from waddington.parts import from_json, to_json
from waddington.trainer import Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6)).astype("float32")
Y = RNG.normal(size=(50, 3)).astype("float32")
MSE = (Compared("loss", "h 1", "y", "mean_squared_error"),)


def network(weights, *modules):
    """Plain torch with our weights."""
    net = nn.Sequential(*modules)
    linears = [m for m in net if isinstance(m, nn.Linear)]
    for m, w in zip(linears, (w for w in weights.values() if "kernel" in w), strict=True):
        m.weight.data = torch.tensor(w["kernel"].T.copy())
        m.bias.data = torch.tensor(w["bias"].copy())
    return net


def small(act="elu"):
    return sequential(Dense(5, act), Dense(3, "linear"), n_in=6)


def weights_of(graph, seed=0):
    net = built(graph, {}, seed).encoders["graph"]
    from waddington.keras.session import weights_of

    return weights_of(net)


def test_dense_and_dropout_predict_as_torch():
    graph = sequential(Dense(5, "elu"), Dropout(0.5), Noise(3.0), Dense(3, "softmax"), n_in=6)
    weights = weights_of(graph)
    plain = network(weights, nn.Linear(6, 5), nn.ELU(), nn.Linear(5, 3), nn.Softmax(-1))
    (ours,) = predict(graph, {"x": X}, weights)
    np.testing.assert_allclose(ours, plain(torch.tensor(X)).detach().numpy(), rtol=1e-5)


@pytest.mark.parametrize("momentum", [0.99, 0.5])
def test_batch_norm_agrees_with_torch_in_training_and_prediction(momentum):
    graph = sequential(BatchNorm(momentum), n_in=6)
    recipe = recipe_of(graph, (Compared("loss", "h 0", "y", "mean_squared_error"),), batch_size=50)
    session = Session(recipe, cells_of({"x": X, "y": X}))
    plain = nn.BatchNorm1d(6, eps=1e-3, momentum=1 - momentum)
    plain(torch.tensor(X))
    session.trainer.learning_rate = 1e-12
    assert session.advance(10.0)
    got = session.get()["layer 0"]
    np.testing.assert_allclose(got["moving_mean"], plain.running_mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got["moving_variance"], plain.running_var, rtol=1e-4)
    (ours,) = predict(graph, {"x": X}, session.get())
    want = plain.eval()(torch.tensor(X)).detach()
    np.testing.assert_allclose(ours, want, rtol=1e-4, atol=1e-5)


def test_layer_norm_and_slopes_agree_with_torch():
    graph = sequential(LayerNorm(), Slope("leaky_relu", 0.3), Slope("elu", 0.5), n_in=6)
    (ours,) = predict(graph, {"x": X}, {})
    h = F.leaky_relu(F.layer_norm(torch.tensor(X), (6,), eps=1e-3), 0.3)
    np.testing.assert_allclose(ours, F.elu(h, 0.5), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            Adam(1e-2, eps=1e-7, amsgrad=True),
            lambda p: torch.optim.Adam(p, 1e-2, eps=1e-7, amsgrad=True),
        ),
        (
            Adam(1e-2, weight_decay=0.1, decoupled=True),
            lambda p: torch.optim.AdamW(p, 1e-2, weight_decay=0.1),
        ),
        (Sgd(1e-2), lambda p: torch.optim.SGD(p, 1e-2)),
        (Nadam(1e-2), lambda p: torch.optim.NAdam(p, 1e-2)),
        (RmsProp(1e-2, eps=0.0), lambda p: torch.optim.RMSprop(p, 1e-2, alpha=0.9, eps=0.0)),
    ],
    ids=["amsgrad", "adamw", "sgd", "nadam", "rmsprop"],
)
def test_steps_are_those_of_torchs_optimisers(ours, theirs):
    graph = small()
    session = Session(
        recipe_of(graph, MSE, ours, batch_size=25, shuffle=False), cells_of({"x": X, "y": Y})
    )
    start = session.get()
    for _ in range(4):
        assert session.advance(10.0)
    plain = network(start, nn.Linear(6, 5), nn.ELU(), nn.Linear(5, 3))
    optimiser = theirs(plain.parameters())
    for i in range(8):
        part = slice(0, 25) if i % 2 == 0 else slice(25, 50)
        optimiser.zero_grad()
        F.mse_loss(plain(torch.tensor(X[part])), torch.tensor(Y[part])).backward()
        optimiser.step()
    np.testing.assert_allclose(
        session.get()["layer 0"]["kernel"], plain[0].weight.detach().T, rtol=2e-4, atol=1e-6
    )


def test_graphs_with_branches_and_shared_layers():
    graph = Graph(
        inputs=("a", "b"),
        layers=(Learner("twin", Dense(4, "tanh"), 3), Learner("out", Dense(1, "linear"), 8)),
        nodes=(
            Node("h", "twin", "a"), Node("k", "twin", "b"),
            Operation("both", "concatenate", ("h", "k")), Node("y", "out", "both"),
        ),
        outputs=("y", "h"),
    )  # fmt: skip
    assert from_json(to_json(graph)) == graph
    weights = weights_of(graph)
    y, h = predict(graph, {"a": X[:, :3], "b": X[:, 3:]}, weights)
    w, o = weights["twin"], weights["out"]
    twin = lambda x: np.tanh(x @ w["kernel"] + w["bias"])
    np.testing.assert_allclose(h, twin(X[:, :3]), rtol=1e-5, atol=1e-6)
    want = np.hstack([twin(X[:, :3]), twin(X[:, 3:])]) @ o["kernel"] + o["bias"]
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)


def test_sparse_rows_are_the_same_data():
    x = sparse.random(40, 6, 0.3, random_state=0, dtype="float32", format="csr")
    graph = sequential(Dense(4), Dropout(0.2), Dense(2, "linear"), n_in=6)
    rows, weights = replace(graph, sparse=("x",)), weights_of(graph)
    (dense,), (thin,) = (
        predict(graph, {"x": x.toarray()}, weights), predict(rows, {"x": x}, weights),
    )  # fmt: skip
    np.testing.assert_allclose(dense, thin, rtol=1e-5, atol=1e-6)


def test_penalties_and_sample_weights_add_up():
    costly = Learner(
        "layer 0", Dense(2, "linear"), 6, kernel_cost=(0.1, 0.01), activity_cost=(0, 0.5)
    )
    graph = Graph(("x",), (costly,), (Node("h 0", "layer 0", "x"),), ("h 0",))
    terms = (Compared("loss", "h 0", "y", "mean_squared_error"), Penalty())
    weights, w = weights_of(graph), RNG.uniform(size=(50, 1))
    data = {"x": X, "y": Y[:, :2], "(sample weight)": w}
    got = score(recipe_of(graph, terms), data, weights, batch_size=50)
    k = weights["layer 0"]["kernel"]
    p = X @ k + weights["layer 0"]["bias"]
    assert got["loss"] == pytest.approx(
        float((w[:, 0] * ((p - Y[:, :2]) ** 2).mean(1)).mean()), rel=1e-4
    )
    want = 0.1 * np.abs(k).sum() + 0.01 * (k**2).sum() + 0.5 * (p**2).sum() / 50
    assert got["penalty"] == pytest.approx(float(want), rel=1e-4)
    assert got["objective"] == pytest.approx(got["loss"] + got["penalty"], rel=1e-5)


def test_losses_of_the_wrong_shape_are_refused():
    each = Operation("o", "square", ("y_pred",))
    terms = (Compared("mine", "h 1", "y", operations=(each,)),)
    with pytest.raises(InputError, match="mine must return one number for each of the 2 cells"):
        Trainer(recipe_of(small(), terms), cells_of({"x": X, "y": Y}))


def test_frozen_layers_stay_and_dropout_beside_them_drops():
    graph = sequential(Dense(5), Dropout(0.5), Dense(3, "linear"), n_in=6)
    first, *others = graph.layers
    graph = replace(graph, layers=(replace(first, trainable=False), *others))
    terms = (Compared("loss", "h 2", "y", "mean_squared_error"),)
    session = Session(recipe_of(graph, terms, batch_size=50), cells_of({"x": X, "y": Y}))
    before, seen = session.get(), []
    session.network.layers[1].register_forward_hook(lambda m, i, o: seen.append(m.training))
    session.advance(10.0)
    after = session.get()
    assert (before["layer 0"]["kernel"] == after["layer 0"]["kernel"]).all()
    assert (before["layer 2"]["kernel"] != after["layer 2"]["kernel"]).any()
    assert seen == [True]


def test_masks_hold():
    mask = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1]], float)
    graph = sequential(Masked(tuple(map(tuple, mask))), n_in=6)
    session = fit(graph, X, Y[:, :2], plan=Plan(3))
    got = session.get()["layer 0"]
    assert ((got["kernel"] != 0) == (mask != 0)).all()
    (p,) = predict(graph, {"x": X}, session.get())
    np.testing.assert_allclose(p, X @ got["kernel"] + got["bias"], rtol=1e-4, atol=1e-5)


def test_weights_without_bias_are_kernels_alone():
    graph = small()
    graph = replace(graph, layers=tuple(replace(x, bias=False) for x in graph.layers))
    weights = weights_of(graph)
    assert [list(w) for w in weights.values()] == [["kernel"], ["kernel"]]
    (p,) = predict(graph, {"x": X}, weights)
    k = [w["kernel"] for w in weights.values()]
    h = X @ k[0]
    want = np.where(h > 0, h, np.expm1(h)) @ k[1]
    np.testing.assert_allclose(p, want, rtol=1e-4, atol=1e-5)


def test_a_dense_layer_may_say_itself_that_it_has_no_bias():
    weights = weights_of(sequential(Dense(3, bias=False), n_in=6))
    assert {k: v.shape for k, v in weights["layer 0"].items()} == {"kernel": (6, 3)}


def test_a_second_session_takes_up_the_first_ones_optimiser():
    recipe, cells = recipe_of(small(), MSE, Adam(1e-2), shuffle=False), cells_of({"x": X, "y": Y})
    whole = Session(recipe, cells, seed=3)
    for _ in range(3):
        whole.advance(10.0)
    first = Session(recipe, cells, seed=3)
    first.advance(10.0)
    second = Session(recipe, cells, weights=first.get(), seed=9, before=first)
    second.advance(10.0), second.advance(10.0)
    for name, values in whole.get().items():
        np.testing.assert_allclose(values["kernel"], second.get()[name]["kernel"], rtol=1e-5)


def test_recipes_of_graphs_are_json_and_runs_are_equal():
    graph = sequential(Dense(8), Dropout(0.3), Activation("tanh"), Dense(3, "linear"), n_in=6)
    recipe = recipe_of(graph, (Compared("loss", "h 3", "y", "huber"),))
    assert from_json(to_json(recipe)) == recipe
    assert json.loads(to_json(recipe))["encoders"][0]["part"] == "Graph"
    runs = [fit(graph, X, Y, loss="huber", plan=Plan(2, seed=5)).get() for _ in range(2)]
    for a, b in zip(runs[0].values(), runs[1].values(), strict=True):
        assert all((a[k] == b[k]).all() for k in a)


def test_the_slide_in_python_reads_digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(1).permutation(len(data.data))
    x, y = data.data[order] / 16, np.eye(10)[data.target[order]]
    net = sequential(Dense(64), Dropout(0.4), Dense(10, "softmax"), n_in=64)
    session = fit(
        net, x[:1400], y[:1400], loss="categorical_crossentropy", metrics=("categorical_accuracy",),
        validation_data=(x[1400:], y[1400:]), plan=Plan(30),
    )  # fmt: skip
    assert session.rows()["held out"]["categorical_accuracy"] > 0.95
