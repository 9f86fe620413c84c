"""A recipe and the sizes of the data make a network."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .cells import Dims, Minibatch
from .conditions import Embeddings, Modules, Table
from .contracts import PriorNet
from .latents import Posterior
from .opponents import PRIOR
from .recipe import Recipe
from .trace import Trace


class Network(nn.Module):
    """What a recipe builds. Two questions, `encode` and `decode`.

    `forward` asks both and leaves a trace.
    """

    def __init__(self, recipe: Recipe, dims: Dims) -> None:
        super().__init__()
        n = recipe.latent.n
        self.draws_prior = recipe.draws_prior
        self.embeddings = Embeddings(recipe.conditions, dims)
        self.fusion = recipe.fusion.build([e.name for e in recipe.encoders], n)
        self.encoders = Modules(
            {e.name: e.build(recipe.latent, recipe.conditions, dims) for e in recipe.encoders}
        )
        self.decoders = Modules(
            {
                d.view: d.build(self.fusion.width(n, d.view), recipe.conditions, dims)
                for d in recipe.decoders
            }
        )
        prior = recipe.latent.prior
        self.prior: PriorNet | None = prior.build(n, dims) if prior else None

    @property
    def prior_net(self) -> PriorNet:
        """The prior of a network that has one."""
        assert self.prior is not None
        return self.prior

    def encode(self, cells: Minibatch, trace: Trace | None = None) -> Posterior:
        """q(z | cells), (cells, n)."""
        trace, cells = Trace() if trace is None else trace, self.embeddings(cells)
        return self.fusion.fuse({name: e(cells, trace) for name, e in self.encoders.items()}, cells)

    def decode(self, z: Tensor, cells: Minibatch, trace: Trace | None = None) -> dict[str, Any]:
        """p(view | z, cells) by view, from z (cells, n)."""
        trace, cells = Trace() if trace is None else trace, self.embeddings(cells)
        return {
            view: d(self.fusion.split(z, view), cells, trace) for view, d in self.decoders.items()
        }

    def forward(self, cells: Minibatch, draw: bool = True) -> Trace:
        """Everything named along the way: "q", "z", "rna", "rna.decoder.0", "z.kl", ..."""
        trace = Trace()
        if len(self.encoders):
            q = trace["q"] = self.encode(cells, trace)
            trace["z"] = q.rsample() if draw else q.loc
        else:
            trace["z"] = self.prior_net.sample(cells)
        if self.draws_prior:
            trace[PRIOR] = self.prior_net.sample(cells)
        trace.update(self.decode(trace["z"], cells, trace))
        if len(self.encoders) and self.prior is not None:
            self.prior(q, trace["z"], trace)
        return trace

    def new_rows(self, covariate: str) -> tuple[str, ...]:
        """The names of the parameters that the newest levels of a covariate added."""
        tables = [
            (k, m)
            for k, m in self.named_modules()
            if isinstance(m, Table) and m.covariate == covariate
        ]
        return tuple(f"{k}.blocks.{len(m.blocks) - 1}" for k, m in tables)
