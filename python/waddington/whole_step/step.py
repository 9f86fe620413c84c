"""The step itself: forward, and the chain rule back."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..cells import Minibatch
from ..coders import TRANSFORMS
from ..latents import Normal
from ..network import Network
from ..optim import Optimiser
from ..recipe import Recipe
from .heads import HEADS
from .layers import Layer
from .memory import Memory, mapped, mapped_gradient


class Drawn(NamedTuple):
    """A bottleneck: z, (cells, n), and what it was made from."""

    z: Tensor
    noise: Tensor
    scale: Tensor
    divergence: Tensor  # (cells,)


class WholeStep:
    """The step of a network of a recipe that `match` has looked at.

    Args:
        recipe: What the network was built from.
        network: Whose parameters get gradients.
        optimiser: Who moves them, if weights may move while gradients are made.
        engine: The module that computes what is between the products, `in_c` or `in_torch`.
    """

    def __init__(
        self, recipe: Recipe, network: Network, optimiser: Optimiser | None, engine: ModuleType
    ) -> None:
        encoder, decoder = recipe.encoders[0], recipe.decoders[0]
        coder: Any = network.encoders[encoder.name]
        decoded: Any = network.decoders[decoder.view]
        self.view, self.transform = decoder.view, coder.spec.transform
        prior = recipe.latent.prior
        self.sd = prior.sd if isinstance(prior, Normal) else None
        self.names = [t.name for t in recipe.terms]
        self.memory = Memory(engine)
        self.early = engine.Early.of(optimiser) if engine.Early else None
        self.encoder = [Layer(x, self.memory) for x in coder.stack]
        self.decoder = [Layer(x, self.memory) for x in decoded.stack]
        self.bottleneck = coder.latent.linear
        self.head = HEADS[type(recipe.head(self.view))](decoded.head, self.memory)

    @torch.no_grad()
    def __call__(
        self, cells: Minibatch, weights: Mapping[str, float], lr: float | None = None
    ) -> dict[str, Tensor]:
        """Gradients of the weighted sum of the terms, into `.grad`; the terms' values.

        With a learning rate, large weights move at once where the optimiser allows it, and have no
        gradient.
        """
        self.memory.early = None if lr is None or self.early is None else self.early.at(lr)
        h = coded = self._encode(cells)
        q = mapped(self.bottleneck, coded, self.memory, "q")
        drawn = None if self.sd is None else self._draw(q)
        h = q if drawn is None else drawn.z
        for layer in self.decoder:
            h = layer.forward(h, cells)
        has = cells.has(self.view)
        weight = has.to(q.dtype) * (-weights[self.names[0]] / len(cells))
        log_p, d = self.head(h, cells, self.view, weight)
        for layer in reversed(self.decoder):
            d = layer.backward(d)
        values = {self.names[0]: -torch.where(has, log_p, 0.0).mean()}
        if drawn is not None:
            d = self._draw_gradient(q, drawn, d, weights[self.names[1]] / len(cells))
            values[self.names[1]] = drawn.divergence.mean()
        d = mapped_gradient(self.bottleneck, d, coded, self.memory, "q")
        for layer in reversed(self.encoder):
            d = layer.backward(d)
        return values

    def _encode(self, cells: Minibatch) -> Tensor:
        """The encoder's last output, (cells, units)."""
        rows = cells.views[self.view]
        if self.transform != "none":
            rows = rows.map(TRANSFORMS[self.transform])
        h = self.encoder[0].forward(rows, cells)
        for layer in self.encoder[1:]:
            h = layer.forward(h, cells)
        return h

    def _draw(self, q: Tensor) -> Drawn:
        """From q, (cells, 2 n): the locations and the raw scales."""
        n, k = len(q), q.shape[1] // 2
        room = self.memory("z", n, k), self.memory("scale", n, k), torch.empty(n)
        noise = torch.randn(n, k)
        self.memory.engine.gaussian(q, noise, self.sd, room)
        return Drawn(room[0], noise, *room[1:])

    def _draw_gradient(self, q: Tensor, drawn: Drawn, d: Tensor, weight: float) -> Tensor:
        """The gradient of q from that of z, and the weight of each cell's divergence."""
        out = self.memory("d_q", *q.shape)
        self.memory.engine.gaussian_gradient(q, drawn.noise, self.sd, drawn.scale, d, weight, out)
        return out
