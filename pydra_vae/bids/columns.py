"""Columns of a delivered table, as the JSON beside it describes them.

BIDS gives each column a key of its own. Names that are entities too (``run``, ``space``, ``part``, …) stand together
under ``Columns`` instead: pybids takes the keys of a sidecar for entities of its file, and refuses a whole dataset in
which one of them contradicts a file's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# Names of pybids' entities, those of derivatives too (a test compares).
ENTITIES = frozenset((
    "subject", "session", "sample", "task", "tracksys", "acquisition", "nucleus", "volume", "ceagent", "staining",
    "tracer", "reconstruction", "direction", "run", "proc", "modality", "echo", "flip", "inv", "mt", "part",
    "recording", "space", "chunk", "suffix", "scans", "fmap", "datatype", "extension", "atlas", "roi", "label", "desc",
    "from", "to", "mode", "hemi", "segmentation", "res", "den", "model", "subset",
))  # fmt: skip
TOGETHER = "Columns"


def described(
    columns: Iterable[str],
    texts: Mapping[str, str],
    patterns: Mapping[str, str] | None = None,
    own: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, dict[str, str]]:
    """Descriptions of those columns that a table has.

    Parameters
    ----------
    columns : iterable of str
        Of the table, in its order.
    texts : mapping
        What columns hold, by their names.
    patterns : mapping, optional
        The same of columns whose names the data give, by what all of the name must match.
    own : mapping, optional
        What the data's own sidecars say; better than a pattern.

    Examples
    --------
    >>> described(["step", "loss_kl"], {"step": "Optimiser step"}, {"loss_.+": "Term of the loss"})["loss_kl"]
    {'Description': 'Term of the loss'}
    """
    found: dict[str, dict[str, str]] = {}
    for column in columns:
        if column not in texts and column in (own or {}):
            found[column] = dict((own or {})[column])
        elif text := texts.get(column) or _of_pattern(column, patterns or {}):
            found[column] = {"Description": text}
    return found


def as_fields(columns: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping]:
    """Descriptions of columns as fields of a sidecar.

    Examples
    --------
    >>> as_fields({"run": {"Description": "Run, from 0"}, "r": {"Description": "Correlation"}})
    {'r': {'Description': 'Correlation'}, 'Columns': {'run': {'Description': 'Run, from 0'}}}
    """
    fields = {name: text for name, text in columns.items() if name not in ENTITIES}
    taken = {name: text for name, text in columns.items() if name in ENTITIES}
    return fields | ({TOGETHER: taken} if taken else {})


def _of_pattern(column: str, patterns: Mapping[str, str]) -> str | None:
    return next((text for form, text in patterns.items() if re.fullmatch(form, column)), None)
