"""What every test shares: one torch thread, and the way to data that are not in the repository."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def root():
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared():
    """A function from the name of a data file to its path; skips the test where it is absent."""

    def path(name):
        file = ROOT.parent / "shared" / "data" / name
        if not file.is_file():
            pytest.skip(f"needs {name}, which is not in the repository (looked in {file.parent})")
        return file

    return path
