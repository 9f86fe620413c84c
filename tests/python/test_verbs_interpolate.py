"""The path between two states."""

import numpy as np
import pytest
from toys import fitted

from waddington import verbs
from waddington.errors import InputError


@pytest.fixture
def case():
    return fitted("scvi with batches")


def mask(case, kind):
    return case.cells.covariates["cell_type"] == kind


def test_the_ends_are_the_decoded_means_of_both_sets(case):
    from waddington.minibatches import minibatches

    a, b = mask(case, "type0"), mask(case, "type1")
    path = verbs.interpolate(case.model, case.cells, a, b, steps=5, library=1.0, batch="batch0")
    assert path.shape == (5, 37)
    np.testing.assert_allclose(path.sum(1), 1, rtol=1e-4)
    z = verbs.latent(case.model, case.cells)
    import torch

    ends = torch.from_numpy(np.stack([z[a].mean(0), z[b].mean(0)]))
    like = case.cells.take(np.flatnonzero(a)[[0, 0]])
    m = next(minibatches(like, case.model.levels, 2)).as_if({"batch": 0}, 1.0)
    want = case.model.network.decode(ends, m)["rna"].mean.detach()
    np.testing.assert_allclose(path[[0, -1]], want, rtol=1e-3)


def test_numbers_and_masks_say_the_same(case):
    a, b = mask(case, "type0"), mask(case, "type1")
    by_mask = verbs.interpolate(case.model, case.cells, a, b, steps=3)
    by_number = verbs.interpolate(case.model, case.cells, np.flatnonzero(a), np.flatnonzero(b), 3)
    np.testing.assert_array_equal(by_mask, by_number)


def test_turned_round_it_is_the_same_path(case):
    options = {"steps": 4, "library": 1.0, "batch": "batch0"}
    there = verbs.interpolate(case.model, case.cells, [0], [1], **options)
    back = verbs.interpolate(case.model, case.cells, [1], [0], **options)
    same = case.cells.values["age"][[0, 1]]
    if same[0] == same[1]:  # the other covariates are those of the first cell
        np.testing.assert_allclose(there, back[::-1], rtol=1e-4)
    assert there.shape == back.shape == (4, 37)


@pytest.mark.parametrize(
    "start,stop,steps,said",
    [
        ([0], [1], 1, "steps must be at least 2, got 1"),
        ([], [1], 3, "start names no cells"),
        ([0], np.zeros(201, bool), 3, "stop names no cells"),
    ],
)
def test_paths_that_lead_nowhere_are_refused(case, start, stop, steps, said):
    with pytest.raises(InputError, match=said):
        verbs.interpolate(case.model, case.cells, start, stop, steps)
