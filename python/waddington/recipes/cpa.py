"""CPA: perturbations as vectors that add up in latent space."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..coders import Encoder
from ..effects import Composed, Effects
from ..latents import Gaussian, Point
from ..layers import Stack, mlp
from ..opponents import Flip, Opponent
from ..optim import Adam
from ..parts import part
from ..recipe import Phase, Recipe
from ..terms import KL, NLL
from .heads import head, transform


@part
class SmoothFlip(Flip):
    """`Flip` whose opponent has a gradient penalty: it must not be steep where the cells are."""

    penalty: float = 1.0

    def own(self, f: nn.Module, seen: Tensor, truth: Tensor) -> Tensor:
        seen = seen.detach().requires_grad_()
        with torch.enable_grad():
            logits = f(seen)
            (slope,) = torch.autograd.grad(logits.sum(), seen, create_graph=True)
        wrong = F.cross_entropy(logits, truth, ignore_index=-1)
        return wrong + self.penalty * slope.square().sum(-1).mean()


def cpa(
    perturbation: str = "condition",
    control: str = "control",
    dose: str | None = None,
    covariates: tuple[str, ...] = (),
    n_latent: int = 32,
    hidden: tuple[int, ...] = (128, 128),
    likelihood: str = "nb",
    beta: float = 1.0,
    adversary: float = 10.0,
    penalty: float = 1.0,
    steps: int = 1,
    dropout: float = 0.1,
    graph: tuple[tuple[str, str], ...] = (),
    shared: float = 0.5,
    encoder: Stack | None = None,
    decoder: Stack | None = None,
    learning_rate: float = 1e-3,
    epochs: int | None = None,
) -> Recipe:
    """data ~ head(f(z + sum of effects)), where z tells nothing of the perturbation.

    An opponent tells the perturbation from z, and the encoder learns to leave it nothing to tell.
    Effects add up, so combinations and doses that were never tried can be decoded; an interaction
    of two perturbations is what this can't know.

    The opponent's penalty and layers (64, 64, 64) are those of the authors' later code. Their
    networks are larger (256, 256, 256 and 128 dimensions, made for 100,000 cells and more), their
    opponent moves three times as often (`steps=3`), and they weigh it by 1, or by 60 in their first
    code. Here z has a posterior and a prior (`beta=0` makes it a point, as theirs): it then costs
    something to say in z what the effects say already. With a point the opponent alone has to see
    to that, and on small data it does not; the tests compare both.

    Args:
        perturbation: The column of perturbations; "A+B" is a combination.
        control: Its level of unperturbed cells.
        dose: A column of doses, as text: "0.5", or "1+0.5" for "A+B"; None is one dose.
        covariates: Categorical columns, such as cell types, that add to z likewise.
        n_latent: Dimensions of z.
        hidden: Units of the encoder's hidden layers; the decoder's are the same, reversed.
        likelihood: "nb", "zinb" or "poisson" for raw counts, "normal" for log-normalised values.
        beta: Weight of the divergence of z from its prior; 0 makes z a point.
        adversary: Weight of the opponents in the encoder's objective. Too much of it takes the cell
            types out of z.
        penalty: Weight of the gradient penalty in the opponents' own.
        steps: Moves of the opponents to each of the network.
        dropout: Share of hidden units that is left out in each step of training.
        graph: Pairs of perturbations that are linked, because they act alike: with them, one that
            was never tried is predicted from its neighbours, as by GEARS.
        shared: Share of the neighbours in what a linked perturbation adds to z.
        encoder: A stack of layers in the place of `hidden`; None makes one.
        decoder: The same for the decoder.
        learning_rate: Of Adam, of all players.
        epochs: Passes over the cells; None is as many as make 6,000 updates, 8 to 400.

    References:
        Lotfollahi et al. (2023), Molecular Systems Biology 19, e11517.
    """
    layers = lambda units: mlp(*units, norm="batch", dropout=dropout)
    adam = Adam(learning_rate)
    phase = Phase(epochs, optimiser=adam, every=steps, spread=(perturbation,))
    told = (perturbation, *covariates) if adversary else ()
    return Recipe(
        name="cpa",
        encoders=(Encoder(encoder or layers(hidden), transform=transform(likelihood)),),
        latent=Gaussian(n_latent) if beta else Point(n_latent),
        decoders=(
            Composed(
                decoder or layers(hidden[::-1]),
                head(likelihood),
                Effects(perturbation, control, dose, tuple(covariates), graph=graph, shared=shared),
            ),
        ),
        terms=(NLL(), KL(weight=beta)) if beta else (NLL(),),
        opponents=tuple(_against(column, adversary, penalty, adam) for column in told),
        phases=(phase,),
    )


def _against(column: str, weight: float, penalty: float, optimiser: Adam) -> Opponent:
    """Who tells the levels of a column from z."""
    stack = mlp(64, 64, 64, dropout=0.1)
    return Opponent("z", column, SmoothFlip(penalty), stack, weight, optimiser)
