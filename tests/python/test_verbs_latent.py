"""Where cells are, and how sure a model is of it."""

import numpy as np
import pytest
from toys import fitted

from waddington import verbs
from waddington.errors import InputError
from waddington.minibatches import minibatches


@pytest.fixture
def case():
    return fitted("scvi with batches")


def test_mean_and_sd_are_the_posterior_s(case):
    (m,) = minibatches(case.cells, case.model.levels, 9999)
    q = case.model.network.encode(m)
    np.testing.assert_allclose(
        verbs.latent(case.model, case.cells), q.loc.detach(), rtol=1e-5, atol=1e-6
    )
    sd = verbs.latent(case.model, case.cells, of="sd")
    np.testing.assert_allclose(sd, q.scale.detach(), rtol=1e-5)


def test_draws_have_mean_and_sd_and_follow_the_seed(case):
    few = case.cells.take(np.arange(20))
    draw = lambda seed, n=1: verbs.latent(case.model, few, of="sample", n_samples=n, seed=seed)
    many = draw(1, 4000)
    assert many.shape == (4000, 20, 10)
    mean, sd = (verbs.latent(case.model, few, of=of) for of in ("mean", "sd"))
    assert (np.abs(many.mean(0) - mean) < 5 * sd / 4000**0.5).all()
    np.testing.assert_allclose(many.std(0), sd, rtol=0.1)
    np.testing.assert_array_equal(draw(3), draw(3))
    assert (draw(3) != draw(4)).any()


def test_points_have_no_spread():
    case = fitted("autoencoder")
    with pytest.raises(
        InputError, match=r"an? autoencoder model encodes to points; they have no sd"
    ):
        verbs.latent(case.model, case.cells, of="sd")


def test_only_three_things_can_be_asked(case):
    with pytest.raises(InputError, match="of must be one of mean, sd, sample, got 'mode'"):
        verbs.latent(case.model, case.cells, of="mode")


def test_cells_are_matched_by_gene_name_and_more_genes_are_ignored(case):
    from dataclasses import replace

    from scipy import sparse

    x, names = case.cells.views["rna"], case.cells.features["rna"]
    wide = replace(
        case.cells,
        views={"rna": sparse.csr_matrix(sparse.hstack([9 * x[:, :1], x[:, ::-1]]))},
        features={"rna": ("new", *names[::-1])},
    )
    got = verbs.latent(case.model, wide)
    np.testing.assert_allclose(got, verbs.latent(case.model, case.cells), rtol=1e-5, atol=1e-5)


def test_missing_genes_are_counted_and_named(case):
    from dataclasses import replace

    few = replace(
        case.cells,
        views={"rna": case.cells.views["rna"][:, 2:]},
        features={"rna": case.cells.features["rna"][2:]},
    )
    with pytest.raises(InputError, match=r"2 of the model's 37 genes are not .*'gene0', 'gene1'"):
        verbs.latent(case.model, few)


def test_unseen_levels_are_named(case):
    from dataclasses import replace

    odd = {**case.cells.covariates, "batch": np.full(201, "new")}
    with pytest.raises(InputError, match=r"'batch' has levels that the model was not .*: 'new'"):
        verbs.latent(case.model, replace(case.cells, covariates=odd))


def test_other_kinds_of_data_are_refused(case):
    with pytest.raises(InputError, match=r"the data must be an AnnData.*not ndarray"):
        verbs.latent(case.model, np.ones((3, 37)))
