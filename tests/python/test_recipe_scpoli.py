"""Batches as points, and cells drawn to the mean of their type."""

import numpy as np
import pytest
import torch
from scipy import sparse
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.cells import Cells, Minibatch
from waddington.errors import InputError
from waddington.parts import replace
from waddington.recipe import EarlyStopping
from waddington.recipes.scpoli import Prototypes
from waddington.schedules import Clock, final
from waddington.trace import Trace


def minibatch(codes):
    n = len(codes)
    return Minibatch({}, {}, {"y": torch.tensor(codes)}, {}, torch.arange(n), torch.ones(n, 1))


def test_the_distance_to_prototypes_by_hand():
    z = torch.tensor([[0.0, 0], [2, 0], [5, 5], [9, 9]])
    value = Prototypes("y", "z")(Trace(z=z), minibatch([0, 0, 1, -1]))
    assert float(value) == pytest.approx((1 + 1 + 0 + 0) / 4, abs=1e-3)


def test_a_cell_at_its_prototype_has_a_finite_slope():
    z = torch.zeros(3, 2, requires_grad=True)
    Prototypes("y", "z")(Trace(z=z), minibatch([0, 1, 1])).backward()
    assert torch.isfinite(z.grad).all()


def labelled(cells, share):
    known = np.random.default_rng(0).random(len(cells)) < share
    types = np.where(known, cells.covariates["cell_type"], "")
    return replace(cells, covariates={**cells.covariates, "cell_type": types})


@pytest.mark.parametrize("patience", [None, 1])
def test_prototypes_make_types_compact(patience):
    """However early the part before them stops."""
    cells = simulate.counts(500, 40, n_types=3, n_batches=2, depth=300, seed=7).cells
    some, spread = labelled(cells, 0.5), []
    for eta in (0.0, 20.0):
        recipe = recipes.scpoli(
            labels="cell_type", eta=eta, pretraining=0.5, n_hidden=48, epochs=40
        )
        stop = EarlyStopping(patience) if patience else None
        first, last = recipe.phases
        recipe = replace(recipe, phases=(replace(first, stop=stop), replace(last, stop=None)))
        model = fit(recipe, some, batch_size=64)
        assert (model.record["epochs"] < 40) == bool(patience)
        z, kind = wd.latent(model, some), cells.covariates["cell_type"]
        within = np.mean([z[kind == k].var(0).sum() for k in np.unique(kind)])
        spread.append(within / z.var(0).sum())
    assert spread[1] < 0.6 * spread[0]


def test_prototypes_count_from_the_second_phase():
    recipe = recipes.scpoli(labels="cell_type", eta=3.0, pretraining=0.9, epochs=50)
    assert [p.epochs for p in recipe.phases] == [45, 5]
    weight = recipe.terms[-1].weight
    assert [weight.at(Clock(0.99, phase=k)) for k in (0, 1)] == [0.0, 3.0]
    assert final(weight) == 3.0
    whole, (first, last) = recipes.scpoli().phases, recipes.scpoli(labels="cell_type").phases
    assert len(whole) == 1 and first.updates + last.updates == whole[0].updates
    assert last.optimiser.lr.peak == first.optimiser.lr.peak / 4


@pytest.mark.parametrize("pretraining", [0.0, 1.0, -1])
def test_a_part_of_the_run_comes_before_labels_and_a_part_after(pretraining):
    with pytest.raises(InputError, match=f"between 0 and 1, got {pretraining}"):
        recipes.scpoli(labels="cell_type", pretraining=pretraining)


def test_batches_that_are_alike_lie_together():
    """Six batches of two kinds: their points tell the kinds."""
    rng = np.random.default_rng(0)
    kind, batch = np.arange(6) % 2, rng.integers(6, size=900)
    effect = rng.normal(0, 0.8, (2, 50))[kind] + rng.normal(0, 0.1, (6, 50))
    share = simulate.softmax(rng.normal(0, 1, 50) + effect[batch])
    x = sparse.csr_matrix(rng.poisson(500 * share).astype(np.float32))
    cells = Cells.from_arrays(x, categorical={"batch": np.array(list("abcdef"))[batch]})
    model = fit(recipes.scpoli(n_embedding=2, n_hidden=48, epochs=60), cells, batch_size=64)
    points = model.weights["embeddings.of.batch.blocks.0"]
    far = np.linalg.norm(points[:, None] - points[None], axis=-1)
    same = kind[:, None] == kind[None]
    assert far[same & ~np.eye(6, dtype=bool)].mean() < far[~same].mean()


def test_a_query_brings_a_new_point_and_needs_no_labels():
    cells = simulate.counts(600, 40, n_types=3, n_batches=3, depth=300, seed=8).cells
    old = cells.covariates["batch"] != "batch2"
    reference, query = (cells.take(np.flatnonzero(k)) for k in (old, ~old))
    recipe = recipes.scpoli(labels="cell_type", n_embedding=3, n_hidden=48, epochs=15)
    model = fit(recipe, reference, batch_size=64)
    blank = replace(query, covariates={"batch": query.covariates["batch"]})
    mapped = wd.map_query(model, blank, epochs=8)
    np.testing.assert_array_equal(wd.latent(mapped.model, reference), wd.latent(model, reference))
    z, q = wd.latent(model, reference), wd.latent(mapped.query, blank)
    said, _ = wd.transfer_labels(z, reference.covariates["cell_type"], q)
    assert (said == query.covariates["cell_type"]).mean() > 0.9
    assert mapped.query.weights["embeddings.of.batch.blocks.1"].shape == (1, 3)
