"""What a fit is compared with, and how it is scored."""

import numpy as np
import pytest
import torch
from scipy import stats
from toys import cells as toy_cells
from toys import fitted

from waddington import recipes, verbs
from waddington.minibatches import Coded
from waddington.parts import replace
from waddington.scores import evaluate, lends, sample_of
from waddington.trainer import Trainer


def split(name):
    case = fitted(name)
    trainer = Trainer(case.recipe, case.cells, seed=1)
    return case, case.cells.take(trainer.train), case.cells.take(trainer.held)


def test_the_trivial_poisson_model_is_gene_means_times_library():
    case, train, held = split("vae poisson")
    x, y = train.views["rna"].toarray(), held.views["rna"].toarray()
    share = (x.sum(0) + 0.5) / x.sum()
    mean = y.sum(1, keepdims=True) * share / share.sum()
    want = -stats.poisson.logpmf(y, mean).sum(1).mean()
    assert case.model.record["trivial_nll"] == pytest.approx(want, rel=1e-4)


def test_the_trivial_normal_model_is_the_feature_means():
    case, train, held = split("autoencoder normal")
    mean = train.views["rna"].toarray().mean(0)
    want = -stats.norm.logpdf(held.views["rna"].toarray(), mean).sum(1).mean()
    assert case.model.record["trivial_nll"] == pytest.approx(want, rel=1e-4)


def test_held_out_nll_is_that_of_the_held_out_cells_in_the_best_state():
    case, _, held = split("autoencoder")
    found = verbs.reconstruct(case.model, held)
    assert found.shape == (20, 37)
    score = evaluate(case.model.network, case.recipe, Coded.of(held, case.model.levels))
    assert case.model.record["held_out_nll"] == pytest.approx(score["nll rna"], rel=1e-5)


def test_scores_are_the_same_each_time_and_do_not_depend_on_the_block():
    case = fitted("scvi")
    data = Coded.of(case.cells, case.model.levels)
    a, b = (evaluate(case.model.network, case.recipe, data) for _ in range(2))
    assert a == b
    c = evaluate(case.model.network, case.recipe, data, size=50)
    assert c["kl z"] == pytest.approx(a["kl z"], rel=1e-5)


def test_active_units_are_those_whose_means_vary():
    recipe = recipes.vae(n_latent=4, hidden=(8,), epochs=1)
    trainer = Trainer(recipe, toy_cells(100))
    with torch.no_grad():
        latent = trainer.network.encoders["rna"].latent.linear
        latent.weight[:2], latent.weight[2:4] = 3.0, 0.0
    trainer._best = {k: v.numpy().copy() for k, v in trainer.network.state_dict().items()}
    assert trainer.model().record["active_units"] == 2


def test_imagined_cells_borrow_library_and_profiles_of_training():
    case = fitted("scvi with batches")
    trainer = Trainer(case.recipe, case.cells, seed=1)
    lent = lends(trainer.data, trainer.train, trainer.levels)
    total = np.asarray(case.cells.views["rna"].sum(1)).ravel()[trainer.train]
    quantiles = lent["library"]["rna"]
    assert len(quantiles) == 101 and quantiles[50] == pytest.approx(np.median(total))
    assert (quantiles[0], quantiles[-1]) == (total.min(), total.max())
    assert len(lent["profiles"]) == 181 and len(lent["profiles"][0]) == len(trainer.levels) + 1


def test_samples_of_large_data_are_bounded():
    cells = toy_cells(50)
    many = cells.take(np.arange(50_000) % 50)
    assert len(sample_of(many, np.arange(50_000))) <= 20_000
    assert len(sample_of(cells, np.arange(50))) == 50
    assert len(sample_of(many, np.arange(50_000), 1)) == 1000


def test_a_missing_view_is_not_scored():
    case = fitted("vae")
    half = np.arange(201) % 2 == 0
    some = replace(case.cells, present={"rna": half})
    values = evaluate(case.model.network, case.recipe, Coded.of(some, case.model.levels))
    whole = evaluate(case.model.network, case.recipe, Coded.of(case.cells, case.model.levels))
    assert 0.4 < values["nll rna"] / whole["nll rna"] < 0.6
