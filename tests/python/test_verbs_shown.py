"""What a person sees who types the name of an answer."""

from dataclasses import dataclass

import numpy as np
from toys import fitted

import waddington as wd
from waddington.verbs.shown import Scores, shown


@shown
@dataclass(frozen=True)
class Answer:
    cells: np.ndarray
    features: tuple[str, ...]
    levels: dict
    parts: dict
    p: float
    model: object = None


def test_parts_print_in_a_line_each():
    some = Answer(
        np.zeros((3, 4), np.float32), tuple("abcdef"), {"from": "a", "of": None},
        {"x": np.ones(2), "y": np.ones(2)}, 0.05, fitted("vae").model,
    )  # fmt: skip
    assert repr(some).split("\n") == [
        "Answer",
        "  cells: 3 x 4 float32",
        "  features: 'a', 'b', 'c' and 3 more",
        "  levels: from a, of None",
        "  parts: 'x', 'y'",
        "  p: 0.05",
        f"  model: vae model of {len(fitted('vae').model.features['rna'])} features",
    ]
    assert "model" not in repr(Answer(np.zeros(2), (), {}, {}, 1.0))
    assert max(map(len, repr(Answer(np.zeros(2), ("x" * 500,), {}, {}, 1.0)).split("\n"))) == 100


def test_answers_of_verbs_are_short():
    case = fitted("scvi with batches")
    for answer in (
        wd.check_model(case.model, case.cells),
        wd.find_doublets(case.cells, epochs=1),
        wd.differential_expression(
            case.model, case.cells, "batch", "batch0", n_samples=50, n_pairs=50
        ),
    ):
        lines = repr(answer).split("\n")
        assert lines[0] == type(answer).__name__ and 3 < len(lines) < 20
        assert max(map(len, lines)) <= 100


def test_scores_print_as_a_table_and_are_a_dictionary():
    scores = Scores({"predicted": {"r2": 0.12345, "energy": 2.0}, "control": {"r2": 0.0}})
    assert scores["predicted"]["r2"] == 0.12345
    rows = repr(scores).split("\n")
    assert rows[0].split() == ["r2", "energy"]
    assert rows[1].split() == ["predicted", "0.123", "2.0"]
