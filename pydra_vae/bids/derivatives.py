"""The output folder as a BIDS-derivatives dataset: checked, described, and filled."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydra_vae.bids.files import InputError
from pydra_vae.bids.sidecars import TEMPLATEFLOW, versions, write_json
from pydra_vae.images.streams import replacing

GENERATOR = "pydra_vae"
BIDS_VERSION = "1.11.1"


def check_output(output: Path, derivatives: Path | None = None, create: bool = True) -> Path:
    """Check by a trial that the output folder can be written, and that it is not inside the input.

    Parameters
    ----------
    output : Path
        Made if it is not there and `create` holds.
    derivatives : Path, optional
        The input.
    create : bool
        Otherwise nothing is left behind, for a dry run.

    Returns
    -------
    output : Path
        Absolute.

    Raises
    ------
    InputError
        Saying which part of the path is in the way.
    """
    output = Path(os.path.abspath(output))
    if derivatives is not None:
        source = Path(derivatives).resolve()
        if output.resolve() == source or source in output.resolve().parents:
            raise InputError(
                f"the output folder {output} lies inside the input {derivatives}, which is never written to: "
                "give a folder beside it"
            )
    there = next(folder for folder in (output, *output.parents) if folder.exists() or folder.is_symlink())
    if not there.is_dir():
        raise InputError(f"the output folder {output} cannot be made: {there} is a file; give another folder")
    try:
        if create:
            output.mkdir(parents=True, exist_ok=True)
            there = output
        with tempfile.TemporaryFile(dir=there) as trial:
            trial.write(b"\0" * 4096)
    except OSError as error:
        raise InputError(
            f"the output folder {output} cannot be written ({error.strerror or error}): give another one, or free space"
        ) from error
    return output


def check_work(work: Path, derivatives: Path, output: Path) -> Path:
    """Check that the work folder litters neither the input nor the results.

    Raises
    ------
    InputError
        If it lies inside the input, or is the output folder itself.
    """
    place, source = Path(work).resolve(), Path(derivatives).resolve()
    if place == source or source in place.parents:
        raise InputError(
            f"the work folder {work} lies inside the input {derivatives}, which is never written to: "
            "give another with --work-dir"
        )
    if place == Path(output).resolve():
        raise InputError(
            f"the work folder {work} is the output folder itself: give another with --work-dir, such as {output}/work"
        )
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    if not there.is_dir():
        raise InputError(f"the work folder {work} cannot be made: {there} is a file; give another with --work-dir")
    return work


def write_dataset_description(
    output: Path, name: str, sources: Mapping[str, Path] | None = None, **fields: Any
) -> bool:
    """Write dataset_description.json of the output; fields that others put there, such as Authors, stay.

    Parameters
    ----------
    output : Path
    name : str
        Title of the dataset.
    sources : mapping, optional
        Datasets that were read, by the name that BIDS URIs use for them; those of earlier runs stay in DatasetLinks.
        What lies beside the output, or around it, is named by its path from there, so that both may be moved.
    **fields
        Further fields, such as HowToAcknowledge.

    Returns
    -------
    written : bool
        False if it was there and said the same.

    Raises
    ------
    InputError
        If the folder holds a dataset that another program made.
    """
    path = Path(output) / "dataset_description.json"
    refuse_others(path)
    there = read_description(path)
    links = {label: _link(Path(folder), Path(output)) for label, folder in (sources or {}).items()}
    content: dict[str, Any] = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": GENERATOR, "Version": generator_version()}],
        **fields,
    }
    if links:
        content["SourceDatasets"] = [_source(Path(folder), links[label]) for label, folder in (sources or {}).items()]
    content["DatasetLinks"] = {**(there.get("DatasetLinks") or {}), **links, "templateflow": TEMPLATEFLOW}
    return write_json(path, there | content)


def _link(folder: Path, output: Path) -> str:
    """Where a dataset lies: relative to the output if it is its neighbour or around it, else a file URI."""
    folder, output = Path(os.path.abspath(folder)), Path(os.path.abspath(output))
    if folder in output.parents or output.parent in folder.parents:
        return quote(Path(os.path.relpath(folder, output)).as_posix())
    return folder.as_uri()


def dataset_label(derivatives: Path) -> str:
    """Name for an input in BIDS URIs, from its folder: letters and digits, never empty."""
    return re.sub(r"[^a-zA-Z0-9-]", "", Path(derivatives).absolute().name) or "derivatives"


def deliver(source: Path, target: Path, sidecar: Mapping[str, Any] | None = None) -> bool:
    """Copy a result into the output, complete or not at all, unless it is there already.

    Parameters
    ----------
    source : Path
        In the work folder.
    target : Path
        Its BIDS name; folders are made.
    sidecar : mapping, optional
        Content of the JSON beside it, written only if it changed.

    Returns
    -------
    changed : bool
        Whether anything was written. The file is taken to be there when size and time of
        modification agree, to the nanosecond; the copy keeps the source's.
    """
    source, target = Path(source), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    changed = not _same(source, target)
    if changed:
        if target.is_dir():
            raise InputError(f"{target} is a folder, but a file must go there: move it away")
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
            shutil.copystat(source, temporary)
            temporary.chmod(0o666 & ~_umask())  # files of the cache may be read-only
    if sidecar is not None:
        changed = write_json(sidecar_path(target), sidecar) or changed
    return changed


def sidecar_path(target: Path) -> Path:
    """The JSON beside a file: ``a_bold.nii.gz`` → ``a_bold.json``."""
    target = Path(target)
    return target.with_name(target.name.partition(".")[0] + ".json")


def _same(source: Path, target: Path) -> bool:
    try:
        here = source.stat()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"the result {source} is not there any more: was the work folder cleared during the run?"
        ) from error
    if not target.is_file():
        return False
    there = target.stat()
    return (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns)


def _umask() -> int:
    """The process's umask; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def generator_version() -> str:
    """Version of this package."""
    return versions(["pydra-vae"]).get("pydra-vae", "unknown")


def read_description(path: Path) -> dict[str, Any]:
    """Content of a dataset_description.json that is ours, or nothing where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def refuse_others(path: Path) -> None:
    """Raise InputError if a dataset_description.json is of another program."""
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        makers = [str(maker.get("Name")) for maker in there.get("GeneratedBy") or [{}]]
    except FileNotFoundError:
        return
    except (ValueError, AttributeError, TypeError):
        makers = ["an unknown program"]
    if GENERATOR not in makers:
        raise InputError(
            f"{path.parent} holds a dataset of {' and '.join(makers)} ({path.name}): "
            "give a folder of its own for OUTPUT"
        )


def _source(folder: Path, link: str) -> dict[str, str]:
    """What a source dataset says of itself."""
    try:
        description = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        found = {"DOI": description["DatasetDOI"]} if "DatasetDOI" in description else {}
        made = (description.get("GeneratedBy") or [{}])[0]
        if made.get("Name") and made.get("Version"):
            found["Version"] = f"{made['Name']} {made['Version']}"
    except (OSError, ValueError, AttributeError, TypeError, IndexError, KeyError):
        found = {}
    return {"URL": link, **found}
