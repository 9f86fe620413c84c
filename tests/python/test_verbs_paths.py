"""Paths through latent space, on shapes where the right way is known."""

import numpy as np
import pytest
from toys import fitted

import waddington as wd
from waddington.errors import InputError
from waddington.verbs import paths

RNG = np.random.default_rng(0)


def horseshoe(n=600, sd=0.05):
    """Cells on three quarters of a circle: the ends are near each other, with a gap between."""
    angle = np.linspace(0, 1.5 * np.pi, n)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + sd * RNG.normal(size=(n, 2))


def test_the_arc_keeps_its_distance_from_the_centre():
    centre, a, b = np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([1.0, 4.0])
    path = paths.slerp(a, b, 5, centre)
    np.testing.assert_allclose(path[[0, -1]], [a, b])
    np.testing.assert_allclose(np.linalg.norm(path - centre, axis=1), 2)
    np.testing.assert_allclose(path[2], centre + np.sqrt(2))


def test_the_arc_of_opposite_or_equal_ends_is_a_line():
    a = np.array([1.0, 0.0])
    np.testing.assert_allclose(paths.slerp(a, -a, 3, np.zeros(2)), [a, 0 * a, -a], atol=1e-12)
    np.testing.assert_allclose(paths.slerp(a, a, 3, np.zeros(2)), [a, a, a])
    np.testing.assert_allclose(paths.slerp(0 * a, a, 3, np.zeros(2))[1], a / 2)


def test_the_way_from_cell_to_cell_goes_round_the_gap():
    cells = horseshoe()
    a, b = cells[0], cells[-1]
    radius = lambda path: np.linalg.norm(path, axis=1)
    round_, line = paths.along(a, b, 21, cells), paths.straight(a, b, 21)
    assert np.abs(radius(round_) - 1).max() < 0.2 < np.abs(radius(line) - 1).max()
    np.testing.assert_allclose(round_[[0, -1]], [a, b])
    step = np.linalg.norm(np.diff(round_, axis=0), axis=1)
    assert step.max() < 3 * step.min()
    assert (paths.novelty(round_, cells) < 0.999).mean() > 0.8
    assert paths.novelty(line, cells)[10] == 1


def test_separate_islands_are_joined_by_the_shortest_leap():
    cells = np.vstack([RNG.normal(0, 0.1, (40, 2)), RNG.normal(5, 0.1, (40, 2))])
    path = paths.along(cells[0], cells[-1], 9, cells)
    np.testing.assert_allclose(path[[0, -1]], cells[[0, -1]])


def test_novelty_is_uniform_over_the_cells_themselves():
    cells = RNG.normal(size=(2000, 3))
    found = paths.novelty(RNG.normal(size=(2000, 3)), cells)
    assert abs(np.mean(found < 0.5) - 0.5) < 0.06
    assert paths.novelty(np.full((1, 3), 50.0), cells)[0] == 1


@pytest.mark.parametrize("path", ["linear", "slerp", "manifold"])
def test_paths_are_decoded_and_their_novelty_told(path):
    case = fitted("vae")
    kinds = case.cells.covariates["cell_type"]
    ends = kinds == "type0", kinds == "type1"
    decoded = wd.interpolate(case.model, case.cells, *ends, 5, path=path)
    at, novelty = wd.path_between(case.model, case.cells, *ends, 5, path)
    assert decoded.shape == (5, 37) and at.shape == (5, 10) and novelty.shape == (5,)
    line = wd.interpolate(case.model, case.cells, *ends, 5)
    np.testing.assert_allclose(decoded[[0, -1]], line[[0, -1]], rtol=1e-4)


def test_traversal_moves_one_dimension_through_the_mean():
    case = fitted("vae")
    path = wd.traverse(case.model, case.cells, 2, steps=5, span=2.0, library=1.0)
    z = wd.latent(case.model, case.cells)
    case.model.network.eval()
    import torch

    from waddington.minibatches import minibatches

    (m,) = minibatches(case.cells.take([0]), case.model.levels, 2)
    middle = torch.from_numpy(z.mean(0, keepdims=True))
    want = case.model.network.decode(middle, m.as_if({}, 1.0))["rna"].mean.detach()
    np.testing.assert_allclose(path[2], want[0], rtol=1e-4)
    assert path.shape == (5, 37)


def test_unknown_paths_and_dimensions_are_refused():
    case = fitted("vae")
    with pytest.raises(InputError, match="path must be one of linear, slerp, manifold"):
        wd.interpolate(case.model, case.cells, [0], [1], path="x")
    with pytest.raises(InputError, match="dimension must be from 0 to 9, got 10"):
        wd.traverse(case.model, case.cells, 10)
