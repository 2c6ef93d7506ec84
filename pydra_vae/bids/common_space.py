"""What is given beside the images, a grid, a mask, an atlas, held against the images before anything is computed.

One small file each is read, beside the images' headers; what the messages name is the option that was given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.bids.people import listing
from pydra_vae.bids.volumes import Volume
from pydra_vae.images.atlases import AtlasError, find_labels, read_labels, resample_labels
from pydra_vae.images.grids import boxes_overlap, describe, target_grid
from pydra_vae.images.headers import Header, read_header
from pydra_vae.images.volume_masks import load_mask_on


def check_given(
    volumes: Sequence[Volume],
    grid: Path | None = None,
    resolution: float | None = None,
    mask: Path | None = None,
    atlas: Path | None = None,
) -> Header:
    """Check that grid, mask and atlas belong to the images.

    Parameters
    ----------
    volumes : sequence of Volume
    grid, resolution
        As PrepareVolume takes them.
    mask : Path, optional
        Voxels to model.
    atlas : Path, optional
        Label image, with its table beside it.

    Returns
    -------
    target : Header
        The common grid; of images on several, the first one's.

    Raises
    ------
    InputError
        Of the first that cannot be read, is empty, or lies elsewhere.
    """
    target = _grid(volumes[0], grid, resolution)
    if mask is not None:
        try:
            load_mask_on(mask, target)
        except (OSError, ValueError) as error:
            raise InputError(f"--mask {mask}: {error}") from error
    if atlas is not None:
        _atlas(atlas, volumes, target)
    return target


def _grid(volume: Volume, grid: Path | None, resolution: float | None) -> Header:
    given = {"--grid": grid, "--resolution": resolution}
    option = " and ".join(f"{name} {value}" for name, value in given.items() if value is not None)
    image = read_header(volume.path)
    try:
        target = target_grid(image, grid, resolution)
    except (OSError, ValueError) as error:
        raise InputError(f"{option}: {error}") from error
    if not boxes_overlap(image, target):
        raise InputError(
            f"{option}: this grid ({describe(target)}) does not overlap with {volume.path} ({describe(image)}): are "
            "both in one space?"
        )
    return target


def check_networks(atlas: Path, spaces: Mapping[str, str]) -> None:
    """Refuse networks in another space than the runs that they are held against.

    Parameters
    ----------
    atlas : Path
    spaces : mapping of str
        Label of each subject's runs to their space, as their names have it.
    """
    named = _space_of(atlas)
    others = {label: space for label, space in spaces.items() if named and space != named}
    if others:
        where = listing(space or "the subject's own space" for space in others.values())
        raise InputError(
            f"--networks-atlas {atlas}: it is in the space {named}, but the runs of {listing(others)} are in {where}: "
            "give networks in the runs' space, or leave them out (maps are then held against the task's own)"
        )


def _space_of(path: Path) -> str | None:
    named = re.search(r"(?:^|_)(?:space|tpl)-([a-zA-Z0-9+]+)_", path.name)
    return named[1] if named else None


def _atlas(atlas: Path, volumes: Sequence[Volume], target: Header) -> None:
    there, named = {volume.space for volume in volumes if volume.space}, _space_of(atlas)
    if named and there and named not in there:
        raise InputError(
            f"--atlas {atlas}: it is in the space {named}, but the images are in {listing(there)}: give an atlas in "
            "the images' space"
        )
    try:
        read_labels(find_labels(atlas))
        resample_labels(atlas, target)
    except AtlasError as error:
        reason = str(error)
        if "no parcel of" in reason:  # its advice is of BOLD
            reason = f"no region of it lies on the images' grid ({describe(target)}): are both in one space?"
        raise InputError(f"--atlas {atlas}: {reason}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"--atlas {atlas}: {error}") from error
