"""Standardised expression against dense z-scores."""

import numpy as np
import pytest
import torch
from toys import cells as toy_cells
from toys import fitted, small, trained

import waddington as wd
from waddington import recipes
from waddington.cells import Dims
from waddington.layers import SparseLinear
from waddington.minibatches import minibatches
from waddington.parts import replace
from waddington.scales import Standardised
from waddington.verbs import restrict
from waddington.whole_step import known

DATA = toy_cells(80)


def built(by="batch", shares=True, groups=(2,)):
    dims = Dims({"rna": 37}, {"batch": groups})
    scales = Standardised(by, shares).build("rna", dims)
    scales.prepare(DATA, DATA.levels())
    return scales


def dense(shares=True, by=True, most=10.0):
    """z-scores, cells x genes."""
    x = np.asarray(DATA.views["rna"].todense(), dtype=float)
    x = np.log1p(1e4 * x / x.sum(1, keepdims=True)) if shares else x
    batch = DATA.covariates["batch"] if by else np.full(len(x), "")
    out = np.zeros_like(x)
    for level in np.unique(batch):
        here = batch == level
        sd = x[here].std(0)
        out[here] = (x[here] - x[here].mean(0)) / np.where(sd > 1e-6, sd, 1)
    return np.minimum(out, most)


def shown(offset):
    return (offset.rows.dense() + offset.rest[offset.level]).numpy()


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("by", ["batch", None])
def test_scores_are_those_of_each_level(shares, by):
    (m,) = minibatches(DATA, DATA.levels(), 999)
    got = shown(built(by, shares)(m))
    np.testing.assert_allclose(got, dense(shares, by is not None), atol=1e-4)


def test_a_product_with_weights_is_that_of_the_scores():
    (m,) = minibatches(DATA, DATA.levels(), 999)
    linear = SparseLinear({"rna": 37}, 5)
    got = linear({"rna": built()(m)})
    want = torch.from_numpy(dense()).float() @ linear.weight["rna"] + linear.bias
    torch.testing.assert_close(got, want, atol=1e-3, rtol=1e-3)
    got.sum().backward()
    slope = torch.from_numpy(dense().sum(0)).float()[:, None].expand(-1, 5)
    torch.testing.assert_close(linear.weight["rna"].grad, slope, atol=2e-2, rtol=1e-3)


def test_features_can_be_left_out():
    (m,) = minibatches(DATA, DATA.levels(), 999)
    keep = torch.arange(37) < 10
    got = shown(built()(m, keep))
    np.testing.assert_allclose(got[:, :10], dense()[:, :10], atol=1e-4)
    assert (got[:, 10:] == 0).all()


def test_later_levels_have_the_scale_of_all_cells():
    (m,) = minibatches(DATA, DATA.levels(), 999)
    wider = built(groups=(2, 1))
    assert wider.loc.shape == (3, 37)
    later = replace(m, codes={"batch": torch.full((80,), 2)})
    np.testing.assert_allclose(shown(wider(later)), dense(by=False), atol=1e-4)
    unknown = replace(m, codes={"batch": torch.full((80,), -1)})
    np.testing.assert_allclose(shown(wider(unknown)), dense(by=False), atol=1e-4)


def test_depth_does_not_matter_to_log_shares():
    case = fitted("scvi standardised")
    deep = replace(case.cells, views={"rna": case.cells.views["rna"] * 3})
    np.testing.assert_allclose(
        wd.latent(case.model, deep), wd.latent(case.model, case.cells), atol=1e-4
    )


def test_the_written_out_step_leaves_it_to_autograd():
    recipe = recipes.scvi(batch="batch", standardise=True)
    assert not known(recipe) and recipe.encoders[0].scale == Standardised("batch")
    assert trained(small(recipe, epochs=1), DATA).whole is None
    assert recipes.scvi(("donor", "lane"), standardise=True).encoders[0].scale.by == "donor"


def test_a_query_with_fewer_genes_and_a_new_batch_can_be_mapped():
    case = fitted("scvi standardised")
    names = case.cells.features["rna"][:30]
    odd = {**case.cells.covariates, "batch": np.full(len(case.cells), "new")}
    query = replace(
        case.cells,
        views={"rna": case.cells.views["rna"][:, :30]},
        features={"rna": names},
        covariates=odd,
    )
    few = restrict(case.model, names)
    assert few.network.encoders["rna"].scales["rna"].loc.shape == (3, 30)
    mapped = wd.map_query(case.model, query, epochs=1, seed=0)
    np.testing.assert_array_equal(
        wd.latent(mapped.model, case.cells), wd.latent(case.model, case.cells)
    )
    assert np.isfinite(wd.latent(mapped.query, query)).all()
