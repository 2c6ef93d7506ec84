"""Crops of recordings are the frames of the files, whether held or streamed; unlike recordings are refused."""

import numpy as np
import pytest
import torch

from pydra_vae.training.recordings import Recordings

CPU = torch.device("cpu")


@pytest.fixture
def arrays(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.npy" for i in range(4)]
    for path in paths:
        np.save(path, rng.normal(size=(20, 7)).astype(np.float32))
    return [np.load(path, mmap_mode="r") for path in paths]


def test_crops_are_the_frames_of_the_files(arrays):
    recordings = Recordings(arrays, CPU)
    assert (len(recordings), recordings.n_frames, recordings.n_vertices) == (4, 20, 7)
    crops = recordings.take(torch.tensor([3, 0, 3]), torch.tensor([0, 5, 15]), 5)
    expected = np.stack([arrays[3][:5], arrays[0][5:10], arrays[3][15:]])
    assert crops.dtype == torch.float32 and np.array_equal(crops, expected)
    assert np.array_equal(recordings.take(torch.tensor([[1], [2]])), np.stack([[arrays[1]], [arrays[2]]]))


def test_what_the_device_has_no_room_for_is_streamed(arrays):
    """On the meta device, which holds nothing, only the numbers can be asked for."""
    room = 4 * 20 * 7
    assert Recordings(arrays, CPU).n_held == 0
    meta = torch.device("meta")
    assert [Recordings(arrays, meta, limit).n_held for limit in (0, 2 * room, 2 * room + 1, 99 * room)] == [0, 2, 2, 4]


@pytest.mark.gpu
def test_held_and_streamed_recordings_give_the_same_crops(arrays):
    cuda, rows, starts = torch.device("cuda"), torch.tensor([3, 0]), torch.tensor([2, 4])
    both = [Recordings(arrays, cuda, limit).take(rows, starts, 6) for limit in (2 * 4 * 20 * 7, None)]
    assert torch.equal(*both) and both[0].device.type == "cuda"
    assert np.array_equal(both[0].cpu(), np.stack([arrays[3][2:8], arrays[0][4:10]]))


def test_recordings_of_other_lengths_are_refused_by_name(arrays):
    unlike = [arrays[0], arrays[1][:12]]
    with pytest.raises(ValueError, match=r"sub-02 has shape 12 frames × 7 vertices, but sub-01 has 20 frames × 7"):
        Recordings(unlike, CPU, names=["sub-01", "sub-02"])
    with pytest.raises(ValueError, match="recording 2 has shape 20 frames × 6 vertices"):
        Recordings([arrays[0], arrays[1][:, :6]], CPU)
    with pytest.raises(ValueError, match="no recordings"):
        Recordings([], CPU)
