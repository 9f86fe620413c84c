"""Differences that are there are found, and those that are not are not."""

import numpy as np
import pytest
from scipy import sparse, stats
from sklearn.metrics import average_precision_score
from toys import fit, fitted

import waddington as wd
from waddington import recipes
from waddington.cells import Cells
from waddington.parts import replace
from waddington.simulate import softmax
from waddington.verbs.differential import benjamini_hochberg, expected_fdr

CHANGED = 24


def made(n=900, genes=240, lfc=1.0, shift=0.5, seed=0):
    """Two groups in two batches; the first genes differ by `lfc` in log2, up or down in turn."""
    rng = np.random.default_rng(seed)
    group, batch = rng.integers(2, size=n), rng.integers(2, size=n)
    change = np.zeros(genes)
    change[:CHANGED] = lfc * np.log(2) * np.where(np.arange(CHANGED) % 2, 1, -1)
    base, effect = rng.normal(0, 0.8, genes), rng.normal(0, shift, genes)
    share = softmax(base + group[:, None] * change + batch[:, None] * effect)
    library = rng.lognormal(np.log(2500), 0.3, (n, 1))
    x = rng.poisson(rng.gamma(8.0, library * share / 8.0)).astype(np.float32)
    return Cells.from_arrays(
        sparse.csr_matrix(x), [f"g{i}" for i in range(genes)],
        categorical={
            "group": np.array(["b", "a"])[group], "batch": np.array(["x", "y"])[batch],
            "donor": np.array([f"d{k}" for k in rng.integers(6, size=n)]),
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def world():
    cells = made()
    recipe = recipes.scvi(batch="batch", n_latent=10, n_hidden=64, epochs=80)
    return cells, fit(recipe, cells, batch_size=64)


@pytest.fixture(scope="module")
def found(world):
    return wd.differential_expression(world[1], world[0], "group", "a", "b", batch="batch")


def test_changed_genes_are_found(found):
    truth = np.arange(240) < CHANGED
    assert average_precision_score(truth, found.columns["p_de"]) > 0.95
    called = found.columns["is_de"]
    assert called[truth].sum() >= 20 and called[~truth].sum() <= 1
    assert found.strata == ("x", "y") and found.n_cells[0] + found.n_cells[1] == 900


def test_fold_changes_have_the_right_size(found):
    want = np.where(np.arange(CHANGED) % 2, 1, -1)
    got = found.columns["lfc_median"][:CHANGED]
    seen = (found.columns["raw_a"] + found.columns["raw_b"])[:CHANGED] > 40  # 5 counts in a cell
    assert 0.8 < np.polyfit(want[seen], got[seen], 1)[0] < 1.2 and seen.sum() > 10
    assert 0.75 < np.polyfit(want, got, 1)[0] < 1.2
    assert np.abs(found.columns["lfc_mean"][CHANGED:]).max() < 0.4


def test_columns_agree_with_each_other(found):
    c = found.columns
    np.testing.assert_array_equal(c["p_de"], np.maximum(c["p_up"], c["p_down"]))
    assert ((c["lfc_low"] <= c["lfc_median"]) & (c["lfc_median"] <= c["lfc_high"])).all()
    assert (c["lfsr"] <= 0.5 + 1e-6).all() and (c["p_up"] + c["p_down"] <= 1 + 1e-9).all()
    assert c["fdr"][c["is_de"]].max() <= 0.05 < c["fdr"][~c["is_de"]].min()
    np.testing.assert_allclose([c["share_a"].sum(), c["share_b"].sum()], 1, rtol=1e-3)
    np.testing.assert_allclose([c["raw_a"].sum(), c["raw_b"].sum()], 1e4, rtol=1e-3)
    frame = found.frame()
    assert frame.p_de.is_monotonic_decreasing and frame.index[0] in {
        f"g{i}" for i in range(CHANGED)
    }


def test_the_same_seed_gives_the_same_table_and_another_within_its_error(world, found):
    ask = lambda seed: wd.differential_expression(
        world[1], world[0], "group", "a", "b", batch="batch", seed=seed
    )
    np.testing.assert_array_equal(ask(0).columns["p_de"], found.columns["p_de"])
    off = (ask(1).columns["p_de"] - found.columns["p_de"]) / found.columns["mc_error"]
    assert 0.1 < np.std(off) < 3.0


def test_exchanging_the_groups_turns_the_signs(world, found):
    other = wd.differential_expression(world[1], world[0], "group", "b", "a", batch="batch")
    off = other.columns["lfc_median"] + found.columns["lfc_median"]
    assert np.abs(off).max() < 0.1


def test_a_random_split_of_one_group_has_no_differences(world):
    cells, model = world
    mine = cells.take(np.flatnonzero(cells.covariates["group"] == "a"))
    for seed in range(20):
        halves = np.random.default_rng(seed).permutation(np.arange(len(mine)) % 2)
        mine.covariates["half"] = halves.astype(str)
        for mode in ("change", "vanilla"):
            few = {"n_samples": 300, "n_pairs": 2000}
            table = wd.differential_expression(model, mine, "half", "0", mode=mode, **few)
            assert table.columns["is_de"].sum() == 0


def test_vanilla_asks_for_any_change(world):
    table = wd.differential_expression(world[1], world[0], "group", "a", mode="vanilla")
    c = table.columns
    np.testing.assert_allclose(c["p_up"] + c["p_down"], 1, atol=1e-3)
    assert table.groups == ("a", "not a") and table.strata == ()


def test_batches_without_both_groups_are_left_out_or_refused(world):
    cells, model = world
    g, b = cells.covariates["group"], cells.covariates["batch"]
    some = cells.take(np.flatnonzero((g == "a") | (b == "x")))
    table = wd.differential_expression(model, some, "group", "a", "b", batch="batch")
    assert table.strata == ("x",)
    apart = cells.take(np.flatnonzero((g == "a") == (b == "x")))
    with pytest.raises(wd.InputError, match="no level of 'batch' has cells of both groups"):
        wd.differential_expression(model, apart, "group", "a", "b", batch="batch")


def test_bad_groups_are_refused(world):
    cells, model = world
    with pytest.raises(wd.InputError, match="'group' has no cells of 'c'; it has 'a', 'b'"):
        wd.differential_expression(model, cells, "group", "c")
    with pytest.raises(wd.InputError, match="a and b are both 'a'"):
        wd.differential_expression(model, cells, "group", "a", "a")
    with pytest.raises(wd.InputError, match="'state' is not a column of the data"):
        wd.differential_expression(model, cells, "state", "a")
    normal = fit(recipes.vae(likelihood="normal"), cells, epochs=1)
    with pytest.raises(wd.InputError, match="its head is not of counts"):
        wd.differential_expression(normal, cells, "group", "a")


def test_the_expected_fdr_by_hand():
    np.testing.assert_allclose(expected_fdr(np.array([0.8, 1.0, 0.5])), [0.1, 0, 0.7 / 3])


def test_benjamini_hochberg_is_that_of_scipy():
    p = np.random.default_rng(0).random(50) ** 2
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))


def test_donors_are_replicates(world):
    """All donors have both groups, so what differs between groups is found with few donors."""
    cells, model = world
    found = wd.donor_differences(model, cells, "group", "a", "b", "donor")
    truth = np.arange(240) < CHANGED
    assert average_precision_score(truth, found["bulk_p"] * -1) > 0.9
    assert found["bulk_is_de"][truth].mean() > 0.8 and found["bulk_is_de"][~truth].mean() < 0.06
    assert (
        0.75
        < np.polyfit(np.where(np.arange(CHANGED) % 2, 1, -1), found["lfc"][:CHANGED], 1)[0]
        < 1.2
    )
    one = cells.take(np.flatnonzero(cells.covariates["donor"] == "d1"))
    with pytest.raises(wd.InputError, match="has cells of 1 level of 'donor'"):
        wd.donor_differences(model, one, "group", "a", "b", "donor")


def test_differences_between_donors_are_none_between_groups_of_donors():
    """Eight donors differ, four in each group, and groups do not: cells are no replicates."""
    rng = np.random.default_rng(2)
    donor = np.repeat(np.arange(8), 100)
    share = softmax(rng.normal(0, 0.8, 200) + rng.normal(0, 0.4, (8, 200))[donor])
    x = rng.poisson(rng.gamma(8.0, 2500 * share / 8.0)).astype(np.float32)
    told = {"donor": np.array([f"d{k}" for k in donor]), "group": np.array(list("ab"))[donor % 2]}
    cells = Cells.from_arrays(sparse.csr_matrix(x), categorical=told)
    model = fit(recipes.scvi(n_latent=10, n_hidden=64, epochs=40), cells, batch_size=64)
    by_donor = wd.donor_differences(model, cells, "group", "a", "b", "donor")
    log = np.log1p(x / x.sum(1, keepdims=True) * 2500)
    mine = told["group"] == "a"
    by_cell = benjamini_hochberg(stats.ttest_ind(log[mine], log[~mine], equal_var=False).pvalue)
    assert (by_cell < 0.05).mean() > 0.5
    assert by_donor["is_de"].mean() <= 0.05 and by_donor["bulk_is_de"].mean() <= 0.05


def test_abundance_is_the_log_ratio_of_densities(world):
    cells, model = world
    log, names = wd.differential_abundance(model, cells, "group")
    more = log[:, names.index("a")] - log[:, names.index("b")]
    mine = cells.covariates["group"] == "a"
    assert (more[mine] > 0).mean() > 0.9 and (more[~mine] < 0).mean() > 0.9
    from waddington.verbs.differential import _log_mixture

    want = np.log((stats.norm.pdf(1, 0, 2) + stats.norm.pdf(1, 3, 1)) / 2)
    got = _log_mixture(np.array([[1.0]]), np.array([[0.0], [3.0]]), np.array([[2.0], [1.0]]))
    np.testing.assert_allclose(got, want)


def test_a_group_of_one_cell_is_warned_of():
    case = fitted("scvi with batches")
    one = np.where(np.arange(len(case.cells)) == 7, "rare", "other")
    cells = replace(case.cells, covariates={**case.cells.covariates, "kind": one})
    with pytest.warns(UserWarning, match="only 1 cell is of 'rare': what is found may be special"):
        found = wd.differential_expression(
            case.model, cells, "kind", "rare", n_samples=20, n_pairs=20
        )
    assert found.n_cells == (1, len(cells) - 1)
