"""What R gets of labels, references, differences, checks and doublets: lists and arrays."""

import json

import numpy as np
import pytest

from waddington import bridge, recipes, simulate, verbs
from waddington.fit import train
from waddington.integration import integration_metrics, log_components


def value(answer):
    """The value of an answer that must have no error."""
    assert answer["error"] is None, answer["error"]["traceback"]
    return answer["value"]


@pytest.fixture(scope="module")
def made():
    return simulate.counts(420, 40, n_types=3, n_batches=2, depth=400, seed=0).cells


@pytest.fixture(scope="module")
def model(made):
    recipe = recipes.scanvi("cell_type", batch="batch", n_hidden=32, n_latent=4, epochs=10)
    return train(made, recipe, seed=1, verbose=False, threads=1)


def plain(table):
    """Whether every column is a list of Python's own numbers, which R has as vectors."""
    assert json.loads(json.dumps(table)) == table
    return all(isinstance(v, list) for v in table.values())


def test_labels_are_those_of_the_verb(made, model):
    options = {"threshold": 0.6, "max_novelty": 0.9, "seed": 3}
    got = value(bridge.label(model, made, None, options))
    want = verbs.label(model, made, **options)
    assert got["covariate"] == "cell_type" and got["levels"] == list(want.levels)
    assert got["label"] == want.label.tolist() and got["unknown"] == want.unknown.tolist()
    np.testing.assert_allclose(got["probability"], want.probability)
    np.testing.assert_array_equal(got["probabilities"], want.probabilities)
    plain({k: v for k, v in got.items() if k not in ("probabilities", "covariate")})


def test_a_mapped_query_has_models_as_r_keeps_them(made, model):
    new = np.where(np.arange(len(made)) % 2, "batch7", "batch0")
    query = made.take(np.arange(60))
    query = type(query)(
        {"rna": query.views["rna"][:, 5:]}, {"rna": query.features["rna"][5:]}, {"batch": new[:60]}
    )
    got = value(bridge.map_query(model, query, {"epochs": 2, "seed": 1, "threads": 1}))
    assert got["new"] == {"batch": ["batch7"]}
    assert got["genes"]["n_found"] == 35 and got["genes"]["n_model"] == 40
    assert got["genes"]["missing"] == list(model.features["rna"][:5])
    assert got["narrow"]["genes"] == list(query.features["rna"])
    assert got["model"]["genes"] == list(model.features["rna"])
    assert got["model"]["levels"]["batch"] == ["batch0", "batch1", "batch7"]
    again = value(bridge.open_model(got["narrow"]["weights"]))
    np.testing.assert_allclose(got["latent"], verbs.latent(again, query), rtol=1e-5, atol=1e-6)
    whole = made.take(np.arange(60))
    assert value(bridge.map_query(model, whole, {"seed": 1}))["narrow"] is None


def test_names_are_told_by_their_looks():
    assert value(bridge.identifier_kind([f"ENSG{i:011d}" for i in range(9)])) == "Ensembl gene"
    assert value(bridge.identifier_kind(["CD14", "MS4A1", "LYZ"])) == "human symbol"


def test_votes_come_as_lists():
    z = np.arange(10.0)[:, None]
    got = value(bridge.transfer_labels(z, list("aaaaabbbbb"), z[[0, 9]], 3))
    assert got == {"label": ["a", "b"], "uncertainty": [0.0, 0.0]}


def test_differences_come_as_columns(made, model):
    groups = {"by": "cell_type", "a": "type0", "b": None, "batch": "batch"}
    options = {"seed": 2, "n_samples": 100, "n_pairs": 200}
    got = value(bridge.differential_expression(model, made, groups, options))
    want = verbs.differential_expression(
        model, made, "cell_type", "type0", batch="batch", **options
    )
    assert plain(got["columns"]) and set(got["columns"]) == set(want.columns)
    np.testing.assert_allclose(got["columns"]["p_de"], want.columns["p_de"])
    assert got["strata"] == ["batch0", "batch1"] and got["n_cells"] == list(want.n_cells)
    groups = {"by": "cell_type", "a": "type0", "b": "type1", "donor": "batch"}
    donors = value(bridge.donor_differences(model, made, groups, {"fdr": 0.1}))
    assert plain(donors["columns"]) and len(donors["columns"]["bulk_q"]) == 40


def test_densities_are_cells_by_samples(made, model):
    got = value(bridge.differential_abundance(model, made, "batch", 100, 1))
    want, names = verbs.differential_abundance(model, made, "batch", n_most=100, seed=1)
    np.testing.assert_array_equal(got["log_density"], want)
    assert got["samples"] == list(names)


def test_checks_are_tables(made, model):
    got = value(bridge.check_model(model, made, {"n_samples": 3, "n_most": 50, "seed": 1}))
    want = verbs.check_model(model, made, n_samples=3, n_most=50, seed=1)
    assert got["statistics"] == list(want.table)
    assert got["table"]["data"] == [row["data"] for row in want.table.values()]
    assert plain(got["genes"]) and got["library"].shape == (50, 2)
    assert got["flags"] == list(want.flags) and len(got["uniform"]) == 20


def test_clusters_are_numbers_and_have_probabilities_where_there_are(made, model):
    options = {"resolution": 0.5, "fewest": None, "merge": True, "seed": 1}
    got = value(bridge.clusters(model, made, options))
    want = verbs.clusters(model, made, **options)
    assert got["cluster"] == want.cluster.tolist() and got["method"] == "communities"
    assert got["probabilities"] is None


def test_zero_inflation_is_refused_by_name(model):
    error = bridge.zero_inflation(model)["error"]
    assert error["class"] == "InputError" and "autozi" in error["message"]


def test_doublets_come_lane_by_lane(made):
    options = {"epochs": 1, "seed": 1, "threads": 1, "expected": {"batch0": 3, "batch1": 5}}
    got = value(bridge.find_doublets(made, None, "batch", options))
    assert dict(zip(got["lanes"], got["expected"], strict=True)) == options["expected"]
    lanes = made.covariates["batch"]
    for lane, n in options["expected"].items():
        assert np.asarray(got["doublet"])[lanes == lane].sum() == n
    assert len(got["score"]) == len(got["probability"]) == 420


def test_no_integration_and_chance_are_in_the_table_of_metrics(made):
    cells = made.take(np.arange(150))
    z = {"ONE": log_components(cells.views["rna"], 5)}
    columns = [cells.covariates[k].tolist() for k in ("batch", "cell_type")]
    got = value(bridge.integration_metrics(z, *columns, cells, "plain", 4))
    assert got["rows"] == ["ONE", "plain", "random"]
    want = integration_metrics(z, *columns, seed=4)
    assert got["columns"]["clisi"][0] == want["ONE"]["clisi"]
    assert got["columns"]["ilisi"][2] == want["random"]["ilisi"]
