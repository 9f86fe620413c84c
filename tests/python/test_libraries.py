"""A library size that is inferred, where the total of a cell misleads."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy import sparse, stats
from toys import NoNoise, cells, fit, small, trained

import waddington as wd
from waddington import recipes
from waddington.cells import Cells, Dims
from waddington.latents import Posterior
from waddington.libraries import LatentLibrary
from waddington.minibatches import minibatches
from waddington.parts import replace
from waddington.terms import losses
from waddington.trace import Trace
from waddington.whole_step import known

HEAVY, GENES = 2, 80


@cache
def world(n=700, seed=0):
    """Three types in two batches; 60 % of the counts are of two genes that vary without a reason.

    So the total says little about how much of a cell was captured. Returns cells and that.
    """
    rng = np.random.default_rng(seed)
    kind, batch = rng.integers(3, size=n), rng.integers(2, size=n)
    share = np.exp(rng.normal(0, 1, (3, GENES)))
    share[:, :HEAVY] = 0
    share = 0.4 * share / share.sum(1, keepdims=True)
    share[:, :HEAVY] = 0.6 / HEAVY
    library = np.exp(rng.normal(np.log(1000) + 0.7 * batch, 0.3, n))
    theta = np.where(np.arange(GENES) < HEAVY, 0.5, 20.0)
    rate = rng.gamma(theta, 1, (n, GENES)) * library[:, None] * share[kind] / theta
    x = sparse.csr_matrix(rng.poisson(rate).astype(np.float32))
    return Cells({"rna": x}, covariates={"batch": np.array(["a", "b"])[batch]}), library


@cache
def model(library):
    train = world()[0].take(np.arange(200, 700))
    recipe = recipes.scvi(batch="batch", library=library, n_hidden=48, n_latent=5)
    return fit(recipe, train, seed=1, epochs=60, batch_size=64)


def held():
    return world()[0].take(np.arange(200)), world()[1][:200]


def test_what_was_captured_is_nearer_to_the_inferred_library_than_to_the_total():
    data, truth = held()
    near = lambda m: np.corrcoef(np.log(wd.library_size(m, data)), np.log(truth))[0, 1]
    assert near(model("latent")) > 0.85 > 0.75 > near(model("observed"))
    total = np.asarray(data.views["rna"].sum(1)).ravel()
    np.testing.assert_allclose(wd.library_size(model("observed"), data), total)


def test_the_held_out_bound_is_better_once_both_pay_for_the_total():
    """A model given the total is told something; a latent library pays for it as divergence."""
    data, _ = held()
    train = world()[0].take(np.arange(200, 700))
    totals = lambda c: np.asarray(c.views["rna"].sum(1)).ravel()
    paid = np.zeros(200)
    for level in "ab":
        here = data.covariates["batch"] == level
        log = np.log(totals(train)[train.covariates["batch"] == level])
        drawn = stats.lognorm(log.std(), scale=np.exp(log.mean()))
        paid[here] = drawn.logpdf(totals(data)[here])
    bound = lambda m: wd.elbo(m, data, n_samples=3)
    assert bound(model("latent")).mean() > (bound(model("observed")) + paid).mean() + 2


def test_the_likelihood_is_above_the_bound_and_counts_the_library():
    data, _ = held()
    low = wd.elbo(model("latent"), data, n_samples=5).mean()
    high = wd.log_likelihood(model("latent"), data, n_samples=30).mean()
    assert low < high < low + 10


def built(n=12, by="batch"):
    data = cells(n)
    net = LatentLibrary(by, 8).build("rna", Dims({"rna": 37}, {"batch": (2,)}))
    net.prepare(data, data.levels())
    (some,) = minibatches(data, data.levels(), 99)
    return net.eval(), data, some


def drawing():
    q = Posterior(torch.zeros(12, 2), torch.ones(12, 2))
    return Trace(q=q, z=q.rsample())


def test_divergence_and_ratio_are_those_of_normals():
    net, _, some = built()
    trace = drawing()
    made = net(some, trace)
    q, prior = trace["library"], net.prior(some)
    loc, sd = prior[:, :1], prior[:, 1:].exp()
    here, there = torch.distributions.Normal(q.loc, q.scale), torch.distributions.Normal(loc, sd)
    want = torch.distributions.kl_divergence(here, there).sum(-1)
    torch.testing.assert_close(trace["library.kl"], want)
    log = made.library["rna"].log()
    ratio = (there.log_prob(log) - here.log_prob(log)).sum(-1)
    torch.testing.assert_close(trace["library.log_ratio"], ratio, rtol=1e-4, atol=1e-4)


def test_it_starts_at_totals_and_their_moments_by_batch():
    net, data, some = built()
    trace = Trace()
    made = net(some, trace).library["rna"]
    assert torch.allclose(made.log(), some.library["rna"].log(), atol=0.5)
    log = np.log(np.asarray(data.views["rna"].sum(1)).ravel())
    for i, level in enumerate(data.levels()["batch"][0]):
        mine = log[data.covariates["batch"] == level]
        np.testing.assert_allclose(net.prior.rows[i, 0].item(), mine.mean(), rtol=1e-4)
        np.testing.assert_allclose(net.prior.rows[i, 1].exp().item(), mine.std(), rtol=1e-3)
    lonely = LatentLibrary(None).build("rna", Dims({"rna": 37}, {}))
    lonely.prepare(data, {})
    assert lonely.prior.rows.shape == (1, 2)


def test_a_library_is_drawn_if_z_is_and_a_said_one_is_kept():
    net, _, some = built()
    once, again = (net(some, drawing()).library["rna"] for _ in "12")
    assert not torch.equal(once, again)
    torch.testing.assert_close(net(some, Trace()).library["rna"], net(some, Trace()).library["rna"])
    said = some.as_if(library=500.0)
    assert net(said, drawing()).library["rna"].unique().tolist() == [500.0]
    assert some.as_if({"batch": 0}).said == {}


def test_the_gradient_is_that_of_differences():
    recipe = small(recipes.scvi(batch="batch", library="latent", n_hidden=8, n_latent=2))
    trainer = trained(recipe, cells(60))
    network = trainer.network.double().eval()
    some = next(minibatches(cells(20), trainer.levels, 99)).to("cpu", torch.float64)

    def loss():
        with NoNoise():
            return sum(losses(recipe.terms, network(some, draw=False), some).values())

    library = network.decoders["rna"].library
    for p in (library.latent.linear.bias, library.prior.blocks[0]):
        network.zero_grad()
        loss().backward()
        wanted, step = p.grad.flatten()[0].item(), 1e-5
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                p.view(-1)[0] += sign * step
                values.append(loss().item())
                p.view(-1)[0] -= sign * step
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_the_written_out_step_leaves_it_to_autograd():
    recipe = recipes.scvi(batch="batch", library="latent")
    assert not known(recipe) and known(recipes.scvi(batch="batch"))
    assert not known(replace(recipe, terms=recipe.terms[:2]))
    run = trained(small(recipe, epochs=1), cells())
    assert run.whole is None
    names = {k for k in run.history[-1] if k.startswith(("nll", "kl"))}
    assert names == {"nll rna", "kl z", "kl library"}


def test_counts_are_decoded_for_any_library():
    data, _ = held()
    m = model("latent")
    np.testing.assert_allclose(wd.denoise(m, data, library=1e4).sum(1), 1e4, rtol=1e-3)
    own = wd.denoise(m, data).sum(1)
    np.testing.assert_allclose(own, wd.library_size(m, data), rtol=1e-3)
    drawn = wd.sample(m, n=300, seed=1).sum(1)
    assert 0.5 < np.median(drawn) / np.median(np.asarray(data.views["rna"].sum(1))) < 2


def test_other_recipes_take_it():
    for make in (recipes.scanvi, recipes.adversarial_vae):
        recipe = make(batch="batch", library="latent")
        assert recipe.terms[-1].name == "kl library" and recipe.decoders[0].library.by == "batch"
    assert recipes.scvi(("donor", "lane"), library="latent").decoders[0].library.by == "donor"
    assert recipes.scvi(library="latent").decoders[0].library.by is None
