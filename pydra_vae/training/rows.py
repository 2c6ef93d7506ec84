"""Rows of one big array (voxels × time, subjects × …) fetched by index on the training device.

The array is copied to the device once where it fits. Where it does not, batches stream from the host's
memory-mapped file. On the CPU a file is always used as it is mapped: its pages are the "device".
"""

import warnings

import numpy as np
import torch
from torch import Tensor

from pydra_vae.training.devices import free_memory

DEVICE_SHARE = 0.6  # of the free memory; the rest is for activations
COPY_BYTES = 256 * 2**20  # a chunk of the copy, so that the host never holds the whole array


class Rows:
    """`rows.take(index)` → the rows as a float32 tensor on the device.

    Parameters
    ----------
    array : (N, …) float32 array
        May be memory-mapped.
    device : torch.device
    limit : int, optional
        Bytes that the array may take on the device; a share of what is free without it.
    """

    def __init__(self, array: np.ndarray, device: torch.device, limit: int | None = None):
        self.device = device
        self._host = _as_tensor(array)
        if limit is None and (free := free_memory(device)) is not None:
            limit = int(DEVICE_SHARE * free)
        size = self._host.numel() * 4
        self.resident = device.type == "cpu" or limit is None or size <= limit
        if device.type != "cpu" and self.resident:
            self._data = _copy(self._host, device)
        else:
            self._data = self._host

    def __len__(self) -> int:
        return len(self._host)

    @property
    def shape(self) -> torch.Size:
        """(N, …)."""
        return self._host.shape

    def take(self, index: Tensor) -> Tensor:
        """The rows of an index of any shape, (..., *row), which may lie on any device."""
        if index.ndim != 1:
            return self.take(index.reshape(-1)).reshape(*index.shape, *self.shape[1:])
        if self.resident:
            return self._data.index_select(0, index.to(self.device)).float()
        batch = self._host.index_select(0, index.cpu()).float()
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        return batch.to(self.device, non_blocking=True)


def _as_tensor(array: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # a read-only map is what we want: nothing here writes
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(array))


def _copy(host: Tensor, device: torch.device) -> Tensor:
    data = torch.empty(host.shape, dtype=torch.float32, device=device)
    rows = max(1, COPY_BYTES * len(host) // max(1, host.numel() * 4))
    for i in range(0, len(host), rows):
        data[i : i + rows].copy_(host[i : i + rows])
    return data
