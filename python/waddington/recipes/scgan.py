"""scGAN, and with labels cscGAN: WGAN-GP whose generator knows cell types and library sizes."""

from __future__ import annotations

from torch import Tensor, nn

from ..cells import Dims, Minibatch
from ..coders import Decoder
from ..conditions import Table, conditions
from ..latents import Gaussian
from ..layers import mlp
from ..opponents import Opponent, OpponentNet, WassersteinGP
from ..optim import Adam
from ..parts import part
from ..recipe import Phase, Recipe
from ..schedules import Clock
from ..trace import Trace
from .gan import generated


@part
class ProjectionCritic(Opponent):
    """A critic whose score also asks how well a cell goes with its level of `by`.

    The score is w h + e[level] h, where h is the last hidden layer. Real and generated cells of one
    place in a minibatch have the same level, and so do the points between them.

    References:
        Miyato and Koyama (2018), ICLR.
    """

    by: str = "cell_type"

    @property
    def covariates(self) -> tuple[str, ...]:
        return (self.by,)

    def build(self, n_in: int, dims: Dims) -> ProjectionNet:
        return ProjectionNet(self, n_in, dims)


class ProjectionNet(OpponentNet):
    """See `ProjectionCritic`."""

    def __init__(self, spec: ProjectionCritic, n_in: int, dims: Dims) -> None:
        super().__init__(spec, n_in, dims)
        self.table: nn.Module = Table(spec.by, dims, self.stack.width)
        self.cells: Minibatch | None = None

    def forward(self, seen: Tensor) -> Tensor:
        """Scores, (cells, 1)."""
        h = self.stack(seen, None, Trace(), "opponent")
        return self.out(h) + (h * self.table(self.cells)).sum(-1, keepdim=True)

    def own(self, trace: Trace, cells: Minibatch, clock: Clock) -> tuple[Tensor, dict[str, Tensor]]:
        self.cells = cells
        return super().own(trace, cells, clock)

    def pull(self, trace: Trace, cells: Minibatch) -> Tensor:
        self.cells = cells
        return super().pull(trace, cells)


def scgan(
    cell_type: str | None = None,
    n_latent: int = 128,
    generator: tuple[int, ...] = (256, 512, 1024),
    critic: tuple[int, ...] = (1024, 512, 256),
    n_critic: int = 5,
    penalty: float = 10.0,
    learning_rate: float = 1e-4,
    batch_size: int = 128,
    updates: int = 20000,
    epochs: int | None = None,
    likelihood: str = "nb",
) -> Recipe:
    """Cells from z ~ N(0, 1) and a type, as close to the data of each type as a critic can tell.

    Sizes, batch normalisation of the generator, none in the critic, penalty, steps of the critic
    and optimiser are those of the authors. Theirs makes normalised counts behind a layer that makes
    them add up, this one counts or values as `wgan` does; their million steps are `updates`. Types
    make up training as they do the data; `sample(model, cell_type=...)` makes more of one.

    Args:
        cell_type: The column of types that cells are made of; None makes any.
        n_latent: Dimensions of z.
        generator: Units of the generator's hidden layers, each of which is told the type.
        critic: Units of the critic's hidden layers.
        n_critic: Steps of the critic to each of the generator.
        penalty: Weight of the gradient penalty.
        learning_rate: Of Adam, of both players.
        batch_size: Cells per minibatch.
        updates: Steps of the critic, where `epochs` is None.
        epochs: Passes over the cells.
        likelihood: "nb" or "poisson" for counts, "normal" for values; see `wgan`.

    References:
        Marouf et al. (2020), Nature Communications 11, 166.
    """
    adam = Adam(learning_rate, betas=(0.5, 0.9), amsgrad=True)
    head, look = generated(likelihood)
    told = {"against": "rna", "form": WassersteinGP(penalty), "optimiser": adam, **look}
    stack = mlp(*critic, act="leaky_relu")
    judge = (
        ProjectionCritic(stack=stack, by=cell_type, **told)
        if cell_type
        else Opponent(stack=stack, **told)
    )
    layers = mlp(*generator, norm="batch", inject="every" if cell_type else None)
    return Recipe(
        name="scgan",
        encoders=(),
        latent=Gaussian(n_latent),
        decoders=(Decoder(layers, head),),
        conditions=conditions(cell_type),
        opponents=(judge,),
        phases=(Phase(epochs, updates, adam, batch_size=batch_size, every=n_critic, stop=None),),
    )
