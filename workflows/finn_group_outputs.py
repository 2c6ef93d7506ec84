"""What finn's group level delivers: names and sidecars of its files in the output folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydra_vae.bids.columns import as_fields
from pydra_vae.bids.derivatives import deliver
from pydra_vae.bids.names import parse
from pydra_vae.bids.sidecars import sidecar
from pydra_vae.bids.spaces import spatial_fields
from pydra_vae.bids.tables import columns_of
from pydra_vae.workflows.finn_columns import described
from pydra_vae.workflows.finn_group_report import GATHERED, SHOWN
from pydra_vae.workflows.finn_outputs import ANALYSES

DESCRIPTIONS = {
    "table": "Measures of every subject's CVAE and of its controls",
    "curve": "Error against latent size over all subjects and seeds",
    "transfer": "Every subject's series through every subject's model, and through its PCA",
    "pairs": "Alignment of each pair of latent spaces, with floor and controls",
    "nulls": "Null distributions of the alignment",
    "template": "Distance of each subject to the group template (generalised Procrustes)",
    "template_maps": "Group template of the latent dimensions",
    "tests": "Tests over subjects",
    "isc": "Correlation of the series between subjects, before and after denoising",
    "mantel": "Similarity of latent distances against similarity of a score",
    "identification": "Is a subject's second half found by its first half?",
    "identification_matrix": "Similarity of all first halves with all second halves",
    "shared": "Models of several subjects: their price in error, their gain in alignment",
}


def targets(output: Path, on_surface: bool = False) -> dict[str, Path]:
    """Where each output goes, by its name in `GroupCvae` or `GroupScience`; maps of grayordinates are a dscalar.nii."""
    names = {"table": "metrics.tsv", "choice": "sizechoice.json", "curve": "sizecurve.tsv"}
    names |= {name: f"{name.replace('_', '')}.tsv" for name in (*GATHERED, *SHOWN)}
    found = {name: output / f"group_desc-cvae_{end}" for name, end in names.items()}
    # a name of its own, since the table of the template has a sidecar too
    maps = output / f"group_desc-template_latents{'.dscalar.nii' if on_surface else '.nii.gz'}"
    return found | {"template_maps": maps, "index": output / "index.html"}


def shared_target(output: Path, kind: str) -> Path:
    """Where a shared model of one kind goes."""
    return output / f"group_desc-{kind.replace('_', '')}_model.safetensors"


def deliver_group(
    outputs: Any, across: Mapping[str, Any], output: Path, metrics: Sequence[Path], kinds: Sequence[str]
) -> None:
    """Copy the group's results to their names; what was not asked for this time stays as it is.

    Parameters
    ----------
    outputs
        Those of `GroupCvae`.
    across : mapping
        Those of `GroupScience` that are there.
    output : Path
    metrics : sequence of Path
        The subjects' delivered tables, for the sidecars.
    kinds : sequence of str
        Of the shared models, in their order.
    """
    on_surface = str(across.get("template_maps")).endswith(".dscalar.nii")
    for name, target in targets(output, on_surface).items():
        value = across.get(name, getattr(outputs, name, None))
        if value is None:
            continue
        beside = None
        if name not in ("index", "choice"):
            description = f"{ANALYSES[name][3]}, of every subject" if name in ANALYSES else DESCRIPTIONS[name]
            where = _place(metrics[0], target) if name == "template_maps" else {}
            beside = sidecar(description, metrics, {"": output}, **where)
            if target.suffix == ".tsv":
                beside |= as_fields(described(name, columns_of(value)))
        deliver(Path(value), target, beside)
    models = zip(kinds, across.get("shared_models", ()), across.get("shared_configs", ()), strict=False)
    for kind, model, config in models:
        made = json.loads(Path(config).read_text(encoding="utf-8"))
        beside = made | sidecar(f"Weights of a model shared by several subjects: {kind}", metrics, {"": output})
        deliver(Path(model), shared_target(output, kind), beside)


def _place(metrics: Path, target: Path) -> dict[str, Any]:
    """To what the maps of all are aligned: that of the first subject's mask, where it says so."""
    beside = metrics.with_name(f"{metrics.name.removesuffix('_metrics.tsv')}_mask.json")
    said = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    there = {key: said[key] for key in ("SpatialReference", "Density", "Resolution") if key in said}
    return there or spatial_fields(parse(metrics.name).entities, parse(target.name).extension)
