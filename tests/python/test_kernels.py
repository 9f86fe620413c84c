"""The fast forms against the plain formulas: values, gradients, precision, devices."""

import itertools

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.special import gammaln

from waddington import kernels
from waddington.cells import Rows
from waddington.kernels.special import KNOWN, gamma_steps, log_factorial

CELLS, GENES = 7, 11
ENGINES = ["torch", "C"]
MODES = list(itertools.product(["gene", "cell"], ["observed", "size", "none"]))


@pytest.fixture(params=ENGINES)
def engine(request):
    """Runs a test with torch, and with C where it can be compiled."""
    if request.param == "C" and not kernels.status()["active"]:
        pytest.skip(f"no C kernels: {kernels.status()['why']}")
    kernels.use(request.param == "C")
    yield request.param
    kernels.use(None)


def rows(matrix, dtype=torch.float64):
    x = sparse.csr_matrix(matrix)
    whole = lambda a: torch.from_numpy(a.astype(np.int64))
    return Rows(whole(x.indptr), whole(x.indices), torch.from_numpy(x.data).to(dtype), x.shape[1])


def counts(seed=0, cells=CELLS, genes=GENES, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    x = rng.poisson(rng.gamma(0.5, 3, (cells, genes))).astype(float)
    x[0] = 0
    return rows(x, dtype)


def inputs(theta, library, dtype=torch.float64, seed=1, cells=CELLS, genes=GENES, spread=1.5):
    """Logits, log theta, zero logits, library, and whether it is shared out."""
    g = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=g, dtype=dtype)
    logits, zeros = spread * normal(cells, genes), 2 * normal(cells, genes)
    log_theta = normal(1 if theta == "gene" else cells, genes)
    size = (
        None
        if library == "none"
        else (1 + normal(cells, 1).abs()) * (20 if library == "observed" else 1)
    )
    return logits, log_theta, zeros, size, library == "observed"


def plain_log_mean(logits, library, share):
    logs = logits.log_softmax(-1) if share else logits
    return logs if library is None else logs + library.log()


def plain_nb(logits, log_theta, library, data, share):
    """The textbook formula, entry by entry, (cells, genes)."""
    x, theta, log_mean = (
        data.dense().to(logits.dtype),
        log_theta.exp(),
        plain_log_mean(logits, library, share),
    )
    total = torch.logaddexp(log_theta.expand_as(log_mean), log_mean)
    gammas = torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)
    return gammas + theta * (log_theta - total) + x * (log_mean - total)


def plain_zinb(logits, log_theta, zeros, library, data, share):
    x, nb = data.dense(), plain_nb(logits, log_theta, library, data, share)
    log_pi, log_rest = torch.nn.functional.logsigmoid(zeros), torch.nn.functional.logsigmoid(-zeros)
    return torch.where(x == 0, torch.logaddexp(log_pi, log_rest + nb), log_rest + nb)


def plain_poisson(logits, library, data, share):
    x, log_mean = data.dense(), plain_log_mean(logits, library, share)
    return x * log_mean - log_mean.exp() - torch.lgamma(x + 1)


FAST = {
    "nb": lambda i, x: kernels.nb(i[0], i[1], i[3], x, i[4]),
    "zinb": lambda i, x: kernels.zinb(*i[:4], x, i[4]),
    "poisson": lambda i, x: kernels.poisson(i[0], i[3], x, i[4]),
}
PLAIN = {
    "nb": lambda i, x: plain_nb(i[0], i[1], i[3], x, i[4]).sum(-1),
    "zinb": lambda i, x: plain_zinb(*i[:4], x, i[4]).sum(-1),
    "poisson": lambda i, x: plain_poisson(i[0], i[3], x, i[4]).sum(-1),
}


def value_and_gradients(f, given, data, weights):
    """log p of each cell, and gradients of their weighted sum, None where there is none."""
    leaves = [v.clone().requires_grad_() if isinstance(v, torch.Tensor) else v for v in given]
    out = f(leaves, data)
    (out * weights.to(out)).sum().backward()
    return out.detach(), [getattr(v, "grad", None) for v in leaves]


def assert_same(got, want, rtol):
    """Equal relative to the size of the whole, as rounding is."""
    assert (got is None) == (want is None)
    if want is not None:
        assert got.shape == want.shape
        assert (got.double() - want.double()).norm() <= rtol * want.double().norm() + 1e-300


@pytest.mark.parametrize("family", FAST)
@pytest.mark.parametrize(("theta", "library"), MODES)
def test_values_and_gradients_are_those_of_the_plain_formula(family, theta, library):
    given, data = inputs(theta, library), counts()
    weights = torch.linspace(-1, 2, CELLS)
    fast, fast_grads = value_and_gradients(FAST[family], given, data, weights)
    plain, plain_grads = value_and_gradients(PLAIN[family], given, data, weights)
    torch.testing.assert_close(fast, plain, rtol=1e-11, atol=1e-11)
    for got, want in zip(fast_grads, plain_grads, strict=True):
        assert_same(got, want, 1e-9)


@pytest.mark.parametrize("family", FAST)
@pytest.mark.parametrize(("theta", "library"), MODES)
@pytest.mark.parametrize("equal", [True, False])
def test_float32_agrees_with_float64(engine, family, theta, library, equal):
    cells, genes = 16, 200
    given = inputs(theta, library, torch.float32, cells=cells, genes=genes)
    data = counts(2, cells, genes, torch.float32)
    weights = torch.full((cells,), -1 / cells) if equal else torch.linspace(-1, 2, cells)
    doubled = [v.double() if isinstance(v, torch.Tensor) else v for v in given]
    fast, fast_grads = value_and_gradients(FAST[family], given, data, weights)
    exact = Rows(data.indptr, data.indices, data.values.double(), genes)
    plain, plain_grads = value_and_gradients(PLAIN[family], doubled, exact, weights)
    assert fast.dtype == torch.float32
    torch.testing.assert_close(fast.double(), plain, rtol=1e-6, atol=1e-5)
    for got, want in zip(fast_grads, plain_grads, strict=True):
        assert_same(got, want, 1e-5)


@pytest.mark.parametrize("family", FAST)
@pytest.mark.parametrize(("theta", "library"), MODES)
def test_gradients_are_finite_differences(family, theta, library):
    cells, genes = 3, 4
    given, data = inputs(theta, library, cells=cells, genes=genes), counts(3, cells, genes)
    used = {"nb": (0, 1, 3), "zinb": (0, 1, 2, 3), "poisson": (0, 3)}[family]
    used = [i for i in used if given[i] is not None]
    leaves = [given[i].clone().requires_grad_() for i in used]

    def f(*values):
        full = list(given)
        for i, v in zip(used, values, strict=True):
            full[i] = v
        return FAST[family](full, data)

    assert torch.autograd.gradcheck(f, leaves, eps=1e-6, atol=1e-6, rtol=1e-5)


def test_multinomial_and_bernoulli_are_the_plain_formulas():
    logits, weights = inputs("gene", "none")[0], torch.linspace(-1, 2, CELLS).double()
    data = counts()
    plain = lambda a: torch.stack(
        [
            torch.distributions.Multinomial(int(x.sum()), logits=b, validate_args=False).log_prob(x)
            for b, x in zip(a, data.dense(), strict=True)
        ]
    )
    binary = data.map(lambda v: (v > 0).to(v))
    ones = lambda a: (
        -torch.nn.functional.binary_cross_entropy_with_logits(
            a, binary.dense(), reduction="none"
        ).sum(-1)
    )
    pairs = [
        (lambda a: kernels.multinomial(a, data), plain),
        (lambda a: kernels.bernoulli(a, binary), ones),
    ]
    for fast, slow in pairs:
        a, b = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        torch.testing.assert_close(fast(a), slow(b), rtol=1e-12, atol=1e-12)
        (fast(a) * weights).sum().backward()
        (slow(b) * weights).sum().backward()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-11, atol=1e-12)


def test_one_cell_with_theta_per_gene_and_per_cell_are_the_same(engine):
    given, data = inputs("gene", "observed", cells=1), rows(counts().dense()[1:2].numpy())
    value, grads = value_and_gradients(FAST["nb"], given, data, torch.ones(1))
    want, want_grads = value_and_gradients(PLAIN["nb"], given, data, torch.ones(1))
    torch.testing.assert_close(value, want)
    torch.testing.assert_close(grads[1], want_grads[1], rtol=1e-9, atol=1e-12)


def test_gamma_steps_keep_their_precision_in_float32():
    theta = torch.logspace(-8, 8, 65)
    for x in (1.0, 2.0, 17.0, 1e3, 1e6):
        t = theta.double()
        steps, slopes = gamma_steps(torch.full_like(theta, x), theta)
        want = torch.lgamma(t + x) - torch.lgamma(t) if x < 1e3 else _summed(t, x)
        want_slope = torch.digamma(t + x) - torch.digamma(t)
        np.testing.assert_allclose(steps, want, rtol=2e-6, atol=2e-6 * x)
        np.testing.assert_allclose(slopes[theta < 1e5], want_slope[theta < 1e5], rtol=3e-6)


def _summed(theta, x):
    from scipy.special import gammaln

    exact = gammaln(theta.numpy().astype(np.longdouble).astype(float) + x) - gammaln(theta.numpy())
    return torch.from_numpy(exact)


@pytest.mark.parametrize("family", ["nb", "zinb"])
@pytest.mark.parametrize("log_theta", [-200.0, -30.0, 12.0, 30.0, 200.0])
def test_extreme_dispersions_stay_finite_and_near_their_limit(engine, family, log_theta):
    logits, _, zeros, size, share = inputs("gene", "observed", torch.float32)
    data = counts(dtype=torch.float32)
    given = (logits, torch.full((1, GENES), log_theta), zeros, size, share)
    value, grads = value_and_gradients(FAST[family], given, data, torch.ones(CELLS))
    assert value.isfinite().all()
    assert all(g.isfinite().all() for g in grads if g is not None)
    if family == "nb" and log_theta > 0:
        poisson = plain_poisson(logits, size, data, share).sum(-1)
        torch.testing.assert_close(value, poisson, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("family", FAST)
def test_extreme_data_and_logits_stay_finite(engine, family):
    logits, log_theta, zeros, size, share = inputs("gene", "observed", torch.float32)
    x = counts().dense().numpy()
    x[1, 2] = 1e6
    size[0] = 1.0  # a cell without counts, its library clamped
    logits[2] = torch.linspace(-500, 500, GENES)  # shares that underflow
    zeros[3], zeros[4] = -300.0, 300.0
    value, grads = value_and_gradients(
        FAST[family],
        (logits, log_theta, zeros, size, share),
        rows(x, torch.float32),
        torch.ones(CELLS),
    )
    assert value.isfinite().all()
    assert all(g.isfinite().all() for g in grads if g is not None)
    doubled = [
        v.double() if isinstance(v, torch.Tensor) else v
        for v in (logits, log_theta, zeros, size, share)
    ]
    want = PLAIN[family](doubled, rows(x))
    torch.testing.assert_close(value[2:].double(), want[2:], rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(value[1].double(), want[1], rtol=1e-5, atol=1e-6 * x[1, 2])


@pytest.mark.parametrize("family", FAST)
@pytest.mark.parametrize("where", ["logits", "log_theta", "zeros", "library", "data"])
@pytest.mark.parametrize("theta", ["gene", "cell"])
def test_what_is_not_a_number_is_not_hidden(engine, family, where, theta):
    used = {"nb": ("log_theta",), "zinb": ("log_theta", "zeros"), "poisson": ()}[family]
    if where not in ("logits", "library", "data", *used):
        return
    given, data = list(inputs(theta, "observed", torch.float32)), counts(dtype=torch.float32)
    if where == "data":
        data = data.map(lambda v: v.index_fill(0, torch.tensor([0]), float("nan")))
    else:
        given[["logits", "log_theta", "zeros", "library"].index(where)][-1] = float("nan")
    value, grads = value_and_gradients(FAST[family], given, data, torch.ones(CELLS))
    assert value.isnan().any()
    assert any(g.isnan().any() for g in grads if g is not None)


@pytest.mark.parametrize("family", ["nb", "zinb"])
def test_an_overflow_is_not_hidden(engine, family):
    given, data = list(inputs("gene", "none", torch.float32)), counts(dtype=torch.float32)
    given[0][1, 2] = 200.0
    value, grads = value_and_gradients(FAST[family], given, data, torch.ones(CELLS))
    assert not value[1].isfinite()
    assert not grads[0].isfinite().all()


@pytest.mark.parametrize("family", FAST)
def test_steps_run_where_nothing_can_be_read(family):
    meta = lambda v: v.to("meta") if isinstance(v, torch.Tensor) else v
    given, data = [meta(v) for v in inputs("gene", "observed")], counts().to(torch.device("meta"))
    value, grads = value_and_gradients(FAST[family], given, data, torch.ones(CELLS, device="meta"))
    assert value.shape == (CELLS,)
    assert grads[0].shape == (CELLS, GENES)


def test_short_floats_and_autocast_are_computed_in_float32():
    logits, log_theta, zeros, size, share = inputs("gene", "observed", torch.float32)
    data = counts(dtype=torch.float32)
    want = kernels.zinb(logits.bfloat16().float(), log_theta, zeros, size, data, share)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = kernels.zinb(logits.bfloat16(), log_theta, zeros, size, data, share)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, want)


def test_gradients_are_made_only_if_wanted():
    given, data = inputs("gene", "observed"), counts()
    given[0].requires_grad_()
    with torch.no_grad():
        assert FAST["zinb"](given, data).grad_fn is None
    value = FAST["zinb"](given, data)
    first = torch.autograd.grad(value.sum(), given[0], retain_graph=True)[0]
    again = torch.autograd.grad(value.sum(), given[0])[0]
    torch.testing.assert_close(first, again, rtol=0, atol=0)


@pytest.mark.parametrize("density", [0.05, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sparse_linear_is_the_dense_product(engine, density, dtype):
    rng = np.random.default_rng(4)
    x = rng.random((9, 40)) * (rng.random((9, 40)) < density)
    x[3] = 0
    data, weight = rows(x, dtype), torch.randn(40, 6, dtype=dtype, requires_grad=True)
    upstream = torch.randn(9, 6, dtype=dtype)
    out = kernels.sparse_linear(data, weight)
    (out * upstream).sum().backward()
    torch.testing.assert_close(out, data.dense() @ weight)
    torch.testing.assert_close(weight.grad, data.dense().T @ upstream)


def test_sparse_linear_runs_where_nothing_can_be_read():
    data = counts(dtype=torch.float32).to(torch.device("meta"))
    weight = torch.zeros(GENES, 5, device="meta", requires_grad=True)
    kernels.sparse_linear(data, weight).sum().backward()
    assert weight.grad.shape == (GENES, 5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("values", [[0, 1, 2, 170], [3, KNOWN - 1], [KNOWN, 7], [0.5, 2], []])
def test_factorials_are_the_same_looked_up_or_not(values, dtype):
    x = torch.tensor(values, dtype=dtype)
    rows = Rows(torch.tensor([0, len(x)]), torch.arange(len(x)), x, max(1, len(x)))
    want = gammaln(np.array(values, dtype=float) + 1)
    np.testing.assert_allclose(log_factorial(rows).numpy(), want, rtol=1e-6)
