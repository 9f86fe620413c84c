"""How verbs are asked: what they need, and the sentence a user reads where it is not there."""

import re

import numpy as np
import pytest
from toys import fitted

from waddington import verbs
from waddington.errors import InputError
from waddington.parts import replace
from waddington.recipes import RECIPES
from waddington.verbs.ask import codes_of, each


def test_every_verb_is_public_and_says_what_it_needs():
    assert {"latent", "denoise", "sample", "elbo", "interpolate"} <= set(verbs.VERBS)
    for name, needs in verbs.VERBS.items():
        assert getattr(verbs, name).__doc__ and set(needs) <= set(verbs.NEEDS)


def test_why_not_is_none_or_a_reason():
    assert verbs.why_not(fitted("scvi").model, "latent") is None
    reason = lambda recipe, verb: verbs.why_not(fitted(recipe).model, verb)
    assert reason("wgan", "latent").startswith("it has no encoder, it only generates; scvi(), ")
    assert reason("autoencoder", "elbo").startswith("its latent space has no prior; that of ")
    with pytest.raises(InputError, match=r"there is no verb 'dance'; there are .*'denoise'"):
        verbs.why_not(fitted("scvi").model, "dance")


@pytest.mark.parametrize("need", sorted(verbs.NEEDS))
def test_recipes_that_are_named_as_able_are(need):
    able, reason = verbs.NEEDS[need]
    named = re.findall(r"(\w+)\(\)", reason)
    assert named
    for name in named:
        batch = {"batch": "batch"} if f"{name}() with batch" in reason else {}
        assert able(RECIPES[name](**batch))


def test_answers_come_in_the_order_of_the_cells_whatever_the_block():
    case = fitted("scvi with batches")
    for size in (2, 64, 5000):
        index = each(case.model, case.cells, lambda net, m: m.index[:, None], size)
        np.testing.assert_array_equal(index[:, 0], np.arange(201))


def test_levels_that_surgery_added_go_on_counting():
    wider = fitted("scvi with batches").model.expand(batch=("b2",))
    assert codes_of(wider, {"batch": "b2"}) == {"batch": 2}


def test_no_cells_have_no_answers():
    case = fitted("vae")
    assert len(verbs.latent(case.model, case.cells.take(np.array([], int)))) == 0


def test_one_cell_has_one():
    case = fitted("scvi with batches")
    one = case.cells.take(np.array([5]))
    np.testing.assert_allclose(
        verbs.latent(case.model, one)[0],
        verbs.latent(case.model, case.cells)[5],
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_column_that_is_missing_is_unknown_and_named_where_it_is_needed():
    case = fitted("scvi gene-batch")  # its encoder is told the batch
    blind = replace(case.cells, covariates={})
    with pytest.raises(InputError, match="batch"):
        verbs.denoise(case.model, blind)
