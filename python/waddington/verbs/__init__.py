"""What a model can be asked; each verb is written once, against `encode` and `decode`."""

from .ask import NEEDS, VERBS, verb, why_not
from .augment import Augmented, augment
from .clusters import Clusters, clusters
from .correct_batch import Corrected, correct_batch
from .denoise import denoise, reconstruct
from .differential import (
    Differences,
    differential_abundance,
    differential_expression,
    donor_differences,
)
from .doublets import Doublets, find_doublets, synthetic_doublets
from .elbo import elbo, log_likelihood
from .evaluate_perturbation import evaluate_perturbation
from .interpolate import interpolate, path_between, traverse
from .invert import invert, positions
from .label import Labels, label
from .latent import latent
from .library import library_size
from .map_query import Mapped, map_query, transfer_labels
from .perturb import Prediction, predict_perturbation
from .perturbation_map import PerturbationMap, perturbation_map
from .ppc import Checks, check_model
from .rareness import rareness
from .sample import sample
from .surgery import gene_report, restrict
from .transform import transform
from .zero_inflation import zero_inflation

__all__ = [
    "NEEDS", "VERBS", "Augmented", "Checks", "Clusters", "Corrected", "Differences", "Doublets",
    "Labels", "Mapped", "PerturbationMap", "Prediction", "augment", "check_model", "clusters",
    "correct_batch", "denoise", "differential_abundance", "differential_expression",
    "donor_differences", "elbo", "evaluate_perturbation", "find_doublets", "gene_report",
    "interpolate", "invert", "label", "latent", "library_size", "log_likelihood", "map_query",
    "path_between", "perturbation_map", "positions", "predict_perturbation", "rareness",
    "reconstruct", "restrict", "sample", "synthetic_doublets", "transfer_labels", "transform",
    "traverse", "verb", "why_not", "zero_inflation",
]  # fmt: skip
