"""Clusters: codes, communities, and what is no cluster."""

import numpy as np
import pytest
from toys import cells, fitted

import waddington as wd
from waddington.communities import merged, neighbour_graph
from waddington.verbs.clusters import codes_of_cells


def test_types_are_communities_of_the_latent_space():
    case = fitted("scvi")
    found = wd.clusters(case.model, case.cells, resolution=0.5)
    assert found.method == "communities" and found.probabilities is None
    assert found.cluster.shape == (201,) and found.cluster.min() == 0
    sizes = np.bincount(found.cluster)
    assert (np.diff(sizes) <= 0).all()
    more = wd.clusters(case.model, case.cells, resolution=5.0)
    assert more.cluster.max() > found.cluster.max()


def test_codes_are_one_number_a_pattern_and_small_ones_no_cluster():
    case = fitted("saucie")
    every = wd.clusters(case.model, case.cells, merge=False)
    assert every.method == "codes" and every.cluster.min() == 0
    some = wd.clusters(case.model, case.cells, merge=False, fewest=3)
    sizes = np.bincount(every.cluster)
    np.testing.assert_array_equal(some.cluster == -1, sizes[every.cluster] < 3)
    codes = codes_of_cells(case.model, case.cells, "rna.decoder.2")
    pairs = set(zip(codes.tolist(), every.cluster.tolist(), strict=True))
    assert len(pairs) == len(set(codes.tolist())) == every.cluster.max() + 1


def test_merging_keeps_parts_whole():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(120, 2)) + 20 * np.repeat([[0, 0], [1, 1]], 60, 0)
    parts = np.repeat(np.arange(12), 10)
    found = merged(neighbour_graph(z), parts, 0.2)
    np.testing.assert_array_equal(found, np.repeat([found[0], found[-1]], 60))
    assert found[0] != found[-1]
    apart = merged(neighbour_graph(z), parts, 50.0)
    assert len(set(apart)) == 12
    assert all(len(set(apart[parts == p])) == 1 for p in range(12))


def test_a_resolution_is_positive():
    with pytest.raises(wd.InputError, match="resolution must be positive, got 0"):
        wd.clusters(fitted("scvi").model, cells(), resolution=0)
