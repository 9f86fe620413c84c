"""What is between the large products of a step, by the kernels in C; `in_torch` says it in torch.

Both have the same names. Results go to the room that is given, or are what is returned.
"""

from ..kernels.native import linear, linear_gradient
from ..kernels.native_counts import counts
from ..kernels.native_dense import Block, add_rows, gaussian, gaussian_gradient, sum_rows
from .early import Early

__all__ = [
    "Block",
    "Early",
    "add_rows",
    "counts",
    "gaussian",
    "gaussian_gradient",
    "linear",
    "linear_gradient",
    "sum_rows",
]
