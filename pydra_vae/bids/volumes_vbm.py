"""Maps of voxel-based morphometry: CAT12's and SPM's names, and nilearn's copy of OASIS.

What the letters before a name mean: ``s`` smoothed; ``mw`` warped to the template and modulated, ``m0w`` by the
non-linear part alone, ``w`` warped; ``mwmw`` CAT12's longitudinal model of ageing; ``r`` (SPM) by DARTEL; ``p1``
(CAT12) or ``c1`` (SPM) grey, 2 white matter, 3 CSF. ``p1`` alone is native space.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.bids.people import as_person, as_session, listing
from pydra_vae.bids.volumes import Found, Volume

TISSUES = {"auto": "1", "cat12": "1", "gm": "1", "wm": "2", "csf": "3"}
_NAME = re.compile(
    r"(?P<prefix>(?P<smooth>s\d*)?(?P<warp>mwmw|m0w|mw|w)(?P<dartel>r?)(?P<program>[pc])(?P<tissue>[123]))"
    r"(?P<name>.+?)\.nii(?:\.gz)?\Z"
)
_NATIVE = re.compile(r"r?[pc][123].+\.nii(\.gz)?\Z")
_MAX_DEPTH = 6  # study/sub-01/ses-1/anat/mri/file


def is_vbm(folder: Path, kind: str = "auto") -> bool:
    """Whether the folder holds VBM maps, in native space too, and sMRIPrep's are not there or not asked for."""
    if kind == "cat12" or _NAME.match(f"{kind}name.nii") or _NATIVE.match(f"{kind}name.nii"):
        return True
    sessions = ("sub-*/anat/*_probseg.nii*", "sub-*/ses-*/anat/*_probseg.nii*")
    if kind not in TISSUES or any(next(folder.glob(pattern), None) for pattern in sessions):
        return False
    return any(_NAME.match(p.name) or _NATIVE.match(p.name) for p in _walk(folder))


def find_vbm(folder: Path, kind: str = "auto") -> Found:
    """One map a person and visit.

    Parameters
    ----------
    folder : Path
        With maps at most six levels below; the person is told by ``sub-`` in the name or a folder's, else by the name.
    kind : str
        auto, cat12, gm, wm, csf; or a prefix such as ``smwp1``, ``mwmwp1``.

    Returns
    -------
    volumes, problems
        See `find_volumes`.

    Raises
    ------
    InputError
        If there are several kinds of the tissue's maps, or none in a template's space.
    """
    files = [(match, path) for path in _walk(folder) if (match := _NAME.match(path.name)) and not _is_average(match)]
    if _NATIVE.match(f"{kind}name.nii"):
        raise InputError(_native(folder))
    asked = _NAME.match(f"{kind}name.nii")
    wanted = [(m, p) for m, p in files if (m["prefix"] == kind if asked else m["tissue"] == TISSUES[kind])]
    if not wanted:
        raise InputError(_none(folder, kind, files))
    prefixes = sorted({match["prefix"] for match, _ in wanted})
    if len(prefixes) > 1:
        plain = [p for p in prefixes if not p.startswith("s")]
        if len(plain) != 1:  # the smoothed copies of one kind are no choice to ask for
            raise InputError(
                f"{folder} holds maps of several kinds, {listing(prefixes)}: choose one with --kind, such as "
                f"--kind {(plain or prefixes)[0]}"
            )
        wanted = [(match, path) for match, path in wanted if match["prefix"] == plain[0]]
    return [_volume(match, path, folder) for match, path in wanted], {}


def _volume(match: re.Match, path: Path, folder: Path) -> Volume:
    above = "/".join(path.relative_to(folder).parts[:-1])
    person = _entity("sub", match["name"]) or _entity("sub", above)
    session = _entity("ses", match["name"]) or _entity("ses", above)
    name = match["name"].removeprefix("r") if match["warp"] == "mwmw" else match["name"]
    oasis = re.search(r"OAS\d_\d{4}_MR(\d)", name)
    if oasis and oasis[1] != "1":  # OASIS-1: a second scan within 90 days, for reliability
        session = f"MR{oasis[1]}"
    entities = {"prefix": match["prefix"]} | ({"run": run} if (run := _entity("run", name)) else {})
    return Volume("", as_person(person or name), as_session(session or ""), path, entities=entities)


def _entity(key: str, text: str) -> str | None:
    found = re.search(rf"{key}-([a-zA-Z0-9+]+)", text)
    return found[1] if found else None


def _is_average(match: re.Match) -> bool:
    """CAT12's longitudinal stream also segments the mean of a person's visits."""
    return match["name"].startswith(("avg_", "median_"))


def _none(folder: Path, kind: str, files: list) -> str:
    there = listing({match["prefix"] for match, _ in files})
    if there:
        return f"{folder} holds no maps of the kind {kind}; there are {there}: choose with --kind"
    if any(_NATIVE.match(path.name) for path in _walk(folder)):
        return _native(folder)
    return f"{folder} holds no VBM maps (mwp1*.nii, smwp1*.nii, mwc1*.nii): give the folder that holds mri/"


def _native(folder: Path) -> str:
    return (
        f"such maps of {folder} lie in each person's own space (p1*, c1*): voxels do not correspond. Have CAT12 "
        "write the modulated normalised maps (mwp1*), or SPM mwc1*"
    )


def _walk(folder: Path) -> list[Path]:
    """NIfTI files below the folder, in order; hidden folders and those too deep are left out."""
    found = []
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if depth < _MAX_DEPTH else []
        found += [Path(place, name) for name in sorted(names) if name.endswith((".nii", ".nii.gz"))]
    return found
