"""Losses, operations, initialisers and files of Keras' grammar, against plain torch or numpy."""

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from waddington.errors import InputError, ModelFileError
from waddington.keras import Operation, sequential
from waddington.keras.expressions import KINDS
from waddington.keras.files import read, write
from waddington.keras.layers import Start
from waddington.keras.losses import LOSSES, METRICS
from waddington.keras.session import built, weights_of
from waddington.layers import Dense

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6)).astype("float32")
Y = RNG.normal(size=(50, 3)).astype("float32")


def test_named_losses_agree_with_torch():
    p = torch.rand(7, 4, dtype=torch.float64) + 0.05
    y = torch.rand(7, 4, dtype=torch.float64)
    shares, classes = p / p.sum(-1, keepdim=True), torch.arange(7) % 4
    onehot = F.one_hot(classes, 4).double()
    unit, rows = p.clamp(max=0.95), {"reduction": "none"}
    want = {
        "binary_crossentropy": (y, unit, F.binary_cross_entropy(unit, y, **rows).mean(-1)),
        "categorical_crossentropy": (onehot, shares, F.nll_loss(shares.log(), classes, **rows)),
        "sparse_categorical_crossentropy": (
            classes[:, None].double(), shares, F.nll_loss(shares.log(), classes, **rows),
        ),
        "mean_squared_error": (y, p, F.mse_loss(p, y, **rows).mean(-1)),
        "mean_absolute_error": (y, p, F.l1_loss(p, y, **rows).mean(-1)),
        "huber": (5 * y, p, F.huber_loss(p, 5 * y, **rows).mean(-1)),
        "poisson": (y, p, F.poisson_nll_loss(p, y, log_input=False, eps=1e-7, **rows).mean(-1)),
        "kullback_leibler_divergence": (y, unit, F.kl_div(unit.log(), y, **rows).sum(-1)),
        "cosine_similarity": (y, p, -F.cosine_similarity(y, p)),
        "logcosh": (y, p, (p - y).cosh().log().mean(-1)),
        "hinge": (2 * onehot - 1, p, (1 - (2 * onehot - 1) * p).relu().mean(-1)),
    }  # fmt: skip
    for name, (truth, guess, value) in want.items():
        torch.testing.assert_close(LOSSES[name](truth, guess), value, rtol=1e-6, atol=1e-9)
    # sure and wrong: large, but with a gradient
    sure = torch.tensor([[1.0, 0.0]], requires_grad=True)
    LOSSES["categorical_crossentropy"](
        torch.tensor([[0.0, 1.0]]), sure.softmax(-1)
    ).sum().backward()
    assert sure.grad.abs().sum() > 0


def test_accuracies_count():
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    y = torch.tensor([[1.0, 0], [1, 0], [1, 0]])
    assert METRICS["categorical_accuracy"](y, p).tolist() == [1, 0, 1]
    assert METRICS["sparse_categorical_accuracy"](torch.zeros(3, 1), p).tolist() == [1, 0, 1]
    assert METRICS["binary_accuracy"](y[:, :1], p[:, :1]).tolist() == [1, 0, 1]


def run(kind, *inputs, **more):
    named = {f"t{i}": torch.tensor(x) for i, x in enumerate(inputs)}
    return Operation("out", kind, tuple(named), **more)(named)


def test_operations_agree_with_numpy():
    a, b = X[:, :3], np.abs(Y) + 0.5
    assert torch.allclose(run("/", a, b), torch.tensor(a / b))
    assert torch.allclose(run("^", b, a), torch.tensor(b**a))
    assert torch.allclose(run("mean", a, over="features"), torch.tensor(a.mean(1)))
    assert torch.allclose(run("sum", a), torch.tensor(a.sum()), rtol=1e-4)
    assert torch.allclose(run("var", a, over="cells"), torch.tensor(a.var(0))[None], rtol=1e-4)
    assert torch.allclose(run("columns", a, columns=(2, 0)), torch.tensor(a[:, [2, 0]]))
    assert run("sum", a, over="features", keep=True).shape == (50, 1)
    # a number per cell goes with features, whatever their numbers
    per_cell = run("mean", X[:6], over="features")
    both = Operation("o", "*", ("x", "m"))({"x": torch.tensor(X[:6]), "m": per_cell})
    assert torch.allclose(both, torch.tensor(X[:6] * X[:6].mean(1)[:, None]))
    vector = Operation("o", "+", ("x", (1, 2, 3)))({"x": torch.tensor(a)})
    assert torch.allclose(vector, torch.tensor(a + np.array([1, 2, 3], "float32")))
    assert set(run(">", a, b).unique().tolist()) <= {0.0, 1.0}
    with pytest.raises(InputError, match="no operation 'system'"):
        Operation("o", "system")
    assert len(KINDS) > 40


def test_draws_are_per_cell_and_feature():
    zero = np.zeros((4000, 2), "float32")
    z = run("sampling", zero, zero + 2 * np.log(3.0).astype("float32"), a=1.0)
    assert z.std(0).tolist() == pytest.approx([3.0, 3.0], rel=0.1)
    assert z.unique().numel() > 0.99 * z.numel()
    noise = run("random_normal", zero, a=5.0, b=2.0, columns=(3,))
    assert noise.shape == (4000, 3)
    assert noise.mean().item() == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 700), ("glorot_normal", 2 / 700), ("he_normal", 2 / 400),
        ("he_uniform", 2 / 400), ("lecun_normal", 1 / 400), ("lecun_uniform", 1 / 400),
    ],
)  # fmt: skip
def test_initialisers_have_their_variances(name, variance):
    w = torch.empty(400, 300)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Start(name).fill(w)
    assert w.var().item() == pytest.approx(variance, rel=0.03)
    assert w.mean().item() == pytest.approx(0.0, abs=1e-3)


def test_files_of_keras_are_read_and_written(tmp_path):
    graph, path = sequential(Dense(5), Dense(3), n_in=6), tmp_path / "w.h5"
    weights = weights_of(built(graph, {}).encoders["graph"])
    write(str(path), list(weights), weights)
    want = [v for w in weights.values() for v in w.values()]
    for a, b in zip(read(str(path)), want, strict=True):
        np.testing.assert_array_equal(a, b)
    with h5py.File(tmp_path / "model.h5", "w") as file:  # a whole model of Keras 2
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"drop", b"dense"]
        group.create_group("drop").attrs["weight_names"] = np.array([], "S1")
        group.create_group("dense").attrs["weight_names"] = [b"dense/kernel:0"]
        group["dense"]["dense/kernel:0"] = np.ones((2, 3))
    assert [x.shape for x in read(str(tmp_path / "model.h5"))] == [(2, 3)]
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(ModelFileError, match="no weights of Keras"):
        read(str(tmp_path / "other.h5"))
    with pytest.raises(InputError, match="can't read"):
        read(str(tmp_path / "nowhere.h5"))
