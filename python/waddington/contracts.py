"""What a new part owes to the rest. Nothing inherits from these; they are for readers and for mypy.

A part is a frozen value; what it builds is an nn.Module. Axes: (cells, ...) throughout. A part that
reads columns of the data names them in a property `covariates` (levels) or `numbers` (real values).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from torch import Tensor, nn

if TYPE_CHECKING:
    from .cells import Dims, Minibatch
    from .latents import Posterior
    from .schedules import Schedule
    from .trace import Trace

Sizes: TypeAlias = int | Mapping[str, int]
"""Inputs of a layer: their number, or for a first layer the features of each view."""


class Part(Protocol):
    """A frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class Distribution(Protocol):
    """What a decoder says of a view. Other attributes may be read by terms as "view.attribute"."""

    @property
    def mean(self) -> Tensor: ...  # (cells, features)
    def log_prob(self, data: Any) -> Tensor: ...  # Rows or codes to (cells,)
    def sample(self) -> Tensor: ...  # (cells, features)


class HeadPart(Protocol):
    """Which linear maps of h and which tables a distribution is made of."""

    @property
    def counts(self) -> bool: ...  # whether the data must be counts
    @property
    def library(self) -> str: ...  # "observed", "size_factor" or "none"
    def maps(self) -> tuple[str, ...]: ...
    def tables(self) -> Mapping[str, str | None]: ...  # name to covariate, None is one row for all
    def start(self, data: Any, library: Any) -> Mapping[str, Any]: ...  # the trivial model
    def validate(self, data: Any) -> None: ...
    @property
    def distribution(self) -> Callable[..., Distribution]: ...  # (library, **values)


class LibraryPart(Protocol):
    """Builds a module (cells, trace) to the same cells with other library sizes."""

    def build(self, view: str, dims: Dims) -> nn.Module: ...


class EncoderPart(Part, Protocol):
    """Builds a module (cells, trace) to a Posterior, from the views it reads."""

    @property
    def name(self) -> str: ...
    @property
    def reads(self) -> tuple[str, ...]: ...
    def build(
        self, latent: LatentPart, conditions: Sequence[ConditionPart], dims: Dims
    ) -> nn.Module: ...


class ScalePart(Protocol):
    """Builds a module (cells) to what an encoder reads of a view."""

    def build(self, view: str, dims: Dims) -> nn.Module: ...


class ConditionPart(Protocol):
    """A covariate; what it adds to a layer of `units`, and what its layers share."""

    @property
    def covariate(self) -> str: ...
    def shared(self, dims: Dims) -> nn.Module | None: ...
    def build(self, units: int, dims: Dims) -> nn.Module: ...  # Minibatch to (cells, units)


class LayerPart(Protocol):
    """Builds a module (h, cells) to (cells, width) with a `width`; most take no views."""

    def build(self, n_in: Any, conditions: Sequence[ConditionPart], dims: Dims) -> Any: ...


class PriorNet(Protocol):
    """What a prior builds; called, it leaves "z.kl" in the trace."""

    def __call__(self, q: Posterior, z: Tensor, trace: Trace) -> None: ...
    def sample(self, cells: Minibatch) -> Tensor: ...  # (cells, n)
    def log_prob(self, z: Tensor) -> Tensor: ...  # (cells,)


class PriorPart(Protocol):
    """Builds a module that is a PriorNet."""

    def build(self, n: int, dims: Dims) -> PriorNet: ...


class LatentPart(Protocol):
    """A bottleneck: builds a module from the encoder's output to a Posterior."""

    @property
    def n(self) -> int: ...
    @property
    def prior(self) -> PriorPart | None: ...
    def build(self, n_in: Any) -> nn.Module: ...  # Sizes, or the number if it takes no views


class FusionNet(Protocol):
    """What a fusion builds."""

    def fuse(self, posteriors: Mapping[str, Posterior], cells: Minibatch) -> Posterior: ...
    def split(self, z: Tensor, view: str) -> Tensor: ...  # (cells, width(n_latent, view))
    def width(self, n_latent: int, view: str) -> int: ...


class FusionPart(Protocol):
    """Builds a module that is a FusionNet."""

    def build(self, names: Sequence[str], n: int) -> FusionNet: ...


class TermPart(Part, Protocol):
    """A mean over cells, made of what the trace has."""

    @property
    def weight(self) -> Schedule: ...
    @property
    def name(self) -> str: ...
    def __call__(self, trace: Trace, cells: Minibatch) -> Tensor: ...


class FormPart(Protocol):
    """How an opponent f and the network score what f has seen; `truth` is codes or real data."""

    def outputs(self, against: str, dims: Dims) -> int: ...
    def own(self, f: nn.Module, seen: Tensor, truth: Tensor) -> Tensor: ...
    def pull(self, f: nn.Module, seen: Tensor, truth: Tensor) -> Tensor: ...


class DecoderPart(Part, Protocol):
    """Builds a module (z, cells, trace) to a Distribution over `view`."""

    @property
    def view(self) -> str: ...
    def build(self, n_in: int, conditions: Sequence[ConditionPart], dims: Dims) -> nn.Module: ...


class OptimiserPart(Part, Protocol):
    """How a player moves: builds an object with step(lr), state() and load(state)."""

    @property
    def lr(self) -> Schedule: ...
    @property
    def clip(self) -> float | None: ...
    def build(self, parameters: Sequence[nn.Parameter]) -> Any: ...
