"""scGen's scale, its stopping, and its shift."""

import numpy as np
import pytest
import torch
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.minibatches import minibatches
from waddington.terms import losses


def test_the_loss_is_half_the_squared_error_and_next_to_no_divergence():
    data = simulate.log_normalised(simulate.counts(60, 20).cells)
    model = fit(recipes.scgen(4, (8,)), data, epochs=1)
    (m,) = minibatches(data, model.levels, 99)
    trace = model.network.eval()(m)
    found = losses(model.recipe.terms, trace, m)
    x = data.views["rna"].toarray()
    half = 0.5 * np.square(x - trace["rna"].mean.detach().numpy()).sum(1).mean()
    constant = 0.5 * 20 * np.log(2 * np.pi)
    assert float(found["nll rna"].detach()) == pytest.approx(half + constant, rel=1e-4)
    assert [t.weight for t in model.recipe.terms] == [1.0, 2.5e-5]


def test_training_stops_by_reconstruction():
    recipe = recipes.scgen()
    assert recipe.phases[0].stop.metric == "nll rna"
    assert recipe.phases[0].batch_size == 32


def test_a_shift_that_is_the_same_for_all_types_is_a_vector():
    sim = simulate.perturbation(600, 60, 3, n_responding=15, depth=2000.0, seed=3)
    data = simulate.log_normalised(sim.cells)
    told = data.covariates
    held = (told["cell_type"] == "type2") & (told["condition"] == "stimulated")
    model = fit(recipes.scgen(10, (64,)), data.take(np.flatnonzero(~held)), epochs=30, lr=3e-3)
    z, cos = wd.latent(model, data), torch.nn.functional.cosine_similarity
    mean = lambda k, s: z[(told["cell_type"] == k) & (told["condition"] == s)].mean(0)
    shifts = [torch.tensor(mean(k, "stimulated") - mean(k, "control")) for k in ("type0", "type1")]
    assert float(cos(*shifts, dim=0)) > 0.7


TOLD = {
    "condition": "condition", "source": "control", "target": "stimulated", "cell_type": "cell_type",
}  # fmt: skip


def shifted(flipped):
    """Scores of the shift for a type whose stimulated cells were left out; 50 genes respond."""
    sim = simulate.perturbation(800, 150, 4, 50, flipped=flipped, depth=4000.0, seed=3)
    data = simulate.log_normalised(sim.cells)
    told = data.covariates
    held = (told["cell_type"] == "type3") & (told["condition"] == "stimulated")
    model = fit(recipes.scgen(10, (128,)), data.take(np.flatnonzero(~held)), epochs=60, lr=3e-3)
    made = wd.predict_perturbation(model, data, **TOLD, of="type3", method="shift")
    return wd.evaluate_perturbation(made, data, n_splits=3, n_top=50)


def test_a_response_shared_by_all_types_is_predicted_by_the_shift():
    """In a world that adds up, the mean shift in gene space can't be beaten, and the table says so.

    Control unchanged is beaten clearly.
    """
    found = shifted(0)
    assert found["predicted"]["r2_change_top"] > 0.9 and found["predicted"]["direction_top"] == 1
    assert found["control"]["r2_change_top"] < 0.1 < 0.9 < found["predicted"]["r_change"]
    assert found["predicted"]["energy"] < 0.5 * found["control"]["energy"]
    assert found["control + mean shift"]["r2_change_top"] > found["predicted"]["r2_change_top"]


def test_the_shift_fails_visibly_where_a_type_responds_the_other_way():
    found = shifted(1)
    for name in ("predicted", "control + mean shift"):
        assert found[name]["r2_change_top"] < found["control"]["r2_change_top"] - 1
        assert found[name]["direction_top"] < 0.4
        assert found[name]["energy"] > 1.5 * found["control"]["energy"]


@pytest.mark.parametrize(("likelihood", "from_means"), [("normal", False), ("nb", True)])
def test_only_counts_start_at_the_means_which_the_code_of_the_authors_does_not(
    likelihood, from_means
):
    cells = simulate.counts(60, 20).cells
    data = simulate.log_normalised(cells) if likelihood == "normal" else cells
    model = fit(recipes.scgen(4, (8,), likelihood), data, epochs=1, lr=1e-9)
    (head,) = model.network.decoders["rna"].head.maps.values()
    start = np.asarray(data.views["rna"].mean(0)).ravel()
    bias = head.bias.detach().numpy()
    assert (np.corrcoef(bias, start)[0, 1] > 0.8) == from_means
    if not from_means:
        assert np.abs(bias).max() <= 8**-0.5 + 1e-6
