"""Queries on a reference that must not move."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from toys import fit

import waddington as wd
from waddington import recipes, simulate, verbs
from waddington.genes import identifier_kind, variable_genes
from waddington.parts import replace

BIG = 0.8
"""Effect of the query's batch, in log frequency: twice that of the simulated ones."""


@pytest.fixture(scope="module")
def world():
    """Four types; two batches to learn from, a third and a fourth that come later."""
    made = simulate.counts(1400, 70, n_types=4, n_batches=4, depth=500, seed=2)
    rows = lambda *names: made.cells.take(
        np.flatnonzero(np.isin(made.cells.covariates["batch"], names))
    )
    reference = rows("batch0", "batch1")
    recipe = recipes.scvi(batch="batch", n_hidden=64, encode_covariates=True, epochs=25)
    model = fit(recipe, reference, batch_size=64, lr=3e-3)
    return reference, rows("batch2"), rows("batch3"), model


@pytest.fixture(scope="module")
def mapped(world):
    return wd.map_query(world[3], world[1], epochs=15, seed=1)


def types(cells):
    return cells.covariates["cell_type"]


def accuracy(reference, z_reference, query, z_query):
    return (wd.transfer_labels(z_reference, types(reference), z_query)[0] == types(query)).mean()


def without(cells, genes):
    keep = [i for i, g in enumerate(cells.features["rna"]) if g not in set(genes)]
    names = tuple(cells.features["rna"][i] for i in keep)
    return replace(cells, views={"rna": cells.views["rna"][:, keep]}, features={"rna": names})


def test_the_reference_stays_identical_to_the_bit(world, mapped):
    reference, _, _, model = world
    for f in (wd.latent, wd.denoise, wd.elbo):
        np.testing.assert_array_equal(f(mapped.model, reference), f(model, reference))


def test_only_the_new_rows_change(world, mapped):
    wide = world[3].expand(batch=("batch2",))
    changed = {k for k, v in wide.weights.items() if not np.array_equal(v, mapped.model.weights[k])}
    assert changed and changed <= set(wide.network.new_rows("batch"))
    assert mapped.new == {"batch": ("batch2",)} and mapped.genes.missing == ()


def test_the_new_rows_fit_the_query_better_than_a_mean_of_the_old(world, mapped):
    wide = world[3].expand(batch=("batch2",))
    assert wd.elbo(mapped.query, world[1]).mean() > wd.elbo(wide, world[1]).mean() + 2


def test_types_of_the_query_are_found_by_their_neighbours(world, mapped):
    reference, query, _, model = world
    z = wd.latent(model, reference)
    assert accuracy(reference, z, query, wd.latent(mapped.query, query)) > 0.95


def test_a_second_query_follows(world, mapped):
    reference, query, third, model = world
    again = wd.map_query(mapped.model, third, epochs=5)
    assert again.model.levels["batch"] == (("batch0", "batch1"), ("batch2",), ("batch3",))
    np.testing.assert_array_equal(wd.latent(again.model, reference), wd.latent(model, reference))
    before, after = wd.latent(mapped.model, query), wd.latent(again.model, query)
    np.testing.assert_array_equal(after, before)


def test_positions_and_types_suffer_little_by_little_from_absent_genes(world):
    """5 to 40 % of the genes, each time those of before and more."""
    reference, query, _, model = world
    ask = lambda cells: wd.latent(wd.map_query(model, cells, epochs=8).query, cells)
    order, far, right = np.random.default_rng(0).permutation(70), [], []
    whole, z = ask(query), wd.latent(model, reference)
    for share in (0.05, 0.1, 0.2, 0.4):
        some = without(query, [model.features["rna"][i] for i in order[: round(70 * share)]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            q = ask(some)
        far.append(np.linalg.norm(q - whole, axis=1).mean())
        right.append(accuracy(reference, z, query, q))
    between = np.linalg.norm(whole[:-1] - whole[1:], axis=1).mean()
    assert (np.diff(far) > 0).all() and far[0] < 0.25 * between and far[-1] < 0.6 * between
    assert min(right) > 0.95


def test_an_absent_gene_is_not_a_zero(world):
    """Types survive the loss of 40 % of the genes, and better than with zeros in their place."""
    reference, query, _, model = world
    genes = model.features["rna"]
    lost = [genes[i] for i in np.random.default_rng(0).permutation(70)[:28]]
    found = {}
    with pytest.warns(UserWarning, match="42 of the model's 70 genes are in the data; 28 are not"):
        some = wd.map_query(model, without(query, lost), epochs=8)
    off = lambda z: np.linalg.norm(z - whole, axis=1).mean()
    whole = wd.latent(wd.map_query(model, query, epochs=8).query, query)
    found["masked"] = off(wd.latent(some.query, without(query, lost)))
    x = query.views["rna"].tolil(copy=True)
    x[:, [genes.index(g) for g in lost]] = 0
    zeros = replace(query, views={"rna": sparse.csr_matrix(x)})
    found["zeros"] = off(wd.latent(wd.map_query(model, zeros, epochs=8).query, zeros))
    assert found["masked"] < 0.8 * found["zeros"]
    z = wd.latent(model, reference)
    assert accuracy(reference, z, query, wd.latent(some.query, without(query, lost))) > 0.85


def test_a_restricted_model_shares_out_what_was_measured(world):
    reference, _, _, model = world
    few = verbs.restrict(model, model.features["rna"][:30])
    some = without(reference, model.features["rna"][30:])
    made = wd.denoise(few, some, library=1)
    np.testing.assert_allclose(made.sum(1), 1, rtol=1e-4)
    z, m = wd.latent(few, some)[:5], wd.denoise(few, some, library=1)[:5]
    assert z.shape == (5, 10) and m.shape == (5, 30)
    whole = verbs.restrict(few, few.features["rna"])
    assert whole is few


def test_what_a_restricted_encoder_reads_of_absent_genes_is_their_mean(world):
    """Had the absent genes their expected inputs, the whole model would say the same."""
    from waddington.verbs.surgery import expected_inputs

    reference, _, _, model = world
    keep, expected = np.arange(30), expected_inputs(model)
    few = verbs.restrict(model, model.features["rna"][:30])
    some = without(reference, model.features["rna"][30:]).take(np.arange(6))
    x = np.expm1(np.tile(expected, (6, 1)))
    x[:, keep] = some.views["rna"].toarray()
    filled = replace(some, views={"rna": sparse.csr_matrix(x)}, features=dict(model.features))
    np.testing.assert_allclose(wd.latent(few, some), wd.latent(model, filled), atol=1e-3)


def test_ensembl_identifiers_are_told_from_symbols(world):
    _, query, _, model = world
    ids = tuple(f"ENSG{i:011d}" for i in range(70))
    with pytest.raises(wd.InputError, match=r"none of the model's genes .* the data Ensembl gene"):
        wd.map_query(model, replace(query, features={"rna": ids}))
    assert identifier_kind(["CD3E", "MS4A1", "HLA-DRA", "C1orf56"]) == "human symbol"
    assert identifier_kind(["Cd3e", "Ms4a1", "H2-Aa", "0610007P14Rik"]) == "mouse symbol"
    assert identifier_kind(["ENSMUSG00000064351.1"]) == "Ensembl gene"
    assert identifier_kind(["1017", "7157"]) == "Entrez" and identifier_kind([]) == "unknown"


def test_a_query_of_one_cell_and_one_without_news(world):
    reference, query, _, model = world
    one = wd.map_query(model, query.take(np.array([0])), epochs=2)
    assert np.isfinite(wd.latent(one.query, query.take(np.array([0])))).all()
    same = wd.map_query(model, reference.take(np.arange(50)))
    assert same.new == {} and same.history == () and same.model is model


def test_scanvi_takes_a_query_without_labels():
    cells = simulate.counts(600, 50, n_types=3, n_batches=3, depth=400, seed=4).cells
    old = cells.covariates["batch"] != "batch2"
    recipe = recipes.scanvi(batch="batch", n_latent=8, n_layers=1, n_hidden=48, epochs=15)
    model = fit(recipe, cells.take(np.flatnonzero(old)), batch_size=64, lr=3e-3)
    query = cells.take(np.flatnonzero(~old))
    blank = replace(query, covariates={"batch": query.covariates["batch"]})
    said = wd.label(wd.map_query(model, blank, epochs=5).query, blank)
    assert (said.label == types(query)).mean() > 0.9


def test_votes_of_neighbours_by_hand():
    reference, labels = np.array([[0.0], [1.0], [10.0]]), ["a", "b", "b"]
    said, doubt = wd.transfer_labels(reference, labels, np.array([[0.25]]), k=2)
    a, b = np.exp(-((0.25 / 0.75) ** 2)), np.exp(-1)
    assert said[0] == "a" and doubt[0] == pytest.approx(b / (a + b))


def test_variable_genes_are_those_that_differ_between_types():
    rng = np.random.default_rng(0)
    x = rng.poisson(rng.uniform(0.5, 20, 200), (500, 200)).astype(float)
    x[:, :10] = rng.poisson(np.where(rng.random((500, 1)) < 0.5, 2, 20), (500, 10))
    chosen = variable_genes(sparse.csr_matrix(x), 10, np.repeat(["a", "b"], 250))
    np.testing.assert_array_equal(chosen, np.arange(10))
