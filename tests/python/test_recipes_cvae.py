"""The conditional VAE: what the condition explains, and what cells would be in another one."""

import numpy as np
import pytest
from toys import fit

from waddington import metrics, recipes, simulate, verbs


@pytest.fixture(scope="module")
def found():
    made = simulate.perturbation(800, 60, 3, 15, seed=3)
    recipe = recipes.cvae(n_latent=5, hidden=(64,))
    return made, fit(recipe, made.cells, lr=3e-3, epochs=30, batch_size=64)


def test_controls_decoded_as_stimulated_are_what_they_would_have_been(found):
    made, model = found
    t, control = made.truth, ~made.truth["stimulated"]
    want = simulate.softmax(t["profiles"][t["type"]] + t["response"][t["type"]])
    got = verbs.denoise(model, made.cells, library=1.0, condition="stimulated")
    off = np.abs(np.log(got / want))[control].mean()
    assert off < 0.1 < 0.3 * np.abs(np.log(t["frequency"] / want))[control].mean() + 0.1
    change = np.log(got / t["frequency"])[control].mean(0)
    assert np.corrcoef(change, np.log(want / t["frequency"])[control].mean(0))[0, 1] > 0.97


def test_z_keeps_the_types_and_loses_the_condition(found):
    made, model = found
    z = verbs.latent(model, made.cells)
    assert metrics.neighbour_purity(z, made.truth["type"]) > 0.95
    log = simulate.log_normalised(made.cells).views["rna"]
    pcs = metrics.principal_components(log, 5)
    state = made.cells.covariates["condition"]
    assert metrics.neighbour_purity(pcs, state) > 0.9 > metrics.neighbour_purity(z, state)


def test_a_dose_is_a_number_that_the_layers_get():
    made = simulate.perturbation(300, 30, 2, 10, seed=0)
    from waddington.parts import replace

    dose = made.truth["stimulated"][:, None].astype(np.float32)
    cells = replace(made.cells, values={"dose": dose})
    recipe = recipes.cvae(condition="cell_type", covariates=("dose",), hidden=(16,), n_latent=2)
    model = fit(recipe, cells, lr=5e-3, epochs=30, batch_size=32)
    high = verbs.denoise(model, replace(cells, values={"dose": dose * 0 + 1}), library=1.0)
    low = verbs.denoise(model, replace(cells, values={"dose": dose * 0}), library=1.0)
    change = np.log(high / low).mean(0)
    assert np.corrcoef(change, made.truth["response"][0])[0, 1] > 0.9


def test_what_the_arguments_say():
    recipe = recipes.cvae(("a", "b"), dropout=0.3)
    assert recipe.covariates == ("a", "b")
    assert recipe.encoders[0].stack.inject == recipe.decoders[0].stack.inject == "every"
    assert recipe.encoders[0].stack.layers[0].dropout == 0.3
