"""What the run at hand will need, of what its plan knows: said before it starts, and held against ``--mem``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pydra_vae.bids.plan import SubjectPlan
from pydra_vae.bids.recordings import Recording
from pydra_vae.bids.volumes import Volume
from pydra_vae.workflows.costs import Cost, finn_cost, motor_cost, say_cost, structural_cost
from pydra_vae.workflows.program import say, within_memory, work_dir

IN_MASK = 0.4  # share of a template's grid that a brain or grey matter mask holds, at most


def prepare_for(cost: Cost | None, options: argparse.Namespace, output: Path, console: Console, recipe: str) -> None:
    """Say what a run needs, and bound its processes by the memory that it may use; None: nobody knows."""
    if cost is not None:
        say_cost(cost, work_dir(options), output, console, recipe)
        within_memory(options, cost, console, recipe)
    elif options.mem_gb is not None:
        say(console, recipe, "--mem bounds nothing here: what a process needs is not known; give --n-procs", "yellow")


def finn_needs(plans: Sequence[SubjectPlan], analyses: Sequence[str], n_fits: int) -> Cost | None:
    """The cost of finn's subjects, each with `n_fits` models; voxels are counted for one, as all are masked alike."""
    for plan in plans:
        try:
            n_voxels, _ = plan.count_voxels()
        except (ValueError, OSError):  # its own step will tell
            continue
        sizes = [(n_voxels, sum(one.n_frames)) for one in plans]
        return finn_cost(sizes, n_fits, list(analyses))
    return None


def finn_group_needs(sizes: Sequence[tuple[Path, int]]) -> Cost | None:
    """The cost of finn's group level, whose steps hold the series of two subjects at a time.

    Parameters
    ----------
    sizes : sequence of (Path, int)
        Each subject's table of voxels, and its frames.
    """
    found = []
    for table, n_frames in sizes:
        if table.is_file():
            with table.open("rb") as stream:
                found.append((sum(1 for _ in stream) - 1, 2 * n_frames))
    return finn_cost(found) if found else None


def motor_needs(
    recordings: Sequence[Recording], n_vertices: int, n_fits: int = 0, n_decompositions: int = 0, k: int = 1
) -> Cost:
    """The cost of a motor study."""
    return motor_cost(len(recordings), recordings[0].n_frames, n_vertices, n_fits, n_decompositions, k)


def structural_needs(
    volumes: Sequence[Volume], n_fits: int, n_trials: int = 0, resolution: float | None = None, written: bool = False
) -> Cost | None:
    """The cost of a structural study; the mask is not known yet, and taken to be large."""
    if not volumes or volumes[0].header is None:
        return None
    header = volumes[0].header
    n_grid = math.prod(header.shape)
    if resolution is not None:
        n_grid = round(n_grid * math.prod(header.voxel_sizes) / resolution**3)
    return structural_cost(len(volumes), n_grid, round(IN_MASK * n_grid), n_fits, n_trials, written)
