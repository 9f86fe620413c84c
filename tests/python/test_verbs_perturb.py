"""Predictions on simulated truth, also where they have to fail, and what is refused."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import sparse
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.cells import RNA, Cells
from waddington.errors import InputError
from waddington.verbs.groups import levels_of
from waddington.verbs.logs import log_values
from waddington.verbs.perturb import predict_perturbation

TOLD = {
    "condition": "condition", "source": "control", "target": "stimulated", "cell_type": "cell_type",
}  # fmt: skip
TYPE = "type3"


def logs_of(x):
    return log_values(x, counts=True)


def simulated(**options):
    return simulate.perturbation(600, 60, 4, n_responding=15, depth=2000.0, seed=3, **options)


def of(cells, kind, state):
    told = cells.covariates
    return np.flatnonzero((told["cell_type"] == kind) & (told["condition"] == state))


def without(cells, kind=TYPE, state="stimulated"):
    return cells.take(np.setdiff1d(np.arange(len(cells)), of(cells, kind, state)))


@cache
def world(flipped=0, likelihood="nb", recipe="scgen"):
    """Simulated cells, and a model that has not seen the stimulated cells of one type."""
    sim = simulated(flipped=flipped)
    cells = sim.cells if likelihood == "nb" else simulate.log_normalised(sim.cells)
    make = {
        "scgen": lambda: recipes.scgen(10, (64,), likelihood),
        "cvae": lambda: recipes.cvae("condition", hidden=(64,), likelihood=likelihood),
    }[recipe]
    return sim, cells, fit(make(), without(cells), epochs=25, batch_size=64, lr=3e-3)


def predicted(flipped=0, likelihood="nb", recipe="scgen", **options):
    _, cells, model = world(flipped, likelihood, recipe)
    return predict_perturbation(model, cells, **{**TOLD, "of": TYPE, **options})


def scores(prediction, flipped=0, likelihood="nb", **options):
    _, cells, _ = world(flipped, likelihood)
    return wd.evaluate_perturbation(prediction, cells, n_splits=3, n_top=15, **options)


# Truth ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", ["nb", "normal"])
def test_a_response_shared_by_all_types_is_predicted(likelihood):
    found = scores(predicted(likelihood=likelihood), likelihood=likelihood)
    assert found["predicted"]["r2_change_top"] > 0.9
    assert found["predicted"]["direction_top"] == 1
    assert found["predicted"]["energy"] < 0.4 * found["control"]["energy"]


def test_a_response_of_the_other_sign_fails_visibly():
    found = scores(predicted(flipped=1), flipped=1)
    assert found["predicted"]["r2_change_top"] < -0.5
    assert found["predicted"]["direction_top"] < 0.1
    assert found["predicted"]["energy"] > found["control"]["energy"]


def test_predicted_cells_keep_the_spread_of_real_ones():
    made, decoded = predicted(), predicted(method="shift")
    _, cells, _ = world()
    real = logs_of(cells.views[RNA][of(cells, TYPE, "stimulated")].toarray())
    ratio = lambda x: np.median(logs_of(x).var(0) / real.var(0))
    assert 0.7 < ratio(made.cells) < 1.3
    assert ratio(decoded.cells) < 0.3


@cache
def unmoved(seed=5):
    """Cells of two conditions that are one, and a model of them."""
    cells = simulate.perturbation(400, 40, 4, n_responding=0, seed=seed).cells
    recipe = recipes.scgen(5, (32,), "nb")
    return cells, fit(recipe, without(cells), epochs=4, batch_size=64, lr=3e-3)


def test_without_an_effect_nothing_is_predicted_and_the_notes_say_so():
    cells, model = unmoved()
    made = predict_perturbation(model, cells, **TOLD, of=TYPE)
    assert "no effect beyond control noise" in made.notes[0]
    assert "nothing is predicted to change" in made.notes[0]
    assert made.chance > 0.05 and made.trust == 0
    np.testing.assert_array_equal(made.cells, made.source.toarray())
    np.testing.assert_array_equal(made.profiles["predicted"], made.profiles["control"])
    found = wd.evaluate_perturbation(made, cells, n_splits=3)
    assert found["predicted"]["r_change"] == 0
    assert found["predicted"]["r2_change"] > found["control + mean shift"]["r2_change"]
    told = predict_perturbation(model, cells, **TOLD, of=TYPE, method="shift")
    assert "no effect" in told.notes[0] and "nothing is predicted" not in told.notes[0]
    assert np.abs(told.shift).max() > 0


def test_an_effect_is_found_and_its_prediction_says_nothing_of_noise():
    assert predicted().chance == 0.05 and predicted().notes == ()


def test_what_was_measured_in_the_target_is_not_used():
    _, cells, model = world()
    one = predict_perturbation(model, cells, **TOLD, of=TYPE)
    other = predict_perturbation(model, without(cells), **TOLD, of=TYPE)
    np.testing.assert_array_equal(one.cells, other.cells)


def test_all_types_at_once_are_each_told_their_own_response():
    sim, cells, model = world(flipped=1)
    made = predict_perturbation(model, cells, **TOLD)
    control = np.flatnonzero(cells.covariates["condition"] == "control")
    np.testing.assert_array_equal(made.index, control)
    up = made.logs - logs_of(made.source.toarray())
    for kind, sign in (("type0", 1), (TYPE, -1)):
        mine = cells.covariates["cell_type"][control] == kind
        change = up[mine].mean(0)[:15]
        assert (np.sign(change) == sign * np.sign(sim.truth["response"][0, :15])).mean() > 0.9


# How it is made ---------------------------------------------------------------------------------


def test_the_baselines_are_the_control_and_the_mean_shift():
    _, cells, _ = world()
    made, logs = predicted(), logs_of(cells.views[RNA].toarray())
    control = logs[of(cells, TYPE, "control")]
    mean = lambda kind, state: logs[of(cells, kind, state)].mean(0)
    kinds = ("type0", "type1", "type2")
    shift = np.mean([mean(k, "stimulated") - mean(k, "control") for k in kinds], 0)
    np.testing.assert_allclose(made.profiles["control"], control.mean(0), rtol=1e-5)
    want = np.maximum(control + shift, 0).mean(0)
    np.testing.assert_allclose(made.profiles["control + mean shift"], want, atol=1e-5)


def test_weights_and_standard_errors_come_along():
    response = predicted().responses[TYPE]
    assert sum(response.weights.values()) == pytest.approx(1)
    assert set(response.weights) == {"type0", "type1", "type2"}
    sim, *_ = world()
    off = (response.change - sim.truth["response"][3])[:15] / response.sd[:15]
    assert np.abs(off - off.mean()).max() < 6


def test_expected_cells_are_means_of_drawn_ones():
    expected = predicted(draw=False).cells
    draws = np.mean([predicted(seed=i).cells for i in range(15)], 0)
    assert np.abs(draws - expected).max() < 6 * np.sqrt(expected.max() / 15)
    drawn = predicted().cells
    assert (drawn == np.floor(drawn)).all() and drawn.min() >= 0


def test_a_seed_gives_the_same_cells():
    np.testing.assert_array_equal(predicted(seed=4).cells, predicted(seed=4).cells)
    assert (predicted(seed=4).cells != predicted(seed=5).cells).any()


def test_trust_mixes_model_and_measurement():
    none, all_, half = (predicted(draw=False, trust=t).profiles["predicted"] for t in (0, 1, 0.5))
    between = (np.minimum(none, all_) - 0.05 <= half) & (half <= np.maximum(none, all_) + 0.05)
    assert between.all() and np.abs(none - all_).max() > 0.1


def test_a_model_that_learnt_little_is_trusted_little():
    _, cells, model = world()
    fresh = fit(recipes.scgen(10, (64,), "nb"), without(cells), epochs=1, batch_size=64, lr=1e-6)
    trust = lambda m: predict_perturbation(m, cells, **TOLD, of=TYPE).trust
    assert trust(fresh) < 0.01 < 0.05 < trust(model) <= 0.5


def test_several_models_are_averaged():
    _, cells, model = world()
    alone = predict_perturbation(model, cells, **TOLD, of=TYPE, draw=False, trust=0.5)
    twice = predict_perturbation([model, model], cells, **TOLD, of=TYPE, draw=False, trust=0.5)
    np.testing.assert_allclose(twice.cells, alone.cells, rtol=1e-5)


def test_the_mean_shift_is_added_in_latent_space():
    _, cells, model = world()
    made, z = predicted(method="shift"), wd.latent(model, cells)
    mean = lambda kind, state: z[of(cells, kind, state)].mean(0)
    kinds = ("type0", "type1", "type2")
    want = np.mean([mean(k, "stimulated") - mean(k, "control") for k in kinds], 0)
    np.testing.assert_allclose(made.shift, want, atol=1e-5)
    np.testing.assert_allclose(made.latent, z[made.index] + want, atol=1e-5)


def test_a_conditional_model_decodes_the_other_level():
    _, cells, model = world(recipe="cvae")
    made = predicted(recipe="cvae", method="condition")
    some = cells.take(of(cells, TYPE, "control"))
    want = wd.denoise(model, some, condition="stimulated")
    np.testing.assert_allclose(made.cells, want, rtol=1e-4)
    assert made.shift is None
    np.testing.assert_array_equal(predicted(recipe="cvae").latent, wd.latent(model, some))
    assert scores(predicted(recipe="cvae"))["predicted"]["r2_change_top"] > 0.8


# Combinations -----------------------------------------------------------------------------------


def screen(interaction=0.0, seed=0):
    """Counts of control, A, B and A+B; what a pair does is the sum, and an interaction."""
    rng = np.random.default_rng(seed)
    base, one, two, more = rng.normal(size=(4, 50)) * [[1], [1], [1], [interaction]]
    effects = {"control": 0 * one, "A": one, "B": two, "A+B": one + two + more}
    state = np.repeat(list(effects), 150)
    share = simulate.softmax(np.stack([base + effects[s] for s in state]))
    counts = rng.poisson(1500 * share).astype(np.float32)
    return Cells({RNA: sparse.csr_matrix(counts)}, covariates={"perturbation": state})


@cache
def screened(interaction):
    cells = screen(interaction)
    seen = cells.take(np.flatnonzero(cells.covariates["perturbation"] != "A+B"))
    model = fit(recipes.scgen(10, (64,), "nb"), seen, epochs=20, batch_size=64, lr=3e-3)
    made = predict_perturbation(model, seen, "perturbation", "control", "A+B")
    return made, wd.evaluate_perturbation(made, cells, n_splits=3, n_top=20)


def test_a_combination_is_predicted_as_the_sum_of_its_parts():
    made, found = screened(0.0)
    assert list(made.shifts) == ["control + sum of shifts", "control + mean of shifts"]
    assert found["predicted"]["r2_change"] > 0.9


def test_an_interaction_fails_visibly():
    assert screened(1.5)[1]["predicted"]["r2_change"] < 0.7


def test_levels_of_a_combination():
    assert levels_of("A+B", ["A", "B"]) == ["A", "B"]
    assert levels_of("A+B", ["A", "B", "A+B"]) == ["A+B"]
    assert levels_of("A + B", ["A", "B"]) == ["A", "B"]


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "argument", "said"),
    [
        ({"target": "x"}, "target", "'condition' has no cells of 'x'; it has 'control'"),
        ({"source": "x"}, "source", "no cells of 'x'"),
        ({"target": "control"}, "target", "nothing would change"),
        ({"of": "x"}, "of", "no cells are of type 'x'"),
        ({"cell_type": None}, "of", "give cell_type="),
        ({"condition": "x"}, "x", "not a column of the data"),
        ({"method": "x"}, "method", "method must be one of"),
        ({"method": "condition"}, "method", r"train cvae\(\), trvae\(\) or cpa\(\) with it"),
        ({"target": "stimulated+x"}, "target", r"'x', a part of 'stimulated\+x'; it has 'control'"),
        ({"trust": 2}, "trust", "between 0 and 1"),
    ],
)
def test_bad_questions_are_refused(options, argument, said):
    with pytest.raises(InputError, match=said) as caught:
        predicted(**options)
    assert caught.value.argument == argument


def test_a_type_without_control_cells_is_refused():
    _, cells, model = world()
    with pytest.raises(InputError, match="'type3' has no cells in 'control'"):
        predict_perturbation(model, without(cells, state="control"), **TOLD, of=TYPE)


def test_a_change_seen_in_no_other_type_is_refused():
    _, cells, model = world()
    only = cells.take(np.flatnonzero(cells.covariates["cell_type"] == TYPE))
    with pytest.raises(InputError, match="nothing to learn the change from"):
        predict_perturbation(model, only, **TOLD, of=TYPE)


def test_missing_conditions_are_refused():
    _, cells, model = world()
    gaps = cells.covariates["condition"].copy()
    gaps[:2] = ""
    broken = replace(cells, covariates={**cells.covariates, "condition": gaps})
    with pytest.raises(InputError, match="missing for 2 cells"):
        predict_perturbation(model, broken, **TOLD, of=TYPE)


def test_a_model_that_only_generates_is_refused_but_for_inversion():
    logs = simulate.log_normalised(simulated().cells)
    model = fit(recipes.wgan(4, (8,), (8,), likelihood="normal"), logs, epochs=1)
    with pytest.raises(InputError, match=r'wgan model can.t predict: .*use method="inversion"'):
        predict_perturbation(model, logs, **TOLD, of=TYPE, method="transfer")
    assert predict_perturbation(model, logs, **TOLD, of=TYPE).method == "inversion"


def test_one_cell_per_group_tells_nothing():
    _, cells, model = world()
    kinds = [of(cells, k, s)[:1] for k in ("type0", TYPE) for s in ("control", "stimulated")]
    made = predict_perturbation(model, cells.take(np.concatenate(kinds)), **TOLD, of=TYPE)
    assert made.chance == 1 and "no effect beyond control noise" in made.notes[0]
    np.testing.assert_array_equal(made.cells, made.source.toarray())


# How sure ---------------------------------------------------------------------------------------


@cache
def two_models():
    """Two models that differ in their seeds alone."""
    _, cells, model = world()
    recipe = recipes.scgen(10, (64,), "nb")
    return model, fit(recipe, without(cells), seed=1, epochs=25, batch_size=64, lr=3e-3)


@pytest.mark.parametrize("method", ["transfer", "shift"])
def test_models_that_differ_and_draws_tell_how_sure_a_prediction_is(method):
    _, cells, _ = world()
    ask = lambda models, **o: predict_perturbation(
        models, cells, **TOLD, of=TYPE, method=method, draw=False, **o
    )
    every = two_models()
    both, one = ask(every, trust=0.5), [ask(m, trust=0.5) for m in every]
    measured = {"measured", "total"} if method == "transfer" else set()
    assert [set(p.sd) for p in one] == [measured, measured]
    assert set(both.sd) == measured | {"ensemble", "total"}
    assert all(v.shape == (60,) and (v >= 0).all() for v in both.sd.values())
    expected = np.mean([p.cells for p in one], 0)
    np.testing.assert_allclose(both.cells.mean(0), expected.mean(0), rtol=0.1)
    drawn = ask(every[0], trust=0.5, n_draws=4)
    assert set(drawn.sd) == measured | {"posterior", "total"}
    assert 0 < drawn.sd["posterior"].mean() < both.sd["ensemble"].mean()
    parts = [v for k, v in both.sd.items() if k != "total"]
    np.testing.assert_allclose(both.sd["total"], np.sqrt(np.square(parts).sum(0)), rtol=1e-5)


def test_drawn_cells_are_of_either_model():
    _, cells, _ = world()
    ask = lambda models: predict_perturbation(
        models, cells, **TOLD, of=TYPE, method="shift", draw=True
    )
    both, one = ask(two_models()).cells, [ask(m).cells for m in two_models()]
    from_ = np.stack([(both == x).all(1) for x in one])
    assert from_.any(0).all() and 0.3 < from_[0].mean() < 0.7


def test_the_truth_is_where_the_standard_deviations_say():
    sim, cells, _ = world()
    made = predict_perturbation(two_models(), cells, **TOLD, of=TYPE)
    frequency, mine = sim.truth["frequency"], of(cells, TYPE, "control")
    response = sim.truth["response"][3]
    after = simulate.softmax(np.log(frequency[mine[:1]]) + response)
    truth = np.log(after / frequency[mine[:1]])[0]
    off = np.abs(made.responses[TYPE].change - truth) / made.sd["total"]
    assert 0.85 < (off < 2).mean() and (off > 0.3).mean() > 0.3


@pytest.mark.parametrize(
    ("change", "argument", "said"),
    [
        ({"n_draws": -1}, "n_draws", "at least 0"),
        ({"dose": "0.5"}, "dose", r"scgen has learnt no doses of 'condition'; train cpa\(dose=\)"),
    ],
)
def test_options_that_mean_nothing_are_refused(change, argument, said):
    with pytest.raises(InputError, match=said) as caught:
        predicted(**change)
    assert caught.value.argument == argument


def test_draws_of_points_and_models_that_differ_in_genes_are_refused():
    _, cells, model = world()
    point = fit(recipes.autoencoder(), cells, epochs=1)
    with pytest.raises(InputError, match="autoencoder model has no posterior"):
        predict_perturbation(point, cells, **TOLD, of=TYPE, n_draws=2)
    few = cells.match({RNA: cells.features[RNA][:50]})
    with pytest.raises(InputError, match="the same features and levels"):
        predict_perturbation([model, fit(recipes.scgen(), few, epochs=1)], cells, **TOLD, of=TYPE)
    with pytest.raises(InputError, match="there is no model"):
        predict_perturbation([], cells, **TOLD, of=TYPE)
