"""What a run will need: disk space and the memory of a process, estimated before it starts.

From the sizes of the matrices that a recipe's steps write, and of the demos' work folders; tests hold the estimates
within a factor of two of what the demos took.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pydra_vae.workflows.clean import size_in_words
from pydra_vae.workflows.program import say

FLOAT = 4  # bytes of a float32
PYTHON = 0.5e9  # a worker process with torch and nothing read yet
PAGE = 0.8e6  # a report with its figures
TORCH_FIT = 0.3e9  # what a fit takes beside its data and weights


@dataclass(frozen=True)
class Cost:
    """An estimate, in bytes.

    Attributes
    ----------
    work, output : float
        What the two folders will hold.
    process : float
        The most memory that one process will need.
    """

    work: float
    output: float
    process: float

    def processes(self, wanted: int, memory: float | None) -> int:
        """How many processes may run side by side within `memory` bytes; at least one.

        >>> Cost(0, 0, 2e9).processes(8, 9e9), Cost(0, 0, 2e9).processes(8, None), Cost(0, 0, 2e9).processes(8, 1e9)
        (4, 8, 1)
        """
        return wanted if memory is None else max(1, min(wanted, int(memory // self.process)))


def finn_cost(sizes: list[tuple[int, int]], n_fits: int = 1, analyses: list[str] | tuple[str, ...] = ()) -> Cost:
    """The cost of finn.

    Parameters
    ----------
    sizes : list of (int, int)
        Voxels and frames of each subject.
    n_fits : int
        Models of each subject.
    analyses : list of str
        As ``--analyses`` names them.
    """
    # series, scaled, reconstruction, and the denoised runs, which hardly compress
    matrices = 4 + 2.5 * ("reliability" in analyses) + 0.2 * ("samples" in analyses)
    work = output = largest = 0.0
    for n_voxels, n_frames in sizes:
        matrix = n_voxels * n_frames * FLOAT
        models = n_fits * n_frames * 5e3  # lk and dense hold 600 hidden units a frame, twice
        maps = n_voxels * 600 + PAGE  # tables of voxels, latent maps
        work += matrices * matrix + models + maps
        output += 1.1 * matrix + n_frames * 5e3 + maps
        largest = max(largest, matrix)
    return Cost(work, output, PYTHON + 1.2 * largest)


def motor_cost(n_recordings: int, n_frames: int, n_vertices: int, n_fits: int, n_decompositions: int, k: int) -> Cost:
    """The cost of motor: `n_fits` VAEs and `n_decompositions` ICA and PCA, of `k` factors, of all recordings."""
    series = n_frames * n_vertices * FLOAT
    factors = n_recordings * n_frames * k * FLOAT
    maps = n_vertices * k * FLOAT
    model = 1.5e6 + n_vertices * 200
    distances = n_vertices * 2700  # within the default radius
    work = n_recordings * series + (n_fits + n_decompositions) * (3 * factors + 6 * maps + 5e5) + n_fits * model
    output = n_fits * (4.3 * factors + model + 4 * maps) + n_decompositions * maps + 4e6
    return Cost(1.05 * work + distances, output, PYTHON + TORCH_FIT + 40 * series)


def structural_cost(
    n_images: int, n_grid: int, n_voxels: int, n_fits: int, n_trials: int = 0, written: bool = False
) -> Cost:
    """The cost of structural.

    Parameters
    ----------
    n_images, n_grid, n_voxels : int
        Images, voxels of their grid, and those of them in the mask.
    n_fits, n_trials : int
        Models that are delivered, and those of a search, which stay in the work folder.
    written : bool
        Whether reconstructions of all images are delivered.
    """
    matrix = n_images * n_voxels * FLOAT
    model = n_voxels * 1050  # conv-dense: 256 hidden units
    work = n_images * (n_grid * FLOAT + 5e3) + matrix * (1.1 + 2 * written) + (n_fits + n_trials) * 1.2 * model
    output = n_fits * 1.1 * model + 300 * n_voxels * FLOAT + matrix * written + n_images * 2e3
    return Cost(work, output, PYTHON + TORCH_FIT + 6e3 * n_voxels + 0.2 * matrix)


def say_cost(cost: Cost, work: Path, output: Path, console: Console, recipe: str) -> None:
    """Say what will be needed, and warn where there is too little room; what is there already counts."""
    console.print(
        f"needs about {size_in_words(cost.work)} in {work}, {size_in_words(cost.output)} in {output}, and "
        f"{size_in_words(cost.process)} of memory a process",
        markup=False,
        soft_wrap=True,
    )
    needs = {work: max(0, cost.work - _held(work)), output: max(0, cost.output - _held(output))}
    for folder, needed in _by_disk(needs).items():
        free = shutil.disk_usage(_existing(folder)).free
        if needed > free:
            text = (
                f"{folder} has {size_in_words(free)} free, which may be too little: free some (pydra-vae clean WORK) "
                "or give another folder; what was computed until the disk is full stays: a next run goes on"
            )
            say(console, recipe, text, "yellow")


def _held(folder: Path) -> int:
    """Bytes of the files in a folder; another run may be adding and deleting some meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def _by_disk(needs: dict[Path, float]) -> dict[Path, float]:
    """Folders of one disk share its room: the first of them stands for all."""
    found: dict[int, Path] = {}
    together: dict[Path, float] = {}
    for folder, needed in needs.items():
        first = found.setdefault(_existing(folder).stat().st_dev, folder)
        together[first] = together.get(first, 0) + needed
    return together


def _existing(folder: Path) -> Path:
    folder = Path(folder).absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
