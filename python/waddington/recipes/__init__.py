"""One file a system. A recipe is a function from a handful of arguments to a `Recipe`."""

from .adversarial_vae import adversarial_vae
from .autoencoder import autoencoder
from .autozi import autozi
from .cardec import cardec
from .cpa import cpa
from .cvae import cvae
from .exercise_vae import exercise_vae
from .gan import gan
from .linear_scvi import linear_scvi
from .saucie import saucie
from .scanvi import scanvi
from .scgan import scgan
from .scgen import scgen
from .scpoli import scpoli
from .scvi import scvi
from .trvae import trvae
from .vae import vae
from .wgan import wgan

RECIPES = {
    f.__name__: f
    for f in (
        autoencoder,
        vae,
        exercise_vae,
        cvae,
        scvi,
        scanvi,
        linear_scvi,
        wgan,
        scgen,
        trvae,
        cpa,
        gan,
        scgan,
        adversarial_vae,
        scpoli,
        autozi,
        saucie,
        cardec,
    )
}
__all__ = ["RECIPES", *RECIPES]
