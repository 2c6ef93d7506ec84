"""Recordings of many subjects, (T, V) each, and crops of them on the training device.

Each recording is a memory-mapped file of its own, opened when it is read: a thousand maps would be too many open
files. A GPU holds as many of them as fit, in the order given, and streams
the others; on a CPU the pages of the files are the "device". A crop is a run of frames of every vertex.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pydra_vae.training.devices import free_memory
from pydra_vae.training.rows import DEVICE_SHARE, _as_tensor


class Recordings:
    """`recordings.take(rows, starts, length)` → crops as a float32 tensor on the device.

    Parameters
    ----------
    arrays : sequence of arrays, (T, V) float32
        May be memory-mapped, and opened when asked for; all of one shape.
    device : torch.device
    limit : int, optional
        Bytes that the recordings may take on the device; a share of what is free without it.
    names : sequence of str, optional
        Of all arrays, for messages.
    chosen : sequence of S int, optional
        Which of the arrays; all by default.

    Raises
    ------
    ValueError
        None at all, or of different shapes; the message names the first that differs.
    """

    def __init__(
        self,
        arrays: Sequence[np.ndarray],
        device: torch.device,
        limit: int | None = None,
        names: Sequence[str] | None = None,
        chosen: Sequence[int] | None = None,
    ):
        self._arrays, self._chosen = arrays, list(range(len(arrays)) if chosen is None else chosen)
        self.n_frames, self.n_vertices = _common_shape(arrays, self._chosen, names)
        self.device = device
        n_held = 0 if device.type == "cpu" else self._fitting(limit)
        held = torch.empty(n_held, self.n_frames, self.n_vertices, device=device)
        for row in range(n_held):
            held[row].copy_(self._host(row))
        self._held = held

    def __len__(self) -> int:
        return len(self._chosen)

    @property
    def n_held(self) -> int:
        """Recordings that lie on the device; none on a CPU."""
        return len(self._held)

    def take(self, rows: Tensor, starts: Tensor | None = None, length: int | None = None) -> Tensor:
        """Crops of some recordings.

        Parameters
        ----------
        rows : int64 tensor of any shape, on the CPU
            Which recordings.
        starts : int64 tensor of that shape, optional
            First frame of each crop; 0 without it.
        length : int, optional
            Frames of every crop; all without it.

        Returns
        -------
        (*rows, length, V) float32 tensor
            On the device.
        """
        length = self.n_frames if length is None else length
        starts = torch.zeros_like(rows) if starts is None else starts
        first = zip(rows.reshape(-1).tolist(), starts.reshape(-1).tolist(), strict=True)
        crops = [self._crop(row, start, length) for row, start in first]
        if not crops:
            return torch.empty(*rows.shape, length, self.n_vertices, device=self.device)
        return torch.stack(crops).reshape(*rows.shape, length, self.n_vertices)

    def _crop(self, row: int, start: int, length: int) -> Tensor:
        part = slice(start, start + length)
        if row < self.n_held:
            return self._held[row, part]
        crop = self._host(row)[part].float()
        if self.device.type == "cuda":
            crop = crop.pin_memory()
        return crop.to(self.device, non_blocking=True)

    def _host(self, row: int) -> Tensor:
        return _as_tensor(self._arrays[self._chosen[row]])

    def _fitting(self, limit: int | None) -> int:
        if limit is None:
            free = free_memory(self.device)
            limit = 0 if free is None else int(DEVICE_SHARE * free)
        return min(len(self), limit // (4 * self.n_frames * self.n_vertices))


def _common_shape(arrays: Sequence[np.ndarray], chosen: list[int], names: Sequence[str] | None) -> tuple[int, int]:
    """T and V; recordings of different lengths or regions are refused."""
    if not chosen:
        raise ValueError("there are no recordings: give at least one series of each part of the split")
    first = tuple(int(n) for n in arrays[chosen[0]].shape)
    for row in chosen:
        shape = tuple(int(n) for n in arrays[row].shape)
        if len(shape) != 2 or shape != first:
            name, other = (f"recording {i + 1}" if names is None else names[i] for i in (row, chosen[0]))
            raise ValueError(
                f"{name} has shape {_words(shape)}, but {other} has {_words(first)}: all recordings must have "
                "as many frames, of one region; leave out runs that were cut short, or prepare all of them alike"
            )
    return first


def _words(shape: Sequence[int]) -> str:
    """`284 frames × 11960 vertices`."""
    if len(shape) != 2:
        return " × ".join(map(str, shape))
    return f"{shape[0]} frames × {shape[1]} vertices"
