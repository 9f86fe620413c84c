"""Heads: what a decoder's output means.

A head part says which `maps` it needs (linear functions of h, one number per feature), which
`tables` it keeps (numbers per feature, for all cells or by covariate), and how they and the library
make a distribution: log_prob(data), (cells,), and mean, variance and sample(), (cells, features).
A distribution keeps logits, log theta and library, and forms (cells, features) only when asked.
"""

from .bernoulli import Bernoulli
from .categorical import Categorical
from .head import Head
from .multinomial import Multinomial
from .negative_binomial import NegativeBinomial
from .normal import NormalHead
from .poisson import Poisson
from .zero_inflated import ZeroInflatedNegativeBinomial

__all__ = [
    "Bernoulli",
    "Categorical",
    "Head",
    "Multinomial",
    "NegativeBinomial",
    "NormalHead",
    "Poisson",
    "ZeroInflatedNegativeBinomial",
]
