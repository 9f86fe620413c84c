"""Weights in the HDF5 layout of Keras 2: a group per layer, its arrays named in attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError, ModelFileError
from .session import Weights


def write(path: str, names: Sequence[str], weights: Weights) -> None:
    """Write the weights of the layers called `names`, in that order."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [k.encode() for k in names]
        file.attrs["backend"] = b"waddington"
        for name in names:
            group, arrays = file.create_group(name), weights.get(name, {})
            paths = [f"{name}/{k}:0" for k in arrays]
            group.attrs["weight_names"] = [k.encode() for k in paths]
            for k, array in zip(paths, arrays.values(), strict=True):
                group.create_dataset(k, data=np.asarray(array, dtype=np.float32))


def read(path: str) -> list[np.ndarray]:
    """All arrays, in the order of layers.

    Raises:
        InputError: If there is no such file.
        ModelFileError: If it holds no weights of Keras.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"can't read {path!r}: {error}", "filepath") from None
    with file:
        root = file["model_weights"] if "model_weights" in file else file
        if "layer_names" not in root.attrs:
            raise ModelFileError(f"{path!r} has no weights of Keras 2")
        groups = [root[_text(k)] for k in root.attrs["layer_names"]]
        return [np.asarray(g[_text(k)]) for g in groups for k in g.attrs["weight_names"]]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
