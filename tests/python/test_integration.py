"""Scores of integration: what is kept, what is mixed, and the answers of those who do nothing."""

import numpy as np
import pytest
from scipy import sparse

from waddington import simulate
from waddington.communities import divided, leiden, neighbour_graph
from waddington.integration import (
    connectivity,
    conservation,
    integration_metrics,
    isolated_silhouette,
    lisi,
    log_components,
    mixing,
    neighbourhood_acceptance,
)


@pytest.fixture(scope="module")
def world():
    """Three types in two batches: apart by type, or by batch too."""
    rng = np.random.default_rng(0)
    kind, batch = rng.integers(3, size=500), rng.integers(2, size=500)
    mixed = rng.normal(size=(500, 3)) + 10 * np.eye(3)[kind]
    apart = mixed + 6 * np.outer(batch, [1.0, 1.0, 1.0])
    names = np.array(["a", "b", "c"])[kind], np.array(["x", "y"])[batch]
    return mixed, apart, *names


def test_well_integrated_cells_get_full_marks(world):
    mixed, _, kinds, batches = world
    kept, spread = conservation(mixed, kinds, batches), mixing(mixed, batches, kinds)
    assert min(kept[k] for k in ("ari_kmeans", "nmi_kmeans", "ari_leiden", "clisi")) > 0.99
    assert spread["ilisi"] > 0.85 and spread["batch_silhouette"] > 0.95
    assert spread["connectivity"] > 0.99 and spread["kbet"] > 0.9
    assert np.isnan(kept["isolated"])


def test_batches_apart_are_seen(world):
    mixed, apart, kinds, batches = world
    good, bad = mixing(mixed, batches, kinds), mixing(apart, batches, kinds)
    assert bad["ilisi"] < 0.01 and bad["kbet"] < 0.01
    assert bad["batch_silhouette"] < good["batch_silhouette"] - 0.2


def test_the_table_has_rows_for_those_who_do_nothing():
    made = simulate.counts(400, 60, n_types=3, n_batches=2, depth=500, seed=1)
    c, noise = made.cells.covariates, np.random.default_rng(0).normal(0, 0.1, (400, 3))
    table = integration_metrics(
        {"truth": np.eye(3)[made.truth["type"]] + noise},
        c["batch"], c["cell_type"], made.cells.views["rna"],
    )  # fmt: skip
    assert list(table) == ["PCA", "truth", "random"]
    assert table["truth"]["ari_leiden"] > 0.99 and table["random"]["ari_leiden"] < 0.05
    assert table["random"]["ilisi"] > 0.8 > table["PCA"]["ilisi"]
    assert all(
        np.isfinite([v for k, v in r.items() if k != "isolated"]).all() for r in table.values()
    )


def test_lisi_counts_the_levels_of_a_neighbourhood():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 2))
    four = lisi(z, rng.integers(4, size=4000))
    assert 3.2 < np.median(four) <= 4
    np.testing.assert_allclose(lisi(z, np.zeros(4000)), 1)
    sides = lisi(np.r_[z, z + 100], np.repeat([0, 1], 4000))
    np.testing.assert_allclose(sides, 1)


def test_lisi_has_the_perplexity_it_says():
    """Equally far neighbours weigh the same: all 90 count, so two equal levels give 2."""
    angle = np.arange(91) * 2 * np.pi / 91
    far = np.full((3, 90), 2.0)
    from waddington.integration import _kernel

    np.testing.assert_allclose(_kernel(far, np.log(30)), 1 / 90)
    near = np.tile(np.linspace(0.1, 5, 90), (3, 1)) * angle[1]
    weight = _kernel(near, np.log(30))
    np.testing.assert_allclose(np.exp(-(weight * np.log(weight)).sum(1)), 30, rtol=1e-6)


def test_pieces_of_a_label_are_not_connected():
    rng = np.random.default_rng(1)
    z = np.r_[rng.normal(0, 1, (60, 2)), rng.normal(100, 1, (40, 2)), rng.normal(50, 1, (100, 2))]
    labels = np.repeat(["torn", "whole"], 100)
    assert connectivity(z, labels) == pytest.approx((0.6 + 1) / 2)


def test_acceptance_is_the_level_of_the_test_where_batches_are_random():
    rng = np.random.default_rng(2)
    z, batches = rng.normal(size=(2000, 5)), rng.integers(2, size=2000).astype(str)
    assert neighbourhood_acceptance(z, batches, np.full(2000, "a")) == pytest.approx(0.95, abs=0.04)
    few = neighbourhood_acceptance(z[:50], batches[:50], np.full(50, "a"))
    assert np.isnan(few)


def test_isolated_labels_are_those_of_one_batch():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(300, 2)) + 30 * np.repeat([[0, 0], [1, 0], [0, 1]], 100, 0)
    labels, batches = np.repeat(["a", "b", "c"], 100), np.tile(["x", "y"], 150)
    batches[200:] = "x"
    assert isolated_silhouette(z, labels, batches) > 0.9
    assert isolated_silhouette(rng.normal(size=(300, 2)), labels, batches) == pytest.approx(
        0.5, abs=0.05
    )


def test_components_of_one_gene_that_never_varies_are_finite():
    x = sparse.csr_matrix(np.c_[np.random.default_rng(0).poisson(3.0, (50, 5)), np.zeros(50)])
    assert np.isfinite(log_components(x)).all() and log_components(x).shape == (50, 6)


# Communities -----------------------------------------------------------------------------------


def modularity(graph, codes):
    degree = np.asarray(graph.sum(1)).ravel()
    inside = sum(graph[codes == c][:, codes == c].sum() for c in np.unique(codes))
    expected = (np.bincount(codes, degree) ** 2).sum() / graph.sum()
    return (inside - expected) / graph.sum()


def test_two_cliques_are_two_communities():
    block = np.ones((5, 5)) - np.eye(5)
    graph = np.block([[block, np.zeros((5, 5))], [np.zeros((5, 5)), block]])
    graph[0, 9] = graph[9, 0] = 1
    found = leiden(sparse.csr_matrix(graph))
    np.testing.assert_array_equal(found, np.repeat([found[0], found[-1]], 5))
    assert set(found) == {0, 1}


def test_communities_have_more_modularity_than_the_truth_they_were_planted_with():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 60)
    edge = rng.random((240, 240)) < np.where(truth[:, None] == truth, 0.15, 0.03)
    graph = sparse.csr_matrix(np.triu(edge, 1) | np.triu(edge, 1).T, dtype=float)
    found = leiden(graph, seed=1)
    assert modularity(graph, found) >= modularity(graph, truth) - 0.005
    for c in np.unique(found):
        inside = graph[found == c][:, found == c]
        assert sparse.csgraph.connected_components(inside)[0] == 1


def test_higher_resolution_finds_more_communities(world):
    graph = neighbour_graph(world[0])
    sizes = [len(np.unique(leiden(graph, r))) for r in (0.05, 1.0, 5.0)]
    assert sizes[0] <= 3 < sizes[2] and sizes[0] <= sizes[1] <= sizes[2]
    np.testing.assert_array_equal(leiden(graph, 1.0, 3), leiden(graph, 1.0, 3))


def test_the_neighbour_graph_is_symmetric_and_sure_of_the_nearest():
    z = np.random.default_rng(0).normal(size=(100, 3))
    graph = neighbour_graph(z, 10)
    assert abs(graph - graph.T).max() < 1e-12 and graph.max() <= 1 + 1e-12
    np.testing.assert_allclose(np.asarray(graph.max(1).todense()).ravel(), 1, atol=1e-9)


def test_cells_are_divided_into_as_many_clusters_as_asked():
    rng = np.random.default_rng(0)
    centres = 8 * np.eye(5)
    z = np.repeat(centres, 60, 0) + rng.normal(size=(300, 5))
    found = divided(z, 5)
    order = np.argmin(((centres[:, None] - found) ** 2).sum(-1), 1)
    assert sorted(order) == list(range(5))
    np.testing.assert_allclose(found[order], centres, atol=0.6)
    assert divided(z, 70).shape == (70, 5)
    assert divided(np.zeros((4, 3)), 6).shape == (6, 3)  # more than there are points
