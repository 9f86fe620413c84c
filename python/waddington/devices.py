"""Where and how numbers are computed: devices, threads, precision, and randomness of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from .errors import InputError
from .layers import check_choice

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16")
MOST_THREADS = 4


def resolve(name: str) -> tuple[torch.device, str | None]:
    """The device of that name, and a sentence if it is another one than asked for.

    "auto" is a CUDA device where there is one, else the CPU.
    """
    kind, _, number = str(name).partition(":")
    if number and not number.isdigit():
        kind = "?"
    if kind not in (*DEVICES, "meta"):
        raise InputError(f"device must be one of {', '.join(DEVICES)}, got {name!r}", "device")
    if kind == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu"), None
    there = {"cuda": torch.cuda, "mps": torch.backends.mps}
    if kind in there and not there[kind].is_available():
        return torch.device("cpu"), f"device {name!r} is not available here; training on the CPU"
    return torch.device(name), None


def default_threads() -> int:
    """The cores this process may use, four at most: more rarely help at these sizes."""
    cores = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return max(
        1, min(len(cores), MOST_THREADS, int(os.environ.get("OMP_NUM_THREADS") or MOST_THREADS))
    )


@contextmanager
def computing(device: torch.device, threads: int, precision: str) -> Iterator[None]:
    """Set threads and precision inside the block, and put them back after it.

    "bfloat16" is autocast on an accelerator; on a CPU only the products are done in it.
    """
    check_choice(precision, PRECISIONS, "precision")
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    half = precision == "bfloat16"
    torch.set_num_threads(threads)
    if half and device.type == "cpu":
        torch.set_float32_matmul_precision("medium")
    cast = half and device.type in ("cuda", "mps")
    try:
        with torch.autocast(device.type, torch.bfloat16) if cast else nullcontext():
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])


class Random:
    """A random state of one's own.

    Torch's is borrowed inside a `with` block, and put back after it.
    """

    def __init__(self, seed: int, device: torch.device | None = None) -> None:
        self.cuda = device if device is not None and device.type == "cuda" else None
        self.state = [torch.Generator().manual_seed(seed).get_state()]
        if self.cuda:
            self.state.append(torch.Generator(self.cuda).manual_seed(seed).get_state())

    def _get(self) -> list[torch.Tensor]:
        cuda = [torch.cuda.get_rng_state(self.cuda)] if self.cuda else []
        return [torch.get_rng_state(), *cuda]

    def _set(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self.cuda:
            torch.cuda.set_rng_state(states[1], self.cuda)

    def __enter__(self) -> None:
        self.theirs = self._get()
        self._set(self.state)

    def __exit__(self, *error: object) -> None:
        self.state = self._get()
        self._set(self.theirs)
