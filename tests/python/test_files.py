"""Where things are in files, and what a user reads if they are not there."""

import anndata as ad
import h5py
import numpy as np
import pytest
from shelf import N, shelf, stored

import waddington as wd
from waddington.cells import Cells
from waddington.errors import InputError
from waddington.files import columns_of
from waddington.recipes import scvi
from waddington.stream import FileRows


@pytest.fixture(scope="module")
def adata():
    return stored()


@pytest.fixture(scope="module")
def files(adata, tmp_path_factory):
    return shelf(adata, tmp_path_factory.mktemp("files"))


def test_layers_raw_columns_and_names_come_along(files, adata):
    cells = Cells.from_file(files["plain"], "twice", False, ["batch"], ["age"], "size")
    assert cells.views["rna"].gather([9]).sum() == 2 * adata.X[9].sum()
    assert cells.covariates["batch"].tolist() == adata.obs["batch"].tolist()
    np.testing.assert_allclose(cells.values["age"][:, 0], adata.obs["age"], rtol=1e-6)
    np.testing.assert_allclose(cells.size_factor, adata.obs["size"], rtol=1e-6)
    assert cells.features["rna"] == tuple(adata.var_names)
    assert cells.name(17) == "c17" and cells.take(np.array([8, 2])).name(0) == "c8"
    assert list(cells.take(np.array([8, 2])).names) == ["c8", "c2"]
    raw = Cells.from_file(files["plain"], raw=True)
    assert raw.features["rna"] == tuple(adata.var_names[::-1])
    np.testing.assert_array_equal(
        raw.views["rna"].gather([4]).toarray()[0, ::-1], adata.X[4].toarray()[0]
    )


def test_of_a_10x_file_the_genes_are_read_and_symbols_made_unique(files):
    cells = Cells.from_file(files["10x"])
    assert cells.features["rna"][:4] == ("g0", "g1", "g1-1", "g3")
    assert cells.name(3) == "c3"


def test_a_backed_anndata_stays_in_its_file_and_so_do_subsets(files, adata):
    there = ad.read_h5ad(files["plain"], backed="r")
    there.obs["new"] = np.arange(N, dtype=float)
    some = there[np.array([300, 20, 10]), ["g5", "g2"]]
    cells = Cells.from_anndata(some, None, ["batch"], ["new"])
    assert isinstance(cells.views["rna"], FileRows) and cells.features["rna"] == ("g5", "g2")
    assert cells.values["new"][:, 0].tolist() == [300, 20, 10]
    np.testing.assert_array_equal(
        cells.views["rna"].gather(slice(None)).toarray(), some.to_memory().X.toarray()
    )
    there.file.close()


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_a_subset_with_repeated_names_is_not_guessed(tmp_path, adata):
    twice = adata.copy()
    twice.obs_names = ["c0", *adata.obs_names[:-1]]
    twice.write_h5ad(tmp_path / "twice.h5ad")
    there = ad.read_h5ad(tmp_path / "twice.h5ad", backed="r")
    assert len(Cells.from_anndata(there)) == N
    with pytest.raises(InputError, match=r"names of the cells in .* repeat.*to_memory"):
        Cells.from_anndata(there[:5])
    there.file.close()


def test_a_file_says_which_columns_it_has(files):
    assert columns_of(files["plain"]) == ("age", "batch", "size")
    assert columns_of(files["10x"]) == ()


def test_of_several_genomes_none_is_chosen(tmp_path):
    with h5py.File(tmp_path / "two.h5", "w") as file:
        for genome in ("hg19", "mm10"):
            file[f"{genome}/indptr"], file[f"{genome}/barcodes"] = [0], [b"a"]
    with pytest.raises(InputError, match="has the genomes 'hg19', 'mm10'; write the one you want"):
        Cells.from_file(tmp_path / "two.h5")


def test_what_can_t_be_read_by_cell_says_what_to_do(tmp_path, adata):
    by_gene = adata.copy()
    by_gene.X = by_gene.X.tocsc()
    by_gene.write_h5ad(tmp_path / "csc.h5ad")
    (tmp_path / "text.h5ad").write_text("no")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    for name, said in {
        "csc.h5ad": r"stored by gene \(CSC\).*tocsr",
        "absent.h5ad": "there is no file",
        "text.h5ad": "can't read .* as HDF5",
        "other.h5": "neither an .h5ad nor a 10x",
    }.items():
        with pytest.raises(InputError, match=said):
            Cells.from_file(tmp_path / name)


@pytest.mark.parametrize(
    "asked,said",
    [
        ({"layer": "none"}, "layer 'none' is not in .*; it has 'twice'"),
        ({"layer": "twice", "raw": True}, "a layer or raw, not both"),
        ({"categorical": ["sex"]}, "'sex' is not a column of obs; it has 'age', 'batch', 'size'"),
    ],
)
def test_what_the_file_lacks_is_named(asked, said, files):
    with pytest.raises(InputError, match=said):
        Cells.from_file(files["plain"], **asked)


def test_10x_files_have_neither_layers_nor_columns(files):
    with pytest.raises(InputError, match="10x file, which has no layers"):
        Cells.from_file(files["10x"], layer="x")
    with pytest.raises(InputError, match="10x files hold no metadata"):
        wd.train(files["10x"], scvi(batch="batch"))
