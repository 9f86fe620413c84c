"""From views to the bottleneck, and from the latent space to a view."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .cells import RNA, Cells, Dims, Levels, Minibatch
from .conditions import Modules
from .contracts import ConditionPart, Distribution, HeadPart, LatentPart, LibraryPart, ScalePart
from .latents import Posterior
from .layers import Stack, check_choice, mlp
from .likelihoods import Head
from .parts import part
from .trace import Trace

TRANSFORMS = {"log1p": torch.log1p, "none": lambda x: x}


@part
class Encoder:
    """A stack from one or several views to the bottleneck.

    `transform` is applied to the stored values; with a `scale`, views are standardised instead.
    """

    stack: Stack = mlp(128)
    reads: tuple[str, ...] = (RNA,)
    transform: str = "log1p"
    scale: ScalePart | None = None

    def check(self) -> None:
        check_choice(self.transform, tuple(TRANSFORMS), "transform")

    @property
    def name(self) -> str:
        return "+".join(self.reads)

    def build(
        self, latent: LatentPart, conditions: Sequence[ConditionPart], dims: Dims
    ) -> EncoderNet:
        return EncoderNet(self, latent, conditions, dims)


class EncoderNet(nn.Module):
    """See `Encoder`."""

    def __init__(
        self, spec: Encoder, latent: LatentPart, conditions: Sequence[ConditionPart], dims: Dims
    ) -> None:
        super().__init__()
        self.spec = spec
        self.stack = spec.stack.build({v: dims.features[v] for v in spec.reads}, conditions, dims)
        self.latent = latent.build(self.stack.width)
        scale = {v: spec.scale.build(v, dims) for v in spec.reads} if spec.scale else {}
        self.scales = Modules(scale)

    def forward(self, cells: Minibatch, trace: Trace) -> Posterior:
        """q(z | the views it reads), (cells, n)."""
        views = {v: cells.views[v] for v in self.spec.reads}
        if self.spec.scale:
            views = {v: scale(cells) for v, scale in self.scales.items()}
        elif self.spec.transform != "none":
            views = {k: x.map(TRANSFORMS[self.spec.transform]) for k, x in views.items()}
        return self.latent(self.stack(views, cells, trace, f"{self.spec.name}.encoder"))


@part
class Decoder:
    """A stack from the latent space to a head, which says what the data of `view` are.

    A classifier is a decoder too: its view is a covariate, its data are the known levels. With a
    `library` the size of cells is inferred, where the head takes it to be observed. It starts at
    the means of the features, where the trivial model ends, or with `at_means` off at random.
    """

    stack: Stack
    head: HeadPart
    view: str = RNA
    library: LibraryPart | None = None
    at_means: bool = True

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.view,) if getattr(self.head, "levels", False) else ()

    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> DecoderNet:
        return DecoderNet(self, n_in, conditions, dims)


class DecoderNet(nn.Module):
    """See `Decoder`."""

    def __init__(
        self, spec: Decoder, n_in: int, conditions: Sequence[ConditionPart], dims: Dims
    ) -> None:
        super().__init__()
        self.spec = spec
        self.stack = spec.stack.build(n_in, conditions, dims)
        n_out = dims.features.get(spec.view) or sum(dims.levels[spec.view])
        here = conditions if spec.stack.inject and not spec.stack.layers else ()
        self.head = Head(spec.head, self.stack.width, n_out, dims, here)
        self.library = spec.library.build(spec.view, dims) if spec.library else None

    def forward(self, z: Tensor, cells: Minibatch, trace: Trace) -> Distribution:
        """p(view | z, covariates, library), (cells, features)."""
        cells = self.library(cells, trace) if self.library is not None else cells
        h = self.stack(z, cells, trace, f"{self.spec.view}.decoder")
        return self.head(h, cells, self.spec.view)

    def prepare(self, cells: Cells, levels: Levels) -> None:
        """Start where the trivial model ends: what the head makes of feature means."""
        if self.spec.at_means and self.spec.view in cells.views:
            self.head.start(cells, self.spec.view)
