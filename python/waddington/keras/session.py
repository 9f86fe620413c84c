"""Training, asking and scoring a graph, through the one Trainer there is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse

from ..cells import Cells, Dims
from ..contracts import OptimiserPart, TermPart
from ..devices import Random
from ..latents import Point
from ..minibatches import Coded, minibatches
from ..network import Network
from ..optim import Adam
from ..players import Means
from ..recipe import Phase, Recipe
from ..terms import losses, objective
from ..trace import Trace
from ..trainer import Trainer
from .graph import Graph, GraphNet, Node, tensors

Weights = Mapping[str, Mapping[str, Any]]
"""Arrays by layer, and by Keras' name for them: "kernel", "bias", ..."""
ENDLESS = 10**9
"""Epochs of a training whose end the caller decides."""


def recipe_of(
    graph: Graph,
    terms: Sequence[TermPart],
    optimiser: OptimiserPart | None = None,
    batch_size: int = 32,
    shuffle: bool = True,
) -> Recipe:
    """A graph and what it minimises as a recipe: an encoder that leaves all in the trace."""
    free = tuple(
        f"encoders.{graph.name}.layers.{i}.*" for i, x in enumerate(graph.layers) if x.trainable
    )
    phase = Phase(
        epochs=ENDLESS, optimiser=optimiser or Adam(), train=free, batch_size=batch_size, stop=None,
        shuffle=shuffle,
    )  # fmt: skip
    return Recipe("keras", (graph,), latent=Point(1), terms=tuple(terms), phases=(phase,))


def cells_of(data: Mapping[str, Any]) -> Cells:
    """Named data, (cells, features): sparse ones are views, dense ones values."""
    views = {k: sparse.csr_matrix(x) for k, x in data.items() if sparse.issparse(x)}
    dense = {k: _matrix(x) for k, x in data.items() if k not in views}
    return Cells(views=views, values=dense)


def _matrix(x: Any) -> np.ndarray:
    x = np.asarray(x, dtype=np.float32)
    return np.ascontiguousarray(x.reshape(len(x), -1))


class Session:
    """A training whose caller decides after each epoch whether, and how fast, it goes on.

    Args:
        recipe: Of `recipe_of`.
        cells: To train on.
        held_out: To score after each epoch, or None.
        weights: Where to start; layers that aren't in it start at random.
        seed: Of the start, the order, the draws.
        before: The session that trained this graph before; its optimiser goes on.
    """

    def __init__(
        self,
        recipe: Recipe,
        cells: Cells,
        held_out: Cells | None = None,
        weights: Weights = {},
        seed: int = 0,
        before: Session | None = None,
    ) -> None:
        self.trainer = Trainer(recipe, cells, held_out=held_out, seed=seed, device="cpu")
        self.trainer.begin(recipe.phases[0])
        self.put(weights)
        if before is not None:
            self._go_on(before)

    @property
    def network(self) -> GraphNet:
        """The graph's network as it is now."""
        return graph_of(self.trainer.network)

    def advance(self, seconds: float) -> bool:
        """Train for about that long, but not beyond the end of the epoch; whether it ended."""
        epoch, trainer = self.trainer.epoch, self.trainer
        deadline = time.perf_counter() + seconds
        while trainer.epoch == epoch and not trainer.done and time.perf_counter() < deadline:
            trainer.advance(0.0)
        return trainer.epoch > epoch

    def _go_on(self, before: Session) -> None:
        """Give the optimiser the memory of the one before it, if it is of the same kind."""
        old, new = before.trainer.players[-1].optimiser, self.trainer.players[-1].optimiser
        shapes = lambda o: [p.shape for p in o.parameters]
        if type(old) is type(new) and shapes(old) == shapes(new):
            new.load(old.state())

    def rows(self) -> dict[str, dict[str, float]]:
        """The last epoch: values by name, of "training" and "held out" cells."""
        trainer = self.trainer
        return {r["cells"]: r for r in trainer.history[-2:] if r["epoch"] == trainer.epoch}

    def get(self) -> dict[str, dict[str, np.ndarray]]:
        """The weights."""
        return weights_of(self.network)

    def put(self, weights: Weights) -> None:
        """Other weights, where there are any."""
        fill(self.network, weights)


def graph_of(network: Network) -> GraphNet:
    """What a graph built, in the network of its recipe."""
    net = network.encoders["graph"]
    assert isinstance(net, GraphNet)
    return net


def weights_of(net: GraphNet) -> dict[str, dict[str, np.ndarray]]:
    """Copies of the weights of a graph's network by layer."""
    return {
        x.name: {k: v.detach().cpu().numpy().copy() for k, v in tensors(layer).items()}
        for x, layer in zip(net.spec.layers, net.layers, strict=True)
    }


@torch.no_grad()
def fill(net: GraphNet, weights: Weights) -> None:
    """Put weights into a graph's network."""
    for name, values in weights.items():
        if name in net.place:
            mine = tensors(net.layers[net.place[name]])
            for k, v in values.items():
                array = np.asarray(v, dtype=np.float32).reshape(tuple(mine[k].shape))
                mine[k].copy_(torch.from_numpy(np.ascontiguousarray(array)))


def built(graph: Graph, weights: Weights, seed: int = 0) -> Network:
    """The network of a graph in evaluation mode; layers without weights get random ones."""
    recipe = recipe_of(graph, ())
    sizes = {k: n for k, n in _sizes(graph).items() if k in graph.sparse}
    with Random(seed, torch.device("cpu")):
        network = Network(recipe, Dims(sizes, {}))
    fill(graph_of(network), weights)
    return network.eval()


def _sizes(graph: Graph) -> dict[str, int]:
    place = {x.name: x.n_in for x in graph.layers}
    return {n.input: place[n.layer] for n in graph.nodes if isinstance(n, Node) and n.input}


@torch.no_grad()
def predict(
    graph: Graph, data: Mapping[str, Any], weights: Weights, batch_size: int = 32, seed: int = 0
) -> list[np.ndarray]:
    """The outputs of a graph, (cells, features) each."""
    network, parts = built(graph, weights, seed), []
    with Random(seed, torch.device("cpu")):
        for some in minibatches(cells_of(data), {}, batch_size):
            trace = Trace()
            network.encode(some, trace)
            named = trace["graph"]
            parts.append([_features(named[k], len(some)) for k in graph.outputs])
    return [np.concatenate(x) for x in zip(*parts, strict=True)]


def _features(x: torch.Tensor, n: int) -> np.ndarray:
    return x.reshape(len(x), -1).expand(n, -1).numpy()


@torch.no_grad()
def score(
    recipe: Recipe, data: Mapping[str, Any], weights: Weights, batch_size: int = 32, seed: int = 0
) -> dict[str, float]:
    """The value of each term over cells, and of their weighted sum, "objective"."""
    (graph,) = (e for e in recipe.encoders if isinstance(e, Graph))
    cells = Coded.of(cells_of(data), {})
    network, means = built(graph, weights, seed), Means()
    with Random(seed, torch.device("cpu")):
        for some in minibatches(cells, {}, batch_size):
            means.add(losses(recipe.terms, network(some), some), len(some))
    values = means.result()
    return {"objective": float(objective(recipe.terms, values)), **values}
