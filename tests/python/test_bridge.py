"""What R gets: values as they are, warnings and errors as values, arrays as R lays them out."""

import json
import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy import sparse

from waddington import __version__, bridge, verbs
from waddington.bridge import answers, expression, training
from waddington.errors import InputError
from waddington.model import Model
from waddington.parts import from_json
from waddington.recipes import RECIPES
from waddington.stream import FileRows


def value(answer):
    """The value of an answer that must have no error."""
    assert answer["error"] is None, answer["error"]["traceback"]
    return answer["value"]


def slots(x):
    """The slots x, i, p of a (cells, genes) matrix as a genes x cells dgCMatrix, and its shape."""
    csr = sparse.csr_matrix(x)
    return csr.data, csr.indices, csr.indptr, [float(n) for n in csr.shape]


def cells_of(x, **columns):
    """Cells as R hands them over."""
    genes = [f"g{i}" for i in range(x.shape[1])]
    names = [f"c{i}" for i in range(x.shape[0])]
    made = bridge.cells(*slots(x), genes, names, columns, {})
    return value(made)


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    return rng.poisson(rng.gamma(1.0, 3.0, (1, 12)), (70, 12)).astype(np.float64)


@pytest.fixture(scope="module")
def cells(counts):
    donors = [["a", "b"][i % 2] for i in range(70)]
    states = [["rest", "wake"][i // 2 % 2] for i in range(70)]
    return cells_of(counts, donor=donors, state=states)


@pytest.fixture(scope="module")
def told(cells):
    """The description of a model that was trained the way R does it."""
    tree = value(bridge.recipe("scvi", '{"batch": "donor", "n_latent": 3}'))
    changes = {"epochs": 3, "batch_size": 32, "learning_rate": None, "patience": None}
    run = value(bridge.trainer(tree, cells, 5, 0.1, None, "cpu", 1, "float32", changes))
    while not (state := value(bridge.advance(run, 0.0)))["done"]:
        assert 0 <= state["progress"] <= 1 and state["epochs"] == 3
    return value(bridge.finish(run, {"assay": "counts", "roles": {"batch": "donor"}}))


def test_an_answer_has_the_value_the_warnings_and_the_error():
    @answers.answer
    def speaks(what):
        warnings.warn("look", stacklevel=1)
        warnings.warn("look", stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return what

    assert speaks(3) == {"value": 3, "warnings": ["look"], "error": None}

    @answers.answer
    def fails(error):
        raise error

    error = fails(InputError("no such layer", "layer"))["error"]
    assert (error["class"], error["message"], error["argument"]) == (
        "InputError", "no such layer", "layer",
    )  # fmt: skip
    assert "test_bridge" in error["traceback"]
    assert fails(KeyboardInterrupt())["error"]["class"] == "KeyboardInterrupt"
    assert fails(RuntimeError(answers.INTERRUPTED))["error"]["class"] == "KeyboardInterrupt"
    assert fails(RuntimeError("else"))["error"]["class"] == "RuntimeError"


def test_recipes_take_r_s_vectors_of_one_and_refuse_what_they_do_not_know():
    tree = value(bridge.recipe("vae", '{"hidden": 64, "n_latent": 4}'))
    assert from_json(tree) == RECIPES["vae"](hidden=(64,), n_latent=4)
    tree = value(bridge.recipe("vae", '{"hidden": [64, 32]}'))
    assert from_json(tree) == RECIPES["vae"](hidden=(64, 32))
    tree = value(bridge.recipe("autoencoder", '{"hidden": []}'))
    assert from_json(tree) == RECIPES["autoencoder"](hidden=())
    assert "no recipe 'nope'" in bridge.recipe("nope", "{}")["error"]["message"]
    error = bridge.recipe("vae", '{"latent": 3}')["error"]
    assert error["class"] == "InputError" and "latent" in error["message"]


def test_needs_are_the_columns_that_a_recipe_reads():
    tree = value(bridge.recipe("scvi", '{"batch": "donor", "covariates": "age"}'))
    found = value(bridge.needs(tree))
    assert found == {
        "size_factor": False, "covariates": ["donor"], "numbers": ["age"], "labels": [],
    }  # fmt: skip
    tree = value(bridge.recipe("scvi", '{"library": "size_factor"}'))
    assert value(bridge.needs(tree))["size_factor"] is True


def test_cells_are_the_columns_of_a_dgcmatrix(counts, cells):
    x = cells.views["rna"]
    assert x.shape == (70, 12)
    np.testing.assert_array_equal(x.toarray(), counts)
    assert cells.features["rna"][:2] == ("g0", "g1")
    assert list(cells.covariates["donor"][:3]) == ["a", "b", "a"]
    read_only = [np.array(a) for a in slots(counts)[:3]]
    for a in read_only:
        a.setflags(write=False)
    again = value(bridge.cells(*read_only, [70.0, 12.0], [f"g{i}" for i in range(12)], [], {}, {}))
    assert (again.views["rna"] != x).nnz == 0


def test_cells_in_a_file_stay_there(counts, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["counts"] = counts
    names = ["b", "a"], ["x", "y", "z"]
    picked = np.array([5, 2, 60]), np.array([3, 1])
    path = str(tmp_path / "x.h5")
    some = value(bridge.cells_in_file(path, "counts", *picked, *names, {"d": list("uvu")}, {}))
    assert isinstance(some.views["rna"], FileRows)
    assert some.features["rna"] == ("b", "a") and list(some.covariates["d"]) == ["u", "v", "u"]
    got = some.views["rna"].gather(slice(None)).toarray()
    np.testing.assert_array_equal(got, counts[[5, 2, 60]][:, [3, 1]])
    genes = [f"g{i}" for i in range(12)]
    whole = value(bridge.cells_in_file(path, "counts", None, None, genes, [], {}, {}))
    assert whole.views["rna"].shape == counts.shape


def test_a_description_has_all_that_r_keeps(told):
    assert told["version"] == __version__ == bridge.version()
    assert isinstance(told["weights"], bytearray)
    assert told["genes"] == [f"g{i}" for i in range(12)]
    assert told["levels"]["donor"] == ["a", "b"]
    assert told["history"]["epoch"] == [1, 1, 2, 2, 3, 3]
    record = json.loads(told["record"])
    assert record["assay"] == "counts" and record["roles"] == {"batch": "donor"}
    assert record["seed"] == 5 and record["epochs"] == 3
    model = value(bridge.open_model(told["weights"]))
    again = value(bridge.describe(model))
    assert {k: v for k, v in again.items() if k != "handle"} == {
        k: v for k, v in told.items() if k != "handle"
    }


def test_bytes_that_are_no_model_are_told(told):
    for data in (b"", b"not a model at all", bytes(told["weights"])[:1000]):
        assert bridge.open_model(data)["error"]["class"] == "ModelFileError"


def test_an_interrupted_run_is_a_model_that_says_so(cells):
    tree = value(bridge.recipe("scvi", '{"epochs": 50}'))
    run = value(bridge.trainer(tree, cells, 5, 0.1, None, "cpu", 1, "float32", {}))
    value(bridge.advance(run, 0.0))
    assert value(bridge.interrupt(run, "stopped by hand"))["done"]
    told = value(bridge.finish(run, {}))
    assert "stopped by hand" in json.loads(told["record"])["why"]


def test_warnings_of_the_trainer_are_given_once(cells):
    tree = value(bridge.recipe("scvi", "{}"))
    answer = bridge.trainer(tree, cells, 5, 0.1, None, "cpu", 1, "float32", {"epochs": 1})
    assert any("batch_size" in text for text in answer["warnings"])
    run = value(answer)
    while not value(bridge.advance(run, 1.0))["done"]:
        pass
    assert bridge.finish(run, {})["warnings"] == []


def test_verbs_answer_with_arrays_as_r_lays_them_out(told, cells):
    model = told["handle"]
    want = verbs.latent(model, cells)
    np.testing.assert_array_equal(value(bridge.latent(model, cells, "mean", 1, 0)), want)
    one = value(bridge.latent(model, cells, "sample", 1, 3))
    assert one.shape == (70, 3)
    assert value(bridge.latent(model, cells, "sample", 2, 3)).shape == (2, 70, 3)
    want = verbs.denoise(model, cells, donor="b")
    genes = told["genes"]
    got = value(bridge.denoise(model, cells, "observed", genes, {"donor": "b"}))
    np.testing.assert_array_equal(got, want.T)
    some = value(bridge.denoise(model, cells, "observed", ["g3", "g1"], []))
    np.testing.assert_array_equal(some, verbs.denoise(model, cells, genes=["g3", "g1"]).T)


@pytest.mark.parametrize("library", ["observed", "median", 100.0])
def test_a_file_has_what_memory_would_have(told, cells, library, tmp_path, monkeypatch):
    monkeypatch.setattr(expression, "BLOCK", 16)
    model, genes = told["handle"], ["g5", "g2"]
    want = value(bridge.denoise(model, cells, library, genes, {}))
    file = tmp_path / "out.h5"
    value(bridge.denoise_to_file(model, cells, library, genes, {}, str(file), "denoised"))
    with h5py.File(file) as stored:
        assert stored["denoised"].dtype == np.float32
        np.testing.assert_allclose(stored["denoised"][:].T, want, rtol=1e-5)


def test_new_cells_come_with_their_covariates(told, cells):
    model = told["handle"]
    made = value(bridge.sample(model, None, 30, False, False, 1, {}))
    assert made["values"].shape == (12, 30)
    assert set(made["levels"]["donor"]) <= {"a", "b"}
    one = value(bridge.sample(model, cells, 30, False, False, 1, {"donor": "b"}))
    assert one["levels"]["donor"] == ["b"] * 30
    near = value(bridge.sample(model, cells, None, True, True, 1, []))
    assert near["values"].shape == (12, 70)
    assert near["levels"]["donor"] == list(cells.covariates["donor"])


def test_a_prediction_is_the_verb_s(told, cells):
    model = told["handle"]
    groups = {"condition": "state", "source": "rest", "target": "wake"}
    want = verbs.predict_perturbation(model, cells, **groups, method="shift")
    how = {"method": "shift", "trust": None, "draw": None, "dose": None, "n_draws": 0, "seed": 0}
    got = value(bridge.predict_perturbation([model], cells, groups, how))
    np.testing.assert_array_equal(got["values"], want.cells.T)
    np.testing.assert_array_equal(got["index"], want.index + 1)
    np.testing.assert_allclose(got["profiles"]["control"], want.profiles["control"])
    assert got["method"] == "shift" and got["counts"] is True
    assert len(got["shift"]) == 3
    about = {**groups, "cell_type": None, "of": None}
    source = cells.take(want.index)
    scored = value(bridge.evaluate_perturbation(got, source, cells, about, 5, 4, 0))
    true = verbs.evaluate_perturbation(want, cells, n_top=5, n_splits=4)
    assert scored["scores"]["by"] == list(true)
    np.testing.assert_allclose(scored["scores"]["energy"], [r["energy"] for r in true.values()])
    np.testing.assert_allclose(
        scored["scores"]["r2_change"], [r["r2_change"] for r in true.values()], rtol=1e-5
    )
    assert len(scored["top"]) == 5 and scored["n_observed"] == 34


def test_a_map_is_the_verb_s(told, cells):
    model, columns = told["handle"], {"condition": "state", "control": "rest", "cell_type": None}
    want = verbs.perturbation_map(model, cells, "state", "rest")
    got = value(bridge.perturbation_map(model, cells, columns, [], "auto"))
    np.testing.assert_array_equal(got["effects"], want.effects)
    assert got["perturbations"] == ["wake"] and got["targets"] is None
    ends = [[1, 2, 5, 6], [3, 4, 7, 8]]
    moved = value(bridge.perturbation_map(model, cells, columns, ends, "latent"))
    true = verbs.perturbation_map(model, cells, "state", "rest", None, [0, 1, 4, 5], [2, 3, 6, 7])
    np.testing.assert_allclose(moved["targets"]["covered"], true.targets["covered"])


def test_cells_elsewhere_and_paths_are_the_verbs(told, cells):
    model = told["handle"]
    moved = value(bridge.transform(model, cells, {"donor": "b"}, None, True, 3))
    np.testing.assert_array_equal(moved, verbs.transform(model, cells, {"donor": "b"}, seed=3).T)
    more = value(bridge.augment(model, cells, "state", "wake", 7, 3))
    true = verbs.augment(model, cells, "state", "wake", 7, seed=3)
    np.testing.assert_array_equal(more["values"], true.cells.T)
    np.testing.assert_array_equal(more["index"], true.index + 1)
    rare = value(bridge.rareness(model, cells, "neighbours", 3))
    np.testing.assert_array_equal(rare, verbs.rareness(model, cells, "neighbours", 3))
    way = value(bridge.path_between(model, cells, [1, 2], [3], 4, "slerp"))
    at, novelty = verbs.path_between(model, cells, [0, 1], [2], 4, "slerp")
    np.testing.assert_array_equal(way["at"], at)
    np.testing.assert_array_equal(way["novelty"], novelty)
    path = value(bridge.traverse(model, cells, 3, 5, 2.0, []))
    np.testing.assert_array_equal(path, verbs.traverse(model, cells, 2, 5, 2.0).T)


def test_columns_and_records_have_no_holes_that_r_cannot_read():
    rows = ({"epoch": 1, "objective": None}, {"epoch": 2, "objective": 3.0, "kl": 1.0})
    columns = answers.columns(rows)
    assert columns["epoch"] == [1, 2]
    np.testing.assert_equal(columns["objective"], [np.nan, 3.0])
    np.testing.assert_equal(columns["kl"], [np.nan, 1.0])
    plain = answers.plain({"a": np.float32(1.5), "b": (1, np.inf), 3: {"c": float("nan")}})
    assert plain == {"a": 1.5, "b": [1, None], "3": {"c": None}}


def test_a_model_of_several_surgeries_has_its_levels_in_one_list(told):
    model = replace(told["handle"], levels={"donor": (("a", "b"), ("c",))})
    assert isinstance(model, Model)
    assert training._levels(model) == {"donor": ["a", "b", "c"]}
