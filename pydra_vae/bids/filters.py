"""``--bids-filter-file``: which files are looked at, in the JSON that fMRIPrep and XCP-D take.

``{"bold": {"session": ["01", "02"], "acquisition": null}}`` looks only at BOLD series of these sessions whose names
have no ``acq``; ``"*"`` asks for an entity, whatever its value. Entities go by pybids' names or by their short ones.
Only ``bold`` (BOLD series, and maps made of them), ``t1w`` and ``t2w`` (images made of them: tissue maps too) are of
meaning here; fMRIPrep's other keys are allowed and choose nothing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydra_vae.bids.files import BidsFile, InputError
from pydra_vae.bids.names import ENTITY_ORDER, natural_key, same_value

USED = ("bold", "t1w", "t2w")
OTHERS = ("fmap", "sbref", "flair", "roi", "xfm", "seg", "mask", "anat", "t2star", "pet", "asl", "dwi")
# pybids' names (those of the BIDS schema; a test compares) to the keys of file names.
LONG = {
    "subject": "sub", "template": "tpl", "session": "ses", "tracksys": "tracksys", "acquisition": "acq",
    "nucleus": "nuc", "volume": "voi", "ceagent": "ce", "tracer": "trc", "staining": "stain", "reconstruction": "rec",
    "direction": "dir", "modality": "mod", "inversion": "inv", "mtransfer": "mt", "processing": "proc",
    "hemisphere": "hemi", "segmentation": "seg", "resolution": "res", "density": "den", "description": "desc",
}  # fmt: skip
# They name the kind of the raw file, which here the recipe decides; fMRIPrep's examples hold them.
OF_RAW_FILES = ("datatype", "suffix", "extension", "scope")
LISTED = 12
Values = tuple[str | None, ...]


@dataclass(frozen=True)
class Filter:
    """Entities that the names of one kind of files must have.

    Attributes
    ----------
    entities : mapping of tuple
        Short key to the values allowed; None for a name without it, "*" for any value.
    """

    entities: Mapping[str, Values] = field(default_factory=dict)

    def allows(self, entities: Mapping[str, str]) -> bool:
        """Whether a name has what is asked for.

        >>> Filter({"ses": ("1", "2"), "acq": (None,)}).allows({"sub": "01", "ses": "02"})
        True
        """
        return all(any(_fits(entities.get(key), one) for one in wanted) for key, wanted in self.entities.items())

    def of(self, files: Iterable[BidsFile], what: str, where: Path) -> list[BidsFile]:
        """The files that it allows, of some.

        Raises
        ------
        InputError
            If it allows none, with what there is.
        """
        files = list(files)
        allowed = [file for file in files if self.allows(file.entities)]
        if files and not allowed:
            names = sorted((file.name for file in files), key=natural_key)
            more = f"\n  … and {len(names) - LISTED} more" if len(names) > LISTED else ""
            there = "\n".join(f"  {name}" for name in names[:LISTED])
            raise InputError(f"--bids-filter-file allows no {what} in {where}; found were\n{there}{more}")
        return allowed


EVERYTHING = Filter()


def filter_of(filters: Mapping[str, Filter], suffix: str) -> Filter:
    """The filter for images of a suffix.

    >>> filter_of({"t1w": Filter({"acq": (None,)})}, "probseg").entities
    {'acq': (None,)}
    """
    key = "t2w" if suffix == "T2w" else "bold" if suffix.startswith("bold") else "t1w"
    return filters.get(key, EVERYTHING)


def read_filters(path: Path | None) -> dict[str, Filter]:
    """Read a filter file.

    Parameters
    ----------
    path : Path or None

    Returns
    -------
    filters : dict of Filter
        Of bold, t1w and t2w; those that the file does not name allow everything.

    Raises
    ------
    InputError
        Naming the file, what is wrong in it, and what there could be.
    """
    found = dict.fromkeys(USED, EVERYTHING)
    if path is None:
        return found
    where = f"--bids-filter-file {path}"
    content = _read(path, where)
    for key, entities in content.items():
        if key.lower() not in (*USED, *OTHERS):
            raise InputError(f"{where}: unknown key {key!r}; known are {', '.join((*USED, *OTHERS))}")
        if not isinstance(entities, dict):
            raise InputError(f'{where}: {key} is {entities!r}, but needs entities, such as {{"session": "01"}}')
        if key.lower() in USED:
            given = {name: value for name, value in entities.items() if name not in OF_RAW_FILES}
            found[key.lower()] = Filter(
                {_short(name, where): _values(name, value, where) for name, value in given.items()}
            )
    return found


def _read(path: Path, where: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{where}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{where}: no valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f'{where}: holds a {type(content).__name__}, but needs an object: {{"bold": {{…}}}}')
    return content


def _short(name: str, where: str) -> str:
    key = LONG.get(name, name)
    if key not in ENTITY_ORDER:
        known = [*LONG, *(k for k in ENTITY_ORDER if k not in LONG.values())]
        near = difflib.get_close_matches(name, known, 1)
        meant = f"; do you mean {near[0]}?" if near else "."
        raise InputError(f"{where}: unknown entity {name!r}{meant} Known are {', '.join(known)}")
    return key


def _values(name: str, value: Any, where: str) -> Values:
    values = value if isinstance(value, list) else [value]
    bad = [one for one in values if isinstance(one, bool) or not (one is None or isinstance(one, str | int))]
    if bad or not values:
        raise InputError(f'{where}: {name} is {value!r}, but needs a label, a list of labels, null, or "*"')
    key = LONG.get(name, name)
    return tuple(None if one is None else str(one).removeprefix(f"{key}-") for one in values)


def _fits(found: str | None, wanted: str | None) -> bool:
    return found is not None if wanted == "*" else same_value(found, wanted)
