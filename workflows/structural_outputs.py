"""What structural delivers: the names and sidecars of its files in the output folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydra_vae.bids.columns import as_fields
from pydra_vae.bids.derivatives import dataset_label, deliver
from pydra_vae.bids.names import derivative_name
from pydra_vae.bids.sidecars import provenance, sidecar
from pydra_vae.bids.spaces import spatial_fields
from pydra_vae.bids.tables import read_table
from pydra_vae.bids.volumes import Volume
from pydra_vae.workflows.structural_columns import described
from pydra_vae.workflows.structural_networks import NETWORK_MODELS
from pydra_vae.workflows.structural_specs import VolumeFit

VISITS = "_sessions.tsv"
# Delivered tables and what they are; each has its columns described in its sidecar.
TABLES = {
    "claims": "The tutorial's claims beside these data; the first row says in short what holds",
    "fits": "Reconstruction, information, terms of the loss and verdicts of every fit, beside PCA and the mean image",
    "trials": "Every trial of the search, and which was chosen by its rule",
    "split": "Training, validation and test images; all visits of a person lie on one side",
    "covariates": "What tables say of each image's person and visit",
    "regions": "Regional volumes of every image",
    "latents": "Latents of every image under the main model, with their standard deviations",
    "components": "Scores of every image on twice as many principal components, the linear latents",
    "variance": "What each latent of the main model does to the image, and how much",
    "traversals": "Which latent at which value each volume of the traversals' image shows",
    "correlations": "Latents, and principal components, with covariates and regions; q is the false discovery rate",
    "draws": "Images drawn from the prior and from densities of the latents, beside the data's own statistics",
    "drawn": "What each volume of the image of drawn images was drawn from",
    "interpolation": "Walks between pairs of persons in the latent space",
    "embeddings": "MDS, LLE and Isomap beside PCA and the VAE",
    "coordinates": "Two-dimensional maps of the images by the same methods",
    "dimension": "Intrinsic dimension of images and latents, beside Gaussian and shuffled controls",
    "shells": "How latents concentrate in shells of their space",
    "regression": "Covariates predicted from latents, principal components and the mean, by nested cross-validation",
    "predictions": "The predictions of each person",
    "importance": "What each latent contributes to a prediction",
    "recovery": "Planted factors found again in the latents",
    "joint": "Each modality predicted from the others, beside each alone",
    "jointpredictions": "Predictions of each person's scores",
    "jointdecoded": "Which score at which value each volume of the images decoded from a score shows",
    "coefficients": "Latents over time: mixed model of repeated visits",
    "nextvisits": "Error of each predicted next visit",
    "visits": "Prediction of the next visit beside carrying the last one forward",
    "frozen": "Accuracy lost where one latent is held at its last value",
    "progression": "Age and years of each volume of the progression's image",
    "networks": "Networks and the components that follow them, for each kind of latents",
    "networkoverlap": "Overlap of every component with every network",
    "networktask": "Correlation of every component's course with the task",
    "networkfits": "Reconstruction and verdicts of every subject's model of frames",
}
# Which output of an analysis each of these tables is.
OF_ANALYSES = {
    "latents": {"latents": "table"},
    "components": {"components": "table"},
    "recovery": {"recovery": "recovery"},
    "explained": {
        "variance": "table",
        "traversals": "steps",
        "draws": "statistics",
        "drawn": "drawn_table",
        "interpolation": "interpolation_table",
        "embeddings": "embeddings",
        "coordinates": "coordinates_table",
        "dimension": "dimension",
        "shells": "shells",
    },
    "joint": {"joint": "scores", "jointpredictions": "predictions", "jointdecoded": "table"},
    "longitudinal": {
        "coefficients": "coefficients",
        "nextvisits": "predictions",
        "visits": "scores",
        "frozen": "frozen",
        "progression": "progression_steps",
    },
}


class Picture(NamedTuple):
    """An image of an analysis: its output, where it goes, and the output whose rows say what its volumes are."""

    output: str
    end: str
    what: str
    table: str
    volume: str


# `{fit}` is the main fit's name as a label, other names in braces are columns of the table.
PICTURES = {
    "explained": (
        Picture("effect_maps", "stat-effect_desc-{fit}", "Change of the image per standard deviation of each latent",
                "table", "z{latent}"),
        Picture("traversal_maps", "desc-{fit}traversals", "Images decoded along each latent, the others at their mean",
                "steps", "z{latent} at {value_sd} sd"),
        Picture("drawn_maps", "desc-{fit}drawn", "Some of the images drawn", "drawn_table", "{source}"),
        Picture("interpolated_maps", "desc-{fit}interpolation", "Ways between persons in the latent space",
                "interpolation_table", "pair {pair}, {kind}: {share} of the way from {label_a} to {label_b}"),
    ),
    "joint": (
        Picture("decoded_maps", "desc-{fit}jointdecoded", "Images decoded from one score alone",
                "table", "{score} {level}: {value}"),
    ),
    "longitudinal": (
        Picture("progression_image", "desc-{fit}progression", "Images along age, by the mixed model of the latents",
                "progression_steps", "{kind}: age {age}, years since the first visit {years}"),
    ),
}  # fmt: skip


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


def datasets_read(folders: Sequence[Path | None]) -> dict[str, Path]:
    """The folders that are read by the names that BIDS URIs use for them; of a table its folder.

    >>> datasets_read([Path("/a/fmriprep"), None, Path("/b/fmriprep"), Path("/a/fmriprep")])
    {'fmriprep': PosixPath('/a/fmriprep'), 'fmriprep2': PosixPath('/b/fmriprep')}
    """
    found: dict[str, Path] = {}
    for path in folders:
        folder = None if path is None else Path(os.path.abspath(path.parent if path.is_file() else path))
        if folder is not None and folder not in found.values():
            label = dataset_label(folder)
            found[f"{label}{len(found) + 1}" if label in found else label] = folder
    return found


def volume_names(table: Path, form: str) -> list[str]:
    """What each volume of an image shows, from the table that has a row for each."""
    rows = read_table(table).fillna("n/a").to_dict("records")
    return [form.format(**{name: _short(value) for name, value in row.items()}) for row in rows]


def _short(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


@dataclass(frozen=True)
class Delivery:
    """Copies results to their names.

    Attributes
    ----------
    output : Path
    datasets : mapping
        What is read (`datasets_read`).
    volumes : list of Volume
        The images, in the order of the split.
    parameters : mapping
        For the sidecars.
    tables : sequence of Path
        Of persons and visits, whose own sidecars describe the covariates.
    bolds : sequence of Path
        Runs whose networks are looked for.
    """

    output: Path
    datasets: Mapping[str, Path]
    volumes: Sequence[Volume]
    parameters: Mapping[str, Any]
    tables: Sequence[Path] = field(default=(), repr=False)
    bolds: Sequence[Path] = field(default=(), repr=False)

    def model(self, fit: VolumeFit, outputs: Any) -> None:
        """A model's weights, learning curve and verdict, and some images beside their reconstructions."""
        name, config = slug(fit), _read(outputs.config)
        own = replace(self, parameters={**self.parameters, "FitVolumeVae": fit.options})
        own._give(outputs.model, f"desc-{name}_model.safetensors", f"Weights of {fit.label}", config)
        own._table("history", outputs.history, f"desc-{name}_history.tsv", f"Learning curve of {fit.label}")
        what = f"Test images and their reconstructions by {fit.label}, from the best to the worst"
        own._table("examples", outputs.examples_table, f"desc-{name}_examples.tsv", what)
        volumes = volume_names(outputs.examples_table, "{kind} of {label}")
        own._image(outputs.examples_image, f"desc-{name}examples", what, {"Volumes": volumes})
        deliver(Path(outputs.verdict), self.output / f"group_desc-{name}_verdict.json")

    def shared(self, data: Any, covariates: Any) -> None:
        """What the models share: mask, mean image, principal components, split, covariates, regions."""
        images = [volume.path for volume in self.volumes]
        self._table("split", data.volume_split, sources=images)
        given = {"Atlas": self.parameters.get("atlas"), "Mask": self.parameters.get("mask")}
        files = {name: provenance(Path(path), self._datasets) for name, path in given.items() if path}
        self._mask(data.mask, "structural", "Voxels that were modelled", _read(data.mask_info) | files)
        self._image(data.mean, "stat-mean_desc-structural", "Mean of the training images")
        linear = _read(data.pca_info)
        volumes = {"Volumes": [f"component{number}" for number in range(linear["n_components"])]}
        self._image(data.component_maps, "desc-PCA", "Principal components of the training images", linear | volumes)
        about = {name: value for name, value in _read(covariates.info).items() if name != "columns"}
        sources = [*self._sources, *self.tables]
        self._table("covariates", covariates.covariates, sources=sources, more=about, own=self._data_columns())
        if data.regions is not None:
            about = _read(data.regions_info)
            units = {"Units": "ml"} if about["unit"] == "ml" else {}
            what = f"{'Volume' if units else 'Mean'} of this region of {about['atlas']}"
            own = {name: {"Description": what, **units} for name in about["n_voxels"]}
            self._table("regions", data.regions, more=about, own=own)

    def second(self, mask: Path, images: Sequence[Volume]) -> None:
        """The second modality's mask."""
        own = replace(self, volumes=images)
        own._mask(mask, "second", "Voxels of the second modality")

    def analysis(self, label: str, outputs: Any, fit: VolumeFit) -> None:
        """The tables and images of one analysis of the main model."""
        for name, output in OF_ANALYSES.get(label, {}).items():
            self._table(name, getattr(outputs, output))
        for picture in PICTURES.get(label, ()):
            image = getattr(outputs, picture.output)
            if image is not None:
                volumes = volume_names(getattr(outputs, picture.table), picture.volume)
                what = f"{picture.what}; {fit.label}"
                self._image(image, picture.end.format(fit=slug(fit)), what, {"Volumes": volumes})
        if label == "reconstructions":
            volumes = [volume.label for volume in self.volumes]
            what = f"Reconstruction of every image by {fit.label}"
            self._image(outputs.image, f"desc-{slug(fit)}reconstructions", what, {"Volumes": volumes})
        if label == "joint":
            name = f"{slug(fit)}joint"
            self._give(
                outputs.model, f"desc-{name}_model.safetensors", "Weights of the joint model", _read(outputs.config)
            )
            self._table(
                "jointhistory", outputs.history, f"desc-{name}_history.tsv", "Learning curve of the joint model"
            )

    def networks(
        self, entities: Mapping[str, str], sources: Sequence[Path], outputs: Any, own: Path | None = None
    ) -> None:
        """Maps and courses of one subject's functional networks, by each kind of latents, and their mask.

        `own` is the image that defines a space of the subject's own.
        """
        session = f"ses-{entities['ses']}" if "ses" in entities else ""
        folder = self.output / f"sub-{entities['sub']}" / session / "func"

        def give(file: Path, suffix: str, extension: str, what: str, stat: str | None = None, **more: Any) -> None:
            name = derivative_name(
                entities, suffix, extension, **({"stat": stat} if stat else {}), desc=more.pop("desc")
            )
            where = spatial_fields(entities, extension, own, self._datasets) if extension == ".nii.gz" else {}
            beside = sidecar(what, sources, self._datasets, self.parameters, **where)
            deliver(Path(file), folder / name, {**beside, **more})

        give(outputs.mask, "mask", ".nii.gz", "Voxels whose networks were looked for", desc="networks", Type="ROI")
        deliver(Path(outputs.verdict), folder / derivative_name(entities, "verdict", ".json", desc="VAE"))
        known = self.parameters.get("networks_atlas")
        atlas = {"Atlas": provenance(Path(known), self._datasets)} if known else {}
        for model, image, courses in zip(NETWORK_MODELS, outputs.images, outputs.courses, strict=True):
            desc, table = re.sub(r"[^a-zA-Z0-9]", "", model), read_table(courses)
            volumes = [f"component {number}" for number in table["component"].unique()]
            what = f"Regression of the frames on each component's course: {model}"
            give(image, "boldmap", ".nii.gz", what, "z", desc=desc, Units="z", Volumes=volumes, **atlas)
            columns = as_fields(described("courses", table.columns))
            give(courses, "timeseries", ".tsv", f"Course of each component: {model}", desc=desc, **columns)

    def page(self, made: Any, trials: Path | None) -> None:
        """The gathered tables, the trials of a search, and the report."""
        for name, path in ({name: getattr(made, name, None) for name in TABLES} | {"trials": trials}).items():
            self._table(name, path, sources=self.bolds if name.startswith("network") else None)
        deliver(Path(made.report), targets(self.output)["report"])

    def _table(
        self,
        name: str,
        path: Path | None,
        end: str = "",
        what: str = "",
        sources: Sequence[Path] | None = None,
        more: Mapping[str, Any] | None = None,
        own: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """A table with its columns described; nothing where there is none."""
        if path is None:
            return
        where = self.output / f"group_{end}" if end else targets(self.output)[name]
        beside = sidecar(what or TABLES[name], sources or self._sources, self._datasets, self.parameters)
        columns = as_fields(described(name, read_table(path).columns, own))
        deliver(Path(path), where, {**(more or {}), **beside, **columns})

    def _image(self, file: Path, entities: str, what: str, more: Mapping[str, Any] | None = None) -> None:
        space = f"space-{self._space}_" if self._space else ""
        self._give(file, f"{space}{entities}_map.nii.gz", what, {**(more or {}), **self._reference})

    def _mask(self, file: Path, desc: str, what: str, more: Mapping[str, Any] | None = None) -> None:
        """A group's mask, where BIDS has images that belong to a template and to nobody: ``tpl-…/anat``."""
        label = self._space or "group"
        target = self.output / f"tpl-{label}" / "anat" / derivative_name({"tpl": label}, "mask", ".nii.gz", desc=desc)
        beside = sidecar(what, self._sources, self._datasets, self.parameters, Type="ROI")
        deliver(Path(file), target, {**(more or {}), **beside, **self._reference})

    def _give(self, file: Path, end: str, what: str, more: Mapping[str, Any] | None = None) -> None:
        beside = sidecar(what, self._sources, self._datasets, self.parameters)
        deliver(Path(file), self.output / f"group_{end}", {**(more or {}), **beside})

    def _data_columns(self) -> dict[str, dict[str, str]]:
        """What the sidecars of the tables of persons and visits say of their columns; of a visit's, only its own."""
        visits = [path for path in self.tables if path.name.endswith(VISITS)]
        told = {name for path in visits[:1] for name in read_table(path).columns}
        found: dict[str, dict[str, str]] = {}
        for path in self.tables:
            beside = path.with_suffix(".json")
            if beside.is_file():
                others = set() if path.name.endswith(VISITS) else told
                said = {name: text for name, text in _read(beside).items() if isinstance(text, dict)}
                found |= {name: text for name, text in said.items() if name not in others}
        return found

    @property
    def _space(self) -> str:
        """Space of all images; empty where nothing says, or not all say the same."""
        spaces = {volume.space for volume in self.volumes if volume.space}
        return re.sub(r"[^a-zA-Z0-9+]", "", spaces.pop()) if len(spaces) == 1 else ""

    @property
    def _reference(self) -> dict[str, Any]:
        """SpatialReference of the first image, which all share; else that of their template."""
        beside = next((volume.sidecar for volume in self.volumes if volume.sidecar), None)
        said = {} if beside is None else _read(beside)
        found = said.get("SpatialReference")
        if found is not None and "bids::" not in json.dumps(found):  # which would mean the other dataset
            return {"SpatialReference": found}
        return spatial_fields({"space": self._space} if self._space else {}, ".nii.gz")

    @property
    def _sources(self) -> list[Path]:
        """The split, whose own sidecar lists every image: a thousand names beside each of fifty files serve nobody."""
        return [targets(self.output)["split"]] if self.volumes else list(self.bolds)

    @property
    def _datasets(self) -> dict[str, Path]:
        return {**self.datasets, "": self.output}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(Path(path).read_text(encoding="utf-8"))
