"""Linearly decoded scVI on counts made by programs that are known."""

import numpy as np
import pytest
from toys import fit

from waddington import recipes, simulate, verbs


@pytest.fixture(scope="module")
def found():
    made = simulate.programs(1000, 60, 3, seed=2)
    recipe = recipes.linear_scvi(n_latent=3)
    return made, fit(recipe, made.cells, lr=5e-3, epochs=40, batch_size=64)


def canonical(a, b):
    """Canonical correlations of the columns of two matrices."""
    a, b = (np.linalg.qr(x - x.mean(0))[0] for x in (a, b))
    return np.linalg.svd(a.T @ b)[1]


def test_loadings_are_those_of_the_programs_up_to_rotation(found):
    made, model = found
    loadings = model.weights["decoders.rna.head.maps.logits.weight"]
    assert loadings.shape == (60, 3)
    assert canonical(loadings, made.truth["loadings"].T).min() > 0.9


def test_z_is_how_much_cells_use_them(found):
    made, model = found
    assert canonical(verbs.latent(model, made.cells), made.truth["z"]).min() > 0.9


def test_a_step_along_a_dimension_multiplies_shares_by_its_loadings(found):
    import torch

    from waddington.minibatches import minibatches

    made, model = found
    m = next(minibatches(made.cells, model.levels, 4))
    z = torch.zeros(4, 3)
    up = z + torch.eye(3)[0]
    a, b = (model.network.decode(x, m)["rna"].frequency.detach().numpy() for x in (z, up))
    change = np.log(b / a)
    w = model.weights["decoders.rna.head.maps.logits.weight"][:, 0]
    np.testing.assert_allclose(
        change - change.mean(1, keepdims=True), [w - w.mean()] * 4, atol=1e-4
    )


def test_batches_add_to_the_logits_where_there_is_no_hidden_layer():
    made = simulate.counts(400, 40, 2, 2, seed=0)
    model = fit(recipes.linear_scvi("batch", n_latent=2), made.cells, lr=5e-3, epochs=30)
    table = model.weights["decoders.rna.head.shifts.logits.of.batch.blocks.0"]
    effect = made.truth["effects"][1] - made.truth["effects"][0]
    assert np.corrcoef(table[1] - table[0], effect)[0, 1] > 0.9
