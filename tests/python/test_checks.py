"""Data that can't be trained on, and data that look wrong."""

import numpy as np
import pytest
from scipy import sparse
from toys import cells as toy_cells
from toys import data_for

from waddington import recipes
from waddington.cells import Cells
from waddington.checks import check_query, check_training
from waddington.errors import InputError
from waddington.parts import replace

CELLS = toy_cells(60)


def changed(value, cell=5, gene=2):
    x = CELLS.views["rna"].tolil(copy=True)
    x[cell, gene] = value
    return replace(CELLS, views={"rna": sparse.csr_matrix(x)})


def told(**columns):
    return replace(CELLS, covariates={**CELLS.covariates, **columns})


scvi = recipes.scvi
ONE, SOME = np.full(60, "b0"), np.where(np.arange(60) < 3, "", "b0")
BAD = {
    "not whole": (changed(0.5), scvi(), "x", r"1 of .* are not whole numbers.* 0\.5 of feature"),
    "negative": (
        changed(-1),
        scvi(),
        "x",
        "are negative, such as -1 of feature 'gene2' in cell 'cell5';.*raw",
    ),
    "NaN": (changed(np.nan), scvi(), "x", "are missing or infinite, such as nan of feature"),
    "infinite": (changed(np.inf), recipes.vae(likelihood="normal"), "x", "missing or infinite"),
    "neither 0 nor 1": (CELLS, recipes.vae(likelihood="bernoulli"), "x", "neither 0 nor 1.*x > 0"),
    "one cell": (CELLS.take(np.array([0])), scvi(), "x", "is 1 cell; training needs at least 2"),
    "no cells": (CELLS.take(np.array([], int)), scvi(), "x", "there are 0 cells; training needs"),
    "no genes": (
        Cells({"rna": sparse.csr_matrix((9, 0), dtype=np.float32)}),
        scvi(),
        "x",
        "the data have no rna features",
    ),
    "nothing counted": (
        Cells({"rna": sparse.csr_matrix((9, 3), dtype=np.float32)}),
        scvi(),
        "x",
        "no cell has any rna counts",
    ),
    "another view": (
        Cells({"protein": CELLS.views["rna"]}),
        scvi(),
        None,
        "scvi needs the view 'rna'; the data have 'protein'",
    ),
    "no such column": (
        CELLS,
        scvi(batch="lane"),
        "lane",
        "scvi reads the categorical covariate 'lane'; the data have 'batch', 'cell_type', 'cond",
    ),
    "no such number": (
        CELLS,
        scvi(covariates=("dose",)),
        "dose",
        "scvi reads the continuous covariate 'dose'; the data have 'age'",
    ),
    "unknown batch": (
        told(batch=SOME),
        scvi(batch="batch"),
        "batch",
        "'batch' is unknown for 3 of 60 cells; leave them out, or give them a level",
    ),
    "unknown everywhere": (
        told(batch=np.full(60, "")),
        scvi(batch="batch"),
        "batch",
        "'batch' is unknown for",
    ),
    "no size factors": (
        replace(CELLS, size_factor=None),
        scvi(library="size_factor"),
        "size_factor",
        "scvi needs size factors; give size_factor=",
    ),
}


@pytest.mark.parametrize("cells,recipe,argument,said", BAD.values(), ids=BAD)
def test_what_can_not_be_trained_on_is_refused(cells, recipe, argument, said):
    with pytest.raises(InputError, match=said) as caught:
        check_training(cells, recipe)
    assert caught.value.argument == argument


NOTES = {
    "an empty cell": (lambda: emptied(cells=[4]), "1 of 60 cells have no rna counts ('cell4')"),
    "empty cells": (lambda: emptied(cells=range(5)), "5 of 60 cells have no rna counts ('cell0', "),
    "an empty gene": (lambda: emptied(genes=[4]), "1 of 37 rna features have no counts in any"),
    "one level": (lambda: told(batch=ONE), "'batch' has one level only ('b0'); it can't explain"),
    "a batch of three cells": (
        lambda: told(batch=np.where(np.arange(60) < 3, "b1", "b0")),
        "1 of 2 levels of 'batch' have fewer than 5 cells ('b1 (3)'): what is special of them",
    ),
    "few cells": (lambda: CELLS, "there are fewer cells (60) than batch_size (128); every update"),
}


def emptied(cells=(), genes=()):
    x = CELLS.views["rna"].tolil(copy=True)
    x[list(cells)], x[:, list(genes)] = 0, 0
    return replace(CELLS, views={"rna": sparse.csr_matrix(x)})


@pytest.mark.parametrize("make,said", NOTES.values(), ids=NOTES)
def test_what_looks_wrong_is_said(make, said):
    assert any(said in note for note in check_training(make(), scvi(batch="batch")))


def test_good_data_are_not_talked_about():
    assert check_training(toy_cells(200), scvi(batch="batch", covariates=("age",))) == []


@pytest.mark.parametrize("likelihood", ["nb", "zinb", "poisson", "multinomial"])
def test_every_count_head_wants_counts(likelihood):
    logs = data_for(recipes.vae(likelihood="normal"), 60)
    with pytest.raises(InputError, match="are not whole numbers"):
        check_training(logs, recipes.vae(likelihood=likelihood))


def test_stored_zeros_are_no_counts():
    x = CELLS.views["rna"].copy()
    x.data[x.indptr[4] : x.indptr[5]] = 0
    notes = check_training(replace(CELLS, views={"rna": x}), scvi())
    assert any("1 of 60 cells have no rna counts" in note for note in notes)


def named_cells():
    names = {"genes": [f"g{i}" for i in range(4)], "cells": [f"c{i}" for i in range(1200)]}
    return lambda x: Cells.from_arrays(sparse.csr_matrix(x), **names)


@pytest.mark.parametrize("where", [0, 900])
def test_a_bad_value_is_told_by_the_names_of_gene_and_cell(where):
    """In a block of cells that is not the first, too."""
    x = np.ones((1200, 4), np.float32)
    x[where, 2] = -3
    want = f"1 of the .* are negative, such as -3 of feature 'g2' in cell 'c{where}'; .*raw counts"
    with pytest.raises(InputError, match=want):
        check_training(named_cells()(x), scvi())


def test_a_query_is_warned_of_fractions_and_refused_what_no_model_reads():
    make = named_cells()
    assert check_query(make(np.ones((1200, 4))), scvi()) == []
    (note,) = check_query(make(np.log1p(np.ones((1200, 4)))), scvi())
    assert "are not whole numbers, such as 0.693147 of feature 'g0' in cell 'c0'" in note
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match=r"in cell 'c0'"):
            check_query(make(np.full((1200, 4), bad)), scvi())
    assert check_query(make(np.full((1200, 4), 0.5)), recipes.vae(likelihood="normal")) == []
    late = np.ones((1200, 4))
    late[1100:] = 0.5  # not among the first ones
    assert "'c1101'" in check_query(make(late), scvi())[0]


def test_a_control_that_no_cell_has_is_told():
    cells = told(condition=np.tile(["none", "A"], 30))
    (note,) = [n for n in check_training(cells, recipes.cpa()) if "control" in n]
    assert note == (
        "'condition' has no level 'control', which was to be the control: no cell shows what a "
        "perturbation adds to; control may be one of 'A', 'none'"
    )
    assert not [n for n in check_training(cells, recipes.cpa(control="none")) if "control" in n]
