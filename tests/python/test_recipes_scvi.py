"""scVI on counts whose frequencies, types and batch effects are known."""

from dataclasses import replace

import numpy as np
import pytest
import toys
from scipy import sparse
from toys import fit

import waddington as wd
from waddington import metrics, recipes, simulate, verbs
from waddington.cells import Dims
from waddington.errors import InputError
from waddington.network import Network
from waddington.schedules import Linear


@pytest.fixture(scope="module")
def made():
    return simulate.counts(800, 60, 3, 2, depth=800, seed=1)


@pytest.fixture(scope="module")
def model(made):
    recipe = recipes.scvi(batch="batch", n_latent=5, n_hidden=64)
    return fit(recipe, made.cells, lr=5e-3, epochs=50, batch_size=64)


def network(recipe):
    """The parameters of a new network for 12 genes and two batches, by name."""
    return dict(Network(recipe, Dims({"rna": 12}, {"batch": (2,)})).named_parameters())


def log_error(got, want, cells):
    return np.abs(np.log(got / want))[cells].mean()


def test_frequencies_are_recovered(made, model):
    got, want = verbs.denoise(model, made.cells, library=1.0), made.truth["frequency"]
    assert got.sum(1) == pytest.approx(1.0, rel=1e-4)
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.97
    assert np.corrcoef(np.log(got).ravel(), np.log(want).ravel())[0, 1] > 0.97


def log_theta(model):
    return model.weights["decoders.rna.head.tables.log_theta.blocks.0"].ravel()


def test_theta_is_recovered(model):
    assert np.median(np.exp(log_theta(model))) == pytest.approx(5.0, rel=0.25)


def test_theta_is_recovered_gene_by_gene():
    """Where genes differ in theta, 0.5 to 20, the slope of found on true logs is near 1."""
    made, rng = simulate.counts(2000, 60, 3, 2, depth=800, seed=1), np.random.default_rng(4)
    want = rng.uniform(np.log(0.5), np.log(20), 60)
    mean = made.truth["library"] * made.truth["frequency"]
    x = rng.poisson(rng.gamma(np.exp(want), mean / np.exp(want))).astype(np.float32)
    cells = replace(made.cells, views={"rna": sparse.csr_matrix(x)})
    recipe = recipes.scvi(batch="batch", n_latent=5, n_hidden=64)
    got = log_theta(fit(recipe, cells, lr=5e-3, epochs=60, batch_size=64))
    expressed = mean.mean(0) > 5
    assert 0.85 < np.polyfit(want[expressed], got[expressed], 1)[0] < 1.15
    assert np.corrcoef(want[expressed], got[expressed])[0, 1] > 0.98


@pytest.mark.parametrize("batch", [0, 1])
def test_cells_decoded_as_of_another_batch_are_what_they_would_have_been(made, model, batch):
    t, other = made.truth, made.truth["batch"] != batch
    want = simulate.softmax(t["profiles"][t["type"]] + t["effects"][batch])
    got = verbs.denoise(model, made.cells, library=1.0, batch=f"batch{batch}")
    assert log_error(got, want, other) < 0.15  # per gene, about 15 %
    assert log_error(got, want, other) < 0.3 * log_error(t["frequency"], want, other)


def test_decoding_a_cell_as_of_its_own_batch_changes_nothing(made, model):
    as0, as1 = (verbs.denoise(model, made.cells, batch=b) for b in ("batch0", "batch1"))
    own = np.where((made.truth["batch"] == 0)[:, None], as0, as1)
    np.testing.assert_allclose(verbs.denoise(model, made.cells), own, rtol=1e-5)


def test_types_are_kept_and_batches_are_less_visible_than_in_the_data(made, model):
    z = verbs.latent(model, made.cells)
    assert metrics.cluster_scores(z, made.cells.covariates["cell_type"])["ari"] > 0.95
    log = simulate.log_normalised(made.cells).views["rna"]
    before = metrics.neighbour_purity(metrics.principal_components(log, 5), made.truth["batch"])
    assert metrics.neighbour_purity(z, made.truth["batch"]) < before - 0.1


def test_it_beats_the_trivial_model(model):
    assert model.record["held_out_nll"] < model.record["trivial_nll"] - 10
    assert "better than feature means x library" in model.summary()["held out"]


def test_zero_inflation_is_not_invented(made):
    """Counts have no extra zeros: none are found, and held-out cells are described no better."""
    from waddington.minibatches import minibatches

    ask = lambda likelihood: fit(
        recipes.scvi(batch="batch", n_latent=5, n_hidden=64, likelihood=likelihood),
        made.cells,
        lr=3e-3,
        epochs=30,
        batch_size=64,
    )
    model, plain = ask("zinb"), ask("nb")
    assert model.record["held_out_nll"] > plain.record["held_out_nll"] - 0.2
    (m,) = minibatches(made.cells, model.levels, 9999)
    d = model.network.decode(model.network.encode(m).loc, m)["rna"]
    assert float(d.zero_logits.detach().sigmoid().mean()) < 0.05


def test_what_the_arguments_say():
    recipe = recipes.scvi("donor", ("age",), n_layers=2, encode_covariates=True, warm_up=0.5)
    assert (recipe.covariates, recipe.numbers) == (("donor",), ("age",))
    assert len(recipe.encoders[0].stack.layers) == len(recipe.decoders[0].stack.layers) == 2
    assert recipe.encoders[0].stack.inject == recipe.decoders[0].stack.inject == "every"
    assert recipe.terms[1].weight == Linear(over=0.5)
    assert recipes.scvi("donor").encoders[0].stack.inject is None
    with pytest.raises(wd.InputError, match="inject must be one of"):
        recipes.scvi("donor", inject="last")


def test_covariates_go_where_they_are_sent():
    shapes = lambda **more: {
        k: tuple(p.shape)
        for k, p in network(recipes.scvi("batch", n_hidden=8, n_layers=2, **more)).items()
        if "shift" in k or k.startswith("embeddings")
    }
    assert list(shapes().values()) == [(2, 8), (2, 8)]
    assert list(shapes(inject="first").values()) == [(2, 8)]
    assert len(shapes(inject="first", encode_covariates=True)) == 2
    assert sorted(shapes(n_embedding=3).values()) == [(2, 3), (8, 3), (8, 3)]


@pytest.mark.parametrize("how", [{"inject": "first", "n_layers": 2}, {"n_embedding": 2}])
def test_batch_effects_are_learnt_however_they_are_given(made, how):
    recipe = recipes.scvi(batch="batch", n_latent=5, n_hidden=64, **how)
    model, t = fit(recipe, made.cells, lr=5e-3, epochs=50, batch_size=64), made.truth
    want = simulate.softmax(t["profiles"][t["type"]] + t["effects"][1])
    got, other = verbs.denoise(model, made.cells, library=1.0, batch="batch1"), t["batch"] == 0
    assert log_error(got, want, other) < 0.4 * log_error(t["frequency"], want, other)


@pytest.mark.parametrize("name", ["scvi", "linear_scvi", "autozi", "adversarial_vae", "scpoli"])
def test_gene_batch_is_the_first_batch_whatever_its_name(name):
    batch = ("donor", "lane") if name in ("scvi", "linear_scvi") else "donor"
    recipe = recipes.RECIPES[name](batch=batch, dispersion="gene-batch")
    assert recipe.decoders[0].head.dispersion == "gene-donor"
    other = recipes.RECIPES[name](batch=batch, dispersion="gene-type")
    assert other.decoders[0].head.dispersion == "gene-type"


def test_gene_label_is_the_column_of_labels():
    for recipe in (recipes.scanvi, recipes.scpoli):
        made = recipe(labels="type", batch="donor", dispersion="gene-label")
        assert made.decoders[0].head.dispersion == "gene-type"


def test_a_dispersion_or_library_that_there_is_not_is_told():
    with pytest.raises(InputError, match="dispersion='gene-batch' needs a batch; give batch="):
        recipes.scvi(dispersion="gene-batch")
    with pytest.raises(InputError, match="needs a label"):
        recipes.scpoli(dispersion="gene-label")
    with pytest.raises(InputError, match="library must be one of observed, latent, size_factor"):
        recipes.scvi(library="nix")


def test_a_model_prints_its_numbers_beside_its_levels():
    cells = toys.cells(60)
    recipe = recipes.scvi(batch="batch", covariates=("age",))
    model = wd.train(cells, recipe, epochs=1, seed=0, verbose=False)
    assert model.summary()["covariates"].endswith("levels), age (numbers)")
