"""Schedules against formulas, torch's schedulers, and the lecture's recorded run."""

import math

import numpy as np
import pytest
import torch
from toys import real

from waddington import schedules
from waddington.errors import InputError
from waddington.recipes import exercise_vae, scvi
from waddington.schedules import Clock, Cosine, Linear, OneCycle, Piecewise, Plateau, at, final
from waddington.trainer import Trainer


def recorded_rate(entry):
    """The learning rate of the lecture's run, by its entry in the trace, counted from 1."""
    e = entry - 1
    if e <= 80:
        return 2e-5
    if e < 450:
        return min(2e-3, 2e-5 + 1.5e-4 * (e - 80) / 20)
    return 1e-4 if e <= 600 else 5e-6


def test_the_formula_has_the_entries_that_were_recorded():
    wanted = {1: 2e-5, 81: 2e-5, 82: 2.75e-5, 345: 2e-3, 450: 2e-3, 451: 1e-4, 601: 1e-4, 602: 5e-6}
    assert {i: recorded_rate(i) for i in wanted} == pytest.approx(wanted, rel=1e-12)


def test_exercise_follows_the_recorded_rates():
    rate = exercise_vae().phases[0].optimiser.lr
    for entry in range(1, 866):
        got = rate.at(Clock(epoch=entry - 1))
        assert got == pytest.approx(recorded_rate(entry), rel=1e-12), entry


@pytest.mark.slow
def test_a_run_of_the_exercise_records_the_same_865_rates():
    x = np.abs(np.random.default_rng(0).normal(size=(12, 3)))
    trainer = Trainer(exercise_vae(n_latent=1, patience=9999), real(x), held_out=0)
    while trainer.epoch < 865:
        trainer.advance(0)
    rates = [r["lr"] for r in trainer.history if r["cells"] == "training"][:865]
    np.testing.assert_allclose(rates, [recorded_rate(i) for i in range(1, 866)], rtol=1e-12)


def test_other_epochs_keep_the_proportions():
    rate = exercise_vae(epochs=100).phases[0].optimiser.lr
    assert rate.at(Clock(epoch=8)) == pytest.approx(2e-5)
    assert rate.at(Clock(epoch=40)) == pytest.approx(2e-3)
    assert rate.at(Clock(epoch=46)) == pytest.approx(1e-4)


@pytest.mark.parametrize(
    "unit,clock",
    [
        ("fraction", Clock(0.3)),
        ("steps", Clock(step=30)),
        ("epochs", Clock(epoch=3)),
        ("phases", Clock(phase=2)),
    ],
)
def test_linear_is_a_straight_line_in_its_unit(unit, clock):
    time = clock.time(unit)
    line = Linear(1.0, 3.0, over=2 * time, unit=unit, delay=time / 2)
    assert line.at(clock) == pytest.approx(1 + 2 * 0.25)
    assert line.at(Clock()) == 1 and line.at(schedules.END) == 3


def test_warm_up_reaches_its_weight_whatever_the_number_of_epochs():
    for epochs in (5, 40, 400):
        weights = [Linear(over=0.25).at(Clock(e / epochs, epoch=e)) for e in range(epochs)]
        assert weights[0] == 0 and weights[-1] == 1


def test_the_schedule_of_scvi_tools_is_that_package_s():
    """The divergence's weight grows over 400 epochs: 40 of them, for 200,000 cells, end at .0975.

    By default it grows over a part of the run, and reaches 1.
    """
    theirs, ours = scvi(schedule="scvi-tools", learning_rate=1e-3), scvi()
    weight = lambda recipe, e: at(recipe.terms[1].weight, Clock(e / 40, epoch=e))
    assert [weight(theirs, e) for e in (0, 1, 20, 39)] == [0, 0.0025, 0.05, 0.0975]
    assert at(theirs.terms[1].weight, Clock(epoch=400)) == 1 == weight(ours, 39)
    adam = theirs.phases[0].optimiser
    assert (adam.lr, adam.eps, adam.weight_decay) == (1e-3, 0.01, 1e-6)
    assert theirs.phases[0].stop is None


def test_piecewise_jumps_where_two_points_share_a_time():
    steps = Piecewise(((0, 1.0), (2, 1.0), (2, 5.0), (4, 1.0)), unit="epochs")
    values = [steps.at(Clock(epoch=e)) for e in range(6)]
    assert values == pytest.approx([1, 1, 5, 3, 1, 1])


def torch_rates(make, n, scores=None):
    w = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([w], lr=1e-3)
    scheduler, rates = make(optimiser), []
    for i in range(n):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step(*(() if scores is None else (scores[i],)))
    return rates


def test_cosine_is_torch_s():
    want = torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 50, 1e-5), 51)
    ours = Cosine(1e-3, 1e-5, 50, "steps")
    np.testing.assert_allclose([ours.at(Clock(step=i)) for i in range(51)], want, rtol=1e-6)


def test_one_cycle_is_torch_s():
    n, one = 2001, torch.optim.lr_scheduler.OneCycleLR
    make = lambda o: one(o, 4e-3, n, pct_start=0.25, div_factor=25, final_div_factor=40)
    want = torch_rates(make, n - 1)
    ours = [OneCycle(4e-3).at(Clock(i / (n - 1))) for i in range(n - 1)]
    np.testing.assert_allclose(ours, want, atol=4e-3 * 0.005)
    assert max(ours) == pytest.approx(4e-3) and ours[0] == pytest.approx(0.04 * 4e-3)


def test_a_short_cycle_climbs_higher():
    cycle = lambda epochs: OneCycle(2e-3, full=120).at(Clock(0.25, planned=epochs))
    assert [cycle(n) for n in (400, 120, 0)] == pytest.approx([2e-3] * 3)
    assert [cycle(n) for n in (60, 40, 10)] == pytest.approx([4e-3, 6e-3, 8e-3])


def test_plateau_is_torch_s():
    rng = np.random.default_rng(0)
    scores = [10 / (1 + i) + rng.normal() * 0.3 for i in range(120)]
    make = lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(
        o, factor=0.5, patience=4, threshold=0.1, threshold_mode="abs", min_lr=1e-5
    )
    want = torch_rates(make, 120, scores)
    ours = Plateau(1e-3, 0.5, 4, 0.1, 1e-5)
    got = [ours.at(Clock(epoch=i, scores=tuple(scores[:i]))) for i in range(120)]
    np.testing.assert_allclose(got, want, rtol=1e-9)
    assert len(set(want)) > 3


def test_numbers_are_schedules_too():
    assert at(0.5, Clock(0.9)) == 0.5 and final(2) == 2.0
    assert final(Linear(0, 0.2)) == pytest.approx(0.2) and final(Cosine(1, 0)) == 0
    assert math.isclose(final(OneCycle(1.0)), 1e-3)


@pytest.mark.parametrize(
    "make,said",
    [
        (
            lambda: Linear(unit="minutes"),
            "unit must be one of fraction, steps, epochs, phases, got 'min",
        ),
        (lambda: Linear(over=0.0), "over must be positive, got 0.0"),
        (lambda: Piecewise(((1, 0), (0, 1))), "points must be in order of time"),
        (lambda: Cosine(unit="years"), "unit must be one of"),
    ],
)
def test_schedules_that_mean_nothing_are_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()
