"""File names of BIDS derivatives, taken apart and put together.

Taken apart leniently, because real trees hold names that are no BIDS
(``sub-01_denoise_smooth6mm_task-story_…``); put together strictly, in the order of the BIDS schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# Order of bidsschematools 2.0 (a test compares), then `stat` of the statistical-map proposal.
ENTITY_ORDER = (
    "sub", "tpl", "ses", "cohort", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec",
    "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording", "chunk",
    "atlas", "seg", "scale", "res", "den", "label", "stat", "desc",
)  # fmt: skip
_KNOWN = frozenset((*ENTITY_ORDER, "from", "to", "mode"))  # the last three: transforms
_ENTITY = re.compile(r"([a-zA-Z0-9]+)-([a-zA-Z0-9+]+)\Z")


class Name(NamedTuple):
    """A file name in its parts.

    Attributes
    ----------
    entities : dict of str
        Key to value, in the order of the name.
    prefix : str
        What stands between the entities and is none of BIDS; mostly empty.
    suffix : str
        Such as ``bold``.
    extension : str
        From the first dot on, such as ``.nii.gz``.
    """

    entities: dict[str, str]
    prefix: str
    suffix: str
    extension: str


def parse(name: str) -> Name:
    """Take a file name apart.

    Examples
    --------
    >>> parse("sub-01_smooth6mm_task-story_run-1_desc-preproc_bold.nii.gz")
    Name(entities={'sub': '01', 'task': 'story', 'run': '1', 'desc': 'preproc'}, prefix='smooth6mm', \
suffix='bold', extension='.nii.gz')
    """
    stem, dot, extension = name.partition(".")
    *parts, suffix = stem.split("_")
    entities, others = {}, []
    for part in parts:
        match = _ENTITY.match(part)
        if match and match[1] in _KNOWN and match[1] not in entities:
            entities[match[1]] = match[2]
        else:
            others.append(part)
    return Name(entities, "_".join(others), suffix, dot + extension)


def derivative_name(entities: Mapping[str, str | int | None], suffix: str, extension: str, **more: str | None) -> str:
    """Put a BIDS-derivative file name together.

    Parameters
    ----------
    entities : mapping
        Short keys (``sub``, ``task``) to values; None leaves one out.
    suffix : str
        Such as ``boldmap``.
    extension : str
        With its dot.
    **more : str or None
        Further entities, such as ``desc`` or ``stat``; they win.

    Raises
    ------
    ValueError
        For a key that BIDS does not know, or a value with characters other than letters, digits and +.

    Examples
    --------
    >>> derivative_name({"task": "rest", "sub": "01", "run": None}, "bold", ".nii.gz", desc="denoised")
    'sub-01_task-rest_desc-denoised_bold.nii.gz'
    """
    wanted = {key: str(value) for key, value in {**entities, **more}.items() if value is not None}
    unknown = set(wanted) - set(ENTITY_ORDER)
    if unknown:
        raise ValueError(f"no BIDS entities: {', '.join(sorted(unknown))}")
    parts = [f"{key}-{wanted[key]}" for key in ENTITY_ORDER if key in wanted]
    bad = [part for part in parts if not _ENTITY.match(part)]
    if bad:
        raise ValueError(f"{', '.join(bad)}: values hold letters, digits and + only")
    return "_".join([*parts, suffix]) + extension


def natural_key(text: str) -> list[tuple[int, int | str]]:
    """Sort key under which run 2 comes before run 10.

    Examples
    --------
    >>> sorted(["10", "2", "1b"], key=natural_key)
    ['1b', '2', '10']
    """
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", text) if part]


def same_value(one: str | None, other: str | None) -> bool:
    """``2`` and ``02`` are one index; labels are compared as they stand."""
    if one and other and one.isdigit() and other.isdigit():
        return int(one) == int(other)
    return one == other
