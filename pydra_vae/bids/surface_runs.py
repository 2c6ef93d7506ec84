"""BOLD series on the surface in a derivatives folder: a dtseries is a run, the func.gii of two hemispheres are one.

Both orders of entities occur, ``hemi-L_space-fsaverage5`` and ``space-fsaverage5_hemi-L``: names are compared by
their entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydra_vae.bids.files import BidsFile, InputError, is_surface_bold

NATIVE = "fsnative"
KINDS = ("pial", "inflated")  # surfaces that finn needs of a subject's own mesh


def surface_runs(files: Sequence[BidsFile]) -> list[BidsFile]:
    """One file a run: its dtseries, else its left func.gii (the right one where that is all there is)."""
    found = [file for file in files if is_surface_bold(file)]
    dense = {_run(file) for file in found if file.extension.startswith(".dtseries")}
    sided = [file for file in found if not file.extension.startswith(".dtseries") and _run(file) not in dense]
    left = {_key(file) for file in sided if file.entities["hemi"] == "L"}
    return [
        *(file for file in found if file.extension.startswith(".dtseries")),
        *(file for file in sided if file.entities["hemi"] == "L" or _key(file) not in left),
    ]


def other_hemisphere(bold: BidsFile, own: Sequence[BidsFile]) -> Path | None:
    """The right file of a left func.gii; None for other files.

    Raises
    ------
    InputError
        If a hemisphere is missing.
    """
    if not (is_surface_bold(bold) and "hemi" in bold.entities):
        return None
    others = [f for f in own if is_surface_bold(f) and f.entities.get("hemi") == "R" and _key(f) == _key(bold)]
    if bold.entities["hemi"] != "L" or not others:
        missing = "L" if bold.entities["hemi"] == "R" else "R"
        raise InputError(
            f"missing hemisphere: {bold.path} comes without its hemi-{missing} file; a GIFTI run is a pair, hemi-L and "
            "hemi-R: copy the other one too, or leave this run out with --run or --task-id"
        )
    return others[0].path


def own_surfaces(bold: BidsFile, own: Sequence[BidsFile]) -> dict[str, tuple[Path, Path]]:
    """The subject's own surfaces of each kind that is there, for a run in ``fsnative``; none for others."""
    if bold.entities.get("space") != NATIVE or not is_surface_bold(bold):
        return {}
    found: dict[str, tuple[Path, Path]] = {}
    for kind in KINDS:
        sides = {
            file.entities["hemi"]: file.path
            for file in own
            if file.suffix == kind
            and file.extension == ".surf.gii"
            and file.entities.get("hemi") in ("L", "R")
            and file.entities.get("space") in (None, NATIVE)
            and file.entities.get("ses") in (None, bold.entities.get("ses"))
        }
        if len(sides) == 2:
            found[kind] = (sides["L"], sides["R"])
    return found


def _run(file: BidsFile) -> tuple:
    """What a run's files share, whether they are dense or sided."""
    return (file.prefix, *sorted((k, v) for k, v in file.entities.items() if k not in ("hemi", "den", "desc")))


def _key(file: BidsFile) -> tuple:
    """What the two files of a pair share."""
    return (file.prefix, file.folder, *sorted((k, v) for k, v in file.entities.items() if k != "hemi"))
