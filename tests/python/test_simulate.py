"""The simulators: their cells are drawn from the truth that they state."""

import numpy as np
import pytest
from scipy import stats

from waddington import simulate


def test_counts_are_drawn_around_library_times_frequency():
    made = simulate.counts(4000, 30, 2, 2, seed=1)
    x, truth = made.cells.views["rna"].toarray(), made.truth
    np.testing.assert_allclose(truth["frequency"].sum(1), 1)
    mean = truth["library"] * truth["frequency"]
    assert x.sum() == pytest.approx(mean.sum(), rel=0.01)
    spread = ((x - mean) ** 2).sum() / (mean + mean**2 / 5.0).sum()
    assert spread == pytest.approx(1, abs=0.1)
    assert np.median(truth["library"]) == pytest.approx(1000, rel=0.03)


def test_covariates_name_the_codes_and_batches_are_balanced_over_types():
    made = simulate.counts(600, 10, 3, 2, seed=0)
    assert (made.cells.covariates["batch"] == [f"batch{b}" for b in made.truth["batch"]]).all()
    assert (made.cells.covariates["cell_type"] == [f"type{k}" for k in made.truth["type"]]).all()
    assert np.bincount(made.truth["type"]).tolist() == [200, 200, 200]
    share = [made.truth["batch"][made.truth["type"] == k].mean() for k in range(3)]
    assert np.ptp(share) < 0.15


def test_one_batch_has_no_effect():
    assert not simulate.counts(50, 10, 2, 1).truth["effects"].any()


def test_the_same_seed_gives_the_same_cells_and_another_seed_others():
    x = [simulate.counts(50, 10, seed=s).cells.views["rna"].toarray() for s in (3, 3, 4)]
    np.testing.assert_array_equal(x[0], x[1])
    assert (x[0] != x[2]).any()


def test_programs_are_log_linear_in_z():
    truth = simulate.programs(200, 40, 3).truth
    logs = np.log(truth["frequency"])
    centred = logs - logs.mean(1, keepdims=True)
    effect = truth["z"] @ (truth["loadings"] - truth["loadings"].mean(1, keepdims=True))
    rest = (centred - effect) - (centred - effect).mean(0)
    np.testing.assert_allclose(rest, 0, atol=1e-9)
    assert 0.2 < (truth["loadings"] != 0).mean() < 0.45


def test_perturbation_changes_the_first_genes_and_flips_the_last_types():
    truth = simulate.perturbation(400, 50, 4, n_responding=10, flipped=1).truth
    response = truth["response"]
    assert (response[:, :10] != 0).all() and not response[:, 10:].any()
    np.testing.assert_array_equal(response[3], -response[0])
    np.testing.assert_array_equal(response[2], response[0])


def test_linear_gaussian_states_its_exact_log_density():
    made = simulate.linear_gaussian(50, 6, 2, sd=0.7, seed=2)
    w = made.truth["loadings"]
    exact = stats.multivariate_normal(made.truth["mean"], w.T @ w + 0.49 * np.eye(6))
    want = exact.logpdf(made.cells.views["rna"].toarray())
    np.testing.assert_allclose(made.truth["log_likelihood"], want, rtol=1e-9)


def test_ring_has_its_modes_where_it_says():
    made = simulate.ring(1600, 8, 0.05)
    x, mode = made.cells.views["rna"].toarray(), made.truth["mode"]
    means = np.stack([x[mode == k].mean(0) for k in range(8)])
    np.testing.assert_allclose(means, made.truth["centres"], atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(made.truth["centres"] - 3, axis=1), 2)
    assert x.min() > 0


def test_log_normalised_scales_each_cell_and_keeps_zeros():
    cells = simulate.counts(40, 20).cells
    x = cells.views["rna"].toarray()
    scaled = x / x.sum(1, keepdims=True)
    ten = simulate.log_normalised(cells).views["rna"].toarray()
    np.testing.assert_allclose(ten, np.log1p(1e4 * scaled), rtol=1e-5)
    middle = simulate.log_normalised(cells, None, base=2).views["rna"].toarray()
    np.testing.assert_allclose(middle, np.log2(1 + np.median(x.sum(1)) * scaled), rtol=1e-5)
    np.testing.assert_array_equal(ten == 0, x == 0)
