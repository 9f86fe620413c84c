"""The two-level prior against integrals, and labels that were hidden."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from toys import fit

import waddington as wd
from waddington import metrics, recipes, simulate
from waddington.cells import Dims
from waddington.latents import Posterior
from waddington.likelihoods.categorical import Classes
from waddington.parts import replace
from waddington.readers import training_cells
from waddington.recipes.scanvi import TwoLevel
from waddington.trace import Trace


def hidden(cells, share, seed=0):
    """The same cells, most of whose types are unknown."""
    known = np.random.default_rng(seed).random(len(cells)) < share
    types = np.where(known, cells.covariates["cell_type"], "")
    return replace(cells, covariates={**cells.covariates, "cell_type": types})


@pytest.fixture(scope="module")
def prior():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return TwoLevel("y", 8).build(1, Dims({}, {"y": (2,)})).double()


def density(prior, z, label):
    """p(z | label) by quadrature over z2, for one-dimensional z."""
    z2 = torch.linspace(-8, 8, 4001, dtype=torch.double)[:, None]
    y = torch.eye(2, dtype=torch.double)[label].expand(len(z2), -1)
    p = prior.down(torch.cat([z2, y], -1))
    weight = torch.exp(-0.5 * z2[:, 0] ** 2) / np.sqrt(2 * np.pi) * (z2[1, 0] - z2[0, 0])
    return torch.stack([(p.log_prob(at.expand(len(z2), 1)).exp() * weight).sum() for at in z])


def test_the_density_is_the_integral_over_z2_and_labels(prior):
    z = torch.tensor([[-1.0], [0.0], [0.7]], dtype=torch.double)
    want = 0.5 * (density(prior, z, 0) + density(prior, z, 1))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(2)
        got = prior.log_prob(z.repeat(20_000, 1)).exp().view(-1, 3).mean(0)
    torch.testing.assert_close(got, want.detach(), rtol=0.02, atol=0)


def test_the_bound_is_below_the_density(prior):
    """E[-z.kl - z2.kl] for a sure classifier is E_q[log p(z | y)] - E_q[log q] or less."""
    loc = torch.zeros(4000, 1, dtype=torch.double)
    q = Posterior(loc, torch.full_like(loc, 0.3))
    sure = Classes(torch.tensor([[60.0, 0.0]], dtype=torch.double).expand(4000, -1))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(3)
        z, trace = q.rsample(), Trace(y=sure)
        prior(q, z, trace)
        bound = -(trace["z.kl"] + trace["z2.kl"]).mean()
        exact = (density(prior, z[:300], 0).log() - q.log_prob(z)[:300]).mean()
    assert bound < exact + 0.05
    assert float(trace["y.kl"].mean()) == pytest.approx(np.log(2))


def test_nothing_is_drawn_at_the_mean(prior):
    q = Posterior(torch.ones(3, 1, dtype=torch.double), torch.ones(3, 1, dtype=torch.double))
    traces = [Trace(y=Classes(torch.zeros(3, 2, dtype=torch.double))) for _ in "12"]
    for trace in traces:
        prior(q, q.loc, trace)
    assert torch.equal(traces[0]["z.kl"], traces[1]["z.kl"])


@pytest.fixture(scope="module")
def world():
    made = simulate.counts(700, 60, n_types=5, n_batches=2, depth=60, seed=2)
    recipe = recipes.scanvi(batch="batch", n_latent=10, n_layers=1, n_hidden=64, epochs=25)
    data = hidden(made.cells, 0.1)
    return made.cells, data, fit(recipe, data, batch_size=64, lr=3e-3)


def test_hidden_labels_are_found(world):
    cells, data, model = world
    said = wd.label(model, data)
    unseen = data.covariates["cell_type"] == ""
    assert 0.85 < unseen.mean() < 0.95
    assert (said.label == cells.covariates["cell_type"])[unseen].mean() > 0.95


@pytest.mark.parametrize("k", [1, 5, 15])
def test_hidden_labels_are_found_better_than_by_neighbours_in_components(world, k):
    cells, data, model = world
    unseen, truth = data.covariates["cell_type"] == "", cells.covariates["cell_type"]
    z = metrics.principal_components(simulate.log_normalised(cells).views["rna"], 10)
    near = KNeighborsClassifier(k).fit(z[~unseen], truth[~unseen])
    right = (wd.label(model, data).label == truth)[unseen].mean()
    assert right > near.score(z[unseen], truth[unseen])


def test_generated_cells_are_of_all_labels(world):
    cells, _, model = world
    x = wd.sample(model, n=300, seed=4)
    again = wd.Cells.from_arrays(x, cells.features["rna"], categorical={"batch": ["batch0"] * 300})
    share = np.unique(wd.label(model, again).label, return_counts=True)[1] / 300
    assert len(share) == 5 and share.min() > 0.08


def test_all_labels_unknown_is_refused(world):
    _, data, _ = world
    blank = replace(data, covariates={**data.covariates, "cell_type": np.full(len(data), "")})
    with pytest.raises(wd.InputError, match="'cell_type' is unknown for every cell"):
        wd.train(blank, recipes.scanvi(), epochs=1)


def test_columns_may_have_any_name():
    cells = simulate.counts(120, 20, n_types=2, n_batches=2, seed=2).cells
    c = cells.covariates
    named = replace(cells, covariates={"type": c["cell_type"], "orig.ident": c["batch"]})
    recipe = recipes.scanvi(labels="type", batch="orig.ident", n_latent=3, n_hidden=8, epochs=2)
    model = fit(recipe, named)
    again = wd.Model.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(wd.denoise(again, named), wd.denoise(model, named))
    query = replace(named, covariates={"orig.ident": np.char.add(c["batch"], "x")})
    mapped = wd.map_query(model, query)
    np.testing.assert_array_equal(wd.latent(mapped.model, named), wd.latent(model, named))
    assert mapped.new == {"orig.ident": ("batch0x", "batch1x")} and len(mapped.history)


def test_a_missing_label_is_an_unknown_one():
    cells = hidden(simulate.counts(120, 20, n_types=2, n_batches=2, seed=2).cells, 0.5)
    obs = pd.DataFrame({k: pd.Categorical(v) for k, v in cells.covariates.items()})
    obs["cell_type"] = pd.Categorical(np.where(obs.cell_type == "", None, obs.cell_type))
    adata = anndata.AnnData(cells.views["rna"], obs=obs.set_index(obs.index.astype(str)))
    recipe = recipes.scanvi(batch="batch", n_latent=3, n_hidden=8)
    read = training_cells(adata, recipe)
    np.testing.assert_array_equal(read.covariates["cell_type"], cells.covariates["cell_type"])
    assert read.levels()["cell_type"] == (("type0", "type1"),)
    adata.obs.loc[adata.obs_names[0], "batch"] = None
    with pytest.raises(wd.InputError, match="'batch' is missing for 1 of 120 cells"):
        training_cells(adata, recipe)
