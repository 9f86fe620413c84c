"""A step of training without autograd, for the recipes that are trained most.

A variational autoencoder with dense stacks, a Gaussian bottleneck, a negative binomial head, and no
terms but the evidence lower bound needs no tape: the chain rule is written out here, with the large
products left to torch and all between them to C. It fills `.grad` with what autograd would, from
the same draws, so the optimiser and the trainer do not know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cells import Minibatch, Rows
from .coders import TRANSFORMS, Decoder, Encoder
from .conditions import OneHot, Table
from .fusions import Alone
from .kernels import native, native_counts, native_dense
from .latents import Gaussian, Normal
from .layers import Dense, DenseLayer, SparseLinear
from .likelihoods import Head, NegativeBinomial, ZeroInflatedNegativeBinomial
from .network import Network
from .recipe import Recipe
from .terms import KL, NLL

BIASES = {"logits": "bias", "zero_logits": "zero_bias"}
"""Maps of a head whose biases C adds on its way."""


def match(recipe: Recipe, network: Network) -> WholeStep | None:
    """The hand-written step of a network, or None if only autograd knows it."""
    plain = (
        native.loaded() is not None
        and all(p.requires_grad and native.able(p) for p in network.parameters())
        and not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
        and not any(len(m.blocks) > 1 for m in network.modules() if isinstance(m, Table))
    )
    return WholeStep(recipe, network) if plain and known(recipe) else None


def known(recipe: Recipe) -> bool:
    """Whether the chain rule below is that of the recipe."""
    r = recipe
    return (
        [type(e) for e in r.encoders] == [Encoder]
        and [type(d) for d in r.decoders] == [Decoder]
        and r.encoders[0].reads == (r.decoders[0].view,)
        and type(r.latent) is Gaussian
        and type(r.latent.prior) is Normal
        and type(r.fusion) is Alone
        and not r.opponents
        and all(type(c) is OneHot for c in r.conditions)
        and type(r.decoders[0].head) in (NegativeBinomial, ZeroInflatedNegativeBinomial)
        and [type(t) for t in r.terms] == [NLL, KL]
        and (r.terms[0].view, r.terms[1].of) == (r.decoders[0].view, "z")
        and r.terms[1].capacity is None
        and all(_plain_layers(c.stack.layers) for c in (*r.encoders, *r.decoders))
    )


def _plain_layers(layers: Sequence[object]) -> bool:
    return bool(layers) and all(
        type(x) is Dense and x.act == "relu" and x.norm in (None, "batch") for x in layers
    )


class WholeStep:
    """The step of a network of a recipe that `match` has looked at.

    Args:
        recipe: What the network was built from.
        network: Whose parameters get gradients.
    """

    def __init__(self, recipe: Recipe, network: Network) -> None:
        encoder, decoder = recipe.encoders[0], recipe.decoders[0]
        coder, decoded = network.encoders[encoder.name], network.decoders[decoder.view]
        self.view, self.transform = decoder.view, encoder.transform
        self.library, self.sd = decoder.head.library, recipe.latent.prior.sd
        self.names = [t.name for t in recipe.terms]
        self.memory = Memory()
        self.encoder = [_Layer(x, self.memory) for x in coder.stack]
        self.decoder = [_Layer(x, self.memory) for x in decoded.stack]
        self.bottleneck: nn.Linear = coder.latent.linear
        self.head = _Head(decoded.head, self.memory)

    @torch.no_grad()
    def __call__(self, cells: Minibatch, weights: Mapping[str, float]) -> dict[str, Tensor]:
        """Gradients of the weighted sum of the terms, into `.grad`; the terms' values."""
        nll, kl = self.names
        data, n = cells.views[self.view], len(cells)
        h: Tensor | Rows = data
        if self.transform != "none":
            h = data.map(TRANSFORMS[self.transform])
        for layer in self.encoder:
            h = layer.forward(h, cells)
        q, noise, z, scale, divergence = self._draw(h)
        top = z
        for layer in self.decoder:
            top = layer.forward(top, cells)
        has = cells.has(self.view)
        log_p, d = self.head(top, cells, self.view, has.float() * (-weights[nll] / n))
        for layer in reversed(self.decoder):
            d = layer.backward(d)
        d_q = self.memory("d_q", *q.shape)
        native_dense.gaussian_gradient(q, noise, self.sd, scale, d, weights[kl] / n, d_q)
        d = self._product_gradient(d_q, h)
        for layer in reversed(self.encoder):
            d = layer.backward(d)
        return {nll: -torch.where(has, log_p, 0.0).mean(), kl: divergence.mean()}

    def _draw(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Posterior, noise, z and scale, (cells, ...), and the divergence, (cells,)."""
        lin, n = self.bottleneck, len(h)
        k = lin.out_features // 2
        q = torch.addmm(lin.bias, h, lin.weight.t(), out=self.memory("q", n, 2 * k))
        noise = torch.randn(n, k)
        z, scale = self.memory("z", n, k), self.memory("scale", n, k)
        divergence = torch.empty(n)
        native_dense.gaussian(q, noise, self.sd, (z, scale, divergence))
        return q, noise, z, scale, divergence

    def _product_gradient(self, d: Tensor, h: Tensor) -> Tensor:
        return product_gradient(self.bottleneck, d, h, self.memory, "bottleneck")


class Memory:
    """Room for results by name, as large as was ever asked for."""

    def __init__(self) -> None:
        self.of: dict[object, Tensor] = {}
        self.views: dict[object, Tensor] = {}
        self.gradients: dict[int, Tensor] = {}

    def __call__(self, name: object, *shape: int) -> Tensor:
        """Numbers yet to be set."""
        view = self.views.get((name, shape))
        return self._view(name, shape) if view is None else view

    def _view(self, name: object, shape: tuple[int, ...]) -> Tensor:
        size = math.prod(shape)
        if name not in self.of or len(self.of[name]) < size:
            self.of[name] = torch.empty(size)
            self.views = {k: v for k, v in self.views.items() if k[0] != name}
        self.views[name, shape] = self.of[name][:size].view(shape)
        return self.views[name, shape]

    def gradient(self, p: nn.Parameter) -> Tensor:
        """Where the gradient of a parameter goes."""
        if id(p) not in self.gradients:
            self.gradients[id(p)] = torch.empty_like(p)
        p.grad = self.gradients[id(p)]
        return p.grad


def product_gradient(lin: nn.Linear, d: Tensor, h: Tensor, memory: Memory, name: object) -> Tensor:
    """From d, the gradient of lin(h): that of h; those of the parameters are noted."""
    torch.mm(d.t(), h, out=memory.gradient(lin.weight))
    if lin.bias is not None:
        native_dense.sum_rows(d, None, memory.gradient(lin.bias))
    return torch.mm(d, lin.weight, out=memory((name, "d"), *h.shape))


class _Layer:
    """A dense layer, and the way back."""

    def __init__(self, layer: DenseLayer, memory: Memory) -> None:
        self.linear, self.width, self.memory = layer.linear, layer.width, memory
        self.tables: list[Table] = list(layer.shift.of.values())
        self.dropout = layer.spec.dropout
        self.norm = layer.norm if layer.spec.norm else None
        self.room = None if self.norm is None else self._room(layer.norm)

    def _room(self, n: nn.BatchNorm1d) -> native_dense.Norm:
        moments = torch.empty(2, self.width)
        return native_dense.Norm(
            n.weight, n.bias, n.running_mean, n.running_var, *moments, n.momentum, n.eps
        )

    def forward(self, x: Tensor | Rows, cells: Minibatch) -> Tensor:
        """dropout(relu(norm(W x + b + conditions))), (cells, width)."""
        self.x, self.cells, shape = x, cells, (len(x), self.width)
        self.product, self.out = self.memory((self, "h"), *shape), self.memory((self, "y"), *shape)
        self._multiply(x)
        for table in self.tables:
            native_dense.add_rows(self.product, table.blocks[0], cells.codes[table.covariate])
        noise = None
        if self.dropout:
            keep = 1 - self.dropout
            noise = self.memory((self, "noise"), *shape).bernoulli_(keep).div_(keep)
        self.task = native_dense.task(self.product, self.room, noise)
        native_dense.dense(self.task, self.product, self.out)
        if self.norm is not None:
            self.norm.num_batches_tracked.add_(1)
        return self.out

    def _multiply(self, x: Tensor | Rows) -> None:
        lin = self.linear
        if isinstance(lin, SparseLinear):
            (weight,) = lin.weight.values()
            native.linear(x, weight, lin.bias, self.product)
        elif lin.bias is None:
            torch.mm(x, lin.weight.t(), out=self.product)
        else:
            torch.addmm(lin.bias, x, lin.weight.t(), out=self.product)

    def backward(self, d: Tensor) -> Tensor | None:
        """From the gradient of the output to that of the input; None if that is data."""
        norm, memory = self.norm, self.memory
        mine = (None, None)
        if norm is not None:
            mine = (memory.gradient(norm.weight), memory.gradient(norm.bias))
        native_dense.dense_gradient(self.task, self.product, self.out, d, mine)
        for table in self.tables:
            codes = self.cells.codes[table.covariate]
            native_dense.sum_rows(d, codes, memory.gradient(table.blocks[0]))
        if not isinstance(self.linear, SparseLinear):
            return product_gradient(self.linear, d, self.x, memory, self)
        (weight,) = self.linear.weight.values()
        native.linear_gradient(self.x, d, memory.gradient(weight))
        if self.linear.bias is not None:
            native_dense.sum_rows(d, None, memory.gradient(self.linear.bias))
        return None


class _Head:
    """A count head, and the way back."""

    def __init__(self, head: Head, memory: Memory) -> None:
        self.maps, self.tables, self.memory = dict(head.maps), dict(head.tables), memory
        self.library = head.spec.library

    def __call__(
        self, h: Tensor, cells: Minibatch, view: str, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Log p of each cell, (cells,), and the gradient of h of their weighted sum."""
        values, d_theta = self._values(h), None
        if "log_theta" not in values:
            values["log_theta"], d_theta = self._table(cells)
        given = native_counts.Inputs(
            library=None if self.library == "none" else cells.size(view, self.library),
            counts=cells.views[view],
            share=self.library == "observed",
            **{"zero_logits": None, **values, **self._biases()},
        )
        made = native_counts.Gradients(  # over the values, but for a theta that has its own place
            given.logits,
            given.log_theta if d_theta is None else d_theta,
            given.zero_logits,
            None,
            **{k: self.memory.gradient(p) for k, p in self._biases().items()},
        )
        log_p = native_counts.counts(given, weight, made)
        self._to_levels(given.log_theta, cells)
        return log_p, self._back(values, h)

    def _values(self, h: Tensor) -> dict[str, Tensor]:
        """What the maps make of h; the biases of (zero) logits are left to C."""
        values = {}
        for name, lin in self.maps.items():
            out = self.memory((self, name), len(h), lin.out_features)
            values[name] = torch.mm(h, lin.weight.t(), out=out)
            if name not in BIASES:
                native_dense.add_rows(out, lin.bias)
        return values

    def _biases(self) -> dict[str, nn.Parameter]:
        return {BIASES[k]: lin.bias for k, lin in self.maps.items() if k in BIASES}

    def _table(self, cells: Minibatch) -> tuple[Tensor, Tensor | None]:
        """Log theta, and where its gradient goes: to its parameter, or over each cell's own."""
        table = self.tables["log_theta"]
        rows = table.blocks[0]
        if table.covariate:
            return F.embedding(cells.codes[table.covariate], rows), None
        return rows, self.memory.gradient(rows)

    def _to_levels(self, d_theta: Tensor, cells: Minibatch) -> None:
        """Add up the gradients of the cells of a level, if theta goes by level."""
        table = self.tables.get("log_theta")
        if table is not None and table.covariate:
            sums = self.memory.gradient(table.blocks[0])
            native_dense.sum_rows(d_theta, cells.codes[table.covariate], sums)

    def _back(self, gradients: dict[str, Tensor], h: Tensor) -> Tensor:
        """The gradient of h from those of the maps; those of their weights are noted."""
        total = self.memory((self, "d"), *h.shape).zero_()
        for name, lin in self.maps.items():
            torch.mm(gradients[name].t(), h, out=self.memory.gradient(lin.weight))
            total.addmm_(gradients[name], lin.weight)
            if name not in BIASES:
                native_dense.sum_rows(gradients[name], None, self.memory.gradient(lin.bias))
        return total
