"""Fusions: a product of normals is the normal that their densities multiply to."""

import torch
from scipy import sparse
from torch.distributions import Normal

from waddington.cells import Cells
from waddington.fusions import Alone, PoE
from waddington.latents import Posterior
from waddington.minibatches import minibatches

LACKING = torch.tensor([True, True, False])
CELLS = next(
    minibatches(
        Cells(
            {k: sparse.csr_matrix((3, 2), dtype="float32") for k in ("rna", "protein")},
            present={"protein": LACKING.numpy()},
        ),
        {},
        9,
    )
)
G = torch.Generator().manual_seed(0)
NORMALS = {
    k: Posterior(torch.randn(3, 1, generator=G), torch.rand(3, 1, generator=G) + 0.3)
    for k in ("rna", "protein")
}


def test_experts_multiply():
    q = PoE().build(["rna", "protein"], 1).fuse(NORMALS, CELLS)
    grid = torch.linspace(-12, 12, 20001)
    for cell in range(3):
        log_p = Normal(0.0, 1.0).log_prob(grid)
        for view in ("rna", "protein") if LACKING[cell] else ("rna",):
            expert = NORMALS[view]
            log_p = log_p + Normal(expert.loc[cell], expert.scale[cell]).log_prob(grid)
        p = (log_p - log_p.max()).exp()
        p = p / p.sum()
        mean = (p * grid).sum()
        sd = ((p * (grid - mean) ** 2).sum()) ** 0.5
        torch.testing.assert_close(q.loc[cell, 0], mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(q.scale[cell, 0], sd, rtol=1e-3, atol=1e-4)


def test_every_decoder_reads_all_of_z():
    for part in (Alone(), PoE()):
        net, z = part.build(["rna"], 4), torch.randn(3, 4)
        assert net.split(z, "rna") is z and net.width(4, "rna") == 4


def test_one_encoder_is_passed_on():
    q = NORMALS["rna"]
    assert Alone().build(["rna"], 1).fuse({"rna": q}, CELLS) is q
