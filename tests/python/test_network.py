"""Networks: two questions, and a trace with a name for everything."""

import pytest
import torch
from toys import cells as toy_cells
from toys import opposed, told_batches

from waddington import recipes
from waddington.cells import Dims
from waddington.conditions import Embedded, OneHot
from waddington.errors import InputError
from waddington.minibatches import minibatches
from waddington.network import Network
from waddington.opponents import Opponent
from waddington.parts import replace

CELLS = toy_cells(20)
LEVELS = CELLS.levels()
DIMS = Dims({"rna": 37}, {k: tuple(map(len, v)) for k, v in LEVELS.items()})
M = next(minibatches(CELLS, LEVELS, 99))


def test_the_trace_names_what_was_computed():
    trace = Network(recipes.scvi(n_layers=2, n_latent=4), DIMS)(M)
    assert set(trace) == {
        "q", "z", "z.kl", "rna", "rna.encoder.0", "rna.encoder.1", "rna.decoder.0",
        "rna.decoder.1",
    }  # fmt: skip
    assert trace["z"].shape == (20, 4) and trace["z.kl"].shape == (20,)
    assert trace["rna.mean"] is trace["rna"].mean and trace["rna.mean"].shape == (20, 37)


def test_an_unknown_activation_is_told_with_those_there_are():
    trace = Network(recipes.vae(), DIMS)(M)
    with pytest.raises(InputError, match=r"no activation 'rna\.decodr\.0'; .*rna\.decoder\.0"):
        trace["rna.decodr.0"]
    with pytest.raises(InputError, match=r"no activation 'rna\.mode'"):
        trace["rna.mode"]


def test_forward_without_a_draw_is_decode_of_the_encoded_mean():
    network = Network(told_batches(), DIMS).eval()
    trace, q = network(M, draw=False), network.encode(M)
    assert torch.equal(trace["z"], q.loc)
    assert torch.equal(trace["rna"].mean, network.decode(q.loc, M)["rna"].mean)


def test_expected_counts_add_up_to_the_library():
    mean = Network(recipes.scvi(), DIMS)(M)["rna.mean"]
    torch.testing.assert_close(mean.sum(1, keepdim=True), M.library["rna"], rtol=1e-4, atol=1e-3)


def test_a_generator_draws_from_the_prior():
    trace = Network(recipes.wgan(n_latent=3), DIMS)(M)
    assert trace["z"].shape == (20, 3) and "q" not in trace and "z.kl" not in trace


def test_the_prior_is_drawn_for_opponents_that_ask_for_it():
    recipe = replace(recipes.vae(), opponents=(Opponent("z", "prior"),))
    assert recipe.draws_prior and Network(recipe, DIMS)(M)["prior"].shape == (20, 10)
    assert "prior" not in Network(opposed(), DIMS)(M)


def test_a_counterfactual_is_an_edited_minibatch():
    network = Network(told_batches(), DIMS).eval()
    z = network.encode(M).loc
    as_batch = [network.decode(z, M.as_if({"batch": b}))["rna"].mean for b in (0, 1)]
    own = network.decode(z, M)["rna"].mean
    assert torch.equal(own, torch.where(M.codes["batch"][:, None] == 0, *as_batch))
    assert not torch.equal(*as_batch)


def test_new_rows_are_the_blocks_that_surgery_added():
    wide = Dims(DIMS.features, {**DIMS.levels, "batch": (2, 1)})
    two = replace(recipes.scvi(), conditions=(OneHot("batch"), Embedded("condition")))
    network = Network(two, wide)
    (name,) = network.new_rows("batch")
    assert name == "decoders.rna.stack.0.shift.of.batch.blocks.1"
    assert dict(network.named_parameters())[name].shape == (1, 128)
    assert network.new_rows("condition") == ("embeddings.of.condition.blocks.0",)
