"""What every test may use: the real data beside the checkout, and single-threaded numerics."""

import os
from pathlib import Path

import pytest

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real data not found in ../shared/data beside the checkout")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def _own_hash_cache(tmp_path_factory, monkeypatch):
    """Keep Pydra's user-wide hash cache out of the tests."""
    monkeypatch.setenv("PYDRA_HASH_CACHE", str(tmp_path_factory.getbasetemp() / "hashes"))
