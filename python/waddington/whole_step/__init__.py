"""A step of training without autograd, for the recipes that are trained most.

An autoencoder with dense stacks, a Gaussian bottleneck or a point, one head, and no terms but the
evidence lower bound needs no tape: the chain rule is written out here, with the large products left
to torch and all between them to C, or to torch where there is no compiler. It fills `.grad` with
what autograd would, from the same draws, so the optimiser and the trainer do not know.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..coders import Decoder, Encoder
from ..conditions import Continuous, OneHot, Table
from ..fusions import Alone
from ..kernels import native
from ..latents import Gaussian, Normal, Point
from ..layers import Dense
from ..network import Network
from ..optim import Optimiser
from ..recipe import Recipe
from ..terms import KL, NLL
from . import in_c, in_torch
from .heads import HEADS, act_of
from .layers import ACTS
from .step import WholeStep

__all__ = ["WholeStep", "known", "match"]


def match(recipe: Recipe, network: Network, optimiser: Optimiser | None = None) -> WholeStep | None:
    """The written-out step of a network, or None if only autograd knows it.

    The optimiser that follows it may be named, so that weights move while gradients are made.
    """
    plain = (
        all(p.requires_grad and native.fits(p) for p in network.parameters())
        and not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
        and not any(len(m.blocks) > 1 for m in network.modules() if isinstance(m, Table))
    )
    engine = in_torch if native.loaded() is None else in_c
    return WholeStep(recipe, network, optimiser, engine) if plain and known(recipe) else None


def known(recipe: Recipe) -> bool:
    """Whether the chain rule of this package is that of the recipe."""
    r = recipe
    return (
        type(r.fusion) is Alone
        and not r.opponents
        and all(type(c) in (OneHot, Continuous) for c in r.conditions)
        and len(r.encoders) == len(r.decoders) == 1
        and _plain_ends(r.encoders[0], r.decoders[0])
        and _plain_objective(r)
    )


def _plain_ends(encoder: object, decoder: object) -> bool:
    """Dense layers from one view to the bottleneck, and from there to a known head of that view."""
    return (
        type(encoder) is Encoder
        and type(decoder) is Decoder
        and encoder.reads == (decoder.view,)
        and encoder.scale is None
        and decoder.library is None
        and type(decoder.head) in HEADS
        and act_of(decoder.head) in ("linear", "relu")
        and bool(encoder.stack.layers)
        and all(_plain_layers(c.stack.layers) for c in (encoder, decoder))
    )


def _plain_objective(r: Recipe) -> bool:
    """The likelihood of the one view; and with a Gaussian bottleneck its divergence."""
    if not r.terms or type(r.terms[0]) is not NLL or r.terms[0].view != r.decoders[0].view:
        return False
    if type(r.latent) is Point:
        return len(r.terms) == 1
    return (
        type(r.latent) is Gaussian
        and type(r.latent.prior) is Normal
        and len(r.terms) == 2
        and type(r.terms[1]) is KL
        and (r.terms[1].of, r.terms[1].capacity) == ("z", None)
    )


def _plain_layers(layers: Sequence[object]) -> bool:
    return all(type(x) is Dense and x.act in ACTS and x.norm in (None, "batch") for x in layers)
