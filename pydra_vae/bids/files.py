"""What lies in an fMRIPrep derivatives folder: its names, without opening a file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydra_vae.bids.names import parse

FOLDERS = ("anat", "func")


class InputError(ValueError):
    """The input does not hold what was asked for; the message says what there is and what to do."""


@dataclass(frozen=True, slots=True)
class BidsFile:
    """One file of a derivatives folder; see `pydra_vae.bids.names.Name` for the parts."""

    folder: str
    name: str
    entities: dict[str, str]
    prefix: str
    suffix: str
    extension: str

    @property
    def path(self) -> Path:
        """Its path, as the folder was given."""
        return Path(self.folder, self.name)


def index(derivatives: Path, surfaces: bool = False) -> list[BidsFile]:
    """List the files of all subjects: each folder is scanned once, no file is opened.

    Read are the folder itself, ``sub-*``, ``ses-*``, ``anat`` and ``func``. With `surfaces`, BOLD series on the surface
    will do where there are no volumes.

    Raises
    ------
    InputError
        If the folder is not there, holds no subject, or no preprocessed BOLD at all.
    """
    files = scan(derivatives)
    if not any(is_preprocessed(file) or (surfaces and is_surface_bold(file)) for file in files):
        raise InputError(_not_derivatives(Path(derivatives)))
    return files


def scan(derivatives: Path) -> list[BidsFile]:
    """List the files of all subjects of a BIDS folder, whatever they are; see `index`.

    Raises
    ------
    InputError
        If the folder is not there, or holds no subject.
    """
    derivatives = Path(derivatives)
    if not derivatives.is_dir():
        what = "is a file" if derivatives.exists() else "does not exist"
        raise InputError(f"no derivatives there: {derivatives} {what}; give the folder that holds sub-*")
    files: list[BidsFile] = []
    subjects = _scan(str(derivatives), files, ("sub-",))
    if not subjects:
        raise InputError(
            f"no derivatives there: {derivatives} holds no sub-* folder{_suggestion(derivatives)}; "
            "give fMRIPrep's output folder"
        )
    for subject in subjects:
        for folder in _scan(subject, files, ("ses-", *FOLDERS)):
            for below in _scan(folder, files, FOLDERS):
                _scan(below, files, ())
    return files


def is_preprocessed(file: BidsFile) -> bool:
    """Whether it is a volumetric, preprocessed BOLD series."""
    return file.suffix == "bold" and file.entities.get("desc") == "preproc" and file.extension in (".nii.gz", ".nii")


def is_surface_bold(file: BidsFile) -> bool:
    """Whether it is a preprocessed BOLD series on the surface: a dtseries, or one hemisphere's func.gii."""
    plain = file.extension.removesuffix(".gz")
    return (
        file.suffix == "bold"
        and file.entities.get("desc") in (None, "preproc")
        and (plain == ".dtseries.nii" or (plain == ".func.gii" and "hemi" in file.entities))
    )


def _scan(folder: str, files: list[BidsFile], starts: tuple[str, ...]) -> list[str]:
    """Add a folder's files; return its subfolders that start with one of `starts`, in order."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if starts and entry.name.startswith(starts) and "." not in entry.name and entry.is_dir():
                folders.append(entry.path)
            elif "_" in entry.name:
                files.append(BidsFile(folder, entry.name, *parse(entry.name)))
    return sorted(folders)


def _suggestion(derivatives: Path) -> str:
    """Folders one or two levels below that do hold subjects."""
    found = sorted({p.parent for pattern in ("*/sub-*", "*/*/sub-*") for p in derivatives.glob(pattern) if p.is_dir()})
    if not found:
        return ""
    return " (but these do: " + ", ".join(str(p) for p in found[:3]) + (", …" if len(found) > 3 else "") + ")"


def _not_derivatives(derivatives: Path) -> str:
    found = f"holds no *_desc-preproc_bold.nii.gz{_suggestion(derivatives)}"
    try:
        description = json.loads((derivatives / "dataset_description.json").read_text(encoding="utf-8"))
        kind = str(description.get("DatasetType", "")).lower()
    except (OSError, ValueError, AttributeError):
        kind = ""
    if kind == "derivative":
        return f"{derivatives} {found}: were volumes among fMRIPrep's --output-spaces?"
    raw = " (its dataset_description.json says DatasetType: raw)" if kind == "raw" else ""
    return f"not a derivatives folder: {derivatives}{raw} {found}; give fMRIPrep's output folder"
