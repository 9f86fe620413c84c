"""Metrics against scikit-learn, scipy and cases whose answer is known."""

import numpy as np
import pytest
from scipy import sparse, stats

from waddington import metrics
from waddington.errors import InputError

RNG = np.random.default_rng(0)
BLOBS = np.repeat(np.eye(3) * 10, 40, axis=0) + RNG.normal(size=(120, 3))
LABELS = np.repeat(["a", "b", "c"], 40)


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
@pytest.mark.parametrize("method", ["kmeans", "graph"])
def test_clusters_are_found_where_they_are_and_not_where_they_are_not(method):
    clear = metrics.cluster_scores(BLOBS, LABELS, method)
    assert clear["ari"] == pytest.approx(1) and clear["nmi"] == pytest.approx(1)
    chance = metrics.cluster_scores(RNG.normal(size=(120, 3)), LABELS, method)
    assert abs(chance["ari"]) < 0.1


def test_an_unknown_method_is_named():
    with pytest.raises(InputError, match='method must be "kmeans" or "graph", got \'leiden\''):
        metrics.cluster_scores(BLOBS, LABELS, "leiden")


def test_silhouettes_are_scaled_as_the_field_does():
    assert metrics.label_silhouette(BLOBS, LABELS) > 0.85
    mixed = np.tile(["x", "y"], 60)
    assert metrics.batch_silhouette(BLOBS, mixed, LABELS) > 0.8
    shifted = BLOBS + 20 * (mixed == "x")[:, None]
    assert metrics.batch_silhouette(shifted, mixed, LABELS) < 0.2
    assert np.isnan(metrics.batch_silhouette(BLOBS, ["x"] * 120, LABELS))


def test_neighbours_of_separate_labels_are_pure():
    assert metrics.neighbour_purity(BLOBS, LABELS) == 1
    assert metrics.neighbour_purity(BLOBS, np.tile(["x", "y"], 60)) == pytest.approx(0.5, abs=0.1)


def test_principal_components_keep_the_most_variance_of_any_projection():
    x = RNG.normal(size=(80, 6)) * [9, 5, 1, 1, 1, 1]
    z = metrics.principal_components(sparse.csr_matrix(x), 2)
    values = np.linalg.svd(x - x.mean(0), compute_uv=False)[:2]
    np.testing.assert_allclose((z**2).sum(0), values**2, rtol=1e-6)


def test_change_scores_by_hand():
    control, observed = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 5.0, 4.0])
    perfect = metrics.change_scores(observed, observed, control)
    assert perfect == pytest.approx({"r2_mean": 1, "r_change": 1, "r2_change": 1})
    nothing = metrics.change_scores(control, observed, control)
    assert nothing["r_change"] == 0
    wanted = observed - control
    assert nothing["r2_change"] == pytest.approx(
        1 - (wanted**2).sum() / ((wanted - wanted.mean()) ** 2).sum()
    )
    half = metrics.change_scores(control + wanted / 2, observed, control)
    assert half["r_change"] == pytest.approx(1) and half["r2_change"] < 1


def test_shared_controls_inflate_the_correlation_of_changes():
    rng = np.random.default_rng(1)
    noise = lambda: rng.normal(size=2000)
    control, other, predicted, observed = noise(), noise(), noise(), noise()
    shared = metrics.change_scores(predicted, observed, control)
    apart = metrics.change_scores(predicted, observed, control, other)
    assert shared["r_change"] == pytest.approx(0.5, abs=0.05)
    assert apart["r_change"] == pytest.approx(0.0, abs=0.05)


def test_wilcoxon_is_scipy_s_also_with_ties():
    a, b = RNG.poisson(1.0, (40, 7)).astype(float), RNG.poisson(1.5, (60, 7)).astype(float)
    a[:, 6] = b[:, 6] = 2.0
    got = metrics.wilcoxon_z(sparse.csr_matrix(a), sparse.csr_matrix(b))
    for gene in range(6):
        test = stats.mannwhitneyu(a[:, gene], b[:, gene], use_continuity=False, method="asymptotic")
        assert 2 * stats.norm.sf(abs(got[gene])) == pytest.approx(test.pvalue, rel=1e-9)
        assert np.sign(got[gene]) == np.sign(test.statistic - 40 * 60 / 2)
    assert got[6] == 0


def test_perturbation_scores_look_at_the_genes_that_change():
    rng = np.random.default_rng(2)
    control, observed = rng.normal(size=(50, 30)), rng.normal(size=(60, 30))
    observed[:, :5] += 3
    seen = observed.mean(0)
    few = seen.copy()
    few[5:] = -99  # what is predicted for the other genes can't matter
    scores = metrics.perturbation_scores({"seen": seen, "few": few}, observed, control, n_top=5)
    assert scores["seen"]["r2_change"] == pytest.approx(1)
    assert scores["few"]["r2_change_top"] == pytest.approx(1)
    assert scores["few"]["r2_change"] < 0


def test_r2_of_means_is_a_squared_correlation():
    a, b = RNG.normal(size=(9, 20)), RNG.normal(size=(7, 20))
    want = stats.pearsonr(a.mean(0), b.mean(0)).statistic ** 2
    assert metrics.r2_of_means(sparse.csr_matrix(a), b) == pytest.approx(want)


def test_energy_distance_is_zero_for_one_distribution_and_known_for_points():
    a, b = RNG.normal(size=(300, 4)), RNG.normal(size=(300, 4))
    assert abs(metrics.energy_distance(a, b)) < 0.05
    near, far = np.zeros((5, 1)), np.full((4, 1), 3.0)
    assert metrics.energy_distance(near, far) == pytest.approx(6)


def test_a_forest_tells_what_differs_and_not_what_does_not():
    a, b = RNG.normal(size=(150, 4)), RNG.normal(size=(150, 4))
    assert metrics.two_sample_auc(a, b) == pytest.approx(0.5, abs=0.1)
    assert metrics.two_sample_auc(a, b + 3) > 0.98


def test_coverage_counts_what_was_generated_near_each_label():
    shares = metrics.coverage(BLOBS[:80], BLOBS, LABELS)
    assert shares == {"a": 0.5, "b": 0.5, "c": 0.0}
