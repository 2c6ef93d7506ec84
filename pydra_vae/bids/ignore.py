"""What of a delivered dataset BIDS has no name for yet: its ``.bidsignore``, and why each line stands there.

A validator looks at everything else. Images of the BOLD signal and masks are never in the list: a misnamed one must
be an error. Every line names one kind of file (a suffix with its extension); none has a wildcard in its suffix.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydra_vae.images.streams import writing

RECIPES = ("finn", "motor", "structural")
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


def _of_others(lines: Sequence[str]) -> list[str]:
    """Lines outside our part; one whose end is missing reaches to the end of the file."""
    if BEGIN not in lines:
        return list(lines)
    first = lines.index(BEGIN)
    last = lines.index(END, first) if END in lines[first:] else len(lines)
    return [*lines[:first], *lines[last + 1 :]]
