"""What cells look like without noise, as they are or as if they were others."""

import numpy as np
import pytest
from toys import fitted

from waddington import verbs
from waddington.errors import InputError
from waddington.verbs import ask


@pytest.fixture
def case():
    return fitted("scvi with batches")


def test_expected_counts_add_up_to_the_library_that_is_asked_for(case):
    total = np.asarray(case.cells.views["rna"].sum(1)).ravel()
    asked = {"observed": total, "median": np.full(201, np.median(total)), 1e4: np.full(201, 1e4)}
    for library, want in asked.items():
        got = verbs.denoise(case.model, case.cells, library=library)
        np.testing.assert_allclose(got.sum(1), want, rtol=1e-4)
    shares = verbs.denoise(case.model, case.cells, library=1.0)
    observed = verbs.denoise(case.model, case.cells)
    np.testing.assert_allclose(observed, shares * total[:, None], rtol=1e-4)


def test_some_genes_are_those_columns(case):
    whole = verbs.denoise(case.model, case.cells)
    some = verbs.denoise(case.model, case.cells, genes=["gene7", "gene3"])
    np.testing.assert_array_equal(some, whole[:, [7, 3]])


def test_as_its_own_batch_changes_nothing_and_as_another_does(case):
    as0, as1 = (verbs.denoise(case.model, case.cells, batch=b) for b in ("batch0", "batch1"))
    mine = (case.cells.covariates["batch"] == "batch0")[:, None]
    np.testing.assert_allclose(
        verbs.denoise(case.model, case.cells), np.where(mine, as0, as1), rtol=1e-5
    )
    assert np.abs(np.log(as0 / as1)).mean() > 0.01


def test_reconstructing_is_denoising_as_observed(case):
    np.testing.assert_array_equal(
        verbs.reconstruct(case.model, case.cells), verbs.denoise(case.model, case.cells)
    )


def test_it_is_closer_to_the_truth_than_the_counts_are():
    from toys import fit

    from waddington import recipes, simulate

    made = simulate.counts(400, 40, 3, 1, depth=200, seed=0)
    model = fit(recipes.vae(n_latent=4, hidden=(32,)), made.cells, lr=5e-3, epochs=25)
    x, mean = made.cells.views["rna"].toarray(), made.truth["library"] * made.truth["frequency"]
    off = lambda guess: np.abs(np.log1p(guess) - np.log1p(mean)).mean()
    assert off(verbs.denoise(model, made.cells)) < 0.5 * off(x)


def test_size_factors_scale_expected_counts():
    from waddington.parts import replace

    case = fitted("scvi gene-cell")
    one = verbs.denoise(case.model, case.cells)
    doubled = replace(case.cells, size_factor=2 * case.cells.size_factor)
    np.testing.assert_allclose(verbs.denoise(case.model, doubled), 2 * one, rtol=1e-5)


@pytest.mark.parametrize(
    "options,said",
    [
        ({"library": "total"}, 'library must be "observed", "median" or a positive number, got'),
        ({"library": 0}, "library must be .* got 0"),
        ({"library": -5.0}, "library must be .* got -5"),
        ({"genes": ["gene1", "CD3D"]}, "the model has no genes 'CD3D'"),
        ({"batch": "batch9"}, "'batch' has no level 'batch9'; it has 'batch0', 'batch1'"),
        ({"donor": "1"}, "the model has no covariate 'donor'; it has 'batch'"),
        ({"view": "protein"}, "scvi decodes 'rna', not 'protein'"),
    ],
)
def test_what_can_not_be_asked_is_named(case, options, said):
    with pytest.raises(InputError, match=said):
        verbs.denoise(case.model, case.cells, **options)


def test_a_library_means_nothing_to_log_values():
    case = fitted("exercise_vae")
    with pytest.raises(InputError, match=r"an? exercise_vae model has no library to set for 'rna'"):
        verbs.denoise(case.model, case.cells, library=1e4)


def test_a_generator_has_nothing_to_denoise():
    case = fitted("wgan")
    with pytest.raises(InputError, match=r"denoise\(\) can't be asked of a wgan model: it has no"):
        verbs.denoise(case.model, case.cells)


def test_several_levels_are_the_mean_over_them(case):
    as0, as1 = (verbs.denoise(case.model, case.cells, batch=b) for b in ("batch0", "batch1"))
    both = verbs.denoise(case.model, case.cells, batch=["batch0", "batch1"], library="observed")
    np.testing.assert_allclose(both, (as0 + as1) / 2, rtol=1e-5)
    np.testing.assert_array_equal(verbs.denoise(case.model, case.cells, batch=["batch1"]), as1)
    with pytest.raises(InputError, match="without a level"):
        verbs.denoise(case.model, case.cells, batch=[])
    with pytest.raises(InputError, match="batch9"):
        verbs.denoise(case.model, case.cells, batch=["batch0", "batch9"])


def test_blocks_of_cells_make_up_the_whole(case, monkeypatch):
    whole = verbs.denoise(case.model, case.cells)
    monkeypatch.setattr(ask, "ENTRIES", 64 * whole.shape[1])
    assert len(case.cells) > 64 == ask.decoded_block(case.model, "rna")
    np.testing.assert_allclose(verbs.denoise(case.model, case.cells), whole, rtol=1e-5)
