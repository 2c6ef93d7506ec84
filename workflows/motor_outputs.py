"""What motor delivers: the names and sidecars of its files in the output folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydra_vae.bids.columns import as_fields
from pydra_vae.bids.derivatives import dataset_label, deliver
from pydra_vae.bids.names import derivative_name
from pydra_vae.bids.recordings import Recording
from pydra_vae.bids.sidecars import provenance, sidecar
from pydra_vae.bids.spaces import density_of, spatial_fields
from pydra_vae.bids.tables import columns_of
from pydra_vae.workflows.motor_columns import described
from pydra_vae.workflows.motor_models import SURFACE_FILES
from pydra_vae.workflows.motor_specs import Decomposition, Vae

# Outputs of the surface's steps: suffix, extension, entities, description.
SURFACE = {
    "vertices": ("vertices", ".tsv", {"desc": "region"}, "Vertices that were analysed, in the order of all maps"),
    "clusters": ("clusters", ".tsv", {"desc": "structural"}, "Sizes and pieces of the structural clusters"),
    "functional": ("clusters", ".tsv", {"desc": "functional"}, "Sizes and pieces of the functional clusters"),
    "subject_split": ("split", ".tsv", {"desc": "motor"}, "Training, validation and test recordings"),
}
# Outputs of `MotorComparison`.
TABLES = {
    "claims": "The paper's claims beside these data; the first row says in short which holds against which null",
    "comparison": "Every model's correlation with the task, beside chance, ceiling and the paper's way of scoring",
    "scores": "The same for each sub-task",
    "fits": "Reconstruction, terms of the loss and collapse verdict of every fit",
    "sweep": "The same of the fits of a grid over factors, β and seeds (--grid)",
    "subjects": "Correlation of each recording's factors with the task",
    "courses": "Best factor of each sub-task over the test average, beside the expected response",
    "glm": "Every factor explained by all sub-tasks together",
    "map_scores": "Maps of the best factors: correlation with the reference, sparsity, spread, lateralisation",
    "stability": "Restarts of each ICA",
    "clock": "Do factors follow the input in time?",
    "distances": "Distances between sub-tasks in factor space",
    "silhouette": "Clustering of the trajectory by sub-task, beside shifted labels",
    "consistency": "Agreement of factors between seeds",
}


def targets(output: Path) -> dict[str, Path]:
    """Where each table goes, by its name."""
    found = {name: output / f"group_desc-motor_{name.replace('_', '')}.tsv" for name in TABLES}
    for name, (suffix, extension, entities, _) in SURFACE.items():
        found[name] = output / f"group_{derivative_name({}, suffix, extension, **entities)}"
    return found | {"report": output / "index.html"}


def slug(model: Vae | Decomposition) -> str:
    """A model's name as a BIDS label.

    >>> slug(Vae("TI-VAE-S", "structural", 8, 0.5, 42))
    'TIVAESk8b0p5s42'
    """
    name = re.sub(r"[^a-zA-Z0-9]", "", model.family.replace("β", "beta"))
    if isinstance(model, Decomposition):
        return f"{name}k{model.n_components}"
    return f"{name}k{model.latent_dim}b{model.beta:g}s{model.seed}".replace(".", "p")


@dataclass(frozen=True)
class Delivery:
    """Copies results to their names.

    Attributes
    ----------
    output, data : Path
    recordings : sequence of Recording
        In the order of the split.
    region : mapping
        Content of region.json.
    parameters : mapping
        For the sidecars.
    """

    output: Path
    data: Path
    recordings: list[Recording]
    region: Mapping[str, Any]
    parameters: Mapping[str, Any]

    def model(self, model: Vae | Decomposition, outputs: Any) -> None:
        """A model's weights, maps and factors."""
        name = slug(model)
        if isinstance(model, Vae):
            config = json.loads(Path(outputs.config).read_text(encoding="utf-8"))
            config["RepetitionTime"] = self.recordings[0].t_r
            self._give(outputs.model, f"desc-{name}_model.safetensors", f"Weights of {model.label}", config)
            columns = as_fields(described("history", columns_of(outputs.history)))
            self._give(outputs.history, f"desc-{name}_history.tsv", f"Learning curve of {model.label}", columns)
            deliver(Path(outputs.verdict), self.output / f"group_desc-{name}_verdict.json")
        self._maps(outputs, "", name, f"Map of each factor of {model.label}")
        if isinstance(model, Vae):
            what = f"Regression of single recordings on their factors, {model.label}"
            self._maps(outputs, "subject_", f"{name}subjects", what)

    def _maps(self, outputs: Any, prefix: str, name: str, what: str) -> None:
        """Maps of one kind as CIFTI and GIFTI, where they were made."""
        cifti, *sides = (getattr(outputs, f"{prefix}{file}") for file in SURFACE_FILES)
        if cifti is not None:
            space = f"space-{self.region['space']}"
            self._give(cifti, f"{space}_desc-{name}_map.dscalar.nii", what, self._spatial(".dscalar.nii"))
            for hemi, file in zip("LR", sides, strict=True):
                end = f"hemi-{hemi}_{space}_desc-{name}_map.shape.gii"
                self._give(file, end, what, self._spatial(".shape.gii", hemi))

    def factors(self, model: Vae | Decomposition, tables: Path) -> None:
        """A model's factors of each recording."""
        for recording in self.recordings:
            entities = {key: value for key, value in recording.entities.items() if key not in ("space", "den", "hemi")}
            session = f"ses-{entities['ses']}" if "ses" in entities else ""
            name = derivative_name(entities, "factors", ".tsv", desc=slug(model))
            target = self.output / recording.person / session / "func" / name
            what = sidecar(f"Factors of {model.label}, a row a frame", recording.data, self._datasets, self.parameters)
            table = Path(tables) / f"{recording.label}.tsv"
            deliver(table, target, what | as_fields(described("factors", columns_of(table))))

    def tables(self, found: Mapping[str, Any]) -> None:
        """The tables and the report of the study."""
        for name, target in targets(self.output).items():
            if found.get(name) is None:
                continue
            what = TABLES.get(name) or (SURFACE[name][3] if name in SURFACE else None)
            beside = None
            if what is not None:
                beside = self._sidecar(what, name) | as_fields(described(name, columns_of(found[name])))
            deliver(Path(found[name]), target, beside)

    def _give(self, file: Path, end: str, what: str, more: Mapping[str, Any] | None = None) -> None:
        deliver(Path(file), self.output / f"group_{end}", {**(more or {}), **self._sidecar(what)})

    def _sidecar(self, what: str, name: str = "") -> dict[str, Any]:
        """Sources of the split are the recordings; of all else the split, which a sidecar then need not repeat."""
        split = targets(self.output)["subject_split"]
        sources = [path for one in self.recordings for path in one.data] if name == "subject_split" else [split]
        region = {"Region": self._region} if name == "vertices" else {}
        return sidecar(what, sources, self._datasets, self.parameters, **region)

    @property
    def _region(self) -> dict[str, Any]:
        """What was analysed, and of which file that is a part."""
        labels = Path(str(self.region.get("label_file", "")))
        return {**self.region, **({"label_file": provenance(labels, self._datasets)} if labels.is_file() else {})}

    def _spatial(self, extension: str, hemi: str | None = None) -> dict[str, Any]:
        space, sizes = self.region["space"], (self.region["mesh_left"], self.region["mesh_right"])
        entities = {"space": space, "den": density_of(space, sizes), "hemi": hemi}
        return spatial_fields({key: value for key, value in entities.items() if value}, extension)

    @property
    def _datasets(self) -> dict[str, Path]:
        return {dataset_label(self.data): self.data, "": self.output}
