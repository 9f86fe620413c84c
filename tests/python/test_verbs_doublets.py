"""Doublets of unlike cells are found, those of like cells are not, and the odds are right."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import average_precision_score, roc_auc_score

import waddington as wd
from waddington import simulate, verbs
from waddington.cells import Cells


def lane(n=500, unlike=50, like=30, seed=0):
    """Cells of three types, then doublets of unlike and of like cells."""
    made = simulate.counts(n + 4 * (unlike + like), 60, n_batches=1, depth=600, seed=seed)
    x, kind = made.cells.views["rna"], made.truth["type"]
    rng = np.random.default_rng(seed)
    spare, pairs = list(range(n, x.shape[0])), []
    for want in [False] * unlike + [True] * like:
        i = spare.pop(0)
        partners = [j for j in spare if (kind[j] == kind[i]) == want]
        j = partners[rng.integers(len(partners))]
        spare.remove(j)
        pairs.append((i, j))
    a, b = np.array(pairs).T
    truth = np.r_[np.zeros(n), np.ones(unlike), np.full(like, 2)]
    x = sparse.csr_matrix(sparse.vstack([x[:n], x[a] + x[b]]))
    depth = np.repeat(rng.uniform(0.1, 1, x.shape[0]), np.diff(x.indptr))
    x.data = rng.binomial(x.data.astype(int), depth).astype(np.float32)  # size alone tells little
    x.eliminate_zeros()
    return Cells.from_arrays(x), truth


@pytest.fixture(scope="module")
def world():
    cells, truth = lane()
    return cells, truth, wd.find_doublets(cells, expected=80, epochs=40, seed=1)


def test_unlike_doublets_are_found_better_than_by_size(world):
    cells, truth, found = world
    some = truth != 2
    size = np.asarray(cells.views["rna"].sum(1)).ravel()
    ap = average_precision_score(truth[some] == 1, found.score[some])
    assert ap > 0.8 and ap > average_precision_score(truth[some] == 1, size[some]) + 0.2


def test_like_doublets_are_hardly_found(world):
    """They are found by their size alone: they are sums, and have more counts."""
    cells, truth, found = world
    size = np.asarray(cells.views["rna"].sum(1)).ravel()
    auc = lambda score, o: roc_auc_score(truth[truth != o] > 0, score[truth != o])
    assert auc(found.score, 1) < auc(found.score, 2) - 0.1
    assert auc(found.score, 1) < auc(size, 1) + 0.02
    assert auc(found.score, 2) > auc(size, 2) + 0.1


def test_as_many_are_called_as_were_expected(world):
    found = world[2]
    assert found.doublet.sum() == 80 and found.expected == {"": 80.0}
    assert found.score[found.doublet].min() >= found.score[~found.doublet].max()


def test_probabilities_are_of_cells_not_of_simulations(world):
    """Two thirds of what the classifier saw were simulated; of cells, few are doublets."""
    _, truth, found = world
    assert 0.04 < found.probability.mean() < 0.2
    assert found.probability[truth == 1].mean() > 5 * found.probability[truth == 0].mean()
    assert found.probability.min() >= 0 and found.probability.max() <= 1


def test_a_share_means_that_share_and_none_the_rule_of_droplets(world):
    cells = world[0]
    model = wd.train(cells, wd.recipes.scvi(), epochs=1, seed=0, threads=1, verbose=False)
    ask = lambda **o: wd.find_doublets(cells, model, **o)
    assert ask(expected=0.1).expected[""] == pytest.approx(58)
    assert ask().expected[""] == pytest.approx(0.008 * 580 * 0.58)
    np.testing.assert_array_equal(ask(seed=3).score, ask(seed=3).score)
    for bad in (-1, 580, 0):
        with pytest.raises(wd.InputError, match="expected must be a share or a number of cells"):
            ask(expected=bad)


def test_lanes_are_looked_at_one_by_one():
    cells, _ = lane(120, 15, 0)
    both = Cells.from_arrays(
        sparse.csr_matrix(sparse.vstack([cells.views["rna"]] * 2)),
        categorical={"lane": np.repeat(["l1", "l2"], len(cells))},
    )
    found = wd.find_doublets(both, lane="lane", expected={"l1": 10, "l2": 0.2}, epochs=5)
    assert found.expected == {"l1": 10.0, "l2": pytest.approx(27.0)}
    assert found.doublet[: len(cells)].sum() == 10 and found.doublet[len(cells) :].sum() == 27
    alone = wd.find_doublets(cells, expected=10, epochs=5)
    np.testing.assert_array_equal(found.score[: len(cells)], alone.score)
    with pytest.raises(wd.InputError, match="expected has no value for lane 'l2'"):
        wd.find_doublets(both, lane="lane", expected={"l1": 10}, epochs=1)
    with pytest.raises(wd.InputError, match="there are 49 cells; it takes 50"):
        wd.find_doublets(cells.take(np.arange(49)))


def test_synthetic_doublets_are_sums_of_two_different_cells():
    cells, _ = lane(60, 1, 0)
    made, (a, b) = verbs.synthetic_doublets(cells, 500, seed=2)
    x = cells.views["rna"]
    assert (a != b).all() and len(made) == 500 and len(np.unique(b)) > 55
    assert abs(made.views["rna"] - (x[a] + x[b])).max() == 0
