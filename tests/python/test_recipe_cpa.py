"""Effects that add up: unseen pairs, doses, and a latent space that does not tell them."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy import sparse
from toys import fit

import waddington as wd
from waddington import recipes, simulate
from waddington.cells import RNA, Cells, Dims
from waddington.effects import Effects
from waddington.errors import InputError
from waddington.minibatches import minibatches
from waddington.recipes.cpa import SmoothFlip
from waddington.verbs.perturb import predict_perturbation

GENES, SINGLES = 40, "ABCD"
HELD = ("A+B", "C+D")


def screen(n=60, seed=0):
    """Two types, four perturbations and all pairs, each gene's log share a sum of effects."""
    rng = np.random.default_rng(seed)
    effect = {s: rng.normal(size=GENES) for s in SINGLES} | {"control": np.zeros(GENES)}
    pairs = [f"{a}+{b}" for i, a in enumerate(SINGLES) for b in SINGLES[i + 1 :]]
    state = np.repeat(["control", *SINGLES, *pairs], n)
    kind = rng.integers(2, size=len(state))
    base = rng.normal(size=(2, GENES))
    share = simulate.softmax(
        base[kind] + np.stack([sum(effect[s] for s in p.split("+")) for p in state])
    )
    counts = rng.poisson(1000 * share).astype(np.float32)
    told = {"condition": state, "cell_type": np.array(["x", "y"])[kind]}
    return Cells({RNA: sparse.csr_matrix(counts)}, covariates=told)


@cache
def fitted():
    cells = screen()
    seen = cells.take(np.flatnonzero(~np.isin(cells.covariates["condition"], HELD)))
    recipe = recipes.cpa(n_latent=8, hidden=(64,), dropout=0.0)
    return cells, seen, fit(recipe, seen, epochs=100, batch_size=64, lr=3e-3)


def explained(z, labels):
    """Share of the variance of z that is between labels."""
    means = np.stack([z[labels == k].mean(0) for k in labels])
    return means.var(0).sum() / z.var(0).sum()


@pytest.mark.parametrize("pair", HELD)
def test_pairs_that_were_never_seen_are_predicted(pair):
    cells, seen, model = fitted()
    made = predict_perturbation(
        model, seen, "condition", "control", pair, method="condition", draw=True
    )
    assert made.method == "condition" and made.shift is None
    found = wd.evaluate_perturbation(made, cells, n_splits=3, n_top=20)
    assert found["predicted"]["r2_change"] > 0.75
    assert found["no shift"]["r2_change"] < 0.1


def test_z_tells_the_type_and_little_of_the_perturbation():
    _, seen, model = fitted()
    told, z = seen.covariates, wd.latent(model, seen)
    logs = simulate.log_normalised(seen).views[RNA].toarray()
    assert explained(z, told["condition"]) < 0.5 * explained(logs, told["condition"])
    assert explained(z, told["cell_type"]) > 1.5 * explained(logs, told["cell_type"])


def test_a_model_that_composes_has_a_part_in_combinations():
    _, seen, model = fitted()
    made = predict_perturbation(model, seen, "condition", "control", "A+B")
    assert made.method == "transfer" and made.trust == 0.25
    assert list(made.shifts) == ["control + sum of shifts", "control + mean of shifts"]


def test_combinations_are_composed_where_their_parts_alone_tell_nothing():
    _, seen, model = fitted()
    counts = np.random.default_rng(0).binomial(seen.views[RNA].toarray().astype(int), 0.0015)
    few = replace(seen, views={RNA: sparse.csr_matrix(counts.astype(np.float32))})
    few = few.take(np.flatnonzero(counts.sum(1) > 0)[::6])
    made = predict_perturbation(model, few, "condition", "control", "A+B")
    assert made.chance > 0.05 and "other combinations of its parts" in made.notes[0]
    change = np.abs(made.profiles["predicted"] - made.profiles["control"])
    assert change.max() > 0
    alone = predict_perturbation(model, few, "condition", "control", "A")
    assert "nothing is predicted to change" in alone.notes[0]
    np.testing.assert_array_equal(alone.cells, alone.source.toarray())


def test_control_and_no_amount_add_nothing():
    _, seen, model = fitted()
    effects = model.network.decoders[RNA].effects
    (m,) = minibatches(seen.take(np.arange(5)), model.levels, 9)
    assert effects(m).abs().max() == 0
    pair = effects.spec.amounts(model.levels, "A+B") @ effects.embeddings.detach().numpy()
    parts = [effects.spec.amounts(model.levels, s) for s in "AB"]
    np.testing.assert_allclose(pair, sum(parts) @ effects.embeddings.detach().numpy(), rtol=1e-5)


def test_a_seen_level_is_decoded_alike_by_code_and_by_amounts():
    _, seen, model = fitted()
    control = seen.take(np.arange(20))
    made = predict_perturbation(model, seen, "condition", "control", "A", method="condition")
    want = wd.denoise(model, control, condition="A")
    np.testing.assert_allclose(made.cells[:20], want, rtol=1e-4)


def test_doses_are_read_and_scale_effects():
    levels = {"condition": (("A", "A+B", "control"),), "dose": (("0", "0.5", "1", "2+1"),)}
    spec = Effects(dose="dose")
    net = spec.build(3, Dims({}, {"condition": (3,), "dose": (4,)}))
    cells = Cells(
        {RNA: sparse.csr_matrix(np.ones((5, 1)))},
        covariates={
            "condition": np.array(["A", "A", "A", "A+B", "control"]),
            "dose": np.array(["0", "0.5", "1", "2+1", "1"]),
        },
    )
    net.prepare(cells, levels)
    (m,) = minibatches(cells, levels, 9)
    added, (a, b) = net(m).detach().numpy(), net.embeddings.detach().numpy()[:2]
    np.testing.assert_allclose(added[[0, 4]], 0, atol=1e-7)
    np.testing.assert_allclose(added[2], a, rtol=1e-5)
    share = added[1] / a
    assert np.ptp(share) < 1e-4 and 0.3 < share[0] < 0.8
    twice = (added[3] - b) / a
    assert np.ptp(twice) < 1e-3 and 1.1 < twice[0] < 2
    asked = net.amounts(levels, "A+B", "2+1") @ net.embeddings
    np.testing.assert_allclose(asked.detach().numpy()[0], added[3], rtol=1e-5)


@pytest.mark.parametrize("text", ["high", "1+", "-1", "1+1+1+1"])
def test_doses_that_cannot_be_read_are_refused(text):
    with pytest.raises(InputError, match=f"the dose {text!r}".replace("+", r"\+")):
        Effects(dose="dose").doses(text)


def test_doses_need_a_number_for_each_perturbation():
    spec = Effects(dose="dose")
    with pytest.raises(InputError, match="has 1 numbers; it needs 2, one per perturbation"):
        spec.doses("0.5", "A+B")
    assert spec.doses("1", "control") == [1.0]
    cells = screen(n=3)
    told = {**cells.covariates, "dose": np.full(len(cells), "1")}
    with pytest.raises(InputError, match=r"the dose '1' of 'A\+B' has 1 numbers"):
        fit(recipes.cpa(dose="dose"), replace(cells, covariates=told), epochs=1)


def test_a_dose_between_measured_ones_does_what_lies_between():
    rng = np.random.default_rng(0)
    dose = np.repeat([0.25, 1.0, 4.0], 120)
    effect, base = rng.normal(size=(2, GENES))
    more = np.append(np.log1p(dose) / np.log(2), np.zeros(240))
    share = simulate.softmax(base + 0.7 * more[:, None] * effect)
    cells = Cells(
        {RNA: sparse.csr_matrix(rng.poisson(1000 * share).astype(np.float32))},
        covariates={
            "condition": np.array(["A"] * 360 + ["control"] * 240),
            "dose": np.append(dose.astype(str), np.full(240, "0")),
        },
    )
    model = fit(recipes.cpa(dose="dose", n_latent=5, hidden=(32,)), cells, epochs=60, lr=3e-3)
    told = {}
    for text in ("0", "0.25", "1", "2", "4"):
        made = predict_perturbation(
            model, cells, "condition", "control", "A", dose=text, draw=False
        )
        change = np.log((made.cells.mean(0) + 1) / (made.source.mean(0).A1 + 1))
        told[text] = float(np.polyfit(effect - effect.mean(), change, 1)[0])
        assert made.trust == 1
    assert abs(told["0"]) < 0.05
    assert told["0.25"] < told["1"] < told["2"] < told["4"]
    assert np.corrcoef(change, effect)[0, 1] > 0.9
    with pytest.raises(InputError, match="the dose 'much' can't be read"):
        predict_perturbation(model, cells, "condition", "control", "A", dose="much")


def test_unknown_and_too_many_perturbations_are_refused():
    levels = {"condition": (("A", "control"),)}
    with pytest.raises(InputError, match="'Z' was not in training; there are 'A'"):
        Effects().amounts(levels, "A+Z")
    with pytest.raises(InputError, match="combines 4 perturbations"):
        Effects().split("A+B+C+D")


def test_the_penalty_is_the_squared_slope():
    f = torch.nn.Linear(3, 2)
    seen, truth = torch.randn(7, 3), torch.randint(2, (7,))
    plain, steep = SmoothFlip(0.0).own(f, seen, truth), SmoothFlip(1.0).own(f, seen, truth)
    want = f.weight.sum(0).square().sum()
    assert float((steep - plain).detach()) == pytest.approx(float(want.detach()), rel=1e-5)


# A graph of perturbations -----------------------------------------------------------------------

PATHWAYS = {"P": "abcd", "Q": "efgh", "R": "ijkl"}
LINKS = tuple((f"{k}{a}", f"{k}{b}") for k, v in PATHWAYS.items() for a in v for b in v if a < b)
UNSEEN = ("Pa", "Qe", "Ri")


def pathways(n=70, seed=1, interaction=0.0):
    """Perturbations of three pathways: each does what its pathway does, and little of its own."""
    rng = np.random.default_rng(seed)
    shared = {k: rng.normal(size=GENES) for k in PATHWAYS}
    effect = {
        f"{k}{a}": shared[k] + 0.3 * rng.normal(size=GENES) for k in PATHWAYS for a in PATHWAYS[k]
    }
    effect |= {"control": np.zeros(GENES), "Pa+Qe": effect["Pa"] + effect["Qe"]}
    effect["Pa+Qe"] = effect["Pa+Qe"] + interaction * rng.normal(size=GENES)
    state = np.repeat(list(effect), n)
    share = simulate.softmax(rng.normal(size=GENES) + np.stack([effect[s] for s in state]))
    counts = rng.poisson(1000 * share).astype(np.float32)
    return Cells({RNA: sparse.csr_matrix(counts)}, covariates={"condition": state})


def among(cells, held):
    return cells.take(np.flatnonzero(~np.isin(cells.covariates["condition"], held)))


@cache
def graphed(permuted=False, interaction=0.0):
    """All cells, those seen, and a model that knows a graph."""
    cells = pathways(interaction=interaction)
    seen = among(cells, (*UNSEEN, "Pa+Qe"))
    links = LINKS
    if permuted:
        names = sorted({a for link in LINKS for a in link})
        other = dict(zip(names, names[5:] + names[:5], strict=True))
        links = tuple((other[a], other[b]) for a, b in LINKS)
    recipe = recipes.cpa(n_latent=8, hidden=(64,), dropout=0.0, graph=links)
    return cells, seen, fit(recipe, seen, epochs=60, batch_size=64, lr=3e-3)


def change_of(target, **options):
    cells, seen, model = graphed(**options)
    made = predict_perturbation(model, seen, "condition", "control", target)
    return made, wd.evaluate_perturbation(made, cells, n_splits=3, n_top=15)


@pytest.mark.parametrize("target", UNSEEN)
def test_a_perturbation_that_was_never_tried_is_told_by_its_neighbours(target):
    made, found = change_of(target)
    assert found["predicted"]["r2_change_top"] > 0.75
    assert found["predicted"]["direction_top"] > 0.8
    assert set(made.responses[""].weights) == {f"{target[0]}{a}" for a in PATHWAYS[target[0]][1:]}
    assert made.responses[""].novelty == 1


def test_a_graph_that_is_wrong_loses():
    right = [change_of(k)[1]["predicted"]["r2_change_top"] for k in UNSEEN]
    wrong = [change_of(k, permuted=True)[1]["predicted"]["r2_change_top"] for k in UNSEEN]
    assert max(wrong) < 0.4 < min(right)


def test_the_model_itself_knows_the_neighbours():
    cells, seen, model = graphed()
    for method in ({"method": "condition", "draw": True}, {"trust": 1.0}):
        made = predict_perturbation(model, seen, "condition", "control", "Pa", **method)
        found = wd.evaluate_perturbation(made, cells, n_splits=3, n_top=15)
        assert found["predicted"]["r2_change_top"] > 0.7


def test_pairs_of_unseen_perturbations_add_up_unless_they_interact():
    assert change_of("Pa+Qe")[1]["predicted"]["r2_change_top"] > 0.7
    found = change_of("Pa+Qe", interaction=2.0)[1]
    assert found["predicted"]["r2_change_top"] < 0.4
    assert found["half of the observed"]["r2_change_top"] > 0.9


def test_a_perturbation_is_made_of_itself_and_its_neighbours():
    levels = {"condition": (("A", "B", "C", "control"),)}
    spec = Effects(graph=(("A", "B"), ("A", "X"), ("B", "X"), ("Y", "Z")), shared=0.4)
    np.testing.assert_allclose(spec.mixture("A", levels)[:3], [0.6, 0.4, 0])
    np.testing.assert_allclose(spec.mixture("C", levels)[:3], [0, 0, 1])
    np.testing.assert_allclose(spec.mixture("X", levels)[:3], [0.5, 0.5, 0])
    assert spec.knows("A+X", levels) and not spec.knows("Y", levels)
    with pytest.raises(InputError, match="'Y' was not in training, and no neighbour of it"):
        spec.mixture("Y", levels)


@pytest.mark.parametrize(
    ("options", "said"), [({"graph": ("A", "B")}, "pairs of perturb"), ({"shared": 1}, "below 1")]
)
def test_graphs_that_are_none_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        Effects(**options)


def test_a_level_without_cells_or_neighbours_is_refused():
    _, seen, model = graphed()
    with pytest.raises(InputError, match="'condition' has no cells of 'Zz'; it has"):
        predict_perturbation(model, seen, "condition", "control", "Zz")
