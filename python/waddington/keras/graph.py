"""A graph of layers as a part of a recipe: it stands where an encoder does.

Layers come from `waddington.layers`; `Graph` adds only who is fed by whom. What each computes goes
to the trace under "graph", where losses and metrics find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..cells import Dims, Minibatch, Rows
from ..contracts import ConditionPart, LatentPart, LayerPart
from ..latents import Posterior
from ..layers import Dense, SparseLinear
from ..parts import part
from ..trace import Trace
from .expressions import Operation
from .layers import Free, Start, constant

PENALTY = "(penalty)"
"""The name of the sum of all penalties among what a graph computes."""


@part
class Learner:
    """A layer, and what training needs to know of it.

    Attributes:
        name: Its name.
        layer: What it computes.
        n_in: How many inputs it has.
        bias: Whether a dense layer has constants.
        kernel: Where its weights start.
        constants: Where its constants start.
        kernel_cost: Factors of the sums of |w| and w² over its weights in the loss.
        bias_cost: The same of its constants.
        activity_cost: The same of its outputs, averaged over cells.
        trainable: Whether training changes it.
    """

    name: str
    layer: LayerPart
    n_in: int
    bias: bool = True
    kernel: Start = Start()
    constants: Start = Start("zeros")
    kernel_cost: tuple[float, float] = (0.0, 0.0)
    bias_cost: tuple[float, float] = (0.0, 0.0)
    activity_cost: tuple[float, float] = (0.0, 0.0)
    trainable: bool = True


@part
class Node:
    """The output `name` of the layer called `layer`, for the tensor called `input`."""

    name: str
    layer: str
    input: str = ""


@part
class Graph:
    """Inputs, the layers, and in order what is computed; `outputs` names what counts.

    Attributes:
        inputs: Names of the data, found among a minibatch's values, or views if sparse.
        layers: All layers, each once, however often it is used.
        nodes: Outputs of layers, and operations without weights, each after what it needs.
        outputs: The tensors that the graph is for.
        sparse: Which inputs are views.
    """

    inputs: tuple[str, ...]
    layers: tuple[Learner, ...]
    nodes: tuple[Node | Operation, ...]
    outputs: tuple[str, ...]
    sparse: tuple[str, ...] = ()
    name: str = "graph"

    @property
    def reads(self) -> tuple[str, ...]:
        """The views it needs."""
        return self.sparse

    @property
    def numbers(self) -> tuple[str, ...]:
        """The dense data it needs."""
        return tuple(k for k in self.inputs if k not in self.sparse)

    @property
    def frozen(self) -> tuple[int, ...]:
        """Which layers training leaves alone, by their place."""
        return tuple(i for i, x in enumerate(self.layers) if not x.trainable)

    def build(
        self, latent: LatentPart, conditions: Sequence[ConditionPart], dims: Dims
    ) -> GraphNet:
        return GraphNet(self, dims)


class GraphNet(nn.Module):
    """See `Graph`."""

    def __init__(self, spec: Graph, dims: Dims) -> None:
        super().__init__()
        self.spec, self.place = spec, {x.name: i for i, x in enumerate(spec.layers)}
        self.layers = nn.ModuleList(_built(x, self._sizes(x), dims) for x in spec.layers)

    def forward(self, cells: Minibatch, trace: Trace) -> Posterior:
        """The first output, (cells, features); everything else goes to the trace."""
        self._wake()
        named: dict[str, Any] = {k: _given(cells, k) for k in self.spec.inputs}
        cost: list[Tensor] = []
        for node in self.spec.nodes:
            if isinstance(node, Operation):
                named[node.name] = node(named)
                continue
            learner, layer = self._layer(node.layer)
            h = named.get(node.input)
            feed = {node.input: h} if isinstance(h, Rows) and _takes_rows(layer) else _dense(h)
            named[node.name] = layer(feed, cells)
            cost += _cost(learner.activity_cost, named[node.name], len(cells))
        cost += [
            c for x, f in zip(self.spec.layers, self.layers, strict=True) for c in _costs(x, f)
        ]
        named[PENALTY] = torch.stack(cost).sum() if cost else _zero(named)
        trace[self.spec.name] = named
        return Posterior(named[self.spec.outputs[0]])

    def _layer(self, name: str) -> tuple[Learner, nn.Module]:
        i = self.place[name]
        return self.spec.layers[i], self.layers[i]

    def _sizes(self, learner: Learner) -> int | Mapping[str, int]:
        """Sparse rows go into a dense layer as they are, if it reads nothing else."""
        fed = {n.input for n in self.spec.nodes if isinstance(n, Node) and n.layer == learner.name}
        if isinstance(learner.layer, Dense) and len(fed) == 1 and fed <= set(self.spec.sparse):
            return dict.fromkeys(fed, learner.n_in)
        return learner.n_in

    def _wake(self) -> None:
        """Frozen layers evaluate; those without weights, such as dropout, go on training."""
        if torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters()):
            for layer in self.layers:
                if not any(True for _ in layer.parameters()):
                    layer.train()


def _built(learner: Learner, n_in: int | Mapping[str, int], dims: Dims) -> nn.Module:
    layer = learner.layer.build(n_in, (), dims)
    for name, tensor in tensors(layer).items():
        if name == "kernel":
            learner.kernel.fill(tensor)
        elif name == "bias":
            learner.constants.fill(tensor)
    if hasattr(layer, "mask"):
        layer.linear.weight.data.mul_(layer.mask)
    if not learner.bias and hasattr(layer, "linear"):
        layer.linear.bias.data.zero_()
        constant(layer.linear, "bias")
    return layer


def tensors(layer: nn.Module) -> dict[str, Tensor]:
    """The numbers of a layer by Keras' names for them; a kernel is (inputs, outputs)."""
    found: dict[str, Tensor | None] = {}
    for m in layer.modules():
        if isinstance(m, SparseLinear):
            found["kernel"] = next(iter(m.weight.values())).data
            found["bias"] = m.bias
        elif isinstance(m, nn.Linear):
            found |= {"kernel": m.weight.data.T, "bias": m.bias}
        elif isinstance(m, nn.BatchNorm1d | nn.LayerNorm):
            found |= {"gamma": m.weight, "beta": m.bias}
        if isinstance(m, nn.BatchNorm1d):
            found |= {"moving_mean": m.running_mean, "moving_variance": m.running_var}
    if isinstance(bias := getattr(layer, "bias", None), nn.Parameter):
        found["bias"] = bias
    stored = {id_of(p) for p in (*layer.parameters(), *_stored(layer))}
    return {k: v.data for k, v in found.items() if v is not None and id_of(v) in stored}


def id_of(x: Tensor) -> int:
    """Where the numbers of a tensor are."""
    return x.data_ptr()


def _stored(layer: nn.Module) -> Iterator[Tensor]:
    for m in layer.modules():
        for k, b in m.named_buffers(recurse=False):
            if k not in m._non_persistent_buffers_set:
                yield b


def _given(cells: Minibatch, name: str) -> Tensor | Rows:
    return cells.views[name] if name in cells.views else cells.values[name]


def _dense(h: Any) -> Any:
    return h.dense() if isinstance(h, Rows) else h


def _takes_rows(layer: nn.Module) -> bool:
    return isinstance(getattr(layer, "linear", None), SparseLinear)


def _zero(named: Mapping[str, Any]) -> Tensor:
    return next(v for v in named.values() if isinstance(v, Tensor)).new_zeros(())


def _cost(factors: tuple[float, float], x: Tensor, n: int) -> list[Tensor]:
    l1, l2 = factors
    return ([l1 * x.abs().sum() / n] if l1 else []) + ([l2 * x.square().sum() / n] if l2 else [])


def _costs(learner: Learner, layer: nn.Module) -> list[Tensor]:
    """Penalties on the parameters of a layer."""
    costs: list[Tensor] = []
    if not any(learner.kernel_cost + learner.bias_cost):
        return costs
    for name, p in layer.named_parameters():
        factors = learner.bias_cost if name.endswith("bias") else learner.kernel_cost
        costs += _cost(factors, p, 1)
    return costs


def sequential(*layers: LayerPart, n_in: int, start: Callable[[], Start] = Start) -> Graph:
    """One layer after the other, from data of `n_in` features.

        sequential(Dense(784), Dropout(0.4), Dense(10, act="softmax"), n_in=784)

    Args:
        *layers: Parts of `waddington.layers` or of this package.
        n_in: Features of the data.
        start: Where weights start.
    """
    learners, nodes, size = [], [], n_in
    for i, layer in enumerate(layers):
        learners.append(Learner(f"layer {i}", layer, size, kernel=start()))
        nodes.append(Node(f"h {i}", f"layer {i}", f"h {i - 1}" if i else "x"))
        size = getattr(layer, "units", None) or size
    return Graph(("x",), tuple(learners), tuple(nodes), (nodes[-1].name,))


__all__ = ["PENALTY", "Free", "Graph", "GraphNet", "Learner", "Node", "sequential", "tensors"]
