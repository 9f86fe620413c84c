"""Small cells and small fits that many tests share; a fit is made once, when first asked for."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from scipy import sparse
from sklearn.neighbors import NearestNeighbors
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from waddington import recipes, simulate
from waddington.cells import RNA, Cells
from waddington.errors import InputError
from waddington.model import Model
from waddington.opponents import Flip, Fool, Opponent
from waddington.recipe import Recipe
from waddington.recipes import RECIPES
from waddington.schedules import Piecewise
from waddington.terms import KL, MMD, NLL
from waddington.trainer import Trainer

GENES = 37
EPOCHS = 6


def cells(n=201, seed=0):
    """Counts with every kind of column that a recipe may read."""
    made = simulate.counts(n, GENES, depth=300.0, seed=seed).cells
    rng = np.random.default_rng(seed)
    condition = np.where(rng.random(n) < 0.5, "control", "stimulated")
    return replace(
        made,
        covariates={**made.covariates, "condition": condition},
        values={"age": rng.normal(40, 9, (n, 1)).astype(np.float32)},
        size_factor=rng.lognormal(0, 0.3, n).astype(np.float32),
    )


def binary(data):
    """The same cells with 1 wherever something was counted."""
    return replace(data, views={k: (x > 0).astype(np.float32) for k, x in data.views.items()})


def data_for(recipe, n=201):
    """Cells of the kind that the recipe's heads describe: counts, log values, or 0 and 1."""
    data, heads = cells(n), [d.head for d in recipe.decoders]
    if any(getattr(h, "counts", False) for h in heads):
        return data
    logs = simulate.log_normalised(data)
    try:
        for head in heads:
            head.validate(logs.views[RNA])
    except InputError:
        return binary(data)
    return logs


def small(recipe, epochs=EPOCHS, batch_size=64, lr=3e-3):
    """The recipe with short phases and a rate that suits them."""
    phases = tuple(
        replace(p, epochs=epochs, batch_size=batch_size, optimiser=replace(p.optimiser, lr=lr))
        for p in recipe.phases
    )
    return replace(recipe, phases=phases)


def told_batches(**options):
    """scVI with all the columns that it can read."""
    return recipes.scvi(batch="batch", covariates=("age",), **options)


def aligned():
    """A cVAE of normal data whose first decoder layer is to look the same in all conditions."""
    base = recipes.cvae(likelihood="normal")
    return replace(base, name="aligned", terms=(*base.terms, MMD("rna.decoder.0", "condition")))


def opposed():
    """scVI with two opponents, one of each kind that reads levels."""
    two = (Opponent("z", "batch", Flip()), Opponent("z", "condition", Fool(), every=2))
    return replace(recipes.scvi(), name="opposed", opponents=two)


def phased():
    """A VAE whose decoder is trained first, then all of it, with a weight that drops in between."""
    base = recipes.vae(hidden=(16,), n_latent=4)
    (phase,) = base.phases
    drop = Piecewise(((0.0, 1.0), (0.5, 1.0), (0.5, 0.5)))
    first = replace(phase, train=("decoders.*",))
    return replace(base, name="phased", terms=(NLL(), KL(weight=drop)), phases=(first, phase))


VARIANTS = {
    "scvi with batches": told_batches,
    "scvi gene-batch": lambda: told_batches(dispersion="gene-batch", encode_covariates=True),
    "scvi zinb": lambda: recipes.scvi(likelihood="zinb", n_layers=2),
    "scvi latent library": lambda: told_batches(library="latent"),
    "scvi standardised": lambda: told_batches(standardise=True),
    "scvi gene-cell": lambda: recipes.scvi(dispersion="gene-cell", library="size_factor"),
    "linear_scvi with batches": lambda: recipes.linear_scvi(batch="batch"),
    "scanvi with batches": lambda: recipes.scanvi(batch="batch", encode_covariates=True),
    "saucie with batches": lambda: recipes.saucie("batch", hidden=(32, 16)),
    "cardec with batches": lambda: recipes.cardec("batch", n_clusters=3, n_variable=20),
    "scgan of types": lambda: recipes.scgan("cell_type", 8, (32,), (32,)),
    "vae poisson": lambda: recipes.vae(likelihood="poisson", capacity=5.0),
    "vae bernoulli": lambda: recipes.vae(likelihood="bernoulli", hidden=()),
    "vae multinomial": lambda: recipes.vae(likelihood="multinomial", beta=0.2),
    "autoencoder normal": lambda: recipes.autoencoder(likelihood="normal"),
    "aligned": aligned,
    "opposed": opposed,
    "phased": phased,
}
CASES = {**RECIPES, **VARIANTS}
"""Every recipe as it comes, and more of what can be composed."""


@dataclass(frozen=True)
class Fitted:
    """A recipe made small, its data, and a fit."""

    recipe: Recipe
    cells: Cells
    model: Model


@cache
def fitted(name):
    """One of CASES, trained."""
    recipe = small(CASES[name]())
    data = data_for(recipe)
    return Fitted(recipe, data, trained(recipe, data).model())


def trained(recipe, data, seed=1, **options):
    """A trainer that has done all it has to do."""
    trainer = Trainer(recipe, data, seed=seed, **options)
    trainer.advance()
    return trainer


def fit(recipe, data, seed=0, **changes):
    """A model of the recipe with other values in its last phase."""
    lr = changes.pop("lr", None)
    phase = replace(recipe.phases[-1], **changes)
    if lr is not None:
        phase = replace(phase, optimiser=replace(phase.optimiser, lr=lr))
    return trained(replace(recipe, phases=(*recipe.phases[:-1], phase)), data, seed).model()


def real(x):
    """Cells of real numbers, from a dense matrix."""
    return Cells({RNA: sparse.csr_matrix(x)})


def agrees(made, other, old, worst=3.0):
    """Generated counts are as real ones that the model never saw, and no copies of those it saw.

    Gene by gene means, variances and shares of zeros, and the correlations of genes, differ from
    those of other real cells at most `worst` times as much as between two sets of real cells. A
    generated cell is as far from the nearest cell of training as other real cells are.
    """
    pairs = np.triu_indices(made.shape[1], 1)
    logs = [np.log1p(x) for x in (made, other, old)]
    scales = {
        "mean": lambda x: x.mean(0),
        "sd": lambda x: x.std(0),
        "zeros": lambda x: (x == 0).mean(0),
        "correlation": lambda x: np.corrcoef(x.T)[pairs],
    }
    for name, f in scales.items():
        ours, usual = (np.abs(f(x) - f(logs[1])).mean() for x in (logs[0], logs[2]))
        assert ours < worst * usual, (name, ours, usual)
    near = NearestNeighbors(n_neighbors=1).fit(logs[2])
    away, usual = (near.kneighbors(x)[0][:, 0] for x in logs[:2])
    assert 0.8 < np.median(away) / np.median(usual) < 1.25
    assert (away < np.quantile(usual, 0.05)).mean() < 0.15


class NoNoise:
    """All draws from normals are their means."""

    def __enter__(self):
        self.before = torch.randn, torch.randn_like
        torch.randn = lambda *shape, **kind: torch.zeros(*shape, **kind)
        torch.randn_like = torch.zeros_like

    def __exit__(self, *error):
        torch.randn, torch.randn_like = self.before


class OneDevice(TorchDispatchMode):
    """No operation reads tensors of two devices, but for copies and for single numbers."""

    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        kinds = {x.device.type for x in tensors if x.dim()}
        if len(kinds) > 1 and "copy" not in str(f):
            raise AssertionError(f"{f} reads tensors of {sorted(kinds)}")
        return f(*args, **kwargs)
