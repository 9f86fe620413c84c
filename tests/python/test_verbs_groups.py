"""Which cells are predicted, which teach the change, and which columns can't say so."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from waddington.cells import RNA, Cells
from waddington.errors import InputError
from waddington.verbs.groups import column, groups_of

ABOUT = {"condition": "state", "source": "control", "target": "A", "cell_type": "kind", "of": "x"}


def cells(state, kind=None):
    kind = ["x"] * len(state) if kind is None else kind
    told = {"state": np.array(state), "kind": np.array(kind)}
    return Cells({RNA: sparse.csr_matrix(np.ones((len(state), 2)))}, covariates=told)


STATE = ["control", "control", "A", "A", "control", "A", "A", "B"]
KIND = ["x", "y", "y", "y", "z", "z", "x", "y"]


def test_the_cells_of_a_type_are_predicted_and_the_others_teach():
    found = groups_of(cells(STATE, KIND), ABOUT)
    assert found.predict.tolist() == [0] and found.kinds.tolist() == ["x"]
    told = {p.name: (p.before.tolist(), p.after.tolist()) for p in found.pairs}
    assert told == {"y": ([1], [2, 3]), "z": ([4], [5])}


def test_shifts_are_means_over_types_whatever_their_size():
    found = groups_of(cells(STATE, KIND), ABOUT)
    x = np.arange(8.0)[:, None]
    assert found.shift(x) == pytest.approx(((2.5 - 1) + (5 - 4)) / 2)


def test_a_level_that_was_never_measured_borrows_from_its_neighbours():
    about = {**ABOUT, "target": "C", "cell_type": None, "of": None}
    found = groups_of(cells(STATE, KIND), about, {"C": ["A", "B", "D"]}.get)
    assert found.borrowed == (True,)
    assert {p.name: p.after.tolist() for p in found.pairs} == {"A": [2, 3, 5, 6], "B": [7]}
    measured = groups_of(cells(STATE, KIND), {**about, "target": "A"}, {"A": ["B"]}.get)
    assert measured.borrowed == (False,) and measured.pairs[0].name == ""


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""])
def test_missing_levels_are_counted_and_named(missing):
    told = pd.DataFrame({"state": ["control", missing, "A", missing]}, dtype=object)
    with pytest.raises(InputError, match="'state' is missing for 2 cells; leave them out"):
        column(SimpleNamespace(obs=told), "state")


def test_missing_levels_of_a_categorical_are_found():
    told = pd.DataFrame({"state": pd.Categorical(["control", None, "A"])})
    with pytest.raises(InputError, match="'state' is missing for 1 cells"):
        column(SimpleNamespace(obs=told), "state")


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(InputError, match="'dose' is not a column of the data; it has 'state'"):
        column(cells(STATE), "dose")
