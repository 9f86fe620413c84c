"""Adam for the weights of sparse maps while their gradients are made, which are never stored.

They are the largest tables an encoder has, and a gradient would be written only to be read once.
"""

from __future__ import annotations

from torch import Tensor

from ..cells import Rows
from ..kernels import native_adam
from ..kernels.native import AdamStep
from ..optim import AdamState, Optimiser


class Early:
    """Steps of an optimiser, for weights whose gradients nobody else needs.

    Args:
        optimiser: Whose step follows; it leaves out what has no gradient.
    """

    def __init__(self, optimiser: AdamState) -> None:
        self.optimiser, self.now = optimiser, AdamStep()
        moments = zip(optimiser.of["mean"], optimiser.of["square"], strict=True)
        self.moments = dict(zip(map(id, optimiser.parameters), moments, strict=True))

    @classmethod
    def of(cls, optimiser: Optimiser | None) -> Early | None:
        """For plain Adam; None where all gradients are needed at once, or nobody knows how."""
        if type(optimiser) is not AdamState or optimiser.spec.clip or optimiser.spec.amsgrad:
            return None
        return cls(optimiser)

    def at(self, lr: float) -> Early:
        """The step that comes next, at a learning rate."""
        o, steps = self.optimiser.spec, self.optimiser.steps + 1
        self.now = native_adam.step(lr, steps, o.betas, o.eps, o.weight_decay, o.decoupled)
        return self

    def move(self, rows: Rows, d: Tensor, weight: Tensor) -> None:
        """Move the weight, (features, units), of rows @ weight, whose gradient is d."""
        native_adam.linear_adam(rows, d, weight, self.moments[id(weight)], self.now)
