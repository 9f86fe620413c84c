"""What a model can be asked; each verb is written once, against `encode` and `decode`."""

from .ask import NEEDS, VERBS, verb, why_not
from .denoise import denoise, reconstruct
from .elbo import elbo, log_likelihood
from .interpolate import interpolate
from .label import Labels, label
from .latent import latent
from .perturb import Prediction, predict_perturbation
from .sample import sample

__all__ = [
    "NEEDS", "VERBS", "Labels", "Prediction", "denoise", "elbo", "interpolate", "label",
    "latent", "log_likelihood", "predict_perturbation", "reconstruct", "sample", "verb", "why_not",
]  # fmt: skip
