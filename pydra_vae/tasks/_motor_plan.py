"""What a motor study's files and numbers can be checked for before anything is computed.

Only headers, labels, surfaces and tables of events are read. Everything is raised as ValueError, SurfaceError among
them, with what was found and what was needed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib

from pydra_vae.images.references import reference_maps
from pydra_vae.images.regions import SurfaceRegion, make_region
from pydra_vae.images.surfaces import left_right
from pydra_vae.stats.filtering import MIN_FRAMES, check_band
from pydra_vae.stats.task_regressors import HRFS, check_events
from pydra_vae.surface.mesh import adjacency, pieces
from pydra_vae.tasks._distances import load_mesh
from pydra_vae.tasks._events import read_events

_VOLUMES = (".nii", ".nii.gz")
_GRAYORDINATES = (".dscalar.nii", ".dtseries.nii")


def planned_region(data: Sequence[Path], **options: Any) -> SurfaceRegion:
    """The region that MakeRegion would make."""
    try:
        return make_region(data, **options)
    except (OSError, nib.filebasedimages.ImageFileError) as error:
        raise ValueError(f"{' '.join(map(str, options.get('labels') or data))}: cannot be read: {error}") from error


def check_surfaces(surfaces: Sequence[Path], region: SurfaceRegion) -> None:
    """Left and right surface of the data's meshes, on which one can walk from any vertex of the region to any other."""
    meshes = (region.info["mesh_left"], region.info["mesh_right"])
    for path, size, vertices in zip(left_right(surfaces), meshes, region.vertices, strict=True):
        try:
            triangles = load_mesh(path, size)[1]
        except (OSError, nib.filebasedimages.ImageFileError) as error:
            raise ValueError(f"{path}: cannot be read as a surface: {error}") from error
        piece = pieces(adjacency(triangles, size))[vertices]
        if (piece != piece[0]).any():
            raise ValueError(
                f"{path}: disconnected mesh: the region's {len(vertices):,} vertices lie on {len(set(piece))} pieces "
                "of it, and no way along the surface leads from one to the other: repair the surface, or give another"
            )


def check_clusters(n_clusters: int, region: SurfaceRegion) -> None:
    """As many clusters as the smaller hemisphere of the region has vertices, at most."""
    sizes = [len(vertices) for vertices in region.vertices]
    if n_clusters > min(sizes):
        raise ValueError(
            f"{n_clusters} clusters a hemisphere cannot be made of {sizes[0]:,} left and {sizes[1]:,} right vertices, "
            f"which the region has: ask for {min(sizes)} at most (--n-clusters), or take a larger --region"
        )


def check_series(n_frames: int, t_r: float, prepare: dict[str, Any]) -> None:
    """A run that can be filtered as it is to be, after its dummy scans."""
    dropped = prepare["dummy_scans"]
    if (left := n_frames - dropped) < MIN_FRAMES:
        without = f", of which --dummy-scans drops {dropped}" if dropped else ""
        raise ValueError(f"a run of {n_frames} frames{without}: at least {MIN_FRAMES} must be left, to be filtered")
    check_band(left, t_r, prepare["high_pass"] or None, prepare["low_pass"] or None)


def check_hrf(name: str) -> None:
    """A haemodynamic response that is known."""
    if name not in HRFS:
        raise ValueError(f"unknown haemodynamic response {name!r}: choose one of {', '.join(HRFS)}")


def subtasks_of(events: Sequence[Path], layout: str) -> list[str]:
    """Names of the sub-tasks that a recording's events have."""
    return list(read_events(events, layout))


def check_run(events: Sequence[Path], layout: str, subtasks: Sequence[str] | None, seconds: float) -> None:
    """Events that can be read, have the sub-tasks and lie in the run."""
    try:
        check_events(read_events(events, layout, subtasks), seconds)
    except (ValueError, OSError) as error:
        raise ValueError(f"{_shown(events)}: {error}") from error


def check_reference(paths: Sequence[Path], names: Sequence[str] | None, region: SurfaceRegion) -> None:
    """Reference maps of the data's meshes, and a name for each if there are names."""
    meshes = (region.info["mesh_left"], region.info["mesh_right"])
    volumes = [path for path in paths if path.name.endswith(_VOLUMES) and not path.name.endswith(_GRAYORDINATES)]
    rest = [path for path in paths if path not in volumes]
    try:
        n_maps = sum((*nib.load(path).shape, 1)[3] for path in volumes)
        n_maps += len(reference_maps(rest, region.vertices, meshes)[0]) if rest else 0
    except (OSError, nib.filebasedimages.ImageFileError) as error:
        raise ValueError(f"cannot be read as maps: {error}") from error
    if names and len(names) != n_maps:
        raise ValueError(f"there are {n_maps} map(s), and {len(names)} --reference-names: give one for each, in order")


def _shown(events: Sequence[Path]) -> str:
    """Where events lie: a table, or the folder of EV files."""
    if not events:
        return "the paper's table of onsets"
    return str(events[0] if len(events) == 1 else Path(events[0]).parent)
