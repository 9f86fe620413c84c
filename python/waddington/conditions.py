"""Covariates as numbers: the only place that knows levels, and the only thing that grows."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping, Sequence, ValuesView
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cells import Cells, Dims, Levels, Minibatch
from .contracts import ConditionPart
from .parts import part

M = TypeVar("M", bound=nn.Module)


class Modules(nn.ModuleDict, Generic[M]):
    """Modules of one kind by the names of columns, which may be "type" or "orig.ident".

    As attributes those would be taken, or have a dot in them; here they are keys and nothing else.
    """

    if TYPE_CHECKING:  # torch says of what it keeps only that it is a module

        def __init__(self, modules: Mapping[str, M]) -> None: ...
        def __getitem__(self, key: str) -> M: ...
        def values(self) -> ValuesView[M]: ...
        def items(self) -> ItemsView[str, M]: ...

    def __setitem__(self, key: str, module: nn.Module) -> None:
        self._modules[key] = module


class Table(nn.Module):
    """Numbers, (levels, width), one row per level of a covariate; None is one row for all cells.

    Levels that surgery adds are a new block, a parameter of its own: whoever trains it can't touch
    the others.
    """

    def __init__(self, covariate: str | None, dims: Dims, width: int, sd: float = 0.0) -> None:
        super().__init__()
        self.covariate = covariate
        sizes = dims.levels[covariate] if covariate else (1,)
        self.blocks = nn.ParameterList(sd * torch.randn(n, width) for n in sizes)

    @property
    def rows(self) -> Tensor:
        """All rows, (levels, width)."""
        return torch.cat(list(self.blocks)) if len(self.blocks) > 1 else self.blocks[0]

    def forward(self, cells: Minibatch) -> Tensor:
        """The row of each cell, (cells, width), or (1, width)."""
        return F.embedding(cells.codes[self.covariate], self.rows) if self.covariate else self.rows

    @torch.no_grad()
    def fill(self, row: Tensor) -> None:
        """Give every level the same row, (width,)."""
        for block in self.blocks:
            block.copy_(row.expand_as(block))

    @torch.no_grad()
    def fill_newest(self) -> None:
        """Start the newest levels at the mean of the older ones."""
        older = torch.cat(list(self.blocks)[:-1])
        self.blocks[-1].copy_(older.mean(0).expand_as(self.blocks[-1]))


class Vector(nn.Module):
    """W v for the numbers v that stand for a covariate, (cells, units); v is standardised."""

    loc: Tensor
    scale: Tensor

    def __init__(self, covariate: str, n: int, units: int) -> None:
        super().__init__()
        self.covariate = covariate
        self.linear = nn.Linear(n, units, bias=False)
        self.register_buffer("loc", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))

    def forward(self, cells: Minibatch) -> Tensor:
        """(cells, units)."""
        return self.linear((cells.values[self.covariate] - self.loc) / self.scale)

    def prepare(self, cells: Cells, levels: Levels) -> None:
        """Learn the mean and the sd of a covariate that the data bring."""
        if self.covariate in cells.values:
            values = torch.from_numpy(cells.values[self.covariate]).to(self.loc.dtype)
            self.loc.copy_(values.mean(0))
            self.scale.copy_(values.std(0, unbiased=False).clamp(min=1e-6))


@part
class OneHot:
    """Each level adds a row of its own to every layer that receives it."""

    covariate: str

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.covariate,)

    def shared(self, dims: Dims) -> Table | None:
        return None

    def build(self, units: int, dims: Dims) -> nn.Module:
        return Table(self.covariate, dims, units, sd=0.1)


@part
class Embedded:
    """Each level is a point in `n` dimensions, the same for all layers, which map it linearly."""

    covariate: str
    n: int = 5

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.covariate,)

    def shared(self, dims: Dims) -> Table | None:
        return Table(self.covariate, dims, self.n, sd=1.0)

    def build(self, units: int, dims: Dims) -> nn.Module:
        return Vector(self.covariate, self.n, units)


@part
class Continuous:
    """A covariate that is a number already."""

    covariate: str

    @property
    def numbers(self) -> tuple[str, ...]:
        return (self.covariate,)

    def shared(self, dims: Dims) -> Table | None:
        return None

    def build(self, units: int, dims: Dims) -> nn.Module:
        return Vector(self.covariate, 1, units)


def conditions(
    categorical: Sequence[str | None] | str | None,
    continuous: Sequence[str] | str | None = (),
    n_embedding: int = 0,
) -> tuple[OneHot | Embedded | Continuous, ...]:
    """One condition per name; None and a single name stand for none and one.

    Levels are points in `n_embedding` dimensions, or have rows of their own if that is 0.
    """
    names = lambda x: [x] if isinstance(x, str) else [k for k in x or () if k]
    of = lambda name: Embedded(name, n_embedding) if n_embedding else OneHot(name)
    return (*map(of, names(categorical)), *map(Continuous, names(continuous)))


class Shift(nn.Module):
    """Adds to a layer what the conditions say: V c, which is [W V][h; c] written as a sum."""

    def __init__(self, conditions: Sequence[ConditionPart], units: int, dims: Dims) -> None:
        super().__init__()
        self.of = Modules({c.covariate: c.build(units, dims) for c in conditions})

    def forward(self, h: Tensor, cells: Minibatch) -> Tensor:
        """(cells, units)."""
        for covariate in self.of.values():
            h = h + covariate(cells)
        return h


class Embeddings(nn.Module):
    """Gives cells the vectors that stand for their levels."""

    def __init__(self, conditions: Sequence[ConditionPart], dims: Dims) -> None:
        super().__init__()
        tables = {c.covariate: c.shared(dims) for c in conditions}
        self.of = Modules({k: t for k, t in tables.items() if t is not None})

    def forward(self, cells: Minibatch) -> Minibatch:
        """The cells, with `values` for every embedded covariate."""
        if not self.of:
            return cells
        return replace(cells, values={**cells.values, **{k: t(cells) for k, t in self.of.items()}})
