"""Small files that several steps read and write: arrays, frames, controls, JSON."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.stats.pca import Pca


def load_array(path: Path) -> np.ndarray:
    """A `.npy` array, memory-mapped; the error names the file."""
    try:
        return np.load(Path(path), mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a .npy array: {error}") from error


def new_array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A new float32 `.npy` array, memory-mapped; its space is taken at once.

    Writing to a map of a file with holes kills the process where the disk is full; this raises OSError instead.
    """
    shape = tuple(int(n) for n in shape)  # a NumPy integer would be written as its repr, which no reader takes
    array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    return array


def read_weights(path: Path, n_frames: int | None = None) -> np.ndarray:
    """The column `weight` of a table of frames, (T,) int8; its length is checked against T."""
    table = read_table(path)
    if "weight" not in table:
        raise ValueError(f"{path} has no column 'weight': give the frames.tsv of MaskBold or Normalize")
    if n_frames is not None and len(table) != n_frames:
        raise ValueError(
            f"{path} lists {len(table)} frames but the series has {n_frames}: do both come from the same run?"
        )
    return table["weight"].to_numpy(dtype=np.int8)


def write_json(path: Path, content) -> Path:
    """Write JSON, one key a line."""
    path = Path(path).absolute()
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def save_controls(path: Path, models: Iterable[Pca], latent_dim: int) -> Path:
    """Write PCAs as safetensors, float32: "pca-9.mean", "pca-9.components", "pca-9.explained", …"""
    from safetensors.numpy import save

    arrays = {
        f"pca-{len(pca.components)}.{name}": np.ascontiguousarray(getattr(pca, name), np.float32)
        for pca in models
        for name in ("mean", "components", "explained")
    }
    path = Path(path).absolute()
    path.write_bytes(save(arrays, metadata={"latent_dim": str(latent_dim)}))
    return path


def load_controls(path: Path) -> dict[int, Pca]:
    """PCAs by their size, that of the model's latent dimension first."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            first = int((file.metadata() or {})["latent_dim"])
            names = list(file.keys())
            sizes = {int(name.partition(".")[0].removeprefix("pca-")) for name in names}
            return {
                k: Pca(*(file.get_tensor(f"pca-{k}.{name}").astype(np.float64)
                         for name in ("mean", "components", "explained")))
                for k in [first, *sorted(sizes - {first})]
            }  # fmt: skip
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no controls ({error}): give the controls.safetensors of FitControls") from error


def first_components(path: Path, size: int, n_frames: int) -> Pca:
    """The PCA of that size, cut from the largest in the file; the error names the file."""
    largest = max(load_controls(path).values(), key=lambda pca: len(pca.components))
    if not 1 <= size <= len(largest.components):
        raise ValueError(
            f"{path} holds PCAs of at most {len(largest.components)} components and {size} were asked for: "
            f"run FitControls with latent_dim={size}"
        )
    if len(largest.mean) != n_frames:
        raise ValueError(
            f"{path} was fitted on {len(largest.mean)} frames but the series has {n_frames}: "
            "give the controls of the same runs"
        )
    return largest.first(size)


def control_name(size: int, latent_dim: int) -> str:
    """How a PCA is called in tables; ICA of the model's size spans the same subspace."""
    return f"pca-{size} = ica-{size}" if size == latent_dim else f"pca-{size}"
