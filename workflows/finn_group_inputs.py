"""What finn's group level reads of an output folder: who is there, and how each model was fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydra_vae.bids.files import InputError
from pydra_vae.bids.names import natural_key, parse

# What each subject must have for the group: fitted once, read here.
NEEDED = {
    "model": "_desc-cvae_model.safetensors",
    "configuration": "_desc-cvae_model.json",
    "split": "_desc-cvae_voxels.tsv",
    "mask": "_desc-cvae_mask.nii.gz",  # of grayordinates a dscalar.nii
    "normalisation": "_desc-cvae_scaling.safetensors",
}
METRICS = "_desc-cvae_metrics.tsv"
COLUMNS = {"participant_id", "model", "split"}
OF_PERSONS = ("statistics", "identification")  # tests whose units are persons, not their recordings
NATIVE = (None, "T1w", "func", "fsnative")  # spaces in which each brain lies where it was scanned


def find_subjects(output: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Every subject's table of metrics in an output folder, and what is missing for others.

    Returns
    -------
    tables : dict of Path
        By label; only complete subjects.
    problems : dict of str
    """
    needed = {"metrics": METRICS, **NEEDED}
    there = [(path, end) for name in needed.values() for end in _ends(name) for path in output.glob(f"sub-*/**/*{end}")]
    stems = {path.with_name(path.name.removesuffix(end)) for path, end in there}
    found = [stem.with_name(stem.name + METRICS) for stem in sorted(stems, key=lambda stem: natural_key(stem.name))]
    tables: dict[str, Path] = {}
    problems: dict[str, str] = {}
    for path in found:
        stem = path.name.removesuffix(METRICS)
        label = label_of(path, stem)
        missing = [
            f"{what} ({stem}{end})" for what, end in needed.items() if not image(path.parent / stem, end).is_file()
        ]
        if missing:
            problems[label] = (
                f"{label}: missing in {path.parent}: {', '.join(missing)}; run its participant level again"
            )
        elif not _is_table(path):
            problems[label] = (
                f"{label}: {path} is no table of metrics, which has the columns {', '.join(sorted(COLUMNS))}: "
                "delete it and run its participant level again"
            )
        elif label in tables:
            problems[label] = (
                f"{label}: two results, {tables[label].name} and {path.name}: give each analysis an OUTPUT of its own"
            )
        else:
            tables[label] = path
    if not found:
        raise InputError(f"{output} holds no sub-*/**/*{METRICS}: run the participant level into it first")
    return {label: path for label, path in tables.items() if label not in problems}, problems


def image(stem: Path | str, end: str) -> Path:
    """A delivered file by its name's beginning and end; of grayordinates an image is a dscalar.nii."""
    found = [path for name in _ends(end) if (path := Path(f"{stem}{name}")).is_file()]
    return found[0] if found else Path(f"{stem}{end}")


def _ends(end: str) -> list[str]:
    return [end, end.removesuffix(".nii.gz") + ".dscalar.nii"] if end.endswith(".nii.gz") else [end]


def some_of(names: list[str], shown: int = 5) -> str:
    """The first names, and how many more there are.

    >>> some_of(["a", "b", "c"], 1)
    'a and 2 more'
    """
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def chosen_subjects(labels: list[str], tables: dict, problems: dict, output: Path) -> tuple[dict, dict]:
    """Only the participants that were asked for."""
    wanted = [f"sub-{label}" for label in labels]
    there = {label.split("_")[0] for label in (*tables, *problems)}
    unknown = [subject for subject in wanted if subject not in there]
    if unknown:
        raise InputError(f"{output} has no results of {', '.join(unknown)}; it has {', '.join(sorted(there))}")
    return tuple(
        {label: value for label, value in found.items() if label.split("_")[0] in wanted}
        for found in (tables, problems)
    )


def label_of(metrics: Path, stem: str) -> str:
    """What its participant level called it; the runs of ``--split-runs`` have labels of their own."""
    try:
        return str(json.loads(metrics.with_name(stem + NEEDED["configuration"]).read_text(encoding="utf-8"))["Label"])
    except (OSError, ValueError, KeyError, TypeError):
        entities = parse(metrics.name).entities
        return f"sub-{entities['sub']}" + (f"_ses-{entities['ses']}" if "ses" in entities else "")


def as_fitted(record: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a shared model that make it comparable with subjects' own: the same size and test voxels.

    >>> as_fitted({"latent_dim": 9, "Parameters": {"split": "both", "seed": 3}})
    {'latent_dim': 9, 'seed': 3, 'scheme': 'random'}
    """
    scheme = "blocked" if record["Parameters"]["split"] in ("blocked", "parcel") else "random"
    return {"latent_dim": record["latent_dim"], "seed": record["Parameters"]["seed"], "scheme": scheme}


def record_of(metrics: Path) -> dict[str, Any]:
    """The model.json beside a table of metrics."""
    return read_json(metrics.with_name(metrics.name.replace(METRICS, NEEDED["configuration"])))


def read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}; run the participant level again") from error


def _is_table(path: Path) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:
        return set(file.readline().rstrip("\r\n").split("\t")) >= COLUMNS


def warnings_of(metrics: Path) -> list[Any]:
    """What the subject's verdict warns of."""
    verdict = metrics.with_name(metrics.name.replace(METRICS, "_desc-cvae_verdict.json"))
    if not verdict.is_file():
        return []
    return json.loads(verdict.read_text(encoding="utf-8")).get("warnings", [])
