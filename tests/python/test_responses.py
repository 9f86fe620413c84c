"""What is learnt from other types: kriging, its noise, and how counts are carried over."""

import numpy as np
import pytest
from scipy import sparse, stats

from waddington import simulate
from waddington.cells import RNA, Cells
from waddington.verbs import responses
from waddington.verbs.groups import Pair, groups_of
from waddington.verbs.responses import Profiles, beyond_noise, carried, kriging_weights, shrunk

RNG = np.random.default_rng(0)
ABOUT = {
    "condition": "condition", "source": "control", "target": "stimulated", "cell_type": "cell_type",
    "of": None,
}  # fmt: skip


# Counts carried over ----------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.5, 2.0, 7.0])
def test_poisson_counts_become_poisson_counts_of_the_new_mean(after):
    rng = np.random.default_rng(1)
    counts = rng.poisson(2.0, (200_000, 1)).astype(float)
    before = np.full_like(counts, 2.0)
    made = carried(counts, before, np.full_like(counts, after), rng).ravel()
    seen = np.bincount(made.astype(int), minlength=30)[:30] / len(made)
    assert np.abs(seen - stats.poisson.pmf(np.arange(30), after)).max() < 0.003


def test_cells_keep_what_is_special_of_them():
    counts = RNG.poisson(5.0, (4000, 1)).astype(float)
    flat = np.full_like(counts, 5.0)
    for after in (3.0, 8.0):
        made = carried(counts, flat, flat * 0 + after, np.random.default_rng(2))
        assert np.corrcoef(counts.ravel(), made.ravel())[0, 1] > 0.7
    assert np.array_equal(carried(counts, flat, flat, np.random.default_rng(2)), counts)


def test_expected_values_are_the_means_of_draws():
    counts = RNG.poisson(3.0, (5, 4)).astype(float)
    before, after = RNG.gamma(2, 1, (5, 4)), RNG.gamma(2, 1, (5, 4))
    rng = np.random.default_rng(3)
    draws = np.mean([carried(counts, before, after, rng) for _ in range(20_000)], 0)
    np.testing.assert_allclose(draws, carried(counts, before, after, None), atol=0.1)


# Kriging ----------------------------------------------------------------------------------------


def types(n=5, genes=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, genes)), rng.normal(size=(n, genes)) * 3


def test_weights_give_the_best_linear_unbiased_prediction(monkeypatch):
    monkeypatch.setattr(responses, "LENGTHS", (0.7,))
    base, change = types()
    at, noise = RNG.normal(size=40), np.full((5, 40), 0.02)
    weights, novelty = kriging_weights(base, at, change, noise)
    apart = ((base[:, None] - base) ** 2).sum(-1)
    usual = np.median(apart[np.triu_indices(5, 1)])
    k = np.exp(-apart / (2 * 0.49 * usual))
    here = np.exp(-((base - at) ** 2).sum(-1) / (2 * 0.49 * usual))
    v = k + np.eye(5) * 0.02 / change.var(0, ddof=1).mean()
    one, inverse = np.ones(5), np.linalg.inv(v)
    mean = one @ inverse @ change / (one @ inverse @ one)
    want = mean + here @ inverse @ (change - mean)
    np.testing.assert_allclose(weights @ change, want, rtol=1e-6)
    assert weights.sum() == pytest.approx(1)
    assert novelty == pytest.approx(np.sqrt(1 - 2 * weights @ here + weights @ k @ weights))


def test_a_type_like_a_measured_one_gets_its_response():
    base, change = types()
    weights, novelty = kriging_weights(base, base[2], change, np.full_like(change, 1e-9))
    np.testing.assert_allclose(weights, np.eye(5)[2], atol=1e-3)
    assert novelty < 0.05


def test_far_from_all_types_the_answer_is_their_mean():
    base, change = types()
    weights, novelty = kriging_weights(base, base[0] + 1e3, change, np.full_like(change, 1e-9))
    assert novelty > 0.9 and np.ptp(weights) < 0.5


def test_noisy_types_count_less():
    base, change = np.zeros((2, 30)), np.ones((2, 30)) * [[1.0], [2.0]]
    base[1] = 1e-3
    noise = np.ones((2, 30)) * [[0.01], [5.0]]
    weights, _ = kriging_weights(base, base.mean(0), change, noise)
    assert weights[0] > 0.9


def told_apart(share, n=7, genes=400, seed=5):
    """Types on a line that respond alike but for a share of each response that is their own."""
    rng = np.random.default_rng(seed)
    base = np.linspace(0, 1, n)[:, None] * np.ones(genes)
    noise = np.full((n, genes), 0.01)
    common = rng.gamma(1, 1, genes) * (1 + share * rng.normal(size=(n, genes)))
    return base, common + 0.1 * rng.normal(size=(n, genes)), noise


def test_what_is_special_of_types_is_found_by_leaving_each_out():
    assert responses.special(*told_apart(0.0)) < 0.05
    few, many = (responses.special(*told_apart(share)) for share in (0.2, 0.5))
    assert 0.05 < few < many < 0.6
    base, change, noise = told_apart(0.5)
    assert responses.special(base[:1], change[:1], noise[:1]) == 0.0


def test_the_sd_of_strong_responses_holds_only_with_what_is_special():
    held, inside = 3, {True: [], False: []}
    for seed in range(5):
        base, change, noise = told_apart(0.5, seed=seed)
        seen = [np.delete(x, held, 0) for x in (base, change, noise)]
        weights, novelty = kriging_weights(seen[0], base[held], *seen[1:])
        told, error, away = responses._told(weights, novelty, *seen[1:])
        own = (responses.special(*seen) * told) ** 2
        off, strong = (told - change[held]) ** 2, np.argsort(-told)[:100]
        for with_own, found in inside.items():
            variance = error + away + noise[held] + with_own * own
            found.append((off < 4 * variance)[strong].mean())
    assert np.mean(inside[True]) > 0.9 > 0.85 > np.mean(inside[False])


def test_the_reach_is_the_one_of_the_truth():
    rng = np.random.default_rng(4)
    line = np.linspace(0, 1, 8)[:, None]
    apart = (line - line.T) ** 2
    misfit = {}
    for true in (0.15, 0.6):
        root = np.linalg.cholesky(np.exp(-apart / (2 * true**2)) + 1e-8 * np.eye(8))
        y = root @ rng.normal(size=(8, 400)) * 2.0 + rng.normal(size=400)
        tried = (0.08, 0.15, 0.3, 0.6, 1.2)
        fits = [responses._misfit(np.exp(-apart / (2 * r**2)) + 1e-8 * np.eye(8), y) for r in tried]
        misfit[true] = tried[int(np.argmin(fits))]
    assert misfit == {0.15: 0.15, 0.6: 0.6}


def test_the_misfit_is_the_likelihood_of_contrasts():
    rng = np.random.default_rng(5)
    y, other = rng.normal(size=(4, 60)), np.diag([1.0, 2.0, 3.0, 4.0])
    contrasts = np.linalg.svd(np.ones((1, 4)))[2][1:]

    def exact(k):
        scale = np.mean(
            [c @ np.linalg.solve(contrasts @ k @ contrasts.T, c) / 3 for c in (contrasts @ y).T]
        )
        normal = stats.multivariate_normal(np.zeros(3), scale * contrasts @ k @ contrasts.T)
        return -2 * normal.logpdf((contrasts @ y).T).mean()

    got = responses._misfit(np.eye(4), y) - responses._misfit(other, y)
    assert got == pytest.approx(exact(np.eye(4)) - exact(other), rel=1e-5)


def test_changes_shrink_to_their_posterior_means():
    rng = np.random.default_rng(6)
    truth = rng.normal(size=4000) * np.where(rng.random(4000) < 0.1, 8.0, 0.5)
    noise = rng.uniform(0.5, 2, 4000)
    seen = truth + np.sqrt(noise) * rng.normal(size=4000)
    error = lambda guess: ((guess - truth) ** 2).mean()
    assert error(shrunk(seen, noise)) < 0.5 * error(seen)
    assert error(shrunk(seen, noise)) < 0.7 * error(0 * seen)
    large = np.abs(seen) > 12
    np.testing.assert_allclose(shrunk(seen, noise)[large], seen[large], rtol=0.1)


# Profiles and noise -----------------------------------------------------------------------------


def test_profiles_know_their_standard_errors():
    sim = simulate.counts(4000, 30, n_types=1, n_batches=1, seed=1).cells.views[RNA]
    profiles = Profiles(sim, counts=True)
    rng = np.random.default_rng(0)
    small = [profiles.of(rng.choice(4000, 100, replace=False)) for _ in range(200)]
    seen = np.var([mean for mean, _ in small], 0)
    np.testing.assert_allclose(np.mean([noise for _, noise in small], 0), seen, rtol=0.5)
    library = np.asarray(sim.sum(1), float)
    sure = 1 / (1 / library + 1 / 300)  # of a cell's shares: 300 counts are enough
    want = np.log((sure * sim.toarray() / library).sum(0) / sure.sum() + 0.3 / np.median(library))
    np.testing.assert_allclose(profiles.of(np.arange(4000))[0], want, rtol=1e-5)


def test_cells_of_few_counts_say_less_of_a_share():
    """A cell of one count has one gene at share 1, which would be all of a plain mean."""
    deep = np.tile([90.0, 10.0], (10, 1))
    x = sparse.csr_matrix(np.vstack([deep, [[0.0, 1.0]] * 10]))
    (_, share), _ = np.exp(Profiles(x, counts=True).of(np.arange(20)))
    assert 0.1 < share < 0.12


def test_values_that_are_no_counts_stay_as_they_are():
    x = sparse.csr_matrix(RNG.normal(size=(50, 4)))
    mean, noise = Profiles(x, counts=False).of(np.arange(50))
    np.testing.assert_allclose(mean, x.toarray().mean(0))
    np.testing.assert_allclose(noise, x.toarray().var(0, ddof=1) / 50)


def test_one_cell_says_little():
    x = sparse.csr_matrix(np.array([[2.0, 0.0], [2.0, 1.0], [3.0, 1.0], [2.0, 4.0]]))
    change, noise = Profiles(x, counts=False).change(Pair("a", np.array([0]), np.arange(1, 4)))
    np.testing.assert_allclose(change, [1 / 3, 2.0])
    assert (noise > 1).all()


@pytest.mark.parametrize(("responding", "expected"), [(20, 0.05), (0, None)])
def test_shuffled_labels_tell_an_effect_from_noise(responding, expected):
    cells = simulate.perturbation(400, 60, 3, n_responding=responding, seed=2).cells
    groups = groups_of(cells, ABOUT)
    p = beyond_noise(Profiles(cells.views[RNA], True), groups, np.random.default_rng(0))
    assert p == pytest.approx(expected) if expected else p > 0.05


def test_changes_that_cancel_between_types_are_an_effect():
    cells = simulate.perturbation(400, 60, 4, n_responding=20, flipped=2, seed=2).cells
    groups = groups_of(cells, ABOUT)
    p = beyond_noise(Profiles(cells.views[RNA], True), groups, np.random.default_rng(0))
    assert p == pytest.approx(0.05)


def test_where_nothing_changes_an_effect_is_seen_once_in_twenty_times():
    found = []
    for seed in range(60):
        cells = simulate.perturbation(160, 30, 3, n_responding=0, seed=seed).cells
        profiles = Profiles(cells.views[RNA], True)
        found.append(beyond_noise(profiles, groups_of(cells, ABOUT), np.random.default_rng(seed)))
    assert np.mean(np.array(found) < 0.06) < 0.13
    assert 0.3 < np.mean(np.array(found) < 0.5) < 0.7


def test_labels_at_random_pass_as_seldom_as_they_should_where_counts_are_few():
    rng = np.random.default_rng(5)
    rates = rng.gamma(0.3, 0.3, (1, 200))
    counts = rng.poisson(rates, (160, 200)).astype(np.float32)
    features = {RNA: tuple(f"g{i}" for i in range(200))}
    kind = np.array(["a", "b", "c", "d"])[np.arange(160) % 4]
    profiles, found = Profiles(sparse.csr_matrix(counts), True), []
    for _ in range(40):
        state = np.where(rng.random(160) < 0.5, "control", "stimulated")
        covariates = {"condition": state, "cell_type": kind}
        cells = Cells({RNA: sparse.csr_matrix(counts)}, features, covariates)
        found.append(beyond_noise(profiles, groups_of(cells, {**ABOUT, "of": "a"}), rng))
    assert np.mean(np.array(found) <= 0.05) < 0.2
    assert 0.35 < np.mean(found) < 0.7
