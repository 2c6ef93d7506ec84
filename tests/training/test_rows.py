"""Rows by index, resident or streamed from a mapped file."""

import numpy as np
import pytest
import torch

from pydra_vae.training.rows import Rows

META = torch.device("meta")


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(60, dtype=np.float32).reshape(12, 5))
    return np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.mark.filterwarnings("error")
def test_rows_of_a_read_only_map_without_a_copy(mapped):
    rows = Rows(mapped, torch.device("cpu"))
    assert rows.resident and len(rows) == 12 and rows.shape == (12, 5)
    assert rows.take(torch.tensor([11, 0])).tolist() == [[55, 56, 57, 58, 59], [0, 1, 2, 3, 4]]


def test_what_does_not_fit_is_streamed(mapped):
    assert not Rows(mapped, META, limit=239).resident
    assert Rows(mapped, META, limit=240).resident
    assert Rows(mapped, META, limit=0).take(torch.tensor([1, 2, 2])).shape == (3, 5)


@pytest.mark.gpu
def test_streamed_and_resident_rows_are_equal(mapped):
    device = torch.device("cuda", 0)
    index = torch.tensor([3, 3, 7])
    resident, streamed = Rows(mapped, device), Rows(mapped, device, limit=0)
    assert resident.resident and not streamed.resident
    assert torch.equal(resident.take(index), streamed.take(index))
