"""Games between a generator and its judges, on shapes where every mode can be counted."""

from functools import cache

import numpy as np
import pytest
import torch
from toys import fit

from waddington import metrics, recipes, simulate, verbs
from waddington.cells import RNA, Dims
from waddington.minibatches import minibatches
from waddington.opponents import WassersteinGP
from waddington.recipes.scgan import ProjectionCritic
from waddington.trace import Trace

SMALL = {"n_latent": 4, "generator": (64, 64), "learning_rate": 1e-3, "likelihood": "normal"}


@cache
def types():
    """Log values of three types, and a generator that is told the type."""
    sim = simulate.counts(600, 40, n_types=3, n_batches=1, depth=2000.0, seed=1)
    logs = simulate.log_normalised(sim.cells)
    recipe = recipes.scgan(
        "cell_type", 8, (64, 64), (64, 64), n_critic=2, learning_rate=1e-3, likelihood="normal"
    )
    return logs, fit(recipe, logs, epochs=60, batch_size=64)


def shares(cells, made, column):
    return metrics.coverage(made, cells.views[RNA].toarray(), cells.covariates[column])


def test_generated_cells_lie_where_the_data_are():
    sim = simulate.ring(1000, 4, sd=0.2, seed=1)
    model = fit(recipes.gan(**SMALL, discriminator=(64, 64)), sim.cells, epochs=100, batch_size=64)
    made = verbs.sample(model, n=400, seed=0)
    away = np.linalg.norm(made[:, None] - sim.truth["centres"], axis=-1).min(1)
    assert np.median(away) < 0.8
    assert made.min() >= 0


@pytest.mark.parametrize("kind", ["type0", "type1", "type2"])
def test_cells_of_the_type_that_was_asked_for(kind):
    logs, model = types()
    made = verbs.sample(model, n=300, seed=0, cell_type=kind)
    assert shares(logs, made, "cell_type")[kind] > 0.9
    mean = logs.views[RNA].toarray()[logs.covariates["cell_type"] == kind].mean(0)
    assert np.corrcoef(made.mean(0), mean)[0, 1] > 0.8


def test_the_projection_adds_what_a_level_says():
    sim = simulate.ring(50, 4)
    dims = Dims({RNA: 2}, {"mode": (4,)})
    net = ProjectionCritic("rna.mean", RNA, WassersteinGP(), by="mode").build(2, dims)
    (m,) = minibatches(sim.cells.take(np.arange(6)), sim.cells.levels(), 9)
    x = m.views[RNA].dense()
    net.cells = m
    plain = net(x)
    with torch.no_grad():
        net.table.blocks[0][1] += 1.0
    h = net.stack(x, None, Trace(), "opponent")
    want = h.sum(-1, keepdim=True) * (m.codes["mode"] == 1)[:, None]
    torch.testing.assert_close(net(x) - plain, want)


def test_without_types_it_is_unconditional():
    recipe = recipes.scgan()
    assert recipe.conditions == () and recipe.covariates == ()
    assert recipes.scgan("cell_type").covariates == ("cell_type",)
