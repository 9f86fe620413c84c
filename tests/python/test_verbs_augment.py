"""More cells of a rare type: of that type, as deep as real ones, and no more than was measured."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toys import fit, fitted

import waddington as wd
from waddington import metrics, recipes, simulate
from waddington.errors import InputError


@cache
def planted():
    """400 cells of two types and 30 of a third, and a VAE that was told no type."""
    sim = simulate.counts(900, 60, n_types=3, n_batches=2, depth=1500.0, seed=4)
    kind = sim.truth["type"]
    rows = np.concatenate([np.flatnonzero(kind < 2)[:400], np.flatnonzero(kind == 2)[:30]])
    cells = sim.cells.take(np.sort(rows))
    model = fit(recipes.scvi("batch", n_latent=4), cells, epochs=100, batch_size=64, lr=5e-3)
    return cells, model


@cache
def generator():
    """Counts of three types, and a generator that was told the type."""
    cells = simulate.counts(600, 40, 3, 1, depth=500.0, seed=1).cells
    recipe = recipes.scgan("cell_type", 8, (64, 64), (64, 64), n_critic=2, learning_rate=1e-3)
    return cells, fit(recipe, cells, epochs=60, batch_size=64)


def profile(x):
    return np.log(np.asarray(x.sum(0), float).ravel() / x.sum() + 1e-4)


def test_new_cells_are_of_the_type_that_was_asked_for():
    cells, model = planted()
    made = wd.augment(model, cells, "cell_type", "type2", 500, seed=1)
    assert made.cells.shape == (500, 60) and (made.cells == np.round(made.cells)).all()
    real = cells.views["rna"].toarray()
    off = {
        k: np.abs(profile(made.cells) - profile(real[cells.covariates["cell_type"] == k])).mean()
        for k in ("type0", "type1", "type2")
    }
    assert off["type2"] < 0.25 and min(off["type0"], off["type1"]) > 3 * off["type2"]
    nearest = metrics.coverage(np.log1p(made.cells), np.log1p(real), cells.covariates["cell_type"])
    assert nearest["type2"] > 0.5  # of 430 cells 30 are


def test_they_are_not_the_real_cells_again_and_vary_as_much():
    cells, model = planted()
    made = wd.augment(model, cells, "cell_type", "type0", 400, seed=1)
    assert len(np.unique(made.cells, axis=0)) == 400
    x = cells.views["rna"].toarray()[cells.covariates["cell_type"] == "type0"]
    share = lambda a: (a / a.sum(1, keepdims=True)).var(0).mean()
    assert 0.6 < share(made.cells) / share(x) < 1.6


def test_real_cells_lend_library_and_covariates_each_as_often():
    cells, model = planted()
    made = wd.augment(model, cells, "cell_type", "type2", 65, seed=3)
    used, times = np.unique(made.index, return_counts=True)
    assert (cells.covariates["cell_type"][used] == "type2").all()
    assert len(used) == 30 and set(times) == {2, 3}
    np.testing.assert_array_equal(made.covariates["batch"], cells.covariates["batch"][made.index])
    assert set(made.covariates["cell_type"]) == {"type2"}
    library = np.asarray(cells.views["rna"].sum(1)).ravel()[made.index]
    assert np.corrcoef(np.log(library), np.log(made.cells.sum(1)))[0, 1] > 0.9


def test_the_seed_governs_all_draws():
    cells, model = planted()
    a, b, c = (wd.augment(model, cells, "cell_type", "type2", 9, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.cells, b.cells)
    np.testing.assert_array_equal(a.index, b.index)
    assert (a.cells != c.cells).any()


@pytest.mark.parametrize("kind", ["type0", "type2"])
def test_a_conditional_generator_makes_the_type(kind):
    cells, model = generator()
    made = wd.augment(model, cells, "cell_type", kind, 300).cells
    assert (made == np.round(made)).all()
    x, types = np.log1p(cells.views["rna"].toarray()), cells.covariates["cell_type"]
    far = {k: np.abs(np.log1p(made).mean(0) - x[types == k].mean(0)).mean() for k in set(types)}
    assert far.pop(kind) < 0.4 * min(far.values())


def rare(seed, n=900, genes=100):
    """Shallow cells of three types, two alike: 450 to learn from, 10 of the rare one; the test."""
    rng = np.random.default_rng(seed)
    base, off = rng.normal(0, 1, (2, genes)), rng.normal(0, 0.4, genes)
    kind = rng.permutation(n) % 3
    share = simulate.softmax(np.array([base[0], base[1], base[1] + off])[kind])
    rate = rng.lognormal(np.log(300), 0.4, (n, 1)) * share * rng.gamma(5, 0.2, (n, genes))
    types = np.array(["x", "like the rare one", "rare"])[kind]
    cells = wd.Cells.from_arrays(rng.poisson(rate).astype(np.float32), categorical={"kind": types})
    train, test = np.arange(n // 2), np.arange(n // 2, n)
    few = np.flatnonzero(kind[train] == 2)[:10]
    return cells.take(np.append(train[kind[train] < 2], few)), cells.take(test), rng


def f1_of_rare(cells, more, test):
    """Of a classifier that also learnt from these counts of the rare type."""
    logs = lambda x: np.log1p(1000 * x / np.maximum(x.sum(1, keepdims=True), 1))
    x = np.vstack([cells.views["rna"].toarray(), more])
    kinds = np.append(cells.covariates["kind"], np.full(len(more), "rare"))
    line = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    said = line.fit(logs(x), kinds).predict(logs(test.views["rna"].toarray()))
    return f1_score(test.covariates["kind"] == "rare", said == "rare")


def test_a_classifier_finds_a_rare_type_better_with_new_cells():
    """Five sets, split before anything is learnt: the gain is more than twice its error."""
    scores = []
    for seed in range(5):
        cells, test, rng = rare(seed)
        recipe = recipes.scvi(n_latent=5, n_hidden=64)
        model = fit(recipe, cells, seed, epochs=80, batch_size=64, lr=5e-3)
        mine = cells.views["rna"].toarray()[cells.covariates["kind"] == "rare"]
        ways = mine[:0], rng.choice(mine, 140), wd.augment(model, cells, "kind", "rare", 140).cells
        scores.append([f1_of_rare(cells, more, test) for more in ways])
    none, again, made = np.transpose(scores)
    for gain in (made - none, made - again):
        assert gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(5)
    assert made.mean() > 0.8 > 0.2 > none.mean()


def test_too_few_cells_are_told():
    cells, model = planted()
    assert wd.augment(model, cells, "cell_type", "type2", 3).notes == ()
    names = np.where(np.arange(len(cells)) < 2, "odd", "other")
    few = replace(cells, covariates={**cells.covariates, "kind": names})
    (note,) = wd.augment(model, few, "kind", "odd", 3).notes
    assert note.startswith("only 2 cells have 'kind' 'odd'")


def test_an_anndata_needs_no_more_than_its_columns():
    import anndata as ad
    import pandas as pd

    cells, model = planted()
    genes = pd.DataFrame(index=cells.features["rna"])
    adata = ad.AnnData(cells.views["rna"], pd.DataFrame(cells.covariates), genes)
    adata.obs.index = adata.obs.index.astype(str)
    want = wd.augment(model, cells, "cell_type", "type2", 5, seed=1)
    got = wd.augment(model, adata, "cell_type", "type2", 5, seed=1)
    np.testing.assert_array_equal(got.cells, want.cells)
    assert set(got.covariates) == {"batch", "cell_type"} and got.features == want.features


@pytest.mark.parametrize(
    "changes,said",
    [
        ({"covariate": "x"}, "'x' is not a column of the data"),
        ({"level": "B cell"}, "no cell has 'cell_type' 'B cell'; there are 'type0'"),
        ({"n": 0}, "n must be at least 1, got 0"),
    ],
)
def test_what_can_not_be_asked_is_named(changes, said):
    cells, model = planted()
    with pytest.raises(InputError, match=said):
        wd.augment(model, cells, **{"covariate": "cell_type", "level": "type2", "n": 5} | changes)


def test_a_generator_that_was_told_no_type_is_refused():
    case = fitted("wgan")
    with pytest.raises(InputError, match="generates any cell: it has no encoder"):
        wd.augment(case.model, case.cells, "cell_type", "type1", 5)


def test_without_a_prior_it_is_refused():
    case = fitted("autoencoder")
    assert "latent space has no prior" in wd.verbs.why_not(case.model, "augment")
    with pytest.raises(InputError, match=r"can't be asked of an? autoencoder model"):
        wd.augment(case.model, case.cells, "cell_type", "type1", 5)
