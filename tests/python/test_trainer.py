"""The training loop: who moves when, when it stops, what is kept, what it says about trouble."""

from collections import Counter

import numpy as np
import pytest
import torch
from toys import cells as toy_cells
from toys import data_for, fitted, opposed, small, trained

from waddington import recipes
from waddington.errors import InputError, TrainingError
from waddington.optim import Adam, Sgd
from waddington.parts import part, replace
from waddington.players import Player
from waddington.recipe import EarlyStopping, Phase
from waddington.schedules import Linear
from waddington.terms import KL, NLL
from waddington.trainer import Trainer

CELLS = toy_cells(100)


def vae(*phases, **options):
    base = recipes.vae(n_latent=3, hidden=(8,), **options)
    return replace(base, phases=phases or (Phase(4, batch_size=32),))


# Who moves ------------------------------------------------------------------------------------


def test_the_network_moves_at_every_fifth_minibatch_and_the_critic_at_each():
    recipe = small(recipes.wgan(), epochs=1, batch_size=10)
    trainer = Trainer(recipe, data_for(recipe, 100), held_out=0)
    critic, network = (p.optimiser for p in called(trainer))
    trainer.advance()
    assert (trainer.step, critic.steps, network.steps) == (10, 10, 2)


def called(trainer):
    """The players of a run, once it has begun."""
    trainer.begin(trainer.recipe.phases[0])
    return trainer.players


def test_an_opponent_moves_at_its_own_pace():
    trainer = Trainer(small(opposed(), 1, 20), CELLS, held_out=0)
    optimisers = [p.optimiser for p in called(trainer)]
    trainer.advance()
    assert [o.steps for o in optimisers] == [5, 2, 5]


def test_phases_train_what_they_name_and_the_rest_evaluates():
    first = Phase(2, train=("decoders.*",), batch_size=32, stop=None)
    trainer = Trainer(vae(first, Phase(2, batch_size=32), dropout=0.5), CELLS)
    before = {k: v.clone() for k, v in trainer.network.named_parameters()}
    trainer.advance(0)
    assert not trainer.network.encoders.training and trainer.network.decoders.training
    while trainer.phase == 0 and trainer.epoch < 2:
        trainer.advance(0)
    now = dict(trainer.network.named_parameters())
    assert all(torch.equal(now[k], before[k]) == k.startswith("encoders") for k in now)
    trainer.advance()
    assert trainer.epoch == 4 and not any(torch.equal(now[k], before[k]) for k in now)


def test_frozen_batch_norm_keeps_its_statistics():
    base = small(recipes.scvi(), 2)
    frozen = replace(base, phases=(replace(base.phases[0], train=("decoders.rna.head.*",)),))
    trainer = Trainer(frozen, CELLS)
    before = {k: v.clone() for k, v in trainer.network.named_buffers()}
    trainer.advance()
    assert before and all(torch.equal(v, before[k]) for k, v in trainer.network.named_buffers())


def test_a_step_is_as_long_as_its_clip_allows():
    w = torch.nn.Linear(3, 1, bias=False)
    start = w.weight.detach().clone()
    long = lambda trace, cells, clock: (100 * w.weight.sum(), {})
    Player.of(long, w, Sgd(lr=1.0, clip=0.25), 1).move({}, None, None)
    assert float((w.weight - start).detach().norm()) == pytest.approx(0.25, rel=1e-4)
    Player.of(long, w, Sgd(lr=1.0), 1).move({}, None, None)
    assert float((w.weight - start).detach().norm()) > 100


def test_a_rate_that_is_set_overrides_the_schedule():
    trainer = Trainer(vae(), CELLS)
    trainer.learning_rate = 1e-12
    before = {k: v.clone() for k, v in trainer.network.named_parameters()}
    trainer.advance()
    for k, v in trainer.network.named_parameters():
        torch.testing.assert_close(v, before[k], rtol=0, atol=1e-8)
    assert {r["lr"] for r in trainer.history} == {1e-12}


def test_cells_are_seen_once_an_epoch_and_levels_are_spread():
    recipe = vae(Phase(2, batch_size=20, spread=("batch",)))
    trainer, seen = Trainer(recipe, CELLS, held_out=0), []
    move = trainer._move
    trainer._move = lambda cells, progress: seen.append(cells) or move(cells, progress)
    trainer.advance()
    epochs = [np.concatenate([m.index for m in seen[i : i + 5]]) for i in (0, 5)]
    assert all(sorted(e) == list(range(100)) for e in epochs) and (epochs[0] != epochs[1]).any()
    share = float((CELLS.covariates["batch"] == "batch1").mean())
    assert all(abs(float(m.codes["batch"].float().mean()) - share) < 0.06 for m in seen)


# The split ------------------------------------------------------------------------------------


def test_held_out_cells_are_a_share_that_is_never_trained_on():
    trainer, seen = Trainer(vae(), CELLS, held_out=0.2), set()
    move = trainer._move
    trainer._move = lambda cells, p: seen.update(cells.index.tolist()) or move(cells, p)
    trainer.advance()
    assert len(trainer.held) == 20 and seen == set(trainer.train.tolist())
    assert not seen & set(trainer.held.tolist())


def test_held_out_cells_can_be_given():
    few, rest = CELLS.take(np.arange(30)), CELLS.take(np.arange(30, 100))
    model = trained(vae(), rest, held_out=few).model()
    assert (model.record["n_cells"], model.record["n_held_out"]) == (70, 30)
    assert len([r for r in model.history if r["cells"] == "held out"]) == 4


def test_without_held_out_cells_training_scores_decide():
    model = trained(vae(), CELLS, held_out=None).model()
    assert {r["cells"] for r in model.history} == {"training"}
    assert model.record["n_held_out"] == 0 and "held_out_nll" not in model.record


@pytest.mark.parametrize("share", [1.0, -0.1, 1.5])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(InputError, match=r"held_out must be in \[0, 1\), got") as caught:
        Trainer(vae(), CELLS, held_out=share)
    assert caught.value.argument == "held_out"


def test_two_cells_are_enough():
    model = trained(vae(), CELLS.take(np.arange(2)), held_out=0.9).model()
    assert model.record["n_cells"] == 2


# Stopping -------------------------------------------------------------------------------------


def test_it_stops_when_the_held_out_score_stalls_and_restores_the_best():
    stop = EarlyStopping(patience=6)
    trainer = trained(vae(Phase(400, batch_size=32, optimiser=Adam(0.02), stop=stop)), CELLS)
    held = [r["objective"] for r in trainer.history if r["cells"] == "held out"]
    best = int(np.argmin(held))
    assert trainer.why == "held-out objective no better for 6 epochs" and len(held) < 400
    assert len(held) - 1 - best == 6 and trainer.best_epoch == best + 1
    model = trainer.model()
    assert model.record["best_epoch"] == best + 1 and model.record["epochs"] == len(held)
    again = Trainer(trainer.recipe, CELLS, seed=1, start=model)
    again.learning_rate = 1e-30
    again.advance(0)
    while again.epoch < 1:
        again.advance(0)
    assert again.score == pytest.approx(min(held), rel=1e-5)


def test_the_last_state_can_be_kept_in_the_place_of_the_best():
    stop = EarlyStopping(patience=6, restore=False)
    trainer = trained(vae(Phase(400, batch_size=32, optimiser=Adam(0.02), stop=stop)), CELLS)
    held = [r["objective"] for r in trainer.history if r["cells"] == "held out"]
    assert trainer.why == "held-out objective no better for 6 epochs" and len(held) < 400
    assert len(held) - trainer.best_epoch == 6
    assert trainer.model().record["best_epoch"] == len(held)
    again = Trainer(trainer.recipe, CELLS, seed=1, start=trainer.model())
    again.learning_rate = 1e-30
    while again.epoch < 1:
        again.advance(0)
    assert again.score == pytest.approx(held[-1], rel=1e-5) and again.score > min(held)


def test_any_term_can_decide_and_a_small_gain_can_be_none():
    by = lambda **how: Phase(60, batch_size=32, stop=EarlyStopping(**how))
    trainer = trained(vae(by(patience=5, metric="nll rna", min_delta=1e9)), CELLS)
    assert trainer.epoch == 6 and trainer.why == "held-out nll rna no better for 5 epochs"
    with pytest.raises(InputError, match="metric must be one of objective, nll rna, kl z, got 'nl"):
        Trainer(vae(by(metric="nll")), CELLS)


def test_a_warm_up_is_not_mistaken_for_progress():
    """Scores are at final weights, so they don't rise because a weight does."""
    warm = replace(vae(), terms=(NLL(), KL(weight=Linear(over=1.0))))
    trainer = trained(warm, CELLS)
    for row in trainer.history:
        assert row["objective"] == pytest.approx(row["nll rna"] + row["kl z"], rel=1e-6)


def test_all_epochs_done_is_said():
    trainer = trained(vae(), CELLS)
    assert trainer.why == "all 4 epochs done" and trainer.progress == 1 and trainer.done
    assert (trainer.epoch, trainer.epochs, trainer.step) == (4, 4, 12)


def test_an_interrupt_keeps_the_best_state_so_far():
    trainer = Trainer(vae(Phase(50, batch_size=32)), CELLS)
    while trainer.epoch < 3 or trainer.minibatch == 0:
        trainer.advance(0)
    trainer.interrupt()
    assert trainer.done and trainer.why == "interrupted after 3 epochs"
    model = trainer.model()
    trainer.advance()
    assert trainer.epoch == 3 and model.record["why"] == "interrupted after 3 epochs"
    whole = Trainer(vae(Phase(50, batch_size=32)), CELLS)
    while whole.epoch < 3:
        whole.advance(0)
    for k, v in whole.model().weights.items():
        np.testing.assert_array_equal(v, model.weights[k])


def test_an_interrupt_before_the_first_epoch_gives_the_trivial_start():
    trainer = Trainer(vae(), CELLS)
    trainer.interrupt()
    record = trainer.model().record
    assert record["epochs"] == 0 and np.isfinite(record["held_out_nll"])


# Trouble --------------------------------------------------------------------------------------


def poisoned(epoch, cell=7):
    """A trainer whose data break after some epochs, behind the back of all checks."""
    data = toy_cells(100)
    data.views["rna"].data = data.views["rna"].data.copy()
    trainer = Trainer(vae(Phase(9, batch_size=32)), data, held_out=0)
    while trainer.epoch < epoch:
        trainer.advance(0)
    good = {k: v.copy() for k, v in trainer._best.items()}
    x = trainer.data.cells.views["rna"]
    x.data[x.indptr[cell]] = np.nan
    return trainer, good


def test_a_nan_in_the_first_epoch_is_an_error_that_names_term_and_cells():
    trainer, _ = poisoned(0)
    with pytest.raises(
        TrainingError, match=r"nll rna.* is not a number in epoch 1; .* 1 cells are"
    ):
        trainer.advance()
    assert trainer.done


def test_a_nan_later_ends_training_with_the_last_good_weights():
    trainer, good = poisoned(2)
    trainer.advance()
    assert trainer.done and "'nll rna'" in trainer.why and "in epoch 3" in trainer.why
    (said,) = trainer.warnings[-1:]
    assert "the data of 1 cells are the cause: 'cell7'" in said
    assert "The best state so far, of epoch 2, is kept" in said
    for k, v in trainer._best.items():
        np.testing.assert_array_equal(v, good[k])


def test_a_step_that_was_too_large_is_told_as_such():
    wild = Phase(3, batch_size=32, optimiser=Sgd(lr=1e30))
    with pytest.raises(TrainingError, match="a step was too large: lower learning_rate or set"):
        trained(vae(wild), CELLS)


def test_the_guard_looks_within_long_epochs(monkeypatch):
    from waddington import trainer as room

    monkeypatch.setattr(room, "GUARD_STEPS", 2)
    trainer, _ = poisoned(0)
    with pytest.raises(TrainingError, match="is not a number in epoch 1"):
        trainer.advance()
    assert trainer.step <= 4


def test_a_term_without_weight_may_be_anything():
    @part
    class Hopeless:
        weight: float = 0.0
        name: str = "hopeless"

        def __call__(self, trace, cells):
            return trace["z"].sum() * float("nan")

    recipe = replace(vae(), terms=(NLL(), KL(), Hopeless()))
    trainer = trained(recipe, CELLS)
    assert trainer.epoch == 4 and np.isnan(trainer.history[-1]["hopeless"])


def test_a_misspelt_activation_fails_before_training():
    from waddington.terms import MMD

    recipe = replace(vae(), terms=(NLL(), MMD("rna.decodr.0", by="batch")))
    with pytest.raises(InputError, match=r"no activation 'rna\.decodr\.0'; .*rna\.decoder\.0"):
        Trainer(recipe, CELLS)


def test_fewer_cells_than_a_minibatch_are_noted():
    trainer = Trainer(vae(Phase(1)), CELLS)
    assert "there are fewer cells (100) than batch_size (128); every update" in trainer.warnings[0]


# The record -----------------------------------------------------------------------------------


def test_history_has_a_row_per_epoch_and_set_of_cells():
    case = fitted("opposed")
    assert Counter(r["cells"] for r in case.model.history) == {"training": 6, "held out": 6}
    row = case.model.history[0]
    assert {"epoch", "cells", "objective", "lr", "nll rna", "kl z"} <= set(row)
    assert {"z vs batch own", "z vs batch pull", "z vs condition own"} <= set(row)
    assert row["objective"] == pytest.approx(row["nll rna"] + row["kl z"])


def test_the_record_says_how_it_came_about():
    record = trained(vae(), CELLS, seed=5, threads=1).model().record
    wanted = {
        "seed": 5, "threads": 1, "device": "cpu", "precision": "float32", "epochs": 4,
        "updates": 12, "n_cells": 90, "n_held_out": 10,
    }  # fmt: skip
    assert {k: record[k] for k in wanted} == wanted
    assert set(record["versions"]) == {"waddington", "torch", "numpy"}


def test_columns_that_the_recipe_does_not_read_are_left_alone():
    """Cells asked about later may have other levels there."""
    model = trained(vae(Phase(1)), CELLS).model()
    assert model.levels == {} and "batch" in CELLS.covariates
    told = trained(small(recipes.scvi(batch="batch"), 1), CELLS).model()
    assert set(told.levels) == {"batch"}


def test_training_can_start_from_a_model():
    first = trained(vae(), CELLS).model()
    trainer = Trainer(vae(Phase(1)), CELLS, start=first)
    for k, v in trainer.network.state_dict().items():
        np.testing.assert_array_equal(v, first.weights[k])
    other = Trainer(replace(vae(), latent=recipes.vae(n_latent=4).latent), CELLS, start=first)
    kept = other.network.encoders["rna"].stack[0].linear.weight["rna"]
    np.testing.assert_array_equal(
        kept.detach(), first.weights["encoders.rna.stack.0.linear.weight.rna"]
    )


def test_progress_grows_to_one():
    trainer, seen = Trainer(vae(Phase(2, batch_size=32), Phase(2, batch_size=32)), CELLS), [0.0]
    while not trainer.done:
        trainer.advance(0)
        seen.append(trainer.progress)
    assert seen == sorted(seen) and seen[-1] == 1
