"""How likely a model finds cells; the exact truth is in test_recipes_vae."""

import numpy as np
import pytest
from toys import fitted

from waddington import verbs


@pytest.fixture
def case():
    return fitted("scvi with batches")


def test_the_elbo_is_the_held_out_objective_at_full_weight(case):
    from waddington.minibatches import Coded
    from waddington.scores import evaluate

    data = Coded.of(case.cells, case.model.levels)
    values = evaluate(case.model.network, case.recipe, data)
    want = -(values["nll rna"] + values["kl z"])
    got = verbs.elbo(case.model, case.cells, n_samples=50)
    assert got.shape == (201,) and got.mean() == pytest.approx(want, rel=0.01)


def test_more_draws_narrow_it_and_the_seed_governs_them(case):
    one, again, other = (verbs.elbo(case.model, case.cells, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    spread = lambda n: np.std(
        [verbs.elbo(case.model, case.cells, n, s) for s in range(6)], 0
    ).mean()
    assert spread(16) < 0.5 * spread(1)


def test_importance_weighting_is_above_it(case):
    bound = verbs.elbo(case.model, case.cells, 100).mean()
    tighter = verbs.log_likelihood(case.model, case.cells, 100).mean()
    assert bound < tighter < bound + 30


def test_cells_unlike_those_of_training_are_less_likely(case):
    from waddington.parts import replace

    x = case.cells.views["rna"].copy()
    x.data = np.random.default_rng(0).permutation(x.data)
    x.indices = np.concatenate([np.sort(np.random.default_rng(i).permutation(37)[: b - a]) for i, (a, b) in enumerate(zip(x.indptr, x.indptr[1:], strict=False))])  # fmt: skip # noqa: E501
    odd = replace(case.cells, views={"rna": x})
    assert verbs.elbo(case.model, odd).mean() < verbs.elbo(case.model, case.cells).mean() - 10
