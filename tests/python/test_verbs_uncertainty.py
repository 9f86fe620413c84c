"""Where a prediction says that it is unsure: spread of draws, of models, and of measured types."""

from types import SimpleNamespace

import numpy as np
import pytest

from waddington.verbs.uncertainty import standard_deviations

SHIFT = np.array([1.0, 2.0, 0.0])


def question(models, silent=False):
    """A question whose models answer with what they are; a draw adds its number."""

    def expected(model, draw=None):
        before = np.zeros((4, 3))
        return before, before + model + SHIFT * (0 if draw is None else draw)

    return SimpleNamespace(
        models=models,
        silent=silent,
        responses={"a": SimpleNamespace(sd=np.full(3, 0.1)), "b": SimpleNamespace(sd=np.ones(3))},
        groups=SimpleNamespace(kinds=np.array(["a", "a", "a", "b"])),
        expected=expected,
        change=lambda before, after, floor: after - before,
        floor=lambda cells: 0.0,
        picked=None,
    )


def test_the_parts_are_what_they_say():
    found = standard_deviations(question([0.0, 3.0]), "transfer", 0.5, n_draws=3, seed=0)
    np.testing.assert_allclose(found["measured"], (3 * 0.1 + 1) / 4, rtol=1e-6)
    np.testing.assert_allclose(found["ensemble"], 0.5 * np.std([0, 3], ddof=1), rtol=1e-6)
    np.testing.assert_allclose(found["posterior"], 0.5 * SHIFT, rtol=1e-6)
    total = sum(found[k] ** 2 for k in ("measured", "ensemble", "posterior"))
    np.testing.assert_allclose(found["total"], np.sqrt(total), rtol=1e-6)


@pytest.mark.parametrize(("trust", "silent"), [(0.0, False), (0.5, True)])
def test_models_that_have_no_part_in_it_say_nothing_of_it(trust, silent):
    found = standard_deviations(question([0.0, 3.0], silent), "transfer", trust, 3, 0)
    assert set(found) == {"measured", "total"}


def test_one_model_without_draws_can_say_nothing_by_itself():
    asked = question([1.0])
    asked.decoded = None
    assert standard_deviations(asked, "shift", None, 0, 0) == {}
