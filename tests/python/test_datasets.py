"""The data that ship: the cells are those of the source, and every layout finds them."""

import shutil
import subprocess
import sys
import zipfile

import anndata
import numpy as np
import pytest
from scipy.sparse import isspmatrix_csr

from waddington import datasets

SOURCES = {
    "kang_pbmc": "kang_pbmc_ifnb_2donors_1556x1267.h5ad",
    "pbmc_3chemistries": "pbmc_3chemistries_1200x1767.h5ad",
}


@pytest.fixture(scope="module", params=SOURCES)
def name(request):
    return request.param


def test_kang_pbmc_is_what_its_docstring_says():
    adata = datasets.kang_pbmc()
    assert adata.shape == (1556, 1267)
    assert adata.obs["condition"].value_counts().to_dict() == {"control": 750, "stimulated": 806}
    assert list(adata.obs["donor"].cat.categories) == ["101", "107"]
    assert adata.obs["cell_type"].nunique() == 5
    assert adata.var.loc["ISG15", "ensembl"] == "ENSG00000187608"


def test_interferon_raises_an_interferon_gene():
    adata = datasets.kang_pbmc()
    counts = adata[:, "ISG15"].X.toarray().ravel()
    means = adata.obs.assign(isg15=counts).groupby("condition", observed=True)["isg15"].mean()
    assert means["stimulated"] > 20 * means["control"]


def test_pbmc_3chemistries_is_what_its_docstring_says():
    adata = datasets.pbmc_3chemistries()
    assert adata.shape == (1200, 1767)
    assert list(adata.obs["batch"].cat.categories) == ["3pv1", "3pv2", "5p"]
    assert adata.obs["cell_type"].nunique() == 9
    assert adata.obs["cell_type_broad"].nunique() == 7
    assert (adata.X.sum(axis=1).A1 <= adata.obs["total_umi_all_genes"]).all()


def test_counts_are_csr_float_integers_and_names_unique(name):
    adata = getattr(datasets, name)()
    assert isspmatrix_csr(adata.X) and adata.X.dtype == np.float32 and adata.X.has_sorted_indices
    assert np.array_equal(adata.X.data, np.round(adata.X.data)) and adata.X.data.min() >= 1
    assert adata.obs_names.is_unique and adata.var_names.is_unique
    assert not adata.obs.isna().any(axis=None)


def test_cells_equal_the_source(name, shared):
    adata, source = getattr(datasets, name)(), anndata.read_h5ad(shared(SOURCES[name]))
    assert (adata.X != source.X).nnz == 0
    assert list(adata.obs_names) == list(source.obs_names)
    assert list(adata.var_names) == list(source.var_names)
    for column in adata.obs:
        assert list(adata.obs[column]) == list(source.obs[column])


def test_the_script_writes_the_same_bytes(name, shared, root, tmp_path):
    columns = list(getattr(datasets, name)().obs)
    script = root / "inst" / "scripts" / "make-extdata.py"
    command = [sys.executable, script, shared(SOURCES[name]), tmp_path, *columns]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    for part in ("counts.csv.gz", "genes.csv.gz", "cells.csv.gz"):
        shipped = root / "inst" / "extdata" / name / part
        assert (tmp_path / part).read_bytes() == shipped.read_bytes()


@pytest.mark.parametrize(
    ("package", "extdata"),
    [
        ("site-packages/waddington", "site-packages/waddington/extdata"),
        ("library/waddington/python/waddington", "library/waddington/extdata"),
        ("source tree/python/waddington", "source tree/inst/extdata"),
    ],
    ids=["wheel", "R package", "source"],
)
def test_every_layout_finds_the_files(package, extdata, root, tmp_path):
    home = tmp_path / package
    shutil.copytree(root / "python" / "waddington", home)
    shutil.copytree(root / "inst" / "extdata" / "kang_pbmc", tmp_path / extdata / "kang_pbmc")
    code = "import waddington.datasets as d; print(d.__file__, d.kang_pbmc().shape)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home.parent, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert found.stdout.strip() == f"{home / 'datasets.py'} (1556, 1267)"


def test_a_missing_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "_places", lambda: iter([tmp_path / "extdata"]))
    with pytest.raises(FileNotFoundError, match="Reinstall") as error:
        datasets.kang_pbmc()
    assert str(tmp_path / "extdata" / "kang_pbmc") in str(error.value)


def test_the_wheel_holds_the_files(root, tmp_path):
    pytest.importorskip("hatchling", reason="needs hatchling to build a wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    for name in SOURCES:
        assert f"waddington/extdata/{name}/counts.csv.gz" in held
    assert not [entry for entry in held if "scripts" in entry or entry.startswith("inst")]
