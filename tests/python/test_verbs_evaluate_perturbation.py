"""The table of an evaluation, against formulas written out and predictions of known worth."""

import numpy as np
import pytest
from scipy import sparse

import waddington as wd
from waddington import metrics
from waddington.cells import RNA, Cells
from waddington.errors import InputError
from waddington.verbs.evaluate_perturbation import HALF, direction
from waddington.verbs.perturb import Prediction

RNG = np.random.default_rng(0)
N, GENES = 120, 80
ABOUT = {
    "condition": "condition", "source": "control", "target": "stimulated", "cell_type": "cell_type",
    "of": "b",
}  # fmt: skip
CHANGE = np.concatenate([np.linspace(-2, 2, 20), np.zeros(GENES - 20)])


def real(effect=1.0, seed=0):
    """Values of two types in two conditions, stimulation adds `effect` times CHANGE to type b."""
    rng = np.random.default_rng(seed)
    kind, state = np.repeat(["a", "a", "b", "b"], N), np.tile(["control", "stimulated"], 2)
    state = np.repeat(state, N)
    x = rng.normal(3, 1, (4 * N, GENES))
    x[3 * N :] += effect * CHANGE
    return Cells({RNA: sparse.csr_matrix(x)}, covariates={"cell_type": kind, "condition": state})


def guess(cells, made, shift=0.0 * CHANGE):
    """A prediction of the stimulated cells of type b, of known worth."""
    rows = np.arange(2 * N, 3 * N)
    source = cells.views[RNA][rows]
    return Prediction(
        made.astype(np.float32), made[:, :2], rows, cells.features[RNA], {}, "transfer", None,
        made, source, source, {"control + mean shift": shift}, ABOUT, counts=False,
    )  # fmt: skip


def told(effect):
    cells = real()
    return cells, guess(cells, cells.views[RNA][2 * N : 3 * N].toarray() + effect * CHANGE)


def test_rows_and_columns():
    cells, made = told(1.0)
    found = wd.evaluate_perturbation(made, cells, n_splits=2)
    assert list(found) == ["predicted", "no shift", "control", "control + mean shift", HALF]
    ends = [f"{k}{end}" for end in ("", "_top") for k in ("r2_change", "r_change", "direction")]
    for row in found.values():
        assert set(ends) | {"r2_mean", "r2_variance", "energy"} <= set(row)


def test_the_truth_scores_as_well_as_half_of_the_observed():
    cells, made = told(1.0)
    found = wd.evaluate_perturbation(made, cells, n_top=20)
    assert found["predicted"]["r2_change_top"] > 0.95
    assert found["predicted"]["r2_change"] >= found[HALF]["r2_change"] - 0.02
    assert abs(found["predicted"]["energy"]) < 0.2


@pytest.mark.parametrize("row", ["no shift", "control", "control + mean shift"])
def test_predicting_nothing_scores_nothing(row):
    cells, made = told(1.0)
    found = wd.evaluate_perturbation(made, cells, n_top=20)[row]
    assert found["r_change"] == 0 and found["direction"] == 0.5
    assert found["r2_change"] < 0.01
    assert found["energy"] > 1


def test_half_of_the_change_is_half_right():
    cells, made = told(0.5)
    found = wd.evaluate_perturbation(made, cells, n_top=20)["predicted"]
    assert found["r2_change_top"] == pytest.approx(0.75, abs=0.05)
    assert found["r_change_top"] > 0.97


def test_noise_is_exposed_by_disjoint_halves_only():
    cells = real(effect=0.0)
    other = np.random.default_rng(9).normal(3, 1, (N, GENES))
    apart = wd.evaluate_perturbation(guess(cells, other), cells, n_splits=40)["predicted"]
    shared = wd.evaluate_perturbation(guess(cells, other), cells, n_splits=0)["predicted"]
    assert shared["r_change"] > 0.3
    assert abs(apart["r_change"]) < 0.25


def test_without_splits_the_numbers_are_those_of_the_formulas():
    cells, made = told(0.7)
    found = wd.evaluate_perturbation(made, cells, n_splits=0, n_top=20)["predicted"]
    x = cells.views[RNA].toarray()
    control, seen = x[2 * N : 3 * N], x[3 * N :]
    want = metrics.change_scores(made.cells.mean(0), seen.mean(0), control.mean(0))
    assert {k: found[k] for k in want} == pytest.approx(want, rel=1e-4)
    top = np.argsort(-np.abs(metrics.wilcoxon_z(seen, control)), kind="stable")[:20]
    variances = np.corrcoef(made.cells.var(0)[top], seen.var(0)[top])[0, 1] ** 2
    assert found["r2_variance_top"] == pytest.approx(variances, rel=1e-3)


def test_energy_is_in_components_of_all_real_cells():
    cells, made = told(0.0)
    found = wd.evaluate_perturbation(made, cells, n_splits=1, n_components=5)["predicted"]
    from sklearn.decomposition import PCA

    x = cells.views[RNA].toarray().astype(np.float32)
    pca = PCA(5, random_state=0).fit(x)
    want = metrics.energy_distance(pca.transform(made.cells), pca.transform(x[3 * N :]))
    assert found["energy"] == pytest.approx(want, rel=1e-3)


def test_the_observed_cells_can_be_named():
    cells, made = told(1.0)
    rows = np.arange(3 * N, 4 * N)
    assert wd.evaluate_perturbation(made, cells, rows) == wd.evaluate_perturbation(made, cells)
    swapped = wd.evaluate_perturbation(made, cells, np.arange(N))
    assert swapped["predicted"]["r2_change"] < 0


def test_direction_counts_no_change_half():
    assert direction(np.array([1.0, -1, 0, 2]), np.array([2.0, 1, 1, 3])) == pytest.approx(2.5 / 4)


def test_nothing_observed_is_refused():
    cells, made = told(1.0)
    with pytest.raises(InputError, match="no cells of b in 'stimulated' were observed"):
        wd.evaluate_perturbation(made, cells.take(np.arange(3 * N)))
    with pytest.raises(InputError, match="at least 4 of each"):
        wd.evaluate_perturbation(made, cells, np.arange(2))
