"""The result of training: a value, and the one file it lives in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .cells import Dims, Levels
from .conditions import Table
from .errors import InputError, ModelFileError
from .network import Network
from .parts import from_json, to_json, tuples
from .recipe import Recipe
from .regression import PREFIX

FORMAT = 1
"""Version of the file format; a reader refuses newer ones and knows all older ones."""


@dataclass(frozen=True, eq=False)
class Model:
    """What training found. It holds no data and no pointer.

    Attributes:
        recipe: What the network is made of, and how it was trained.
        weights: Arrays by the name of their parameter; those of "labels." are of regressions, which
            are no part of the network.
        features: Feature names by view.
        levels: Levels by covariate, one group for the first training and one per surgery.
        history: One row per epoch and set of cells: the objective and the value of each term.
        record: Of the run: seed, why it stopped, held-out scores, versions.
    """

    recipe: Recipe
    weights: Mapping[str, np.ndarray]
    features: Mapping[str, tuple[str, ...]]
    levels: Levels
    history: tuple[Mapping[str, Any], ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "\n".join(f"{k}: {v}" for k, v in self.summary().items())

    @property
    def dims(self) -> Dims:
        """The sizes of the network."""
        return Dims(
            {k: len(v) for k, v in self.features.items()},
            {k: tuple(len(group) for group in groups) for k, groups in self.levels.items()},
        )

    @cached_property
    def network(self) -> Network:
        """The network with these weights, in evaluation mode, on the CPU."""
        with torch.random.fork_rng(devices=()):
            network = Network(self.recipe, self.dims)
        load_weights(network, self.weights)
        return network.eval()

    def expand(self, **new: tuple[str, ...]) -> Model:
        """The same model with more levels, each starting at the mean of the old ones."""
        levels = {k: (*groups, new[k]) if k in new else groups for k, groups in self.levels.items()}
        wider = replace(self, levels=levels, weights={})
        with torch.random.fork_rng(devices=()):
            network = Network(self.recipe, wider.dims)
        self.pour_into(network)
        for module in network.modules():
            if isinstance(module, Table) and module.covariate in new:
                module.fill_newest()
        grown = weights_of(network)
        beside = {k: v for k, v in self.weights.items() if k not in grown}
        return replace(wider, weights={**grown, **beside})

    def pour_into(self, network: Network) -> None:
        """Give `network` these weights wherever names and shapes agree."""
        shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
        load_weights(network, {k: v for k, v in self.weights.items() if shapes.get(k) == v.shape})

    def summary(self) -> dict[str, str]:
        """What a person wants to know first, line by line."""
        r, record = self.recipe, self.record
        network = [v for k, v in self.weights.items() if not k.startswith(f"{PREFIX}.")]
        sizes = " + ".join(f"{len(v)} {k}" for k, v in self.features.items())
        lines = {
            "recipe": r.name,
            "size": f"{sizes} features x {r.latent.n} latent dimensions",
            "covariates": ", ".join(
                [f"{k} ({sum(map(len, v))} levels)" for k, v in self.levels.items()]
                + [f"{k} (numbers)" for k in r.numbers]
            )
            or "none",
            "parameters": f"{sum(v.size for v in network):,}",
            "trained": f"{record.get('epochs', 0)} epochs on {record.get('n_cells', 0)} cells",
            "stopped": str(record.get("why", "")),
        }
        if record.get("trivial_nll") is not None:
            ours, trivial = record["held_out_nll"], record["trivial_nll"]
            verdict = "better" if ours < trivial else "NOT better"
            scaled = any(getattr(r.head(v), "library", "none") != "none" for v in r.views)
            other = "feature means x library" if scaled else "feature means"
            lines["held out"] = f"{ours:.2f} nats per cell; {verdict} than {other} ({trivial:.2f})"
        if record.get("active_units") is not None:
            lines["active"] = f"{record['active_units']} of {r.latent.n} latent dimensions"
        return lines

    def to_bytes(self) -> bytes:
        """The whole model: tensors and JSON, no pickle."""
        from safetensors.numpy import save

        words = {
            "format": FORMAT,
            "recipe": json.loads(to_json(self.recipe)),
            "features": self.features,
            "levels": self.levels,
            "history": self.history,
            "record": self.record,
        }
        arrays = {k: np.ascontiguousarray(v) for k, v in self.weights.items()}
        return save(arrays, {"waddington": json.dumps(words)})

    @classmethod
    def from_bytes(cls, data: bytes | bytearray) -> Model:
        """The model that `to_bytes` wrote.

        Raises:
            ModelFileError: If it is truncated, foreign, or of a newer format.
        """
        arrays, words = _read(bytes(data))
        if words["format"] > FORMAT:
            raise ModelFileError(
                f"the model has file format {words['format']}; this version of waddington knows "
                f"formats up to {FORMAT}: update waddington to read it"
            )
        features, levels = (
            {k: tuples(v) for k, v in words[key].items()} for key in ("features", "levels")
        )
        recipe = from_json(json.dumps(words["recipe"]))
        return cls(recipe, arrays, features, levels, tuple(words["history"]), words["record"])

    def save(self, path: str | Path) -> None:
        """Write the model to one file; an old file stays whole until the new one is."""
        write_whole(path, self.to_bytes())


def load(path: str | Path) -> Model:
    """The model in a file that `Model.save` or R's `saveModel()` wrote.

    Raises:
        InputError: If there is no such file.
        ModelFileError: If it is truncated, foreign, or of a newer format.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"can't read the model file {str(path)!r}: {error.strerror}", "path"
        ) from None
    try:
        return Model.from_bytes(data)
    except ModelFileError as error:
        raise ModelFileError(f"{str(path)!r}: {error}") from None


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is there takes its place when the block has ended.

    So no reader sees half a file, and the old one stays until there is a new one.

    Raises:
        InputError: If it can't be written; what was there before is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        kept = "; the file that was there is unchanged" if path.exists() else ""
        told = f"can't write {str(path)!r}: {error.strerror or error}{kept}"
        raise InputError(told, "path") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: str | Path, data: bytes) -> None:
    """Write `data` to a file, all of it or nothing; see `whole_file`."""
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def weights_of(network: Network) -> dict[str, np.ndarray]:
    """A copy of all weights by name."""
    return {k: v.detach().cpu().numpy().copy() for k, v in network.state_dict().items()}


def load_weights(network: Network, weights: Mapping[str, np.ndarray]) -> None:
    """Put weights in their places; what `weights` lacks stays as it is."""
    network.load_state_dict(
        {k: torch.from_numpy(np.asarray(v)) for k, v in weights.items()}, strict=False
    )


def _read(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and words of a model file; its header is 8 bytes of length, then JSON."""
    from safetensors.numpy import load as load_arrays

    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        text = header["__metadata__"]["waddington"]
    except (ValueError, KeyError, TypeError):
        raise ModelFileError(
            "this is not a model of waddington, or its beginning is damaged"
        ) from None
    try:
        return load_arrays(data), json.loads(text)
    except Exception as error:
        raise ModelFileError(f"the model is damaged or cut short ({error})") from None
