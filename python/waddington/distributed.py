"""Several processes that train one model, each on its part of every minibatch.

`torchrun --nproc-per-node 2 -m waddington train ...` starts them. They see the same cells in the
same order, so the minibatches are those of one process. Gradients are averaged by PyTorch's
DistributedDataParallel, batch normalisation is by all cells of a minibatch, and what one process
decides, the first, all do. Noise is each process's own.
"""

from __future__ import annotations

import atexit
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .cells import Minibatch
from .devices import Random
from .minibatches import WHOLE, Part
from .players import Means, Objective, Player
from .schedules import Clock
from .trace import Trace

T = TypeVar("T")


def join() -> Alone:
    """The processes that torchrun started, or this one alone."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
        return Alone()
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group("gloo")
        atexit.register(_leave)
    return Team((dist.get_rank(), dist.get_world_size()))


def _leave() -> None:
    """End the threads of the group while the interpreter still runs, or its end may abort.

    Trainers, which hold the group, refer to themselves, so they are collected first.
    """
    import gc

    import torch.distributed as dist

    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()


@dataclass(frozen=True)
class Alone:
    """One process, which has nobody to share with.

    Attributes:
        part: Which part of how many it takes of every minibatch.
    """

    part: Part = WHOLE

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.part[0] == 0

    def prepare(self, module: nn.Module) -> None:
        """Make a module, which is the same everywhere, ready to be trained together."""

    def scatter(self, random: Random) -> None:
        """Make a random state, which is the same everywhere, another one for each."""

    def share(self, player: Player, module: nn.Module) -> Player:
        """The player, moving `module` by the gradients of all."""
        return player

    def total(self, means: Means) -> Means:
        """Means over the cells of all."""
        return means

    def led(self, find: Callable[[], T]) -> T:
        """What the first process finds."""
        return find()


class Team(Alone):
    """One of several processes; see `Alone`."""

    def prepare(self, module: nn.Module) -> None:
        for layer in module.modules():
            if type(layer) is nn.BatchNorm1d:
                layer.__class__ = SharedBatchNorm  # its parameters and their names stay

    def scatter(self, random: Random) -> None:
        if not self.leads:
            seed = zlib.crc32(random.state[0].numpy().tobytes()) + self.part[0]
            random.state = Random(seed, random.cuda).state

    def share(self, player: Player, module: nn.Module) -> Player:
        moving = [p for p in module.parameters() if p.requires_grad]
        if not moving:
            return player
        from torch.nn.parallel import DistributedDataParallel

        shared = SharedObjective(player.objective, moving, self.part[1])
        return replace(
            player, objective=DistributedDataParallel(shared, find_unused_parameters=True)
        )

    def total(self, means: Means) -> Means:
        import torch.distributed as dist

        sums = torch.tensor([[float(s), n] for s, n in means.sums.values()], dtype=torch.float64)
        if len(sums):
            dist.all_reduce(sums)
        return Means({k: (s, n) for k, (s, n) in zip(means.sums, sums.tolist(), strict=True)})

    def led(self, find: Callable[[], T]) -> T:
        import torch.distributed as dist

        found: list[Any] = [find() if self.leads else None]
        dist.broadcast_object_list(found)
        return found[0]


class SharedObjective(nn.Module):
    """A player's objective as a module whose gradients can be averaged over processes.

    It counts by the cells that a process has of a minibatch. It has no buffers: those of the
    network are the same everywhere, and must not change between forward and backward.
    """

    def __init__(
        self, objective: Objective, moving: Sequence[nn.Parameter], processes: int
    ) -> None:
        super().__init__()
        self.objective, self.processes = objective, processes
        self.moving = nn.ParameterList(moving)

    def forward(
        self, trace: Trace, cells: Minibatch, clock: Clock
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """What to minimise here, and values to report."""
        total, values = self.objective(trace, cells, clock)
        everyone = total_of(total.new_tensor(float(len(cells))))
        weight = len(cells) * self.processes / everyone
        return total * weight, {k: v.detach() for k, v in values.items()}


class SharedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation by the cells of all processes."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        """(cells, units)."""
        if not self.training:
            return super().forward(x)
        n = total_of(x.new_tensor(float(len(x))))
        mean = total_of(x.sum(0)) / n
        centred = x - mean
        variance = total_of(centred.square().sum(0)) / n
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum)
            self.num_batches_tracked += 1
        return centred * (variance + self.eps).rsqrt() * self.weight + self.bias


def total_of(x: Tensor) -> Tensor:
    """The sum of x over processes; gradients flow back to each of them."""
    return _Total.apply(x)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        return _summed(upstream)


def _summed(x: Tensor) -> Tensor:
    import torch.distributed as dist

    x = x.detach().clone()
    dist.all_reduce(x)
    return x
