"""Cells and minibatches: what comes in, what is matched by name, and what is refused."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from waddington.cells import Cells, Rows, as_csr
from waddington.errors import InputError
from waddington.minibatches import minibatches

X = np.array([[0, 2, 0], [1, 0, 3], [0, 0, 0], [4, 5, 0]], dtype=np.float32)
GENES = ("a", "b", "c")


def some(**columns):
    return Cells.from_arrays(X, GENES, ("w", "x", "y", "z"), **columns)


def rows(matrix=X):
    x = sparse.csr_matrix(matrix)
    whole = lambda i: torch.from_numpy(i.astype(np.int64))
    return Rows(whole(x.indptr), whole(x.indices), torch.from_numpy(x.data), x.shape[1])


# Rows ------------------------------------------------------------------------------------------


def test_rows_are_the_matrix():
    r = rows()
    assert len(r) == 4
    np.testing.assert_array_equal(r.dense(), X)
    np.testing.assert_array_equal(r.row, [0, 1, 1, 3, 3])
    np.testing.assert_array_equal(r.map(torch.sqrt).dense(), np.sqrt(X))


def test_csc_is_scipy_s():
    indptr, row, values = rows().csc
    want = sparse.csc_matrix(X)
    np.testing.assert_array_equal(indptr, want.indptr)
    np.testing.assert_array_equal(row, want.indices)
    np.testing.assert_array_equal(values, want.data)


def test_rows_change_their_type():
    assert rows().to("cpu", torch.float64).values.dtype == torch.float64
    assert rows().to("meta").dense().shape == (4, 3)


# Minibatches -----------------------------------------------------------------------------------


def minibatch(**columns):
    cells = some(categorical={"batch": ["p", "q", "p", "q"]}, **columns)
    return next(minibatches(cells, cells.levels(), 9))


def test_library_is_at_least_one():
    np.testing.assert_array_equal(minibatch().library["rna"].ravel(), [2, 4, 1, 9])


def test_as_if_edits_codes_and_library_and_leaves_the_rest():
    m = minibatch()
    other = m.as_if({"batch": 1}, library=7.0)
    assert other.codes["batch"].tolist() == [1, 1, 1, 1]
    assert other.library["rna"].ravel().tolist() == [7.0] * 4
    assert m.codes["batch"].tolist() == [0, 1, 0, 1] and other.views is m.views


def test_data_has_and_size_know_views_and_covariates():
    m = minibatch(size_factor=[1, 2, 3, 4])
    assert m.data("batch") is m.codes["batch"] and m.has("batch").all() and m.has("rna").all()
    assert m.size("rna", "size_factor").ravel().tolist() == [1, 2, 3, 4]
    assert m.size("rna", "none").ravel().tolist() == [1, 1, 1, 1]
    assert m.size("rna", "observed") is m.library["rna"]


def test_a_minibatch_moves_as_a_whole():
    moved = minibatch(continuous={"age": [1, 2, 3, 4]}).to("meta")
    tensors = [moved.index, moved.size_factor, moved.views["rna"].values, moved.values["age"]]
    tensors += [moved.codes["batch"], moved.library["rna"], moved.present["rna"]]
    assert {t.device.type for t in tensors} == {"meta"}
    assert minibatch().to("cpu", torch.float64).codes["batch"].dtype == torch.int64


# Cells -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array]
)
def test_any_matrix_becomes_csr(kind):
    cells = Cells.from_arrays(kind(X), GENES)
    assert sparse.issparse(cells.views["rna"]) and cells.views["rna"].format == "csr"
    np.testing.assert_array_equal(cells.views["rna"].toarray(), X)


def test_csr_is_not_copied():
    x = sparse.csr_matrix(X)
    assert np.shares_memory(Cells.from_arrays(x).views["rna"].data, x.data)


def test_integers_and_logicals_are_taken():
    for kind in (np.int32, np.uint16, bool):
        cells = Cells.from_arrays(sparse.csr_matrix(X.astype(kind)))
        values = next(minibatches(cells, {}, 9)).views["rna"].dense()
        np.testing.assert_array_equal(values, X.astype(kind).astype(float))


def test_duplicated_entries_are_added_up_and_the_user_s_matrix_is_left_alone():
    x = sparse.csr_matrix((np.ones(3, np.float32), np.array([1, 1, 0]), [0, 2, 3]), shape=(2, 2))
    assert as_csr(x).toarray().tolist() == [[0, 2], [1, 0]]
    assert x.nnz == 3


def test_features_without_names_are_numbered():
    assert Cells.from_arrays(X).features["rna"] == ("0", "1", "2")


def test_take_takes_everything_along():
    cells = some(categorical={"k": list("pqrs")}, continuous={"v": range(4)}, size_factor=[1] * 4)
    few = cells.take(np.array([3, 0]))
    assert few.names == ("z", "w") and few.covariates["k"].tolist() == ["s", "p"]
    assert few.values["v"].ravel().tolist() == [3, 0] and len(few.size_factor) == len(few) == 2
    assert cells.take(np.array([True, False, False, True])).names == ("w", "z")
    assert (some().name(1), Cells.from_arrays(X).name(1)) == ("x", "1")


def test_levels_are_sorted_and_unknown_is_none_of_them():
    cells = some(categorical={"k": ["q", "", "p", "q"]})
    assert cells.levels() == {"k": (("p", "q"),)}
    assert cells.codes(cells.levels())["k"].tolist() == [1, -1, 0, 1]
    assert some().codes({"k": (("p",), ("new",))})["k"].tolist() == [-1] * 4


def test_codes_go_on_counting_through_the_groups_of_levels():
    cells = some(categorical={"k": ["q", "p", "new", "p"]})
    assert cells.codes({"k": (("p", "q"), ("new",))})["k"].tolist() == [1, 0, 2, 0]


def test_match_is_by_name_and_ignores_other_genes():
    got = some().match({"rna": ("c", "a")})
    np.testing.assert_array_equal(got.views["rna"].toarray(), X[:, [2, 0]])
    assert got.features["rna"] == ("c", "a")
    same = some()
    assert same.match({"rna": GENES}).views["rna"] is same.views["rna"]


def test_anndata_layers_and_columns():
    obs = pd.DataFrame({"k": pd.Categorical(list("pqpq")), "v": [1.0, 2, 3, 4]}, list("wxyz"))
    adata = anndata.AnnData(X * 0, obs, pd.DataFrame(index=list(GENES)), layers={"counts": X})
    cells = Cells.from_anndata(adata, "counts", ["k"], ["v"], "v")
    np.testing.assert_array_equal(cells.views["rna"].toarray(), X)
    assert cells.features["rna"] == GENES and cells.names == tuple("wxyz")
    assert cells.size_factor.tolist() == [1, 2, 3, 4] and cells.values["v"].shape == (4, 1)


# Bad input -------------------------------------------------------------------------------------


def anndata_of():
    obs = pd.DataFrame({"k": ["p", None, "q", "p"], "v": [1.0, np.nan, 3, 4]}, list("wxyz"))
    return anndata.AnnData(X, obs, pd.DataFrame(index=list(GENES)))


BAD = {
    "duplicated genes": (
        lambda: Cells.from_arrays(X, ("a", "b", "a")),
        "genes",
        r"gene names must be unique; 1 are not: 'a'. Make them unique or add up their counts",
    ),
    "too few gene names": (
        lambda: Cells.from_arrays(X, ("a", "b")),
        "genes",
        "there are 2 gene names for 3 genes",
    ),
    "missing genes": (
        lambda: some().match({"rna": ("a", "d", "e")}),
        "genes",
        r"2 of the model's 3 genes are not in the data: 'd', 'e'; give the same gene names",
    ),
    "another type of gene names": (
        lambda: some().match({"rna": ("ENSG1", "ENSG2")}),
        "genes",
        r"2 of the model's 2 genes .* the data name theirs 'a', 'b' and 1 more: is it another",
    ),
    "no such view": (
        lambda: some().match({"protein": ("a",)}),
        None,
        r"the model reads the view 'protein'; the data have 'rna'",
    ),
    "wrong length": (
        lambda: some(categorical={"batch": ["p"]}),
        "batch",
        "'batch' has 1 values for 4 cells",
    ),
    "missing level": (
        lambda: some(categorical={"batch": ["p", None, np.nan, "q"]}),
        "batch",
        "'batch' is missing for 2 of 4 cells; leave them out, or give them a level",
    ),
    "a word for a number": (
        lambda: some(continuous={"age": ["1", "old", "3", "4"]}),
        "age",
        "'age' must be numbers to be a continuous covariate",
    ),
    "missing number": (
        lambda: some(continuous={"age": [1, np.nan, np.inf, 4]}),
        "age",
        "'age' is missing or infinite for 2 of 4 cells",
    ),
    "size factor of zero": (
        lambda: some(size_factor=[1, 0, 1, 1]),
        "size_factor",
        "'size_factor' must be positive; the smallest is 0",
    ),
    "unseen level": (
        lambda: some(categorical={"batch": list("pqrp")}).codes({"batch": (("p", "q"),)}),
        "batch",
        r"'batch' has levels that the model was not trained on: 'r'. It knows 'p', 'q'. Leave",
    ),
    "unknown layer": (
        lambda: Cells.from_anndata(anndata_of(), layer="raw"),
        "layer",
        "layer 'raw' is not in the data",
    ),
    "unknown column": (
        lambda: Cells.from_anndata(anndata_of(), categorical=["donor"]),
        "donor",
        r"'donor' is not a column of obs; it has 'k', 'v'",
    ),
    "missing value in a column": (
        lambda: Cells.from_anndata(anndata_of(), categorical=["k"]),
        "k",
        "'k' is missing for 1 of 4 cells",
    ),
    "no matrix": (
        lambda: Cells.from_arrays(np.zeros(3)),
        None,
        "the data must be a matrix of cells x genes, not 1-dimensional",
    ),
}


@pytest.mark.parametrize("make,argument,said", BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_argument_value_and_remedy(make, argument, said):
    with pytest.raises(InputError, match=said) as caught:
        make()
    assert caught.value.argument == argument
