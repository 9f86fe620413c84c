"""The lecture's VAE; its learning rates are in test_schedules."""

import numpy as np
import pytest
from toys import data_for, fit

from waddington import recipes, simulate, verbs
from waddington.cells import Dims
from waddington.network import Network


@pytest.mark.parametrize("genes", [100, 1222])
def test_it_has_as_many_parameters_as_the_lecture_s(genes):
    network = Network(recipes.exercise_vae(), Dims({"rna": genes}, {}))
    assert sum(p.numel() for p in network.parameters()) == 513 * genes + 89_024


def test_its_parts_are_the_lecture_s():
    recipe = recipes.exercise_vae()
    layers = [(x.units, x.act, x.dropout) for x in recipe.encoders[0].stack.layers]
    assert layers == [(256, "elu", 0.2), (128, "elu", 0.2), (64, "elu", 0.2)]
    (phase,) = recipe.phases
    assert (phase.batch_size, phase.epochs, phase.stop.patience) == (512, 1000, 125)
    assert phase.optimiser.amsgrad and recipe.latent.prior.sd == 0.8 and recipe.latent.n == 32
    assert recipe.head("rna").act == "relu"


def test_beta_is_the_lecture_s_weight_on_the_sum_scale():
    """0.1 * mean KL + mean squared error, times genes / 2, is what it minimises."""
    assert recipes.exercise_vae().terms[1].weight == pytest.approx(0.1 * 1222 / (2 * 32), rel=0.01)


def test_it_denoises_log_values_which_are_never_negative():
    recipe = recipes.exercise_vae(n_latent=8, epochs=100, batch_size=64)
    made = simulate.counts(400, 40, 3, 1, seed=0)
    logs = simulate.log_normalised(made.cells, base=2)
    model = fit(recipe, logs)
    got, x = verbs.reconstruct(model, logs), logs.views["rna"].toarray()
    assert (got >= 0).all()
    truth = np.log2(1 + 1e4 * made.truth["frequency"])
    right = lambda guess: np.corrcoef(guess.ravel(), truth.ravel())[0, 1]
    assert right(got) > 0.95 > 0.9 > right(x)


@pytest.mark.slow
def test_cells_of_three_studies_are_reconstructed_as_well_as_can_be():
    """Squared correlation over held-out entries: the lecture's figure, beside that of the truth.

    The truth is the expected log value of each entry, given the mean that it was drawn around.
    """
    made = simulate.counts(1800, 100, 3, 3, 1000.0, seed=0)
    logs, held = simulate.log_normalised(made.cells, base=2), np.arange(1440, 1800)
    model = fit(recipes.exercise_vae(epochs=100, batch_size=32), logs.take(np.arange(1440)))
    library = made.truth["library"][held]
    mean, rng = library * made.truth["frequency"][held], np.random.default_rng(1)
    draws = (rng.poisson(rng.gamma(5.0, mean / 5.0)) for _ in range(100))
    truth = np.mean([np.log2(1 + 1e4 * x / library) for x in draws], 0)
    x = logs.views["rna"].toarray()[held]
    right = lambda guess: np.corrcoef(guess.ravel(), x.ravel())[0, 1] ** 2
    assert right(verbs.reconstruct(model, logs.take(held))) > right(truth) - 0.02
    assert right(np.tile(x.mean(0), (360, 1))) < right(truth) - 0.3


def test_counts_are_not_what_it_is_for_but_any_numbers_are_taken():
    recipe = recipes.exercise_vae(n_latent=2, epochs=1)
    assert not recipe.head("rna").counts and data_for(recipe).views["rna"].max() < 20
