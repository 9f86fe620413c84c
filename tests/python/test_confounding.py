"""What can't be told apart is said before training."""

import numpy as np
import pytest
from scipy import sparse

from waddington import recipes
from waddington.cells import Cells
from waddington.confounding import confounded
from waddington.trainer import Trainer


def cells(**columns):
    n = len(next(iter(columns.values())))
    x = np.random.default_rng(0).poisson(3.0, (n, 10)).astype(np.float32)
    return Cells.from_arrays(sparse.csr_matrix(x), categorical=columns)


BATCH = np.tile(["x", "y"], 30)


def test_columns_that_determine_each_other_are_named():
    donor = np.where(BATCH == "x", np.tile(["d1", "d1", "d2", "d2"], 15), "d3")
    notes = confounded(cells(batch=BATCH, donor=donor), recipes.scvi(batch=("batch", "donor")))
    assert len(notes) == 1
    assert "the level of 'donor' tells that of 'batch'" in notes[0]
    assert "leave out 'batch'" in notes[0]


def test_columns_that_cross_are_fine():
    donor = np.repeat(["d1", "d2", "d3"], 20)
    crossed = cells(batch=BATCH, donor=donor)
    assert confounded(crossed, recipes.scvi(batch=("batch", "donor"))) == []
    assert confounded(crossed, recipes.scvi()) == []


def test_a_label_in_one_batch_only_is_named():
    kind = np.where(BATCH == "x", np.tile(["a", "a", "b", "b"], 15), "a")
    notes = confounded(cells(batch=BATCH, cell_type=kind), recipes.scanvi(batch="batch"))
    assert notes == [
        "1 of 2 levels of 'cell_type' are in one level of 'batch' only ('b'); there a difference "
        "may be of either"
    ]


def test_a_batch_for_each_label_is_said_to_be_hopeless():
    kind = np.where(BATCH == "x", "a", "b")
    recipe = recipes.scanvi(batch="batch", n_latent=2, n_hidden=4)
    data = cells(batch=BATCH, cell_type=kind)
    (note,) = confounded(data, recipe)
    assert "each level of 'batch' has one level of 'cell_type'" in note
    assert note in Trainer(recipe, data).warnings


@pytest.mark.parametrize("known", [0, 1])
def test_unknown_labels_say_nothing(known):
    kind = np.where(np.arange(60) < known, "a", "")
    assert confounded(cells(batch=BATCH, cell_type=kind), recipes.scanvi(batch="batch")) == []


def test_three_cells_of_a_batch_train():
    few = np.array(["x"] * 57 + ["y"] * 3)
    trainer = Trainer(recipes.scvi(batch="batch", n_hidden=8, epochs=2), cells(batch=few))
    trainer.advance()
    assert all(np.isfinite(v).all() for v in trainer.model().weights.values())
