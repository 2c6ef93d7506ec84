"""What finn delivers: the names and sidecars of a subject's files in the output folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydra_vae.bids.derivatives import dataset_label, deliver, sidecar_path
from pydra_vae.bids.names import derivative_name
from pydra_vae.bids.plan import SubjectPlan
from pydra_vae.bids.sidecars import sidecar

# Output of SubjectCvae: suffix, extension, entities, description, further fields of the sidecar.
FILES: dict[str, tuple[str, str, dict[str, str], str, dict[str, Any]]] = {
    "mask": ("mask", ".nii.gz", {"desc": "cvae"}, "Voxels that were analysed", {"Type": "ROI"}),
    "voxels": ("voxels", ".tsv", {"desc": "cvae"}, "Position, parcel, network and split of each voxel", {}),
    "frames": ("frames", ".tsv", {"desc": "cvae"}, "Weight of each frame, and why it was censored", {}),
    "scaling": ("scaling", ".safetensors", {"desc": "cvae"}, "Normalisation of each voxel, invertible", {}),
    "model": ("model", ".safetensors", {"desc": "cvae"}, "Weights of the convolutional VAE", {}),
    "history": ("history", ".tsv", {"desc": "cvae"}, "Learning curve: one row a validation", {}),
    "verdict": ("verdict", ".json", {"desc": "cvae"}, "Collapse verdict and warnings", {}),
    "latent_maps": ("latents", ".nii.gz", {"desc": "cvae"}, "One volume a latent dimension", {}),
    "tsnr_before": ("boldmap", ".nii.gz", {"stat": "tsnr", "desc": "preproc"}, "Temporal SNR of the input", {}),
    "tsnr_after": ("boldmap", ".nii.gz", {"stat": "tsnr", "desc": "denoised"}, "Temporal SNR, denoised", {}),
    "tsnr_change": (
        "boldmap", ".nii.gz", {"stat": "tsnrchange", "desc": "denoised"}, "Change of temporal SNR", {"Units": "%"},
    ),
    "tsnr_parcels": ("parcels", ".tsv", {"desc": "tsnr"}, "Temporal SNR of each parcel", {}),
    "mse_map": (
        "boldmap", ".nii.gz", {"stat": "mse", "desc": "cvae"}, "Reconstruction error, mean square in scaled units", {},
    ),
    "emse": ("emse", ".tsv", {"desc": "cvae"}, "Volume-wise mean squared error of each frame and model", {}),
    "metrics": ("metrics", ".tsv", {"desc": "cvae"}, "Measures of the CVAE and of its controls", {}),
}  # fmt: skip
# What the columns of the tables hold, for their sidecars.
COLUMNS: dict[str, dict[str, str]] = {
    "voxels": {
        "parcel": "Label of the atlas; 0 without one",
        "network": "Network of the parcel",
        "status": "train, validation, test, or dropped (constant or not finite)",
    },
    "frames": {
        "run": "Run, from 0, in the order in which runs were joined",
        "frame": "Frame of that run, from 0",
        "weight": "1, or 0: censored, interpolated at the input, without part in loss, metrics and tSNR",
        "reason": "Why it was censored: dummy, non_steady_state, scrub, joined by +",
    },
    "history": {
        "step": "Optimiser step",
        "epoch": "Passes over the training voxels",
        "lr": "Learning rate",
        "train_mse": "Mean squared error on training voxels, scaled units",
        "val_mse": "Mean squared error on validation voxels, scaled units",
        "best": "1 where the weights were the best so far",
    },
    "tsnr_parcels": {"gain": "Change of the parcel's mean tSNR in per cent", "n": "Voxels"},
    "metrics": {
        "split": "How test voxels were chosen",
        "model": "cvae, or a control: PCA of that many components, shrinkage, voxel mean",
        "mse_test": "Mean squared error on test voxels, scaled units",
        "mse_random": "The same on 2,000 random voxels",
        "emse_frame": "Mean squared error of one volume",
        "emse_all": "Mean squared error of all volumes",
        "r2": "1 - mse_test / that of the voxel mean",
        "variance_ratio": "Variance over time of the reconstruction over that of the input, test voxels",
        "gain_mean": "Mean over voxels of the gain in tSNR, in per cent",
        "wilcoxon_log10p": "log10 p of Wilcoxon's signed-rank test over voxels (which are not independent)",
        "effect_size": "Matched-pairs rank-biserial correlation",
        "r_clean_mean": "Mean over voxels of the correlation with the planted clean signal (simulated data)",
    },
}


def common_entities(plan: SubjectPlan) -> dict[str, str]:
    """Entities of what is made of all runs: those that they share, tasks joined by ``+``."""
    runs = [run.entities for run in plan.runs]
    shared = {key: value for key, value in runs[0].items() if all(run.get(key) == value for run in runs)}
    tasks = list(dict.fromkeys(run["task"] for run in runs if "task" in run))
    if len(runs) > 1:
        shared.pop("run", None)
    return shared | ({"task": "+".join(tasks)} if tasks else {})


def targets(plan: SubjectPlan, output: Path) -> Iterator[tuple[str, int | None, Path]]:
    """Where each output goes: its name in `SubjectCvae`, the run (None: all), the path."""
    entities = common_entities(plan)
    folder = output / f"sub-{entities['sub']}"
    if "ses" in entities:
        folder = folder / f"ses-{entities['ses']}"
    for name, (suffix, extension, more, _, _) in FILES.items():
        yield name, None, folder / "func" / derivative_name(entities, suffix, extension, **more)
    for i, run in enumerate(plan.runs):
        yield "denoised", i, folder / "func" / derivative_name(run.entities, "bold", ".nii.gz", desc="denoised")
    yield "report", None, output / f"{plan.label}.html"


def deliver_subject(
    plan: SubjectPlan,
    outputs: Any,
    output: Path,
    derivatives: Path,
    parameters: Mapping[str, Any],
    sources: Sequence[Path] = (),
) -> list[Path]:
    """Copy a subject's results to their BIDS names.

    Parameters
    ----------
    plan : SubjectPlan
    outputs
        Those of `SubjectCvae`.
    output, derivatives : Path
    parameters : mapping
        For the sidecars.
    sources : sequence of Path
        What was read beside the runs and the plan's atlas and mask, such as a mean image.

    Returns
    -------
    changed : list of Path
        The files that were new or changed.
    """
    datasets = {dataset_label(derivatives): derivatives, "": output}
    bolds = [run.bold for run in plan.runs]
    tables = [run.confounds for run in plan.runs]
    read = (plan.atlas, plan.atlas_labels, plan.mask_file, *tables, *sources)
    shared = [path for path in read if path is not None]
    config = _read(outputs.config)
    parameters = {**parameters, "device": config["device"]}
    space = {"SpatialReference": plan.runs[0].space or "orig"}
    changed = []
    for name, run, target in targets(plan, output):
        value = getattr(outputs, name)
        if value is None:  # a model that was given has no history: an earlier fit's must not stand beside it
            target.unlink(missing_ok=True)
            sidecar_path(target).unlink(missing_ok=True)
            continue
        if name == "model" and target.exists() and target.samefile(value):  # given from where it would go
            continue
        if name in ("report", "verdict"):
            beside = None
        elif name == "denoised":
            value = value[run]
            beside = sidecar(
                "Preprocessed BOLD, encoded and decoded by the subject's convolutional VAE",
                [bolds[run], *shared],
                datasets,
                parameters,
                RepetitionTime=plan.t_r,
                SkullStripped=True,
                TaskName=plan.runs[run].entities.get("task"),
                **space,
            )
        else:
            *_, description, fields = FILES[name]
            image = space if target.name.endswith(".nii.gz") else {}
            beside = sidecar(description, [*bolds, *shared], datasets, parameters, **fields, **image)
            beside |= {column: {"Description": text} for column, text in COLUMNS.get(name, {}).items()}
            beside |= _found(name, outputs)
            if name == "model":
                beside = _model_sidecar(config, beside)
        if deliver(Path(value), target, beside):
            changed.append(target)
    return changed


def _found(name: str, outputs: Any) -> dict[str, Any]:
    """What a step found, for the sidecar of its file: voxels and parcels, voxels dropped, frames censored."""
    if name in ("mask", "scaling"):
        return {"Found": _read(getattr(outputs, f"{name}_info"))}
    return {"Runs": [_read(info) for info in outputs.series_info]} if name == "frames" else {}


def _model_sidecar(config: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    """The model's JSON with this run's sources; a model that was given keeps its own under FittedOn."""
    fitted_on = config.get("FittedOn") or {key: config[key] for key in ("Sources", "Parameters") if key in config}
    return config | beside | ({"FittedOn": fitted_on} if fitted_on else {})


def _read(path: Path) -> dict[str, Any]:
    return json.loads(Path(path).read_text(encoding="utf-8"))
