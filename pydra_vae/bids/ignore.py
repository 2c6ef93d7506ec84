"""What of a delivered dataset BIDS has no name for yet: its ``.bidsignore``, and why each line stands there.

A validator looks at everything else. Images of the BOLD signal and masks are never in the list: a misnamed one must
be an error. Every line names one kind of file (a suffix with its extension); none has a wildcard in its suffix.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydra_vae.bids.sidecars import write_json
from pydra_vae.images.streams import writing

RECIPES = ("finn", "motor", "structural")
CONFIG = "code/bids-validator.json"
# Files that the text of BIDS derivatives names (surface BOLD) or that have no other name (a mask of vertices), but
# for whose extensions its schema, and so every validator, has no rule.
NO_RULE = (
    "_bold.dtseries.nii", "_bold.func.gii",
    "_mask.dscalar.nii", "_mask.shape.gii", "_mask.dlabel.nii", "_mask.label.gii",
)  # fmt: skip
BEGIN = "# pydra_vae: what BIDS has no name for yet (written anew by each run; lines of your own go outside this part)"
END = "# pydra_vae: end"

_TABLES = "tables of an analysis: BIDS names none but those of participants, sessions, scans and samples"
_MODEL = "weights and settings of a model: BIDS has no machine-learned models"
_FIT = "how a model was fitted, and whether it collapsed"
_MAPS = "maps of a statistic or a latent dimension: statistical maps are a proposal still (BEP 41)"
_PAGES = "reports for people, as fMRIPrep writes them"

# Kinds of files by reason: (suffix, extensions) with the JSON beside them.
_SUBJECTS = {
    "finn": {
        _MAPS: [("latents", ".nii.gz"), ("gradients", ".nii.gz"), ("boldmap", ".nii.gz"),
                ("latents", ".dscalar.nii"), ("gradients", ".dscalar.nii"), ("boldmap", ".dscalar.nii"),
                ("latents", ".shape.gii"), ("gradients", ".shape.gii"), ("boldmap", ".shape.gii")],
        _MODEL: [("model", ".safetensors"), ("scaling", ".safetensors")],
        _FIT: [("history", ".tsv"), ("verdict", "")],
        "matrices of the parcels: connectivity matrices are a proposal still (BEP 17)": [
            ("connectivity", ".safetensors")],
        _TABLES: [(name, ".tsv") for name in (
            "voxels", "frames", "parcels", "emse", "metrics", "structure", "correlations", "dimensions", "views",
            "matches", "separability", "geometry", "recovery", "sweep", "divergence", "outliers", "samples",
            "reliability", "surrogate")],
    },
    "motor": {"courses of a model's factors, a row a frame": [("factors", ".tsv")]},
    "structural": {
        _MAPS: [("boldmap", ".nii.gz")],
        _FIT: [("verdict", "")],
        "courses of components, a row a frame (BEP 12)": [("timeseries", ".tsv")],
    },
}  # fmt: skip
_GROUP = {
    "finn": {
        _MAPS: [("latents", ".nii.gz"), ("latents", ".dscalar.nii"), ("latents", ".shape.gii")],
        _MODEL: [("model", ".safetensors")],
        "the latent size that the group's rule chooses": [("sizechoice", "")],
        _TABLES: [(name, ".tsv") for name in (
            "metrics", "sizecurve", "structure", "correlations", "dimensions", "views", "matches", "separability",
            "geometry", "latentrecovery", "sweep", "divergence", "outliers", "samples", "reliability", "surrogate",
            "transfer", "pairs", "nulls", "template", "tests", "isc", "mantel", "identification",
            "identificationmatrix", "shared")],
    },
    "motor": {
        _MAPS: [("map", ".dscalar.nii"), ("map", ".shape.gii")],
        _MODEL: [("model", ".safetensors")],
        _FIT: [("history", ".tsv"), ("verdict", "")],
        _TABLES: [(name, ".tsv") for name in (
            "vertices", "clusters", "split", "claims", "comparison", "scores", "fits", "sweep", "subjects", "courses",
            "glm", "mapscores", "stability", "clock", "distances", "silhouette", "consistency")],
    },
    "structural": {
        _MAPS: [("map", ".nii.gz")],
        _MODEL: [("model", ".safetensors")],
        _FIT: [("history", ".tsv"), ("verdict", "")],
        _TABLES: [(name, ".tsv") for name in (
            "claims", "fits", "trials", "split", "covariates", "regions", "latents", "components", "variance",
            "traversals", "correlations", "draws", "drawn", "interpolation", "embeddings", "coordinates", "dimension",
            "shells", "regression", "predictions", "importance", "recovery", "joint", "jointpredictions",
            "jointdecoded", "coefficients", "nextvisits", "visits", "frozen", "progression", "networks",
            "networkoverlap", "networktask", "networkfits", "examples")],
    },
}  # fmt: skip
_REPORTS = {"finn": ("/index.html", "/sub-*.html"), "motor": ("/index.html",), "structural": ("/index.html",)}


def ignored(recipe: str) -> dict[str, list[str]]:
    """Patterns of one recipe's files that BIDS has no name for, by the reason.

    Parameters
    ----------
    recipe : {"finn", "motor", "structural"}

    Returns
    -------
    patterns : dict of list of str
        As ``.bidsignore`` takes them, which reads as ``.gitignore`` does.

    Examples
    --------
    >>> ignored("motor")["courses of a model's factors, a row a frame"]
    ['sub-*_factors.tsv', 'sub-*_factors.json']
    """
    found: dict[str, list[str]] = {_PAGES: list(_REPORTS[recipe])}
    for start, kinds in (("sub-*", _SUBJECTS[recipe]), ("/group_*", _GROUP[recipe])):
        for reason, files in kinds.items():
            lines = found.setdefault(reason, [])
            for suffix, extension in files:
                names = [f"{start}_{suffix}{end}" for end in (extension, ".json") if end]
                lines.extend(name for name in names if name not in lines)
    return found


def write_bidsignore(output: Path, recipe: str) -> bool:
    """Write a dataset's ``.bidsignore``; lines that others put there stay.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    recipe : {"finn", "motor", "structural"}

    Returns
    -------
    written : bool
        False if it said the same.
    """
    path = Path(output) / ".bidsignore"
    there = path.read_text(encoding="utf-8") if path.is_file() else ""
    ours = [BEGIN]
    for reason, lines in ignored(recipe).items():
        ours += [f"# {reason}", *lines]
    text = "\n".join([*_of_others(there.splitlines()), *ours, END]) + "\n"
    if text == there:
        return False
    with writing(path) as stream:
        stream.write(text.encode())
    return True


def note_surface_files(output: Path, files: Iterable[Path]) -> bool:
    """Write a configuration of the validator under which these files, each by its full name, give a warning.

    Surface BOLD and masks are never in ``.bidsignore``. BIDS' text has names for them, but its schema (1.11) knows
    neither ``.dtseries.nii`` nor ``.func.gii`` under ``func``, so that a validator calls the right name an error too.
    ``bids-validator-deno OUTPUT --config OUTPUT/code/bids-validator.json`` tells these from files with a wrong name.

    Parameters
    ----------
    output : Path
        Root of the dataset.
    files : iterable of Path
        Delivered files in it; those that the schema has rules for are left out.

    Returns
    -------
    written : bool
    """
    path = Path(output) / CONFIG
    there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known = {entry.get("location") for entry in there.get("warning", [])}
    places = {f"/{file.relative_to(output).as_posix()}" for file in map(Path, files) if file.name.endswith(NO_RULE)}
    places |= {place[: place.index(".")] + ".json" for place in places}
    new = [{"code": "ALL_FILENAME_RULES_HAVE_ISSUES", "location": place} for place in sorted(places - known)]
    if not new:
        return False
    path.parent.mkdir(exist_ok=True)
    return write_json(path, {**there, "warning": [*there.get("warning", []), *new]})


def _of_others(lines: Sequence[str]) -> list[str]:
    """Lines outside our part; one whose end is missing reaches to the end of the file."""
    if BEGIN not in lines:
        return list(lines)
    first = lines.index(BEGIN)
    last = lines.index(END, first) if END in lines[first:] else len(lines)
    return [*lines[:first], *lines[last + 1 :]]
