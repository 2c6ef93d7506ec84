"""What structural delivers: the names and sidecars of its files in the output folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydra_vae.bids.derivatives import dataset_label, deliver
from pydra_vae.bids.names import derivative_name
from pydra_vae.bids.sidecars import sidecar
from pydra_vae.bids.volumes import Volume
from pydra_vae.workflows.structural_columns import described
from pydra_vae.workflows.structural_networks import NETWORK_MODELS
from pydra_vae.workflows.structural_specs import VolumeFit

# Delivered tables and what they are; each has its columns described in its sidecar.
TABLES = {
    "claims": "The tutorial's claims beside these data; the first row says in short what holds",
    "fits": "Reconstruction, information, terms of the loss and verdicts of every fit, beside PCA and the mean image",
    "trials": "Every trial of the search, and which was chosen by its rule",
    "split": "Training, validation and test images; all visits of a person lie on one side",
    "covariates": "What tables say of each image's person and visit",
    "regions": "Regional volumes of every image, ml",
    "latents": "Latents of every image under the main model, with their standard deviations",
    "variance": "What each latent of the main model does to the image, and how much",
    "correlations": "Latents, and principal components, with covariates and regions; q is the false discovery rate",
    "draws": "Images drawn from the prior and from densities of the latents, beside the data's own statistics",
    "interpolation": "Walks between pairs of persons in the latent space",
    "embeddings": "MDS, LLE and Isomap beside PCA and the VAE",
    "dimension": "Intrinsic dimension of images and latents, beside Gaussian and shuffled controls",
    "shells": "How latents concentrate in shells of their space",
    "regression": "Covariates predicted from latents, principal components and the mean, by nested cross-validation",
    "predictions": "The predictions of each person",
    "importance": "What each latent contributes to a prediction",
    "recovery": "Planted factors found again in the latents",
    "joint": "Each modality predicted from the others, beside each alone",
    "jointpredictions": "Predictions of each person's scores",
    "coefficients": "Latents over time: mixed model of repeated visits",
    "nextvisits": "Error of each predicted next visit",
    "visits": "Prediction of the next visit beside carrying the last one forward",
    "frozen": "Accuracy lost where one latent is held at its last value",
    "networks": "Networks and the components that follow them, for each kind of latents",
}
# Which output of an analysis each of these tables is.
OF_ANALYSES = {
    "latents": {"latents": "table"},
    "recovery": {"recovery": "recovery"},
    "explained": {
        "variance": "table",
        "draws": "statistics",
        "interpolation": "interpolation_table",
        "embeddings": "embeddings",
        "dimension": "dimension",
        "shells": "shells",
    },
    "joint": {"joint": "scores", "jointpredictions": "predictions"},
    "longitudinal": {
        "coefficients": "coefficients",
        "nextvisits": "predictions",
        "visits": "scores",
        "frozen": "frozen",
    },
}


def targets(output: Path) -> dict[str, Path]:
    """Where each table goes, by its name."""
    found = {name: output / f"group_desc-structural_{name}.tsv" for name in TABLES}
    return found | {"report": output / "index.html"}


def slug(fit: VolumeFit) -> str:
    """A fit's name as a BIDS label.

    >>> slug(VolumeFit("DSSIM, KL β 0.5"))
    'DSSIMKLbeta0p5'
    """
    name = fit.setting.replace("β", "beta").replace("λ", "lambda").replace(".", "p")
    return re.sub(r"[^a-zA-Z0-9]", "", name)


@dataclass(frozen=True)
class Delivery:
    """Copies results to their names.

    Attributes
    ----------
    output, data : Path
    volumes : list of Volume
        The images, in the order of the split.
    parameters : mapping
        For the sidecars.
    """

    output: Path
    data: Path
    volumes: Sequence[Volume]
    parameters: Mapping[str, Any]

    def model(self, fit: VolumeFit, outputs: Any) -> None:
        """A model's weights, learning curve and verdict."""
        name, config = slug(fit), json.loads(Path(outputs.config).read_text(encoding="utf-8"))
        self._give(outputs.model, f"desc-{name}_model.safetensors", f"Weights of {fit.label}", config)
        self._give(outputs.history, f"desc-{name}_history.tsv", f"Learning curve of {fit.label}")
        deliver(Path(outputs.verdict), self.output / f"group_desc-{name}_verdict.json")

    def shared(self, data: Any, covariates: Any) -> None:
        """What the models share: mask, mean image, split, covariates, regions."""
        space = self._space
        self._tables({"split": data.volume_split}, [volume.path for volume in self.volumes])
        self._give(data.mask, f"{space}desc-structural_mask.nii.gz", "Voxels that were modelled", _read(data.mask_info))
        self._give(data.mean, f"{space}stat-mean_desc-structural_map.nii.gz", "Mean of the training images")
        self._tables({"covariates": covariates.covariates, "regions": data.regions})

    def analysis(self, label: str, outputs: Any, fit: VolumeFit) -> None:
        """The tables and images of one analysis of the main model."""
        own = OF_ANALYSES.get(label, {})
        self._tables({name: getattr(outputs, output) for name, output in own.items()})
        name = slug(fit)
        if label == "explained":
            what = f"Change of the image per standard deviation of each latent of {fit.label}"
            self._give(outputs.effect_maps, f"{self._space}stat-effect_desc-{name}_map.nii.gz", what)
        elif label == "joint":
            config = _read(outputs.config)
            self._give(outputs.model, f"desc-{name}joint_model.safetensors", "Weights of the joint model", config)
        elif label == "longitudinal":
            what = "Images along age, as the mixed model of the latents has it"
            self._give(outputs.progression_image, f"{self._space}desc-{name}progression_map.nii.gz", what)

    def networks(self, entities: Mapping[str, str], sources: Sequence[Path], outputs: Any) -> None:
        """Maps of one subject's functional networks, by each kind of latents."""
        session = f"ses-{entities['ses']}" if "ses" in entities else ""
        folder = self.output / f"sub-{entities['sub']}" / session / "func"
        for model, image in zip(NETWORK_MODELS, outputs.images, strict=True):
            desc = re.sub(r"[^a-zA-Z0-9]", "", model)
            name = derivative_name(entities, "boldmap", ".nii.gz", stat="z", desc=desc)
            what = f"Regression of the frames on each component's course: {model}"
            deliver(Path(image), folder / name, sidecar(what, sources, self._datasets, self.parameters))

    def page(self, made: Any, trials: Path | None) -> None:
        """The gathered tables, the trials of a search, and the report."""
        self._tables({name: getattr(made, name, None) for name in TABLES} | {"trials": trials})
        deliver(Path(made.report), targets(self.output)["report"])

    def _tables(self, found: Mapping[str, Any], sources: Sequence[Path] | None = None) -> None:
        where = targets(self.output)
        for name, path in found.items():
            if path is not None:
                beside = sidecar(TABLES[name], sources or self._sources, self._datasets, self.parameters) | described(
                    name
                )
                deliver(Path(path), where[name], beside)

    def _give(self, file: Path, end: str, what: str, more: Mapping[str, Any] | None = None) -> None:
        beside = sidecar(what, self._sources, self._datasets, self.parameters)
        deliver(Path(file), self.output / f"group_{end}", {**(more or {}), **beside})

    @property
    def _space(self) -> str:
        spaces = {volume.space for volume in self.volumes if volume.space}
        return f"space-{spaces.pop()}_" if len(spaces) == 1 else ""

    @property
    def _sources(self) -> list[Path]:
        """The split, whose own sidecar lists every image: a thousand names beside each of fifty files serve nobody."""
        return [targets(self.output)["split"]]

    @property
    def _datasets(self) -> dict[str, Path]:
        folder = self.data if self.data.is_dir() else self.data.parent
        return {dataset_label(folder): folder, "": self.output}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(Path(path).read_text(encoding="utf-8"))
