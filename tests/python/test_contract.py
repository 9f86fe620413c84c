"""What every recipe must satisfy; nobody writes these for a new system."""

import inspect
import json
import re
from dataclasses import fields

import numpy as np
import pytest
import torch
from toys import CASES, EPOCHS, Fitted, NoNoise, OneDevice, fitted, small, trained

import waddington as wd
from waddington import verbs
from waddington.minibatches import minibatches
from waddington.model import Model
from waddington.parts import PARTS, from_json, parts_of, replace, to_json
from waddington.recipes import RECIPES
from waddington.terms import losses
from waddington.trainer import Trainer


@pytest.fixture(params=CASES)
def case(request) -> Fitted:
    return fitted(request.param)


def minibatch(case, index):
    return next(minibatches(case.cells.take(np.asarray(index)), case.model.levels, 9999))


def ask_all(model, cells):
    """Every verb that answers per cell, as far as the model can."""
    asks = {
        "latent": verbs.latent,
        "denoise": verbs.denoise,
        "sample": lambda m, c: verbs.sample(m, c, seed=3),
        "elbo": verbs.elbo,
    }
    return {k: f(model, cells) for k, f in asks.items() if verbs.why_not(model, k) is None}


def assert_same(got, want):
    assert got.keys() == want.keys()
    for k, v in want.items():
        np.testing.assert_array_equal(np.asarray(got[k]), np.asarray(v), err_msg=k)


# The recipe ------------------------------------------------------------------------------------


def test_every_recipe_is_a_case():
    assert set(RECIPES) <= set(CASES) and all(CASES[k] is RECIPES[k] for k in RECIPES)


def test_json_round_trip(case):
    assert from_json(to_json(case.recipe)) == case.recipe


def test_json_has_every_default_written_out(case):
    def check(node):
        if isinstance(node, dict):
            wanted = {f.name for f in fields(PARTS[node["part"]])}
            assert wanted == set(node) - {"part"}
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                check(child)

    check(json.loads(to_json(case.recipe)))


def test_a_recipe_holds_no_tensors(case):
    values = [getattr(p, f.name) for p in parts_of(case.recipe) for f in fields(p)]
    assert not [v for v in values if isinstance(v, torch.Tensor | np.ndarray)]


# Training --------------------------------------------------------------------------------------


def test_the_objective_falls(case):
    rows = [r for r in case.model.history if r["cells"] == "training"]
    assert len(rows) == EPOCHS * len(case.recipe.phases)
    assert all(np.isfinite(v).all() for v in case.model.weights.values())
    if case.recipe.terms:
        assert rows[-1]["objective"] < rows[-EPOCHS]["objective"]


def test_every_parameter_moves(case):
    trainer = Trainer(case.recipe, case.cells, seed=1)
    players = [trainer.network, *trainer.opponents]
    before = [{k: v.clone() for k, v in p.named_parameters()} for p in players]
    trainer.advance()
    still = [
        k
        for p, was in zip(players, before, strict=True)
        for k, v in p.named_parameters()
        if torch.equal(v, was[k])
    ]
    assert not still


def test_two_runs_agree_to_the_bit_whatever_the_slices(case):
    before = torch.get_rng_state()
    trainer = Trainer(case.recipe, case.cells, seed=1)
    trainer.advance(0)
    assert torch.equal(torch.get_rng_state(), before)  # nobody's randomness is touched
    while not trainer.done:
        trainer.advance(0.002)
        torch.rand(3)  # others use torch's generator meanwhile
    again = trainer.model()
    assert_same(again.weights, case.model.weights)
    assert again.history == case.model.history


def test_another_seed_gives_another_model(case):
    other = trained(small(case.recipe, epochs=1), case.cells, seed=2).model()
    same = [k for k, v in other.weights.items() if np.array_equal(v, case.model.weights[k])]
    assert len(same) < len(other.weights) / 2


@pytest.mark.parametrize("step", [1, 2, 5, 7])
def test_a_resumed_run_ends_as_if_it_had_never_stopped(case, step, tmp_path):
    trainer = Trainer(case.recipe, case.cells, seed=1)
    while trainer.step < step:
        trainer.advance(0)
    wd.save_checkpoint(trainer, tmp_path / "run")
    again = wd.resume(tmp_path / "run", case.cells)
    assert (again.step, again.epoch) == (trainer.step, trainer.epoch)
    again.advance()
    assert_same(again.model().weights, case.model.weights)
    assert json.dumps(again.history) == json.dumps(case.model.history)


def test_a_step_runs_on_another_device_without_waiting_for_it(case):
    """On "meta" reading a number raises; mixing devices does not always, so that is watched."""
    trainer = Trainer(small(case.recipe, batch_size=32), case.cells, device="meta")
    with OneDevice():
        for _ in range(5):
            trainer.advance(0)
    assert trainer.step == 5 and trainer.epoch == 0
    players = [trainer.network, *trainer.opponents]
    assert {p.device.type for net in players for p in net.parameters()} == {"meta"}


def test_no_cell_is_alone_in_a_minibatch(case):
    few = case.cells.take(np.arange(129))
    trainer = trained(small(case.recipe, epochs=1, batch_size=128), few, held_out=0)
    assert trainer.step == len(case.recipe.phases)
    assert all(np.isfinite(v).all() for v in trainer.model().weights.values())


def test_empty_cells_and_genes_are_told_and_do_no_harm(case):
    x = case.cells.views["rna"].tolil(copy=True)
    x[3], x[:, 5] = 0, 0
    data = replace(case.cells, views={"rna": x.tocsr()})
    trainer = trained(small(case.recipe, epochs=1), data)
    model = trainer.model()
    assert all(np.isfinite(v).all() for v in model.weights.values())
    if case.recipe.decoders[0].head.counts:
        said = " ".join(trainer.warnings)
        assert "1 of 201 cells have no rna counts ('cell3')" in said
        assert "1 of 37 rna features have no counts" in said
    for answer in ask_all(model, data).values():
        assert np.isfinite(answer).all()


# The model -------------------------------------------------------------------------------------


def test_bytes_and_files_change_nothing(case, tmp_path):
    case.model.save(tmp_path / "model.wad")
    for again in (Model.from_bytes(case.model.to_bytes()), wd.load(tmp_path / "model.wad")):
        assert again.recipe == case.model.recipe
        assert list(again.history) == list(case.model.history)
        assert again.levels == case.model.levels and again.features == case.model.features
        assert_same(again.weights, case.model.weights)
        assert_same(ask_all(again, case.cells), ask_all(case.model, case.cells))


def test_new_levels_leave_old_answers_as_they_are(case):
    if not case.recipe.conditions:
        pytest.skip("it has no covariates that could grow")
    for condition in case.recipe.conditions:
        if condition.covariate in case.model.levels:
            wider = case.model.expand(**{condition.covariate: ("new",)})
            assert_same(ask_all(wider, case.cells), ask_all(case.model, case.cells))


def test_a_query_changes_the_rows_of_its_levels_and_nothing_else(case):
    """Weights of the reference, its running means among them, and its answers stay to the bit."""
    grows = [c.covariate for c in case.recipe.conditions if c.covariate in case.model.levels]
    if not grows or not case.recipe.encoders:
        pytest.skip("it has no covariates that could grow, or can't place a query")
    few = case.cells.take(np.arange(64))
    query = replace(few, covariates={**few.covariates, grows[0]: np.full(64, "new")})
    mapped = wd.map_query(case.model, query, epochs=2, held_out=0.0)
    wide = case.model.expand(**{grows[0]: ("new",)})
    was = wide.weights
    changed = {k for k, v in mapped.model.weights.items() if not np.array_equal(v, was[k])}
    assert changed and changed <= set(wide.network.new_rows(grows[0]))
    assert mapped.model.weights.keys() == was.keys()
    assert_same(ask_all(mapped.model, case.cells), ask_all(case.model, case.cells))


# The verbs -------------------------------------------------------------------------------------


def test_order_of_cells_does_not_matter(case):
    order = np.random.default_rng(0).permutation(len(case.cells))
    for k in ("latent", "denoise"):
        if verbs.why_not(case.model, k) is None:
            f = getattr(verbs, k)
            got, want = f(case.model, case.cells.take(order)), f(case.model, case.cells)[order]
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_order_of_genes_does_not_matter(case):
    order = np.random.default_rng(1).permutation(case.cells.views["rna"].shape[1])
    names = case.cells.features["rna"]
    turned = replace(
        case.cells,
        views={"rna": case.cells.views["rna"][:, order]},
        features={"rna": tuple(names[i] for i in order)},
    )
    got, want = ask_all(case.model, turned), ask_all(case.model, case.cells)
    for k, v in want.items():
        np.testing.assert_allclose(got[k], v, rtol=1e-5, atol=1e-5, err_msg=k)


def test_answers_do_not_depend_on_how_many_are_asked_at_a_time(case, monkeypatch):
    answers = []
    for size in (7, 2048):
        monkeypatch.setattr(verbs.ask.each, "__defaults__", (size,))
        asks = [k for k in ("latent", "denoise") if verbs.why_not(case.model, k) is None]
        answers.append({k: getattr(verbs, k)(case.model, case.cells) for k in asks})
    for k, v in answers[0].items():
        np.testing.assert_allclose(v, answers[1][k], rtol=1e-4, atol=1e-5)


def test_answers_are_the_same_when_asked_again(case):
    assert_same(ask_all(case.model, case.cells), ask_all(case.model, case.cells))


ASKS = {"interpolate": lambda m, c: verbs.interpolate(m, c, [0], [1])}
"""Verbs that need more than a model and cells; those not named here have tests of their own."""


def more(name):
    """The arguments of a verb without a default, besides model and cells."""
    given = list(inspect.signature(getattr(verbs, name)).parameters.values())[2:]
    return [p.name for p in given if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


@pytest.mark.parametrize("name", sorted(verbs.VERBS))
def test_a_verb_answers_or_says_why_not(case, name):
    ask, reason = ASKS.get(name, getattr(verbs, name)), verbs.why_not(case.model, name)
    if reason is None and (name in ASKS or not more(name)):
        answer = ask(case.model, case.cells)
        assert answer is not None
        if isinstance(answer, np.ndarray):
            assert np.isfinite(answer).all()
    elif reason is not None:
        with pytest.raises(
            wd.InputError, match=rf"{name}\(\) can't be asked of .*{re.escape(reason)}"
        ):
            ask(case.model, case.cells, **({} if name in ASKS else dict.fromkeys(more(name))))


# One scale -------------------------------------------------------------------------------------


def test_noise_is_per_cell_and_per_dimension(case):
    twice = minibatch(case, [0, 0])
    trace = case.model.network(twice)
    if case.recipe.encoders and trace["q"].scale is None:
        assert torch.equal(trace["z"][0], trace["z"][1])
    else:
        off = trace["z"] - (trace["q"].loc if case.recipe.encoders else 0)
        assert len(off.flatten().unique()) >= off.numel() - 2  # a rounding may tie


def gradients(network, recipe, cells):
    """Of each term, at posterior means: by parameter, and by the latent mean of each cell."""
    found = {}
    for term in recipe.terms:
        with NoNoise():
            trace = network(cells, draw=False)
        loc = trace["q"].loc
        loc.retain_grad()
        network.zero_grad()
        losses([term], trace, cells)[term.name].backward()
        grads = {k: p.grad for k, p in network.named_parameters() if p.grad is not None}
        pull = torch.zeros_like(loc) if loc.grad is None else loc.grad.clone()
        found[term.name] = {k: g.clone() for k, g in grads.items()}, pull
    return found


def network_of(model):
    """The network of a model, in double precision, to be changed by the test."""
    return Model.from_bytes(model.to_bytes()).network.double()


def test_terms_are_means_over_cells(case):
    """Weights mean the same at any minibatch size: with each cell twice, no gradient changes."""
    network, index = network_of(case.model), np.arange(40)
    once, twice = (
        gradients(network, case.recipe, minibatch(case, i).to("cpu", torch.float64))
        for i in (index, np.tile(index, 2))
    )
    for name in once:
        for k, g in once[name][0].items():
            torch.testing.assert_close(twice[name][0][k], g, rtol=1e-6, atol=1e-9)


def test_a_minibatch_may_lack_a_level(case):
    """All cells of one batch, condition or type: every term is finite, and so is its gradient."""
    codes = minibatch(case, np.arange(len(case.cells))).codes
    for name, code in codes.items():
        rows = np.flatnonzero(code.numpy() == 0)[:12]
        assert len(rows) == 12, name
        some = minibatch(case, rows).to("cpu", torch.float64)
        for grads, pull in gradients(network_of(case.model), case.recipe, some).values():
            assert all(g.isfinite().all() for g in (*grads.values(), pull)), name


def doubled(model):
    """The same model of data in which every gene is there twice."""
    genes, weights = len(model.features["rna"]), {}
    learnt = dict(model.network.named_parameters())
    for name, w in model.weights.items():
        axes = [i for i, n in enumerate(w.shape) if n == genes]
        weights[name] = np.concatenate([w, w], axes[0]) if axes else w
        if axes and name in learnt and (name.startswith("encoders") or ".weight.rna" in name):
            weights[name] = weights[name] / 2
    names = model.features["rna"]
    features = {"rna": (*names, *(f"{k} again" for k in names))}
    return replace(model, weights=weights, features=features)


def test_likelihoods_are_sums_over_genes(case):
    """With each gene twice a likelihood pulls twice as hard, and nothing else changes."""
    if any(getattr(p, "shares", False) for p in parts_of(case.recipe)):
        pytest.skip("it reads shares of the total, and those halve")
    from scipy import sparse

    data = case.cells.take(np.arange(40))
    x = data.views["rna"]
    two = replace(data, views={"rna": sparse.csr_matrix(sparse.hstack([x, x]))}, features={})
    pulls = []
    for model, some in ((case.model, data), (doubled(case.model), two)):
        m = next(minibatches(some, model.levels, 99)).to("cpu", torch.float64)
        pulls.append(gradients(network_of(model), case.recipe, m))
    for term in case.recipe.terms:
        times = 2 if getattr(term, "view", None) == "rna" else 1
        once, twice = pulls[0][term.name][1], pulls[1][term.name][1]
        torch.testing.assert_close(twice, times * once, rtol=1e-5, atol=1e-8)
