"""What finn delivers: the names and sidecars of a subject's files in the output folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydra_vae.bids.columns import as_fields
from pydra_vae.bids.derivatives import dataset_label, deliver, sidecar_path
from pydra_vae.bids.names import derivative_name, parse
from pydra_vae.bids.plan import SubjectPlan
from pydra_vae.bids.sidecars import provenance, sidecar
from pydra_vae.bids.spaces import spatial_fields
from pydra_vae.bids.tables import columns_of
from pydra_vae.workflows.finn import IN_HEMISPHERES
from pydra_vae.workflows.finn_columns import described

IMAGES = (".nii.gz", ".nii", ".gii")
SIDES = {"left": "L", "right": "R"}
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
# The same for what the analyses give.
ANALYSES: dict[str, tuple[str, str, dict[str, str], str, dict[str, Any]]] = {
    "structure": ("structure", ".tsv", {"desc": "cvae"}, "Correlation and dimension of the latent space", {}),
    "correlations": ("correlations", ".tsv", {"desc": "cvae"}, "Correlation of each pair of latent dimensions", {}),
    "dimensions": ("dimensions", ".tsv", {"desc": "cvae"}, "Smoothness of the map of each latent dimension", {}),
    "views": ("views", ".tsv", {"desc": "cvae"}, "Two-dimensional views of the latent space", {}),
    "gradient_maps": ("gradients", ".nii.gz", {"desc": "diffusion"}, "Diffusion embedding, a volume a gradient", {}),
    "matches": ("matches", ".tsv", {"desc": "diffusion"}, "Correlation of latent dimensions with gradients", {}),
    "separability": ("separability", ".tsv", {"desc": "cvae"}, "Separability of networks, by space", {}),
    "geometry": ("geometry", ".tsv", {"desc": "cvae"}, "Latent distance beside functional connectivity", {}),
    "matrices": ("connectivity", ".safetensors", {"desc": "cvae"}, "Matrices of connectivity and of distances", {}),
    "matrix_parcels": ("parcels", ".tsv", {"desc": "cvae"}, "The parcels of these matrices, in order", {}),
    "latent_recovery": ("recovery", ".tsv", {"desc": "cvae"}, "Planted latents found again (simulated data)", {}),
    "sweep": ("sweep", ".tsv", {"desc": "cvae"}, "Error against latent size, beside PCA", {}),
    "divergence": ("divergence", ".tsv", {"desc": "cvae"}, "Weights of the KL and its relatives", {}),
    "outliers": ("outliers", ".tsv", {"desc": "cvae"}, "Detectors of outliers", {}),
    "voxel_scores": ("outliers", ".tsv", {"desc": "voxels"}, "Outlier scores of the voxels", {}),
    "frame_scores": ("outliers", ".tsv", {"desc": "frames"}, "Outlier scores of the frames", {}),
    "score_map": ("boldmap", ".nii.gz", {"stat": "outlier", "desc": "cvae"}, "Outlier score of each voxel", {}),
    "samples": ("samples", ".tsv", {"desc": "cvae"}, "Statistics of series decoded from drawn latents", {}),
    "reliability": ("reliability", ".tsv", {"desc": "cvae"}, "Denoised first half against the raw second half", {}),
    "surrogate": ("surrogate", ".tsv", {"desc": "cvae"}, "The fit of a Gaussian surrogate beside PCA", {}),
}  # fmt: skip
ANALYSIS_FILES = {
    name: derivative_name({}, suffix, extension, **entities)
    for name, (suffix, extension, entities, *_) in ANALYSES.items()
}


def common_entities(plan: SubjectPlan) -> dict[str, str]:
    """Entities of what is made of all runs: those that they share, tasks joined by ``+``."""
    runs = [run.entities for run in plan.runs]
    shared = {key: value for key, value in runs[0].items() if all(run.get(key) == value for run in runs)}
    tasks = list(dict.fromkeys(run["task"] for run in runs if "task" in run))
    if len(runs) > 1:
        shared.pop("run", None)
    return shared | ({"task": "+".join(tasks)} if tasks else {})


def plan_files(plan: SubjectPlan) -> dict[str, Any]:
    """A subject's files, as inputs of its workflows."""
    runs = plan.runs
    masks = [run.mask for run in runs if run.mask]
    return {
        "label": plan.label,
        "bolds": [run.bold for run in runs],
        "brain_masks": masks if len(masks) == len(runs) else None,
        "confounds": [run.confounds for run in runs],
        "confounds_json": [run.confounds_json for run in runs],
        "sidecars": [run.sidecar for run in runs],
        "atlas": plan.atlas,
        "atlas_labels": plan.atlas_labels,
        "mask_file": plan.mask_file,
        "bolds_right": [run.bold_right for run in runs] if runs[0].bold_right else None,
        "atlas_right": plan.atlas_right,
        "surfaces": list(plan.surfaces) or None,
        "inflated": list(plan.inflated) or None,
        "background": plan.background[0],
        "t_r": plan.t_r if plan.headers[0].t_r is None else None,
    }


def targets(plan: SubjectPlan, output: Path) -> Iterator[tuple[str, int | None, Path]]:
    """Where each output goes: its name in `SubjectCvae`, the run (None: all), the path.

    Of grayordinates maps are dscalar.nii, and series are as the runs came: dtseries.nii, or func.gii of both
    hemispheres, which then have their maps as shape.gii too.
    """
    sides = SIDES if plan.runs[0].bold_right else {}
    for name in FILES:
        yield name, None, _target(plan, output, FILES[name])
        for side, hemi in sides.items() if name in IN_HEMISPHERES else ():
            yield f"{name}_{side}", None, _target(plan, output, FILES[name], hemi)
    for i, run in enumerate(plan.runs):
        for side, hemi in sides.items():
            name = derivative_name(run.entities, "bold", ".func.gii", desc="denoised", hemi=hemi)
            yield f"denoised_{side}", i, _folder(plan, output) / name
        if not sides:
            extension = ".dtseries.nii" if plan.on_surface else ".nii.gz"
            name = derivative_name(run.entities, "bold", extension, desc="denoised")
            yield "denoised", i, _folder(plan, output) / name
    yield "report", None, output / f"{plan.label}.html"


def analysis_targets(plan: SubjectPlan, output: Path, names: Iterable[str]) -> dict[str, Path]:
    """Where the outputs of analyses go, by their names in `SubjectScience`."""
    return {name: _target(plan, output, ANALYSES[name]) for name in names}


def _folder(plan: SubjectPlan, output: Path) -> Path:
    entities = plan.runs[0].entities
    session = f"ses-{entities['ses']}" if "ses" in entities else ""
    return output / f"sub-{entities['sub']}" / session / "func"


def _target(plan: SubjectPlan, output: Path, file: tuple, hemi: str | None = None) -> Path:
    suffix, extension, more, *_ = file
    if extension == ".nii.gz" and plan.on_surface:
        extension, more = (".shape.gii", more | {"hemi": hemi}) if hemi else (".dscalar.nii", more)
    return _folder(plan, output) / derivative_name(common_entities(plan), suffix, extension, **more)


@dataclass(frozen=True)
class Delivery:
    """Copies a subject's results to their BIDS names, with sidecars.

    Attributes
    ----------
    plan : SubjectPlan
    output, derivatives : Path
    parameters : mapping
        For the sidecars.
    sources : sequence of Path
        What was read beside the runs and the plan's atlas and mask, such as a mean image.
    """

    plan: SubjectPlan
    output: Path
    derivatives: Path
    parameters: Mapping[str, Any]
    sources: Sequence[Path] = ()

    def subject(self, outputs: Any) -> None:
        """Deliver what `SubjectCvae` gave."""
        config = _read(outputs.config)
        for output, run, target in targets(self.plan, self.output):
            value, name = getattr(outputs, output), output.removesuffix("_left").removesuffix("_right")
            if value is None:  # a model that was given has no history: an earlier fit's must not stand beside it
                _remove(target)
                continue
            if name == "model" and target.exists() and target.samefile(value):  # given from where it would go
                continue
            if name == "model" and not (target.exists() and target.read_bytes() == Path(value).read_bytes()):
                for stale in analysis_targets(self.plan, self.output, ANALYSES).values():
                    _remove(stale)  # the analyses of another model
            if name in ("report", "verdict"):
                beside = None
            elif name == "denoised":
                value = value[run]
                beside = self._denoised(run, target, config["device"])
            else:
                beside = self._sidecar(name, FILES[name], target, value, device=config["device"])
                beside |= self._found(name, outputs)
            if name in ("mask", "voxels"):
                beside |= self._regions
            if name == "model":
                beside = _model_sidecar(config, beside) | {"Label": self.plan.label}
            deliver(Path(value), target, beside)

    def analysis(self, names: Iterable[str], outputs: Any, given: Mapping[str, Any]) -> None:
        """Deliver outputs of `SubjectScience`; `given` are the parameters of the analysis."""
        for name, target in analysis_targets(self.plan, self.output, names).items():
            value = getattr(outputs, name)
            if value is None:
                _remove(target)
            else:
                deliver(Path(value), target, self._sidecar(name, ANALYSES[name], target, value, analysis=given))

    def _sidecar(self, name: str, file: tuple, target: Path, value: Path, **more: Any) -> dict[str, Any]:
        *_, description, fields = file
        image = self._spatial(target) if target.name.endswith(IMAGES) else {}
        sources = [*(path for run in self.plan.runs for path in run.files), *self._shared]
        made = sidecar(description, sources, self._datasets, {**self.parameters, **more}, **fields, **image)
        return made | (as_fields(described(name, columns_of(value))) if target.suffix == ".tsv" else {})

    def _denoised(self, run: int, target: Path, device: str) -> dict[str, Any]:
        said = self.plan.runs[run].metadata()
        return sidecar(
            "Preprocessed BOLD, encoded and decoded by the subject's convolutional VAE",
            [*self.plan.runs[run].files, *self._shared],
            self._datasets,
            {**self.parameters, "device": device},
            RepetitionTime=self.plan.t_r,
            SkullStripped=True,
            TaskName=said.get("TaskName", self.plan.runs[run].entities.get("task")),
            **self._spatial(target, run),
        )

    def _found(self, name: str, outputs: Any) -> dict[str, Any]:
        """What a step found, for the sidecar of its file: voxels and parcels, voxels dropped, frames censored."""
        if name in ("mask", "scaling"):
            return {"Found": _read(getattr(outputs, f"{name}_info"))}
        if name != "frames":
            return {}
        # of a pair the step has read a file of both, whose name nobody knows
        files = [", ".join(path.name for path in run.files) for run in self.plan.runs]
        return {"Runs": [_read(info) | {"bold": f} for info, f in zip(outputs.series_info, files, strict=True)]}

    @property
    def _datasets(self) -> dict[str, Path]:
        return {dataset_label(self.derivatives): self.derivatives, "": self.output}

    @property
    def _shared(self) -> list[Path]:
        tables = [run.confounds for run in self.plan.runs]
        atlas = (self.plan.atlas, self.plan.atlas_labels, self.plan.atlas_right)
        alone = not self.plan.on_surface and self.plan.atlas is None and self.plan.mask_file is None
        masks = [run.mask for run in self.plan.runs] if alone else []
        read = (*atlas, self.plan.mask_file, *masks, *tables, *self.sources)
        return [path for path in read if path is not None]

    @property
    def _regions(self) -> dict[str, Any]:
        """Which atlas and which mask these voxels come from."""
        files = {"Atlas": self.plan.atlas, "AtlasLabels": self.plan.atlas_labels, "Mask": self.plan.mask_file}
        files["AtlasRight"] = self.plan.atlas_right
        return {name: provenance(path, self._datasets) for name, path in files.items() if path is not None}

    def _spatial(self, target: Path, run: int = 0) -> dict[str, Any]:
        """To what a file is aligned, with the words of its BOLD's sidecar on resolution and density."""
        source, name = self.plan.runs[run], parse(target.name)
        said = source.metadata()
        if "res" in name.entities and "Resolution" not in said and not self.plan.on_surface:
            size = " × ".join(f"{mm:.3g}" for mm in self.plan.headers[run].voxel_sizes)
            said["Resolution"] = f"voxels of {size} mm"
        own: Any = (source.t1w or source.boldref or source.bold) if source.space else source.boldref
        if self.plan.on_surface:
            own = dict(zip("LR", self.plan.surfaces, strict=True))
        return spatial_fields(name.entities, name.extension, own, self._datasets, said)


def _remove(target: Path) -> None:
    """Take away a result and its sidecar."""
    target.unlink(missing_ok=True)
    sidecar_path(target).unlink(missing_ok=True)


def _model_sidecar(config: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    """The model's JSON with this run's sources; a model that was given keeps its own under FittedOn."""
    fitted_on = config.get("FittedOn") or {key: config[key] for key in ("Sources", "Parameters") if key in config}
    return config | beside | ({"FittedOn": fitted_on} if fitted_on else {})


def _read(path: Path) -> dict[str, Any]:
    return json.loads(Path(path).read_text(encoding="utf-8"))
