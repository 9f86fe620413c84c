"""Heads against scipy, their samples against their moments, their starts, their checks of data."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import sparse, stats

from waddington.cells import Cells, Dims, Minibatch, Rows
from waddington.conditions import OneHot
from waddington.errors import InputError
from waddington.likelihoods import (
    Bernoulli,
    Categorical,
    Head,
    Multinomial,
    NegativeBinomial,
    NormalHead,
    Poisson,
    ZeroInflatedNegativeBinomial,
    dispersion,
)
from waddington.likelihoods.negative_binomial import NBCounts
from waddington.likelihoods.rates import Rates, draw_gamma, draw_logs
from waddington.parts import from_json, to_json

CELLS, GENES = 6, 9
LIBRARIES = ["observed", "size_factor", "none"]
COUNT_HEADS = [NegativeBinomial, ZeroInflatedNegativeBinomial]
MODES = list(itertools.product(["gene", "gene-cell", "gene-batch"], LIBRARIES))
HEADS = [
    NegativeBinomial(),
    NegativeBinomial("gene-batch", "size_factor"),
    ZeroInflatedNegativeBinomial("gene-cell", "none"),
    Poisson(),
    Poisson("none"),
    NormalHead(),
    NormalHead("relu", None),
    Bernoulli(),
    Multinomial(),
]


def csr_rows(matrix):
    x = sparse.csr_matrix(np.asarray(matrix, dtype=float))
    whole = lambda a: torch.from_numpy(a.astype(np.int64))
    return Rows(whole(x.indptr), whole(x.indices), torch.from_numpy(x.data), x.shape[1])


def some_counts(seed=0, cells=CELLS, genes=GENES):
    rng = np.random.default_rng(seed)
    x = rng.poisson(rng.gamma(0.6, 3, (cells, genes))).astype(float)
    x[0] = 0
    return x


def minibatch(x):
    data = csr_rows(x)
    n = len(data)
    return Minibatch(
        views={"rna": data},
        library={"rna": torch.from_numpy(x.sum(1, keepdims=True)).clamp(min=1)},
        codes={"batch": torch.arange(n) % 2},
        present={"rna": torch.ones(n, dtype=torch.bool)},
        index=torch.arange(n),
        size_factor=torch.linspace(0.5, 2, n).double()[:, None],
    )


def distribution(part, cells, seed=0):
    """A head with random weights, on a random h."""
    torch.manual_seed(seed)
    n = cells.views["rna"].n_features
    head = Head(part, 4, n, Dims({"rna": n}, {"batch": (2,)})).double()
    for table in head.tables.values():
        for block in table.blocks:
            torch.nn.init.normal_(block)
    return head(3 * torch.randn(len(cells), 4).double(), cells, "rna")


def means(part, d, cells):
    """Expected counts but for extra zeros, and theta, by the definitions."""
    logits = d.logits.detach().numpy()
    if part.library == "observed":
        share = np.exp(logits - logits.max(1, keepdims=True))
        mean = cells.library["rna"].numpy() * share / share.sum(1, keepdims=True)
    else:
        size = cells.size_factor.numpy() if part.library == "size_factor" else 1.0
        mean = size * np.exp(logits)
    return mean, np.exp(d.log_theta.detach().numpy()) if hasattr(d, "log_theta") else None


@pytest.mark.parametrize(("dispersion", "library"), MODES)
def test_negative_binomial_is_scipys(dispersion, library):
    part, cells = NegativeBinomial(dispersion, library), minibatch(some_counts())
    d = distribution(part, cells)
    mean, theta = means(part, d, cells)
    want = stats.nbinom.logpmf(some_counts(), theta, theta / (theta + mean))
    np.testing.assert_allclose(d.log_prob(cells.views["rna"]).detach(), want.sum(1), rtol=1e-10)
    np.testing.assert_allclose(d.mean.detach(), mean, rtol=1e-12)
    np.testing.assert_allclose(
        d.variance.detach(), stats.nbinom.var(theta, theta / (theta + mean)), rtol=1e-10
    )
    np.testing.assert_allclose(d.frequency.detach().sum(1), 1, rtol=1e-12)


@pytest.mark.parametrize(("dispersion", "library"), MODES)
def test_zero_inflation_is_a_mixture_with_zeros(dispersion, library):
    x = some_counts()
    part, cells = ZeroInflatedNegativeBinomial(dispersion, library), minibatch(x)
    d = distribution(part, cells)
    mean, theta = means(part, d, cells)
    extra = d.zero_prob.detach().numpy()
    there = stats.nbinom.pmf(x, theta, theta / (theta + mean))
    want = np.log(extra * (x == 0) + (1 - extra) * there).sum(1)
    np.testing.assert_allclose(d.log_prob(cells.views["rna"]).detach(), want, rtol=1e-10)
    np.testing.assert_allclose(d.mean.detach(), (1 - extra) * mean, rtol=1e-12)


@pytest.mark.parametrize("library", LIBRARIES)
def test_poisson_is_scipys(library):
    part, cells = Poisson(library), minibatch(some_counts())
    d = distribution(part, cells)
    mean, _ = means(part, d, cells)
    want = stats.poisson.logpmf(some_counts(), mean).sum(1)
    np.testing.assert_allclose(d.log_prob(cells.views["rna"]).detach(), want, rtol=1e-10)
    np.testing.assert_allclose(d.variance.detach(), mean, rtol=1e-12)


def test_multinomial_is_scipys():
    x = some_counts()
    d = distribution(Multinomial(), minibatch(x))
    p = d.frequency.detach().numpy()
    want = [stats.multinomial.logpmf(a, int(a.sum()), b) for a, b in zip(x, p, strict=True)]
    np.testing.assert_allclose(d.log_prob(csr_rows(x)).detach(), want, rtol=1e-10, atol=1e-12)


def test_bernoulli_is_scipys():
    x = (some_counts() > 1).astype(float)
    d = distribution(Bernoulli(), minibatch(x))
    want = stats.bernoulli.logpmf(x, d.mean.detach().numpy()).sum(1)
    np.testing.assert_allclose(d.log_prob(csr_rows(x)).detach(), want, rtol=1e-10)


@pytest.mark.parametrize("act", ["linear", "relu", "sigmoid", "softplus"])
@pytest.mark.parametrize("sd", [0.7, None])
def test_normal_is_scipys(act, sd):
    x = np.random.default_rng(1).normal(size=(CELLS, GENES))
    d = distribution(NormalHead(act, sd), minibatch(x))
    scale = 0.7 if sd else np.exp(d.log_sd.detach().numpy())
    want = stats.norm.logpdf(x, d.mean.detach().numpy(), scale).sum(1)
    np.testing.assert_allclose(d.log_prob(csr_rows(x)).detach(), want, rtol=1e-10)
    np.testing.assert_allclose(d.variance.detach(), np.broadcast_to(scale**2, x.shape))


def test_a_normal_point_has_draws_but_no_density():
    cells = minibatch(some_counts())
    d = distribution(NormalHead(sd=0.0), cells)
    assert torch.equal(d.sample(), d.mean)
    with pytest.raises(InputError, match="sd = 0 is a point"):
        d.log_prob(cells.views["rna"])


def test_categorical_is_the_log_of_its_mean():
    logits, codes = torch.randn(5, 3).double(), torch.tensor([0, 2, 1, 1, 2])
    d = Categorical().distribution(library=None, logits=logits)
    want = np.log(d.mean.numpy()[np.arange(5), codes])
    np.testing.assert_allclose(d.log_prob(codes), want, rtol=1e-12)
    assert d.log_prob(torch.full((5,), -1)).isfinite().all()
    assert d.sample().shape == (5,)
    start = Categorical().start(np.array([0, 0, 1, -1, 2, 0]))["logits"]
    np.testing.assert_allclose(np.exp(start), np.array([3.5, 1.5, 1.5]) / 6.5)
    np.testing.assert_allclose(
        Categorical().start(sparse.csr_matrix(np.eye(3)[[0, 0, 1, 2, 0]]))["logits"], start
    )


@pytest.mark.parametrize("part", HEADS, ids=repr)
def test_samples_have_the_mean_and_the_variance(part):
    n = 4000
    cells = minibatch(np.repeat(some_counts(5, 2)[1:], n, 0))
    torch.manual_seed(3)
    h = torch.randn(1, 4).double().expand(n, 4)
    head = Head(part, 4, GENES, Dims({"rna": GENES}, {"batch": (2,)})).double()
    d = head(h, cells, "rna")
    drawn, size = d.sample().detach(), cells.size_factor
    level = cells.codes["batch"] == 0 if part.tables().get("log_theta") else slice(None)
    of = size if getattr(part, "library", "") == "size_factor" else torch.ones_like(size)
    scaled, mean = (drawn / of)[level], (d.mean.detach() / of)[level]
    error = 5 * (d.variance.detach() / of**2)[level].mean(0).sqrt() / len(mean) ** 0.5
    assert ((scaled.mean(0) - mean.mean(0)).abs() < error + 1e-3).all()
    if part.library != "size_factor":
        ratio = drawn[level].var(0) / d.variance.detach()[level].mean(0)
        assert ((ratio - 1).abs() < 0.35).all()
        assert abs(ratio.mean() - 1) < 0.1


def trivial(part, x, size_factor=None):
    """The start of a head as a distribution of the same cells, h being 0."""
    data = sparse.csr_matrix(x)
    cells = Cells({"rna": data}, size_factor=size_factor)
    head = Head(part, 4, x.shape[1], Dims({"rna": x.shape[1]}, {"batch": (2,)})).double()
    head.start(cells, "rna")
    batch = minibatch(x)
    if size_factor is not None:
        batch.size_factor.copy_(torch.from_numpy(size_factor)[:, None])
    return head(torch.zeros(len(x), 4).double(), batch, "rna"), batch


def simulated(n=600, seed=7):
    """Negative binomial counts with known means per unit of library, and thetas."""
    rng = np.random.default_rng(seed)
    rate = np.array([0.02, 0.1, 0.5, 1.0, 4.0, 20.0])
    theta = np.array([0.3, 0.3, 0.5, 2.0, 10.0, 5.0])
    size = rng.lognormal(0, 0.5, (n, 1))
    mean = size * rate
    return rng.negative_binomial(theta, theta / (theta + mean)).astype(float), size, rate, theta


@pytest.mark.parametrize("part", HEADS, ids=repr)
def test_the_start_is_the_mean_of_each_feature(part):
    x, size, _, _ = simulated()
    if isinstance(part, Bernoulli):
        x = (x > 0).astype(float)
    d, _ = trivial(part, x, size.ravel())
    np.testing.assert_allclose(d.mean.detach().mean(0), x.mean(0), rtol=0.05, atol=2e-3)


def test_the_trivial_thetas_are_the_most_likely_ones():
    x, size, _, theta = simulated()
    start = NegativeBinomial(library="size_factor").start(sparse.csr_matrix(x), size)
    np.testing.assert_allclose(np.exp(start["log_theta"])[2:], theta[2:], rtol=0.35)
    mean = size * np.exp(start["logits"])
    loglik = lambda t: stats.nbinom.logpmf(x, t, t / (t + mean)).sum(0)
    got = loglik(np.exp(start["log_theta"]))
    best = np.max([loglik(t) for t in np.exp(np.linspace(-6, 8, 200))[:, None]], axis=0)
    assert (got > best - 0.35).all()


def test_thetas_are_found_a_few_genes_at_a_time(monkeypatch):
    x, size, _, _ = simulated()
    given = sparse.csr_matrix(x), size, np.log(x.mean(0) / size.mean())
    whole = dispersion.start_log_theta(*given)
    monkeypatch.setattr(dispersion, "PIECE", 100)
    assert len(list(dispersion._pieces(given[0].tocsc().indptr))) > 2
    np.testing.assert_array_equal(dispersion.start_log_theta(*given), whole)


@pytest.mark.parametrize("part", COUNT_HEADS)
def test_the_trivial_model_is_a_fair_baseline(part, monkeypatch):
    monkeypatch.setattr(part, "lift", {}, raising=False)
    x, size, rate, theta = simulated()
    d, batch = trivial(part(library="size_factor"), x, size.ravel())
    got = d.log_prob(batch.views["rna"]).mean().item()
    truth = stats.nbinom.logpmf(x, theta, theta / (theta + size * rate)).sum(1).mean()
    assert abs(got - truth) < 0.02


@pytest.mark.parametrize("part", [NegativeBinomial, ZeroInflatedNegativeBinomial])
def test_training_starts_above_the_trivial_theta(part):
    x, size, _, _ = simulated()
    d, _ = trivial(part(library="size_factor"), x, size.ravel())
    alone = part(library="size_factor").start(sparse.csr_matrix(x), size)["log_theta"]
    np.testing.assert_allclose(d.log_theta.detach()[0], alone + 1.0, rtol=1e-5)


def test_starts_are_finite_for_genes_and_cells_without_counts():
    x = np.zeros((4, 5))
    x[1, 2] = 3
    for part in HEADS:
        for name, row in part.start(sparse.csr_matrix(x), np.maximum(x.sum(1)[:, None], 1)).items():
            assert row.shape == (5,), name
            assert np.isfinite(row).all(), name


def test_start_takes_only_cells_that_have_the_view():
    x = some_counts(2)
    data = sparse.csr_matrix(np.concatenate([x, np.full((3, GENES), 50.0)]))
    some = Cells({"rna": data}, present={"rna": np.arange(CELLS + 3) < CELLS})
    head, want = (Head(NegativeBinomial(), 4, GENES, Dims({}, {})) for _ in range(2))
    head.start(some, "rna")
    want.start(Cells({"rna": data[:CELLS]}), "rna")
    assert torch.equal(head.maps["logits"].bias, want.maps["logits"].bias)
    assert torch.equal(head.tables["log_theta"].rows, want.tables["log_theta"].rows)


def test_a_head_without_layers_before_it_receives_the_conditions():
    cells, dims = minibatch(some_counts()), Dims({"rna": GENES}, {"batch": (2,)})
    head = Head(ZeroInflatedNegativeBinomial(), 4, GENES, dims, (OneHot("batch"),)).double()
    d = head(torch.zeros(CELLS, 4).double(), cells, "rna")
    rows = head.shifts["logits"].of["batch"].rows
    torch.testing.assert_close((d.logits[0] - d.logits[1]).detach(), (rows[0] - rows[1]).detach())


@pytest.mark.parametrize("part", [*HEADS, Categorical()], ids=repr)
def test_heads_go_to_json_and_back(part):
    assert from_json(to_json(part)) == part
    assert isinstance(part.counts, bool)


COUNTING = [NegativeBinomial(), ZeroInflatedNegativeBinomial(), Poisson(), Multinomial()]


@pytest.mark.parametrize("part", COUNTING, ids=repr)
def test_what_is_no_count_is_named(part):
    part.validate(sparse.csr_matrix(some_counts()))
    logs = sparse.csr_matrix(np.log1p(some_counts()))
    with pytest.raises(InputError, match=r"\d+ of the \d+ .* whole numbers, such as .* raw counts"):
        part.validate(logs)
    x = some_counts()
    x[3, 4] = -2
    with pytest.raises(
        InputError, match=r"1 of the .* negative, such as -2 of feature 4 in cell 3"
    ):
        part.validate(sparse.csr_matrix(x))


@pytest.mark.parametrize("part", [p for p in HEADS if not isinstance(p, Bernoulli)], ids=repr)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_named(part, value):
    x = some_counts()
    x[2, 1] = value
    with pytest.raises(
        InputError, match=r"missing or infinite, such as (nan|inf) of feature 1 in cell 2"
    ) as e:
        part.validate(sparse.csr_matrix(x))
    assert e.value.argument == "x"


def test_bernoulli_takes_zeros_and_ones_only():
    Bernoulli().validate(sparse.csr_matrix(np.eye(3)))
    for value in (2.0, np.nan, -1.0):
        with pytest.raises(InputError, match=r"1 of the 4 .* neither 0 nor 1.* binarise"):
            Bernoulli().validate(sparse.csr_matrix(np.diag([1, 1, 1, value])))


def test_normal_takes_any_number_that_is_finite():
    NormalHead().validate(sparse.csr_matrix(np.array([[-1.5, 0.0]])))


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: NegativeBinomial(dispersion="genes"), "dispersion"),
        (lambda: ZeroInflatedNegativeBinomial(dispersion="gene-"), "dispersion"),
        (lambda: NegativeBinomial(library="latent"), "library"),
        (lambda: Poisson(library="x"), "library"),
        (lambda: NormalHead(act="relou"), "act"),
        (lambda: NormalHead(sd=-1.0), "sd"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(make, argument):
    with pytest.raises(InputError, match=argument) as e:
        make()
    assert e.value.argument == argument


@pytest.mark.parametrize("rate", [0.05, 0.7, 4.0, 60.0])
def test_log_draws_are_poisson_and_their_mean_follows_the_rate(rate):
    torch.manual_seed(0)
    rates = torch.full((400_000, 1), rate, dtype=torch.float64, requires_grad=True)
    logs = draw_logs(rates)
    k = np.arange(400)
    chance = lambda mean: stats.poisson.pmf(k, mean)
    counts = np.expm1(logs.detach().numpy())
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    assert (counts == 0).mean() == pytest.approx(chance(rate)[0], abs=0.003)
    logs.mean().backward()
    h = 1e-4
    slope = (np.log1p(k) * (chance(rate + h) - chance(rate - h))).sum() / (2 * h)
    assert float(rates.grad.sum()) == pytest.approx(slope, rel=0.01)


def test_every_look_at_a_log_draw_is_another_draw():
    counts = Poisson("none").distribution(None, torch.zeros(50, 4))
    assert (counts.log_draw != counts.log_draw).any()


def test_log_draws_of_a_negative_binomial_follow_mean_and_theta():
    torch.manual_seed(0)
    n, k = 400_000, np.arange(400)
    logits = torch.full((n, 1), math.log(3.0), dtype=torch.float64, requires_grad=True)
    log_theta = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    made = NBCounts(Rates.of(logits, None, "none"), log_theta).log_draw
    expected = lambda a, t: (
        np.log1p(k) * stats.nbinom.pmf(k, math.exp(t), 1 / (1 + math.exp(a - t)))
    ).sum()
    at, h = math.log(3.0), 1e-4
    assert float(made.detach().mean()) == pytest.approx(expected(at, 0.0), rel=0.01)
    made.mean().backward()
    slope = (expected(at + h, 0.0) - expected(at - h, 0.0)) / (2 * h)
    assert float(logits.grad.sum()) == pytest.approx(slope, rel=0.02)
    slope = (expected(at, h) - expected(at, -h)) / (2 * h)
    assert float(log_theta.grad) == pytest.approx(slope, rel=0.05)


@pytest.mark.parametrize("shape", [0.3, 1.0, 4.0, 50.0])
def test_gamma_draws_follow_their_shape(shape):
    torch.manual_seed(0)
    shapes = torch.full((300_000,), shape, dtype=torch.float64, requires_grad=True)
    drawn = draw_gamma(shapes)
    assert stats.kstest(drawn.detach().numpy()[:5000], stats.gamma(shape).cdf).pvalue > 0.001
    torch.log1p(drawn).mean().backward()
    at = lambda a: stats.gamma(a).expect(np.log1p)
    slope = (at(shape + 1e-4) - at(shape - 1e-4)) / 2e-4
    assert float(shapes.grad.sum()) == pytest.approx(slope, rel=0.08)
