"""Parts: frozen values that go to JSON and back by their names."""

from dataclasses import FrozenInstanceError

import pytest

from waddington import parts
from waddington.errors import InputError
from waddington.layers import Dense, Stack
from waddington.optim import Adam
from waddington.recipe import EarlyStopping, Phase


def test_parts_are_frozen_and_compare_by_value():
    assert Dense(3) == Dense(3) != Dense(4)
    with pytest.raises(FrozenInstanceError):
        Dense(3).units = 4


def test_one_stands_for_a_tuple_of_one_and_lists_for_tuples():
    assert Stack(Dense(3)).layers == (Dense(3),)
    assert Stack([Dense(3), Dense(2)]) == Stack((Dense(3), Dense(2)))
    assert Phase(train="decoders.*").train == ("decoders.*",)


def test_whole_numbers_of_r_become_integers_and_others_do_not():
    phase = Phase(epochs=10.0, batch_size=64.0)
    assert (phase.epochs, phase.batch_size) == (10, 64)
    assert isinstance(phase.epochs, int) and isinstance(phase.batch_size, int)
    assert isinstance(Adam(lr=1.0).lr, float)


def test_json_may_leave_out_defaults():
    text = '{"part": "Phase", "epochs": 3, "stop": {"part": "EarlyStopping", "patience": 7}}'
    assert parts.from_json(text) == Phase(epochs=3, stop=EarlyStopping(7))


def test_plain_entries_stay_as_they_are():
    assert parts.from_json('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


@pytest.mark.parametrize(
    "text,said",
    [
        ('{"part": "Dnse", "units": 3}', "no part is named 'Dnse'; import the package"),
        ('{"part": "Dense", "unit": 3}', "Dense: .*'unit'"),
        ('{"part": "Dense", "units": 0}', "units must be at least 1, got 0"),
        ('{"part": "Dense", "units": 3, "act": "rlu"}', "act must be one of .*relu.*, got 'rlu'"),
    ],
)
def test_what_json_can_not_mean_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        parts.from_json(text)


def test_two_modules_can_not_define_one_part():
    class Dense:
        units: int = 1

    with pytest.raises(TypeError, match="both define a part 'Dense'"):
        parts.part(Dense)


def test_a_part_defined_anywhere_is_known():
    @parts.part
    class Ridge:
        weight: float = 1.0

    assert parts.from_json(parts.to_json(Ridge(2.0))) == Ridge(2.0)


def test_parts_of_lists_the_outermost_first():
    stack = Stack((Dense(3), Dense(2)))
    assert list(parts.parts_of(stack)) == [stack, Dense(3), Dense(2)]
    assert parts.tuples([1, [2, (3, [4])]]) == (1, (2, (3, (4,))))
