"""Batches that only the latent space could tell apart are mixed by an opponent."""

import numpy as np
import pytest
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.metrics import neighbour_purity
from waddington.opponents import Fool
from waddington.parts import replace
from waddington.schedules import final


@pytest.fixture(scope="module")
def cells():
    return simulate.counts(700, 50, n_types=3, n_batches=2, depth=150, seed=6).cells


def purities(cells, **options):
    """How pure neighbourhoods are in batch and in type; the decoder is not told the batch."""
    recipe = recipes.adversarial_vae(n_latent=5, n_hidden=48, epochs=30, **options)
    blind = replace(recipe, conditions=())
    z = wd.latent(fit(blind, cells, batch_size=64), cells)
    return [neighbour_purity(z, cells.covariates[k]) for k in ("batch", "cell_type")]


def test_an_opponent_mixes_batches_and_leaves_types(cells):
    before, after = purities(cells, kappa=0.0), purities(cells, kappa=20.0)
    assert before[0] > 0.7 and after[0] < before[0] - 0.1
    assert after[1] > 0.95


def test_strength_and_form_are_what_was_asked():
    recipe = recipes.adversarial_vae(kappa=3.0, form="fool", opponent=(16,))
    (player,) = recipe.opponents
    assert final(player.weight) == 3.0 and player.form == Fool() and player.against == "batch"
    assert [layer.units for layer in player.stack.layers] == [16]
    with pytest.raises(wd.InputError, match="form must be one of flip, fool, got 'gan'"):
        recipes.adversarial_vae(form="gan")


def test_counterfactuals_still_reach_the_decoder(cells):
    recipe = recipes.adversarial_vae(n_latent=5, n_hidden=32, epochs=2)
    model = fit(recipe, cells, batch_size=64)
    one, two = (wd.denoise(model, cells, batch=b) for b in ("batch0", "batch1"))
    assert not np.allclose(one, two)
