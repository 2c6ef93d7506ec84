"""Parcellations: found in TemplateFlow or given as a file, their labels, and their voxels on a BOLD grid.

The default is TemplateFlow's Schaefer2018, 200 parcels and 17 networks. Its labels are keyed by
integer: 71 of its 200 names differ from those of the authors' own table (CBIG's), which also
tells two limbic networks apart where TemplateFlow's names hold regions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pydra_vae.images.headers import AFFINE_TOLERANCE_MM, Header

DEFAULT_ATLAS = "Schaefer2018"
DEFAULT_DESC = {DEFAULT_ATLAS: "200Parcels17Networks"}
PREFERRED_RES = ("02", "01")  # the paper's 2 mm, then the finest
TIMEOUT_S = 10  # of each network operation, so that a machine without a network never hangs
_NO_TEMPLATE = (None, "T1w", "T2w", "anat", "func", "boldref", "run", "bold", "individual", "native")
# CBIG's networks of TemplateFlow's two limbic regions (Schaefer 2018, 17 networks).
_LIMBIC = {"Limbic_OFC": "LimbicB", "Limbic_TempPole": "LimbicA"}


class AtlasError(ValueError):
    """An atlas is not to be had, or does not belong to the BOLD; the message says how to go on."""


class Label(NamedTuple):
    """A parcel's name, and its network (``n/a`` where the atlas has none)."""

    name: str
    network: str


def resolve(atlas: str | Path, space: str | None, res: str | None = None) -> tuple[Path, Path] | tuple[None, None]:
    """Find an atlas as users name it.

    Parameters
    ----------
    atlas : str or Path
        ``none``; a file, with its labels in a .tsv of the same name beside it; or a TemplateFlow atlas,
        ``Schaefer2018`` or ``Schaefer2018_400Parcels7Networks``.
    space : str or None
        The BOLD's space; None for its own.
    res : str, optional
        The BOLD's resolution entity.

    Returns
    -------
    dseg, labels : Path or None
        Label image and its table.

    Raises
    ------
    AtlasError
        If it is not to be had, or lies in another space.
    """
    text = str(atlas)
    if text.lower() == "none":
        return None, None
    path = Path(text)
    if not (path.exists() or text.endswith((".nii", ".nii.gz")) or os.sep in text):
        return find_atlas(text, space, res)
    if not path.is_file():
        raise AtlasError(f"no such atlas file: {path}")
    check_space(path, space)
    return path, find_labels(path)


def check_space(path: Path, space: str | None) -> None:
    """Raise AtlasError if the file's name says another space than the BOLD's."""
    match = re.search(r"(?:^|_)(?:space|tpl)-([a-zA-Z0-9+]+)_", Path(path).name)
    if match and match[1] != space:
        raise AtlasError(
            f"the atlas {path} is in the space {match[1]}, but the BOLD is in {space or 'its own space'}: "
            "give an atlas in the BOLD's space, choose BOLD with --space, or use --atlas none"
        )


def find_labels(dseg: Path) -> Path:
    """The table beside a label image: same name, .tsv; or without ``res``, as TemplateFlow keeps it."""
    stem = re.sub(r"\.nii(\.gz)?$", "", dseg.name)
    for name in (f"{stem}.tsv", re.sub(r"_res-[a-zA-Z0-9]+", "", stem) + ".tsv"):
        if dseg.with_name(name).is_file():
            return dseg.with_name(name)
    raise AtlasError(
        f"no labels for the atlas {dseg}: put a table {stem}.tsv beside it, with the columns index, name and, "
        "if there are networks, network"
    )


def home() -> Path:
    """TemplateFlow's folder, found as TemplateFlow does but without importing it."""
    given = os.environ.get("TEMPLATEFLOW_HOME")
    if given:
        return Path(given).absolute()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("templateflow")).absolute()


def find_atlas(name: str, space: str | None, res: str | None = None) -> tuple[Path, Path]:
    """Find a TemplateFlow atlas in a template space; download it only if it is not there yet.

    Parameters
    ----------
    name : str
        ``Schaefer2018``, or with its description, ``Schaefer2018_100Parcels7Networks``.
    space : str
        Template, such as ``MNI152NLin2009cAsym``.
    res : str, optional
        Resolution; default 2 mm. Another one is taken only where this one is not to be had.

    Returns
    -------
    dseg, labels : Path
        Label image (nii.gz) and its table (tsv).

    Raises
    ------
    AtlasError
        Naming the files that are needed, and how to provide them.
    """
    name, _, desc = name.partition("_")
    desc = desc.removeprefix("desc-") or DEFAULT_DESC.get(name, "")
    if space in _NO_TEMPLATE:
        raise AtlasError(
            f"the atlas {name} lies in template spaces, but the BOLD is in {space or 'its own space'}: choose BOLD "
            "in a template with --space, give --atlas FILE in the BOLD's space, or --atlas none for the brain mask"
        )
    there = _pair(_on_disk(name, desc, space), res)
    if there and _res(there[0]) in ("", _wanted(res)):
        return there
    try:
        found = _download(name, desc, space, res)
    except Exception as error:  # no network, read-only cache, a damaged download: all end in the same advice
        if there:
            return there
        raise AtlasError(_advice(name, desc, space, res, f"could not be fetched ({_root(error)})")) from error
    if not found:
        others = sorted({p.parent.name.removeprefix("tpl-") for p in home().glob(f"tpl-*/*_atlas-{name}_*dseg.nii.gz")})
        reason = "is not in TemplateFlow" + (f" (there: {', '.join(others)})" if others else "")
        raise AtlasError(_advice(name, desc, space, res, reason))
    return found


def _root(error: BaseException) -> str:
    """What lies at the bottom of a chain of exceptions: the reason, without ten lines of the libraries above it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"{type(error).__name__}: {error}"


def _on_disk(name: str, desc: str, space: str) -> list[Path]:
    """Complete files only: TemplateFlow keeps empty ones in the place of what it has not fetched."""
    middle = f"atlas-{name}_" + (f"*desc-{desc}_" if desc else "")
    files = (home() / f"tpl-{space}").glob(f"tpl-{space}_*{middle}*dseg.*")
    return [p for p in files if p.is_file() and p.stat().st_size]


def _pair(files: Iterable[Path], res: str | None) -> tuple[Path, Path] | None:
    files = sorted(files)
    images = [p for p in files if p.name.endswith(".nii.gz")]
    order = {value: rank for rank, value in enumerate(dict.fromkeys([_wanted(res), *PREFERRED_RES]))}
    images.sort(key=lambda p: order.get(_res(p), len(order)))
    for image in images:
        stem = re.sub(r"_res-[a-zA-Z0-9]+", "", image.name.removesuffix(".nii.gz"))
        tables = [p for p in files if p.name in (f"{stem}.tsv", image.name.replace(".nii.gz", ".tsv"))]
        if tables:
            return image, tables[0]
    return None


def _wanted(res: str | None) -> str:
    return str(res or PREFERRED_RES[0]).zfill(2)


def _res(path: Path) -> str:
    match = re.search(r"_res-([a-zA-Z0-9]+)_", path.name)
    return match[1].zfill(2) if match else ""


def _download(name: str, desc: str, space: str, res: str | None) -> tuple[Path, Path] | None:
    from templateflow import TemplateFlowClient

    client = TemplateFlowClient(root=home(), timeout=TIMEOUT_S)
    query = {"atlas": name, "suffix": "dseg", "extension": [".nii.gz", ".tsv"]} | ({"desc": desc} if desc else {})
    listed = client.ls(space, **query)
    if not listed and client.cache.update(local=True, overwrite=False, silent=True):
        listed = client.ls(space, **query)
    chosen = _pair(listed, res)
    if not chosen:
        return None
    missing = [p for p in chosen if not p.is_file() or not p.stat().st_size]
    try:
        for path in missing:
            kind = ".nii.gz" if path.name.endswith(".gz") else ".tsv"
            resolution = {"resolution": _res(path).lstrip("0")} if kind == ".nii.gz" and _res(path) else {}
            client.get(space, **(query | {"extension": kind} | resolution))
    except BaseException:
        for path in missing:  # what a broken download leaves would be taken for the file next time
            if path.is_file():
                path.write_bytes(b"")
        raise
    return chosen


def _advice(name: str, desc: str, space: str, res: str | None, reason: str) -> str:
    res = _wanted(res)
    atlas = f"atlas-{name}" + (f"_desc-{desc}" if desc else "")
    call = f"api.get('{space}', atlas='{name}', " + (f"desc='{desc}', " if desc else "") + "suffix='dseg')"
    return (
        f"TemplateFlow's {name}{f' ({desc})' if desc else ''} in {space} {reason}.\n"
        f"Needed in {home() / f'tpl-{space}'} (set TEMPLATEFLOW_HOME for another place):\n"
        f"  tpl-{space}_res-{res}_{atlas}_dseg.nii.gz\n"
        f"  tpl-{space}_{atlas}_dseg.tsv\n"
        f'With a network: python -c "from templateflow import api; {call}"\n'
        "Otherwise give --atlas FILE (with its .tsv beside it), or --atlas none for the brain mask"
    )


def read_labels(table: Path) -> dict[int, Label]:
    """Read an atlas's labels.

    Parameters
    ----------
    table : Path
        TSV with the columns ``index`` (or ``value``, ``label``, ``parcel``), ``name`` and perhaps ``network``.

    Returns
    -------
    labels : dict of Label
        By integer. Networks of Schaefer's names come out as the authors': 17, not 16.
    """
    import pandas as pd

    data = pd.read_csv(table, sep="\t", keep_default_na=False, dtype=str)
    data.columns = [str(c).strip().lower() for c in data.columns]
    key = next((c for c in ("index", "value", "parcel", "label") if c in data), None)
    if key is None or "name" not in data:
        raise AtlasError(f"{table} has the columns {', '.join(data.columns)}: index and name are needed")
    try:
        values = [int(float(v)) for v in data[key]]
    except ValueError as error:
        raise AtlasError(f"{table}: the column {key} must hold integers ({error})") from error
    if len(set(values)) != len(values):
        raise AtlasError(f"{table}: some value of the column {key} is there twice")
    networks = data["network"] if "network" in data else [network_of(n) for n in data["name"]]
    return {v: Label(n, w or "n/a") for v, n, w in zip(values, data["name"], networks, strict=True)}


def network_of(name: str) -> str:
    """Network of a Schaefer parcel's name, or ``n/a``.

    Examples
    --------
    >>> network_of("17Networks_LH_VisCent_ExStr_1"), network_of("17Networks_RH_Limbic_OFC_2"), network_of("V1")
    ('VisCent', 'LimbicB', 'n/a')
    """
    match = re.match(r"(7|17)Networks_[LR]H_([a-zA-Z]+)(_[a-zA-Z]+)?", name)
    if not match:
        return "n/a"
    region = f"{match[2]}{match[3] or ''}"
    return _LIMBIC.get(region, match[2]) if match[1] == "17" else match[2]


def resample_labels(dseg: Path, like: Header) -> tuple[np.ndarray, bool]:
    """Read a label image on a BOLD grid; the nearest label where the grids differ.

    Parameters
    ----------
    dseg : Path
        3-D image of integer labels, in the BOLD's space.
    like : Header
        Of the BOLD.

    Returns
    -------
    labels : (I, J, K) int32 array
        0 outside every parcel.
    resampled : bool
        Whether the atlas lay on another grid.

    Raises
    ------
    AtlasError
        If it holds no integers, or no parcel lies within the BOLD's field of view.
    """
    from pydra_vae.images.volumes import load_volume

    values, header = load_volume(dseg)
    values = np.nan_to_num(np.asarray(values, np.float64))
    labels = np.rint(values).astype(np.int32)
    if np.abs(values - labels).max() > 1e-3:
        raise AtlasError(f"the atlas {dseg} holds values that are no integers: a label image (dseg) is needed")
    same = header.shape == like.shape and np.abs(header.affine - like.affine).max() <= AFFINE_TOLERANCE_MM
    if not same:
        from scipy.ndimage import affine_transform

        to_atlas = np.linalg.inv(header.affine) @ like.affine
        labels = affine_transform(labels, to_atlas, output_shape=like.shape, order=0)
    if not (labels > 0).any():
        raise AtlasError(
            f"no parcel of the atlas {dseg} lies within {like.path}: are both in one space? Give --atlas FILE "
            "in the BOLD's space, or --atlas none"
        )
    return labels, not same
