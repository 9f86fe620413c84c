"""The hand-written step against autograd: the same draws, the same values, the same gradients."""

import copy

import numpy as np
import pytest
import torch
from scipy import sparse

from waddington import kernels
from waddington.cells import Cells, Dims
from waddington.coders import Decoder
from waddington.layers import Dense, Stack, mlp
from waddington.likelihoods import Bernoulli, Multinomial, NegativeBinomial, NormalHead
from waddington.minibatches import minibatches
from waddington.network import Network
from waddington.opponents import Opponent
from waddington.optim import Adam, Sgd
from waddington.parts import replace
from waddington.recipes import RECIPES
from waddington.recipes.autozi import PerhapsInflated
from waddington.schedules import END, at
from waddington.terms import KL, losses, weighted
from waddington.whole_step import known, match

needs_c = pytest.mark.skipif(not kernels.status()["active"], reason=kernels.status()["why"])
scvi = RECIPES["scvi"]
LEARNT = NormalHead("linear", None)
MATCHED = {
    "nb": scvi(batch="batch"),
    "zinb": scvi(batch="batch", likelihood="zinb"),
    "no batch, two layers": scvi(n_layers=2, n_latent=3),
    "two batches": scvi(batch=("batch", "donor"), encode_covariates=True),
    "first layer only": scvi(batch="batch", n_layers=2, inject="first", encode_covariates=True),
    "gene-batch": scvi(batch="batch", dispersion="gene-batch"),
    "gene-cell": scvi(likelihood="zinb", dispersion="gene-cell"),
    "size factor": scvi(library="size_factor"),
    "no library": scvi(library="none", likelihood="zinb"),
    "numbers": scvi(batch="batch", covariates=("age",)),
    "autoencoder": RECIPES["autoencoder"](),
    "cvae": RECIPES["cvae"](condition="batch"),
    "exercise": RECIPES["exercise_vae"](),
    "learnt sd": replace(RECIPES["exercise_vae"](), decoders=(Decoder(mlp(8), LEARNT),)),
    "linear": RECIPES["linear_scvi"](batch="batch"),
    "activations": scvi(
        encoder=mlp(9, 8, act="elu", norm="batch", dropout=0.2),
        decoder=Stack(
            (
                Dense(7, "tanh"),
                Dense(6, "leaky_relu"),
                Dense(5, "sigmoid", None, 0.1),
                Dense(5, "softplus"),
                Dense(4, "linear"),
            )
        ),
    ),
    "poisson": scvi(batch="batch", likelihood="poisson"),
    "poisson, no library": scvi(likelihood="poisson", library="none"),
    "multinomial": replace(scvi(), decoders=(Decoder(mlp(8), Multinomial()),)),
    "bernoulli": replace(scvi(), decoders=(Decoder(mlp(8), Bernoulli()),)),
    "no norm": scvi(encoder=mlp(20, 9, dropout=0.2), decoder=mlp(7, dropout=0.3)),
}


def some_cells(n=60, genes=30, mean=1.0):
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.gamma(0.5, 2 * mean, (n, genes)))
    return Cells(
        {"rna": sparse.csr_matrix(x, dtype=np.float32)},
        covariates={
            "batch": np.array(["a", "b", "c"])[rng.integers(0, 3, n)],
            "donor": np.array(["x", "y"])[rng.integers(0, 2, n)],
        },
        present={"rna": rng.random(n) < 0.9},
        values={"age": rng.normal(40, 9, (n, 1))},
        size_factor=rng.uniform(0.5, 2, n),
    )


def network_of(recipe, cells):
    torch.manual_seed(1)
    sizes = {k: tuple(map(len, v)) for k, v in cells.levels().items()}
    network = Network(recipe, Dims({"rna": cells.views["rna"].shape[1]}, sizes)).train()
    for module in network.modules():
        if hasattr(module, "prepare"):
            module.prepare(cells, cells.levels())
    return network


def by_autograd(recipe, network, cells):
    values = losses(recipe.terms, network(cells), cells)
    sum(weighted(recipe.terms, values, END).values()).backward()
    return values


@pytest.fixture(params=[pytest.param(True, id="C", marks=needs_c), pytest.param(False, id="torch")])
def engine(request):
    """Whether the step is computed in C."""
    kernels.use(request.param)
    yield request.param
    kernels.use(None)


@pytest.mark.parametrize("mean", [0.1, 1.0], ids=["sparse", "dense"])
@pytest.mark.parametrize("name", MATCHED)
def test_values_and_gradients_are_those_of_autograd(name, mean, engine):
    recipe, cells = MATCHED[name], some_cells(mean=mean)
    if name == "bernoulli":
        cells.views["rna"].data[:] = 1
    theirs = network_of(recipe, cells)
    mine = copy.deepcopy(theirs)
    step, weights = match(recipe, mine), {t.name: at(t.weight, END) for t in recipe.terms}
    for seed, batch in enumerate(minibatches(cells, cells.levels(), 25)):
        for network in (mine, theirs):
            network.zero_grad()
        torch.manual_seed(seed)
        got = step(batch, weights)
        torch.manual_seed(seed)
        want = by_autograd(recipe, theirs, batch)
        for k, v in want.items():
            torch.testing.assert_close(got[k], v.detach(), rtol=1e-5, atol=1e-6)
        after = dict(mine.named_parameters())
        for k, p in theirs.named_parameters():
            scale = max(p.grad.norm().item(), 0.05)  # a bias before a norm has none but rounding
            assert (after[k].grad - p.grad).norm() <= 2e-5 * scale, k
        for (k, a), b in zip(mine.named_buffers(), theirs.buffers(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, msg=k)


def test_what_is_not_a_number_is_not_hidden(engine):
    recipe, cells = MATCHED["zinb"], some_cells()
    network = network_of(recipe, cells)
    step, batch = match(recipe, network), next(minibatches(cells, cells.levels(), 25))
    weights = {t.name: 1.0 for t in recipe.terms}
    with torch.no_grad():
        network.encoders["rna"].stack[0].linear.bias[0] = float("nan")
    assert all(v.isnan() for v in step(batch, weights).values())


@needs_c
@pytest.mark.parametrize("decoupled", [False, True])
def test_weights_that_move_early_go_where_the_optimiser_leads(decoupled):
    recipe, cells = MATCHED["zinb"], some_cells()
    how = Adam(eps=0.01, weight_decay=0.1, decoupled=decoupled)
    moved = []
    for early in (False, True):
        network = network_of(recipe, cells)
        optimiser = how.build(list(network.parameters()))
        step, weights = match(recipe, network, optimiser), {t.name: 1.0 for t in recipe.terms}
        torch.manual_seed(2)
        for batch in minibatches(cells, cells.levels(), 9):
            step(batch, weights, 0.01 if early else None)
            stored = network.encoders["rna"].stack[0].linear.weight["rna"].grad
            assert (stored is None) == early
            optimiser.step(0.01)
        moved.append(network)
    for (k, a), b in zip(moved[0].named_parameters(), moved[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, msg=k)


@pytest.mark.parametrize("how", [Adam(clip=1.0), Adam(amsgrad=True), Sgd()])
def test_other_optimisers_wait_for_all_gradients(how, engine):
    recipe, cells = MATCHED["nb"], some_cells()
    network = network_of(recipe, cells)
    step = match(recipe, network, how.build(list(network.parameters())))
    step(next(minibatches(cells, cells.levels(), 9)), {t.name: 1.0 for t in recipe.terms}, 0.01)
    assert all(p.grad is not None for p in network.parameters())


base = MATCHED["nb"]
OTHERS = {
    "a term": replace(base, terms=(*base.terms, KL("q"))),
    "a capacity": replace(base, terms=(base.terms[0], KL(capacity=3.0))),
    "another head": replace(base, decoders=(Decoder(mlp(8), PerhapsInflated()),)),
    "another activation": scvi(encoder=mlp(8, act="gelu")),
    "another act of the mean": replace(base, decoders=(Decoder(mlp(8), NormalHead("sigmoid")),)),
    "a point as a head": replace(base, decoders=(Decoder(mlp(8), NormalHead(sd=0.0)),)),
    "another norm": scvi(decoder=mlp(8, norm="layer")),
    "no layers": scvi(encoder=mlp()),
    "an opponent": replace(base, opponents=(Opponent("z", "batch"),)),
    "another view": replace(base, decoders=(Decoder(mlp(8), NegativeBinomial(), "protein"),)),
    "no terms": replace(base, terms=()),
    "a wgan": RECIPES["wgan"](),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_recipes_are_left_to_autograd(name):
    assert not known(OTHERS[name])


def test_networks_with_hooks_or_frozen_parts_are_left_to_autograd(engine):
    recipe, cells = MATCHED["nb"], some_cells()
    network = network_of(recipe, cells)
    assert match(recipe, network) is not None
    handle = network.encoders["rna"].register_forward_hook(lambda *_: None)
    assert match(recipe, network) is None
    handle.remove()
    next(network.parameters()).requires_grad_(False)
    assert match(recipe, network) is None
