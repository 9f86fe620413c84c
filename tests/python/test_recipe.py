"""Recipes as values: what they read, how long they train, what they refuse."""

import pytest
from toys import opposed, told_batches

from waddington import recipes
from waddington.coders import Decoder
from waddington.errors import InputError
from waddington.layers import Stack
from waddington.likelihoods import Categorical, NegativeBinomial
from waddington.parts import replace
from waddington.recipe import EarlyStopping, Phase, adjust
from waddington.recipes import RECIPES
from waddington.schedules import OneCycle
from waddington.terms import KL, MMD, NLL


def test_a_recipe_knows_which_columns_its_parts_read():
    recipe = told_batches(dispersion="gene-condition")
    assert set(recipe.covariates) == {"batch", "condition"} and recipe.numbers == ("age",)
    assert recipe.views == ("rna",) and recipe.labels == ()
    assert set(opposed().covariates) == {"batch", "condition"}
    spread = replace(recipes.vae(), phases=(Phase(spread=("donor",)),))
    assert spread.covariates == ("donor",)
    assert replace(recipes.vae(), terms=(NLL(), MMD("z", "sex"))).covariates == ("sex",)


def test_a_classifier_s_view_is_a_covariate_that_may_be_unknown():
    labels = Decoder(Stack(), Categorical(), "cell_type")
    base = recipes.scvi()
    recipe = replace(base, decoders=(*base.decoders, labels))
    assert recipe.labels == ("cell_type",) and recipe.views == ("rna",)
    assert recipe.covariates == ("cell_type",)


@pytest.mark.parametrize(
    "cells,size,updates,epochs",
    [(1280, 128, 6000, 400), (12_800, 128, 6000, 60), (10**6, 128, 6000, 8), (100, 128, 50, 50)],
)
def test_a_budget_in_updates_becomes_epochs(cells, size, updates, epochs):
    assert Phase(updates=updates, batch_size=size).length(cells) == epochs
    assert Phase(epochs=3).length(cells) == 3


def test_a_generator_gets_all_its_updates_however_few_the_cells():
    (phase,) = recipes.wgan().phases
    assert phase.length(800) == 770  # of 13 updates each, 10,000 in all


def test_heads_are_found_by_view():
    assert recipes.scvi().head("rna") == NegativeBinomial()
    with pytest.raises(InputError, match="scvi decodes 'rna', not 'protein'"):
        recipes.scvi().head("protein")


def test_adjust_changes_the_last_phase_only():
    two = replace(recipes.vae(), phases=(Phase(5), Phase(50)))
    changed = adjust(two, epochs=7, batch_size=32, learning_rate=0.5, patience=3)
    assert changed.phases[0] == Phase(5)
    last = changed.phases[1]
    assert (last.epochs, last.batch_size, last.optimiser.lr) == (7, 32, 0.5)
    assert last.stop == EarlyStopping(3)
    assert adjust(two) == two


def test_adjusting_a_cycle_sets_its_peak_and_patience_brings_stopping():
    base = recipes.vae()
    cycle = replace(base.phases[0], optimiser=replace(base.phases[0].optimiser, lr=OneCycle(0.02)))
    changed = adjust(replace(base, phases=(cycle,)), learning_rate=0.01)
    assert changed.phases[0].optimiser.lr == OneCycle(peak=0.01)
    assert adjust(recipes.wgan(), patience=4).phases[0].stop == EarlyStopping(4)


def test_opponents_that_train_as_the_network_does_keep_its_pace():
    gan, apart = recipes.wgan(), recipes.adversarial_vae("batch")
    changed = adjust(gan, learning_rate=0.01)
    assert changed.opponents[0].optimiser == changed.phases[0].optimiser != gan.phases[0].optimiser
    assert adjust(apart, learning_rate=0.01).opponents == apart.opponents


@pytest.mark.parametrize("name", RECIPES)
def test_two_calls_of_a_constructor_are_equal_and_named_after_it(name):
    assert RECIPES[name]() == RECIPES[name]() and RECIPES[name]().name == name
    assert RECIPES[name].__doc__


scvi = recipes.scvi
BAD = {
    "two terms of one name": (
        lambda: replace(scvi(), terms=(NLL(), KL(), KL(weight=2.0))),
        "scvi has two terms named 'kl z'",
    ),
    "two decoders of a view": (
        lambda: replace(scvi(), decoders=scvi().decoders * 2),
        "scvi has two decoders of the view 'rna'",
    ),
    "a column twice": (lambda: scvi(("a", "a")), "scvi has two conditions on 'a'"),
    "two opponents of one name": (
        lambda: replace(opposed(), opponents=opposed().opponents[:1] * 2),
        "opposed has two opponents named 'z vs batch'",
    ),
    "no epochs": (lambda: scvi(epochs=0), "epochs must be at least 1, got 0"),
    "a batch of one": (lambda: Phase(batch_size=1), "batch_size must be at least 2, got 1"),
    "no patience": (lambda: EarlyStopping(0), "patience must be at least 1, got 0"),
    "no latent": (lambda: scvi(n_latent=0), "n_latent must be at least 1, got 0"),
    "an unknown likelihood": (
        lambda: scvi(likelihood="zip"),
        "likelihood must be one of nb, .*, got 'zip'",
    ),
    "an unknown dispersion": (lambda: scvi(dispersion="cell"), "dispersion must be .*'cell'"),
    "an unknown library": (lambda: scvi(library="known"), "library must be one of .*'known'"),
}


@pytest.mark.parametrize("make,said", BAD.values(), ids=BAD)
def test_recipes_that_mean_nothing_are_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()
