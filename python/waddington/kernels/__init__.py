"""Fast forms of plain formulas, with gradients written by hand; tests hold them to the formulas."""

from .bernoulli import bernoulli
from .linear import sparse_linear
from .native import status, use
from .negative_binomial import log_means, nb, zinb
from .poisson import multinomial, poisson
from .products import product
from .special import gamma_steps

__all__ = [
    "bernoulli",
    "gamma_steps",
    "log_means",
    "multinomial",
    "nb",
    "poisson",
    "product",
    "sparse_linear",
    "status",
    "use",
    "zinb",
]
