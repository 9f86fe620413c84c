"""Genes with extra zeros are told from those without, as far as counts can tell."""

import numpy as np
import pytest
import torch
from scipy import sparse, stats
from sklearn.metrics import roc_auc_score
from toys import fit

import waddington as wd
from waddington import recipes
from waddington.cells import Cells, Rows
from waddington.likelihoods.negative_binomial import NBCounts
from waddington.likelihoods.rates import Rates
from waddington.recipes.autozi import LEAST, PerhapsZINB
from waddington.simulate import softmax

GENES = 200


@pytest.fixture(scope="module")
def world():
    """The second half of the genes has 30 % extra zeros; means are from 0.02 to 200 counts."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1200, 2))
    share = softmax(rng.normal(0, 2.0, GENES) + 0.5 * z @ rng.normal(size=(2, GENES)))
    x = rng.poisson(rng.gamma(10.0, 2000 * share / 10.0))
    inflated = np.arange(GENES) >= GENES // 2
    x = (x * ((rng.random(x.shape) > 0.3) | ~inflated)).astype(np.float32)
    cells = Cells.from_arrays(sparse.csr_matrix(x))
    recipe = recipes.autozi(n_latent=5, n_hidden=48, n_cells=1080, epochs=50)
    return cells, inflated, fit(recipe, cells, batch_size=64)


def test_genes_with_extra_zeros_are_found(world):
    cells, inflated, model = world
    found = wd.zero_inflation(model)
    seen = np.asarray(cells.views["rna"].mean(0)).ravel() > 1
    assert roc_auc_score(inflated[seen], found["probability"][seen]) > 0.95
    assert found["gene"][3] == "3" and found["probability"].shape == (GENES,)
    mean = lambda genes: found["probability"][seen & genes].mean()
    assert mean(inflated) > mean(~inflated) + 0.2


def test_what_all_cells_share_counts_once_and_not_once_per_cell():
    (term,) = [t for t in recipes.autozi(n_cells=500).terms if t.name == "shared kl rna"]
    assert term.weight == 1 / 500


def test_genes_with_hardly_any_counts_stay_at_the_prior(world):
    cells, inflated, model = world
    p, mean = wd.zero_inflation(model)["probability"], cells.views["rna"].mean(0).A1
    few = mean < 0.1
    assert few.sum() > 10 and inflated[few].any() and not inflated[few].all()
    assert np.abs(p[few] - 0.5).max() < 0.05
    assert np.abs(p[mean > 1] - 0.5).mean() > 3 * np.abs(p[few] - 0.5).mean()


def test_answers_do_not_draw(world):
    cells, _, model = world
    np.testing.assert_array_equal(wd.denoise(model, cells), wd.denoise(model, cells))


def test_the_mixture_is_that_of_an_nb_and_a_zinb():
    torch.manual_seed(0)
    logits, extra, theta = (torch.randn(3, 4, dtype=torch.double) for _ in "123")
    library, drawn = torch.full((3, 1), 30.0, dtype=torch.double), torch.randn(1, 4).double()
    present = NBCounts(Rates.of(logits, library, "observed"), theta[:1])
    made = PerhapsZINB(present, extra, drawn, torch.zeros(1, 4).double(), drawn)
    x = torch.tensor([[0.0, 3, 0, 9], [0, 0, 0, 0], [1, 2, 3, 4]], dtype=torch.double)
    csr = sparse.csr_matrix(x.numpy())
    whole = lambda a: torch.from_numpy(a.astype(np.int64))
    rows = Rows(whole(csr.indptr), whole(csr.indices), torch.from_numpy(csr.data), 4)
    mean, r = present.mean.numpy(), theta[:1].exp().numpy()
    nb = stats.nbinom.pmf(x.numpy(), r, r / (r + mean))
    pi = LEAST + (1 - LEAST) * extra.sigmoid().numpy()
    delta = drawn.sigmoid().numpy()
    want = delta * nb + (1 - delta) * ((1 - pi) * nb + pi * (x.numpy() == 0))
    np.testing.assert_allclose(made.log_prob(rows).numpy(), np.log(want).sum(1), rtol=1e-6)


def test_the_divergence_of_delta_is_that_of_an_integral():
    n = 200_000
    loc, log_sd = torch.full((1, n), 0.4).double(), torch.full((1, n), -0.3).double()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        drawn = loc + log_sd.exp() * torch.randn(1, n, dtype=torch.double)
    got = float(PerhapsZINB(None, None, loc, log_sd, drawn).shared_kl) / n
    u = np.linspace(-12, 12, 200_001)
    q = stats.norm.pdf(u, 0.4, np.exp(-0.3))
    d = 1 / (1 + np.exp(-u))
    prior = stats.beta.logpdf(d, 0.5, 0.5) + np.log(d) + np.log1p(-d)
    want = (q * (stats.norm.logpdf(u, 0.4, np.exp(-0.3)) - prior)).sum() * (u[1] - u[0])
    assert got == pytest.approx(want, abs=0.005)


def test_other_models_do_not_ask(world):
    model = fit(recipes.scvi(n_hidden=8), world[0], epochs=1)
    with pytest.raises(wd.InputError, match="a scvi model does not ask for zero inflation"):
        wd.zero_inflation(model)
