"""What words of a command line mean."""

import inspect

import pytest

from waddington.errors import InputError
from waddington.layers import Dense, Stack
from waddington.recipes import RECIPES, scvi, vae
from waddington.words import pair, recipe_of, value_of


def test_words_become_values_of_the_argument_s_type():
    given = {
        "batch": "donor", "covariates": "age,dose", "n_latent": "20", "dropout": "0.2",
        "encode_covariates": "yes", "epochs": "none",
        "decoder": '{"part": "Stack", "layers": [{"part": "Dense", "units": 5}]}',
    }  # fmt: skip
    assert recipe_of("scvi", given) == scvi(
        "donor", ("age", "dose"), 20, dropout=0.2, encode_covariates=True, epochs=None,
        decoder=Stack((Dense(5),)),
    )  # fmt: skip
    assert recipe_of("vae", {"hidden": "256,128"}) == vae(hidden=(256, 128))
    assert recipe_of("vae", {"hidden": "64"}) == vae(hidden=(64,))
    assert recipe_of("vae", {"hidden": ""}) == vae(hidden=())
    assert recipe_of("cvae", {"condition": "a,b"}).covariates == ("a", "b")


@pytest.mark.parametrize("name", RECIPES)
def test_every_default_can_be_typed(name):
    for p in inspect.signature(RECIPES[name], eval_str=True).parameters.values():
        if isinstance(p.default, bool | int | float | str | tuple) or p.default is None:
            many = isinstance(p.default, tuple)
            text = ",".join(map(str, p.default)) if many else str(p.default)
            assert value_of(p.name, text, p.annotation) == p.default, p.name


def test_values_that_can_not_be_are_named():
    with pytest.raises(InputError, match=r"--set x=maybe: x must be bool"):
        value_of("x", "maybe", bool)
    with pytest.raises(InputError, match="must be NAME=VALUE"):
        pair("=3")
    assert pair("n-latent=a=b") == ("n_latent", "a=b")
