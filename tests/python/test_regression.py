"""Logistic regression of labels on components, without components."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from waddington import simulate
from waddington.regression import (
    ABSENT,
    Components,
    Regression,
    log_shares,
    logistic_regression,
    out_of_fold,
    regress,
)


@pytest.fixture(scope="module")
def world():
    cells = simulate.counts(400, 50, n_types=3, n_batches=1, seed=5).cells
    x = sparse.csr_matrix(cells.views["rna"])
    return x, np.unique(cells.covariates["cell_type"], return_inverse=True)[1]


def by_hand(x, codes, query, n):
    """The same by scikit-learn, through its components."""
    scale = lambda a: np.asarray(log_shares(a).todense())
    loc, sd = scale(x).mean(0), scale(x).std(0)
    z = lambda a: np.minimum((scale(a) - loc) / sd, 10)
    pca = PCA(n, random_state=0).fit(z(x))
    model = LogisticRegression(max_iter=2000).fit(pca.transform(z(x)), codes)
    return model.predict_proba(pca.transform(z(query)))


@pytest.mark.parametrize("n_labels", [2, 3])
def test_it_is_that_of_scikit_learn(world, n_labels):
    x, codes = world
    some = codes < n_labels
    found = Regression.on(Components.of(x[some]), codes[some], n_labels).logits(x)
    p = np.exp(found - found.max(1, keepdims=True))
    want = by_hand(x[some], codes[some], x, 50)
    np.testing.assert_allclose(p / p.sum(1, keepdims=True), want, atol=5e-3)


def test_shares_are_of_what_was_measured(world):
    x = world[0]
    want = np.log1p(x.toarray() / x.toarray().sum(1, keepdims=True) * 1e4 * 0.3)
    np.testing.assert_allclose(log_shares(x, 0.3).toarray(), want, rtol=1e-6)


def test_genes_that_are_missing_are_at_their_mean(world):
    x, codes = world
    whole, keep = Regression.on(Components.of(x), codes, 3), np.arange(40)
    narrow = whole.narrowed(keep)
    assert narrow.share.sum() == pytest.approx(whole.share[:40].sum())
    shares = log_shares(x[:, keep], float(narrow.share.sum())).toarray()
    full = np.hstack([shares, np.tile(whole.loc[40:], (len(codes), 1))])
    want = np.minimum(full, whole.top) @ whole.weight + whole.bias
    np.testing.assert_allclose(narrow.logits(x[:, keep]), want, rtol=1e-4, atol=1e-4)
    assert (narrow.logits(x[:, keep]).argmax(1) == codes).mean() > 0.9


def test_a_label_without_cells_is_as_good_as_impossible(world):
    x, codes = world
    logits = Regression.on(Components.of(x), codes, 4).logits(x)
    assert logits[:, 3].max() < ABSENT + 1 and (logits.argmax(1) == codes).mean() > 0.95
    weight, bias = regress(np.ones((5, 2)), np.full(5, 1), 3)
    assert not weight.any() and bias.tolist() == [ABSENT, 0.0, ABSENT]


def test_no_cell_is_told_by_a_regression_that_has_seen_it():
    rng = np.random.default_rng(0)
    counts, codes = sparse.csr_matrix(rng.poisson(2, (300, 40))), rng.integers(0, 2, 300)
    logits, told = out_of_fold(counts, codes, np.arange(300) % 5, 2)
    assert told.all() and abs((logits.argmax(1) == codes).mean() - 0.5) < 0.1
    codes[:60] = 2  # only in the first fold
    _, told = out_of_fold(counts, codes, np.arange(300) // 60, 3)
    assert not told[:60].any() and told[60:].all()


def test_it_goes_among_the_weights_of_a_model_and_back(world):
    x, codes = world
    mine = Regression.on(Components.of(x), codes, 3)
    again = Regression.among(mine.arrays("cell.type"), "cell.type")
    np.testing.assert_array_equal(again.logits(x), mine.logits(x))
    assert Regression.among({}, "cell.type") is None


def test_it_knows_what_it_was_told(world):
    x, codes = world
    p, classes = logistic_regression(x[:300], codes[:300], x[300:])
    assert (classes[p.argmax(1)] == codes[300:]).mean() > 0.95
