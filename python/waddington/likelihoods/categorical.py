"""Levels of a covariate: a classifier is a decoder too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional as F

from ..parts import part


@dataclass(frozen=True)
class Classes:
    """One level of a covariate per cell; logits are (cells, levels)."""

    logits: Tensor

    @property
    def mean(self) -> Tensor:
        """Probabilities, (cells, levels)."""
        return self.logits.softmax(-1)

    @property
    def variance(self) -> Tensor:
        """Of the indicator of each level, (cells, levels)."""
        return self.mean * (1 - self.mean)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Log probability of each cell's level, in nats, (cells,); of level 0 where unknown."""
        return -F.cross_entropy(self.logits, codes.clamp(min=0), reduction="none")

    def sample(self) -> Tensor:
        """One draw, codes, (cells,)."""
        return torch.multinomial(self.mean, 1).squeeze(-1)


@part
class Categorical:
    """One level of a covariate per cell; its view is that covariate."""

    counts: ClassVar[bool] = False
    library: ClassVar[str] = "none"
    levels: ClassVar[bool] = True

    def maps(self) -> tuple[str, ...]:
        return ("logits",)

    def tables(self) -> Mapping[str, str | None]:
        return {}

    def start(self, data: Any, library: np.ndarray | None = None) -> Mapping[str, np.ndarray]:
        """Log frequencies of the levels, from codes (cells,) or one-hot rows (cells, levels)."""
        if sparse.issparse(data):
            known = np.asarray(data.sum(0), dtype=float).ravel()
        else:
            codes = np.asarray(data)
            known = np.bincount(codes[codes >= 0]).astype(float)
        return {"logits": np.log((known + 0.5) / (known + 0.5).sum())}

    def validate(self, data: Any) -> None:
        """Codes are right by construction."""

    def distribution(self, library: Tensor | None, logits: Tensor) -> Classes:
        return Classes(logits)
