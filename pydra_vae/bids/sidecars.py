"""JSON beside each delivered file: what it is, from what, with which parameters and versions."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydra_vae.images.atlases import home
from pydra_vae.images.streams import writing

TEMPLATEFLOW = "https://templateflow.s3.amazonaws.com"
SOFTWARE = ("pydra-vae", "pydra", "torch", "numpy", "scipy", "scikit-learn", "nibabel", "nilearn", "templateflow")


def bids_uri(path: Path, datasets: Mapping[str, Path]) -> str:
    """Name a file by the dataset in which it lies.

    Parameters
    ----------
    path : Path
    datasets : mapping
        Name to folder, as in DatasetLinks; the empty name is the dataset being written.

    Returns
    -------
    uri : str
        ``bids:<name>:<path>``; a file that lies in none of them as ``file://…``.

    Examples
    --------
    >>> bids_uri(Path("/data/fmriprep/sub-01/func/a.nii.gz"), {"fmriprep": Path("/data/fmriprep")})
    'bids:fmriprep:sub-01/func/a.nii.gz'
    """
    path = Path(os.path.abspath(path))  # without "..", which would hide in what a file lies
    folders = {name: Path(os.path.abspath(folder)) for name, folder in datasets.items()}
    # the innermost dataset, should one lie within another
    for name, folder in sorted(folders.items(), key=lambda item: -len(item[1].parts)):
        if path.is_relative_to(folder):
            return f"bids:{name}:{quote(path.relative_to(folder).as_posix())}"
    return path.as_uri()


def versions(packages: Iterable[str] = SOFTWARE) -> dict[str, str]:
    """Versions of the installed packages that matter to a result; nothing is imported."""
    return {package: found for package in packages if (found := _version(package)) is not None}


@cache
def _version(package: str) -> str | None:
    """One package's version; looked up once, as hundreds of sidecars name it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def sidecar(
    description: str,
    sources: Iterable[Path] = (),
    datasets: Mapping[str, Path] | None = None,
    parameters: Mapping[str, Any] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Make the content of a sidecar.

    Parameters
    ----------
    description : str
        What the file holds.
    sources : iterable of Path
        The files from which it was made, as the user knows them: not those of the work folder.
    datasets : mapping, optional
        For `bids_uri`.
    parameters : mapping, optional
        Of the steps that made it: seed, device, …; their names are kept. Files in one of the datasets are named by it.
    **fields
        Further BIDS fields, such as RepetitionTime or Units; None leaves one out.

    Returns
    -------
    content : dict
        Ready for JSON: paths as text, arrays as lists, NaN and infinity as null.
    """
    content: dict[str, Any] = {"Description": description}
    datasets = {"templateflow": home(), **(datasets or {})}
    uris = [bids_uri(path, datasets) for path in sources]
    if uris:
        content["Sources"] = uris
    content |= {key: value for key, value in fields.items() if value is not None}
    if parameters:
        content["Parameters"] = named_by(parameters, datasets)
    content["PackageVersions"] = versions()  # BIDS' SoftwareVersions is the scanner's
    return plain(content)


def named_by(parameters: Mapping[str, Any], datasets: Mapping[str, Path]) -> dict[str, Any]:
    """Parameters, files of a dataset by their BIDS URIs.

    Examples
    --------
    >>> named_by({"seed": 1, "mask": "/data/in/a.nii"}, {"in": Path("/data/in")})
    {'seed': 1, 'mask': 'bids:in:a.nii'}
    """
    return {name: _named(value, datasets) for name, value in parameters.items()}


def _named(value: Any, datasets: Mapping[str, Path]) -> Any:
    """A file of a dataset by its BIDS URI, which stays true when both are moved; all else as it is."""
    if isinstance(value, str | Path) and os.path.isabs(value) and not os.path.isdir(value):
        uri = bids_uri(Path(value), datasets)
        return uri if uri.startswith("bids:") else value
    return value


def provenance(path: Path, datasets: Mapping[str, Path] | None = None) -> dict[str, str]:
    """Say which file an atlas or a mask was: its name, where it came from, and a hash of its content.

    Parameters
    ----------
    path : Path
        TemplateFlow's, or a file of the user's.
    datasets : mapping, optional
        For `bids_uri`.

    Returns
    -------
    said : dict of str
        Name, URI, SHA256; URL where TemplateFlow has it. TemplateFlow has no versions of files: the hash tells them
        apart.
    """
    path = Path(path).absolute()
    name = re.search(r"_atlas-([a-zA-Z0-9]+)", path.name)
    desc = re.search(r"_desc-([a-zA-Z0-9]+)", path.name)
    words = "_".join(found[1] for found in (name, desc) if found) if name else path.name
    uri = bids_uri(path, {"templateflow": home(), **(datasets or {})})
    url = {"URL": f"{TEMPLATEFLOW}/{uri.split(':', 2)[2]}"} if uri.startswith("bids:templateflow:") else {}
    stat = path.stat()
    return {"Name": words, "URI": uri, **url, "SHA256": _hash(path, stat.st_size, stat.st_mtime_ns)}


@cache
def _hash(path: Path, *_: int) -> str:
    """Hash of a file's content; once for each version of it, as many sidecars name it."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def plain(value: Any) -> Any:
    """Make a value fit for JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, content: Mapping[str, Any]) -> bool:
    """Write JSON, complete or not at all, and only if the file would change.

    Returns
    -------
    written : bool
    """
    path = Path(path)
    data = (json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    with writing(path) as stream:
        stream.write(data)
    return True
