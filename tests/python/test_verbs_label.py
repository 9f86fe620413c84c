"""Labels with honest probabilities, and cells that are like nothing known."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.annotation import (
    Landmarks,
    best_temperature,
    calibration_error,
    folds_of,
    heated,
    macro_f1,
    mixing_weight,
    pooled,
    softmax,
)
from waddington.parts import replace


@pytest.fixture(scope="module")
def world():
    """Types 0 to 3 to learn from, and all five to ask about."""
    cells = simulate.counts(900, 60, n_types=5, n_batches=1, depth=300, seed=3).cells
    old = cells.covariates["cell_type"] != "type4"
    recipe = recipes.scanvi(n_latent=10, n_layers=1, n_hidden=64, epochs=25)
    model = fit(recipe, cells.take(np.flatnonzero(old)), batch_size=64, lr=3e-3)
    return cells, old, model, wd.label(model, unlabelled(cells))


def unlabelled(cells):
    return replace(cells, covariates={k: v for k, v in cells.covariates.items() if k == "batch"})


def test_labels_come_with_probabilities(world):
    cells, old, _, said = world
    assert said.probabilities.shape == (len(cells), 4) and said.levels[0] == "type0"
    np.testing.assert_allclose(said.probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(said.probability, said.probabilities.max(1))
    assert (said.label == cells.covariates["cell_type"])[old].mean() > 0.95


def test_a_type_that_was_never_seen_is_novel(world):
    _, old, _, said = world
    assert roc_auc_score(~old, said.novelty) > 0.95
    assert said.unknown[~old].mean() > 0.5 > 0.1 > said.unknown[old].mean()
    assert set(said.said[said.unknown]) == {"unknown"}


def test_probabilities_are_calibrated_and_drop_for_a_type_that_was_never_seen(world):
    cells, old, _, said = world
    codes = np.array([said.levels.index(k) for k in cells.covariates["cell_type"][old]])
    assert calibration_error(said.probabilities[old], codes) < 0.02
    known, new = said.probability[old].mean(), said.probability[~old].mean()
    assert new < 0.8 < 0.98 < known


def test_thresholds_do_what_they_say(world):
    cells, _, model, _ = world
    none = wd.label(model, unlabelled(cells), threshold=0, max_novelty=1)
    assert not none.unknown.any()
    strict = wd.label(model, unlabelled(cells), threshold=0.99, max_novelty=1)
    np.testing.assert_array_equal(strict.unknown, strict.probability < 0.99)
    with pytest.raises(wd.InputError, match=r"threshold must be in \[0, 1\), got 2"):
        wd.label(model, cells, threshold=2)


def test_logistic_regression_stands_beside(world):
    scores = world[3].scores
    assert set(scores) == {"mixture", "classifier", "logistic_regression"}
    for s in scores.values():
        assert s["n"] >= 50 and s["accuracy"] > 0.9 and s["ece"] < 0.15


def test_what_a_model_knows_of_labels_is_stored_with_it(world):
    cells, _, model, said = world
    again = wd.label(wd.Model.from_bytes(model.to_bytes()), unlabelled(cells))
    np.testing.assert_array_equal(again.probabilities, said.probabilities)
    np.testing.assert_array_equal(again.novelty, said.novelty)


def test_the_regression_is_no_part_of_the_network(world):
    model = world[2]
    n = sum(p.numel() for p in model.network.state_dict().values())
    assert model.summary()["parameters"] == f"{n:,}"
    wider = model.expand(batch=("new",))
    for k in ("weight", "bias", "loc", "top", "share"):
        key = f"labels.cell_type.{k}"
        np.testing.assert_array_equal(wider.weights[key], model.weights[key])


def test_a_column_that_is_not_predicted_is_refused(world):
    with pytest.raises(wd.InputError, match="predicts 'cell_type', not 'lineage'"):
        wd.label(world[2], world[0], covariate="lineage")


def test_the_temperature_of_shouting_logits_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (20_000, 4))
    p = softmax(logits)
    codes = (rng.random((20_000, 1)) > p.cumsum(1)).sum(1)
    assert best_temperature(3 * logits, codes) == pytest.approx(3, rel=0.05)
    assert (
        calibration_error(p, codes) < 0.015 < 0.15 < calibration_error(softmax(3 * logits), codes)
    )


def test_few_cells_all_right_are_no_certainty():
    logits = np.eye(3)[np.zeros(30, int)] * 2
    assert softmax(logits / best_temperature(logits, np.zeros(30, int))).max() < 0.99


def test_probabilities_are_means_over_draws():
    logits = np.log([[[3.0, 1.0]], [[1.0, 1.0]]])
    np.testing.assert_allclose(heated(logits, 1.0), [[0.625, 0.375]])
    np.testing.assert_allclose(heated(logits[0], 0.5), [[0.9, 0.1]])
    assert heated(np.zeros((0, 3)), 1.0).shape == (0, 3)


def test_calibration_error_of_four_cells():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    # bins of 15: 0.9 (one of two right), 0.6 (right), 0.7 (wrong)
    want = (2 * abs(0.9 - 0.5) + abs(0.6 - 1) + abs(0.7 - 0)) / 4
    assert calibration_error(p, np.array([0, 1, 0, 0])) == pytest.approx(want)


def test_macro_f1_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    truth, said = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert macro_f1(truth, said) == pytest.approx(f1_score(truth, said, average="macro"))


def test_landmarks_measure_in_units_of_the_spread():
    rng = np.random.default_rng(2)
    z = np.vstack([rng.normal(0, [1, 5], (4000, 2)), rng.normal([20, 0], [1, 5], (4000, 2))])
    found = Landmarks.of(z, np.repeat([0, 3], 4000))
    np.testing.assert_allclose(found.nearest(np.array([[2.0, 0], [0, 10.0]])), 2, atol=0.15)
    assert found.novelty(np.array([[10.0, 0]])) == 1.0
    again = Landmarks(**found.plain())
    np.testing.assert_allclose(again.novelty(z), found.novelty(z), atol=1e-4)


def test_the_mixture_is_the_geometric_mean_of_both(world):
    cells, _, model, _ = world
    assert model.record["labels"]["cell_type"]["weight"] == 0.5
    one, other, both = (
        wd.label(model, unlabelled(cells), method=k).probabilities
        for k in ("classifier", "logistic_regression", "mixture")
    )
    want = np.sqrt(one * other)
    np.testing.assert_allclose(both, want / want.sum(1, keepdims=True), rtol=1e-4, atol=1e-9)
    with pytest.raises(wd.InputError, match=r"method must be .*got 'both'"):
        wd.label(model, cells, method="both")


def test_a_model_from_before_the_regression_has_its_classifier(world):
    cells, _, model, _ = world
    old = replace(model, weights={k: v for k, v in model.weights.items() if "labels." not in k})
    want = wd.label(model, unlabelled(cells), method="classifier").probabilities
    np.testing.assert_allclose(wd.label(old, unlabelled(cells)).probabilities, want, rtol=1e-5)


def test_a_mapped_query_with_fewer_genes_keeps_the_regression(world):
    cells, old, model, _ = world
    some = replace(
        unlabelled(cells),
        views={"rna": cells.views["rna"][:, :48]},
        features={"rna": cells.features["rna"][:48]},
        covariates={"batch": np.full(len(cells), "new")},
    )
    mapped = wd.map_query(model, some, epochs=1)
    said = wd.label(mapped.query, some, method="logistic_regression")
    assert (said.label == cells.covariates["cell_type"])[old].mean() > 0.9
    assert "labels.cell_type.weight" in mapped.model.weights


def test_labels_of_the_query_are_not_read(world):
    cells, _, model, said = world  # cells of type4 among them, which the model does not know
    mine = {**cells.covariates, "cell_type": np.full(len(cells), "mine")}
    for given in (cells, replace(cells, covariates=mine)):
        np.testing.assert_array_equal(wd.label(model, given).probabilities, said.probabilities)


def test_one_that_is_much_worse_gets_no_weight():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 300)
    good, flat = np.full((300, 3), 0.05), np.full((300, 3), 1 / 3)
    good[np.arange(300), codes] = 0.9
    assert mixing_weight(good, flat, codes) == 1.0
    assert mixing_weight(flat, good, codes) == 0.0
    assert mixing_weight(good, good, codes) == 0.5
    np.testing.assert_allclose(pooled(good, flat, 1.0), good)


def test_folds_are_batches_unless_one_has_nearly_all_cells():
    batches = np.repeat(np.arange(7), [50, 40, 30, 20, 10, 5, 5])
    folds = folds_of(batches)
    assert set(folds) == set(range(5))
    assert all(len(set(folds[batches == k])) == 1 for k in range(7))
    lonely = folds_of(np.repeat([0, 1], [90, 10]))
    assert set(lonely[:10]) == set(range(5))
