"""The C accelerator: absent where it can't be compiled, and then everything is done by torch.

`WADDINGTON_KERNELS=off`, set before the first step, or `use(False)` switch it off.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..cells import Rows
from .build import BuildError, library
from .special import kept

OFF = ("off", "0", "no", "false", "torch")
CACHED = 1 << 20
"""Weights that processors keep near; more are read once, feature by feature."""
TYPES = (torch.float32, torch.int64)
POINTER, INTEGER = ctypes.c_void_p, ctypes.c_int64


class CountsTask(ctypes.Structure):
    """`counts_task` of likelihood.c, field by field."""

    _fields_ = (
        *((k, INTEGER) for k in ("cells", "genes", "share", "theta_by_cell")),
        *(
            (k, POINTER)
            for k in (
                "indptr", "indices", "values", "logits", "zero_logits", "bias", "zero_bias",
                "log_theta", "library", "weight", "log_p", "d_logits", "d_log_theta",
                "d_zero_logits", "d_log_library", "d_bias", "d_zero_bias",
            )
        ),
    )  # fmt: skip


class DenseTask(ctypes.Structure):
    """`dense_task` of dense.c, field by field."""

    _fields_ = (
        ("cells", INTEGER), ("units", INTEGER),
        *((k, POINTER) for k in ("gain", "bias", "mean", "inverse", "running_mean", "running_var")),
        ("momentum", ctypes.c_float), ("epsilon", ctypes.c_float),
        ("noise", POINTER), ("act", INTEGER),
    )  # fmt: skip


class AdamStep(ctypes.Structure):
    """`adam_step` of adam.h, field by field."""

    _fields_ = tuple(
        (k, ctypes.c_float)
        for k in ("rate", "beta1", "beta2", "root", "epsilon", "decay", "shrink")
    )


SIGNATURES = {
    "wad_counts": (ctypes.POINTER(CountsTask), ctypes.c_int),
    "wad_by_feature": (*[INTEGER] * 2, *[POINTER] * 6),
    "wad_linear_by_cell": (*[INTEGER] * 2, *[POINTER] * 6, ctypes.c_int),
    "wad_linear_by_feature": (*[INTEGER] * 3, *[POINTER] * 6, ctypes.c_int),
    "wad_linear_gradient": (*[INTEGER] * 2, *[POINTER] * 5, ctypes.c_int),
    "wad_linear_adam": (
        *[INTEGER] * 2, *[POINTER] * 7, ctypes.POINTER(AdamStep), ctypes.c_int,
    ),
    "wad_add_rows": (*[INTEGER] * 2, *[POINTER] * 3),
    "wad_sum_rows": (*[INTEGER] * 3, *[POINTER] * 3),
    "wad_dense": (ctypes.POINTER(DenseTask), *[POINTER] * 2),
    "wad_dense_gradient": (ctypes.POINTER(DenseTask), *[POINTER] * 5),
    "wad_gaussian": (*[INTEGER] * 2, *[POINTER] * 2, ctypes.c_float, *[POINTER] * 3),
    "wad_gaussian_gradient": (
        *[INTEGER] * 2, *[POINTER] * 2, ctypes.c_float, *[POINTER] * 2, ctypes.c_float, POINTER,
    ),
    "wad_adam": (INTEGER, *[POINTER] * 4, ctypes.POINTER(AdamStep), ctypes.c_int),
}  # fmt: skip


@dataclass(frozen=True)
class _State:
    """What came of looking for the accelerator."""

    library: Any = None
    why: str = ""
    compiler: str | None = None
    path: str | None = None
    seconds: float = 0.0


_wanted: bool | None = None
_found: _State | None = None
_now: tuple[Any] | None = None
_lock = threading.Lock()


def use(native: bool | None) -> None:
    """Switch the accelerator on or off; None leaves it to WADDINGTON_KERNELS as it is now.

    Raises:
        BuildError: If it is wanted and can't be had.
    """
    global _wanted, _now
    _wanted, _now = native, None
    if native and _look().library is None:
        _wanted = None
        raise BuildError(_look().why)


def status() -> dict[str, Any]:
    """Which kernels run: active (C, not torch), why, compiler, path, seconds of compiling."""
    if not _allowed():
        by = "use(False)" if _wanted is False else "WADDINGTON_KERNELS"
        why = f"switched off by {by}"
        return {"active": False, "why": why, "compiler": None, "path": None, "seconds": 0.0}
    found = _look()
    told = {"why": found.why, "compiler": found.compiler, "path": found.path}
    return {"active": found.library is not None, **told, "seconds": found.seconds}


def loaded() -> Any:
    """The library, or None; asked many times a step, so it is found out once, and after `use`."""
    global _now
    if _now is None:
        _now = (_look().library if _allowed() else None,)
    return _now[0]


def able(*tensors: Tensor | None) -> bool:
    """Whether C is there and can work on these; None is nothing."""
    return loaded() is not None and all(x is None or fits(x) for x in tensors)


def fits(x: Tensor) -> bool:
    """Whether a tensor is of the kind that C knows: float32 or int64, on the CPU, without gaps."""
    return x.dtype in TYPES and x.device.type == "cpu" and x.is_contiguous()


def address(x: Tensor | None) -> int | None:
    """Where the numbers of a tensor are."""
    return None if x is None else x.data_ptr()


def threads() -> int:
    """As many as torch has."""
    return torch.get_num_threads()


def by_feature(rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    """The stored values by feature: starts (features + 2,), rows and values; made once."""
    return kept(rows, "native_by_feature", lambda: _by_feature(rows))


def linear(
    rows: Rows,
    weight: Tensor,
    bias: Tensor | None = None,
    out: Tensor | None = None,
    training: bool = True,
) -> Tensor:
    """Rows times weight (features, units), plus bias (units,); (cells, units).

    In training the stored values are asked for by feature anyway, for the gradient.
    """
    n, (features, units) = len(rows), weight.shape
    out = torch.empty(n, units) if out is None else out
    mine = tuple(map(address, (weight, bias, out)))
    if training and weight.numel() > CACHED:
        stored = map(address, by_feature(rows))
        loaded().wad_linear_by_feature(n, features, units, *stored, *mine, threads())
    else:
        stored = map(address, (rows.indptr, rows.indices, rows.values))
        loaded().wad_linear_by_cell(n, units, *stored, *mine, threads())
    return out


def linear_gradient(rows: Rows, upstream: Tensor, out: Tensor | None = None) -> Tensor:
    """Gradient of the weight of `linear`, (features, units), from upstream (cells, units)."""
    out = torch.empty(rows.n_features, upstream.shape[1]) if out is None else out
    given = (*by_feature(rows), upstream, out)
    loaded().wad_linear_gradient(*out.shape, *map(address, given), threads())
    return out


def _by_feature(rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
    starts = torch.empty(rows.n_features + 2, dtype=torch.int64)
    cell = torch.empty(len(rows.values), dtype=torch.int32)
    values = torch.empty_like(rows.values)
    given = (rows.indptr, rows.indices, rows.values, starts, cell, values)
    loaded().wad_by_feature(len(rows), rows.n_features, *map(address, given))
    return starts, cell, values


def _allowed() -> bool:
    if _wanted is None:
        return os.environ.get("WADDINGTON_KERNELS", "").lower() not in OFF
    return _wanted


def _look() -> _State:
    global _found
    if _found is None:
        with _lock:
            _found = _found or _load()
    return _found


def _load() -> _State:
    start = time.perf_counter()
    try:
        path, compiler, fresh = library()
        code = _open(path)
        if code is None:  # a file that was spoilt
            path.unlink()
            path, compiler, fresh = library()
            code = _open(path)
    except (BuildError, OSError) as error:
        return _State(why=str(error))
    why = ("compiled now" if fresh else "compiled earlier") if code else "does not load here"
    seconds = time.perf_counter() - start if fresh else 0.0
    return _State(code, why, compiler, str(path), seconds)


def _open(path: Path) -> Any:
    """The library with the types of its functions; None if it is none."""
    try:
        code = ctypes.CDLL(str(path))
        for name, arguments in SIGNATURES.items():
            getattr(code, name).argtypes = arguments
    except (OSError, AttributeError):
        return None
    return code
