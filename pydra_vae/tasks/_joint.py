"""A joint model between files and arrays: what FitJoint reads and writes, and what ScoreJoint reads of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import write_table
from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.volume_pca import VolumePca, fit_volume_pca, most_components
from pydra_vae.tasks import _volume_vae
from pydra_vae.tasks._fits import fingerprint, of_training
from pydra_vae.tasks._io import load_array, write_json
from pydra_vae.tasks._recordings import Split
from pydra_vae.tasks._volume_latents import check_rows, read_covariates

FILES = (
    "volumes", "volume_split", "mask", "model", "config", "covariates", "second", "second_model", "second_config",
    "second_mask",
)  # fmt: skip
FEWEST = 10  # training images with a score
LIKELIHOODS = {
    "vector": "Gaussian, one variance a feature, the best one of the batch; nats summed over features",
    "voxels": "Gaussian, one variance for all voxels, the best one of the batch; nats divided by the voxels",
}


@dataclass(frozen=True)
class Vectors:
    """A modality as a vector an image, before standardisation.

    Attributes
    ----------
    x : (N, n) float64 array
        NaN where missing.
    mean, sd : (n,) float64 arrays
        Of the training images.
    """

    x: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, rows: np.ndarray) -> "Vectors":
        """With mean and sd of some rows; a constant feature keeps its unit."""
        sd = np.nanstd(x[rows], axis=0)
        return cls(x, np.nanmean(x[rows], axis=0), np.where(sd > 1e-9, sd, 1.0))

    @property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """Standardised values, 0 where missing, and which are there; both (N, n) float32."""
        there = np.isfinite(self.x)
        return np.where(there, (self.x - self.mean) / self.sd, 0).astype(np.float32), there.astype(np.float32)


@dataclass(frozen=True)
class Second:
    """The second modality: its images, and the frozen model between them and a vector.

    Attributes
    ----------
    images : (N, V2) array
    present : (N,) bool array
    network : VolumeVae or None
    pca : VolumePca or None
        One of the two.
    """

    images: np.ndarray
    present: np.ndarray
    network: object = None
    pca: VolumePca | None = None

    def encode(self, device) -> np.ndarray:
        """(N, n) features, NaN where there is no image."""
        from pydra_vae.training.volume_apply import encode

        rows = np.flatnonzero(self.present)
        size = self.network.config.latent_dim if self.network else len(self.pca.components)
        features = np.full((len(self.images), size), np.nan)
        for part in row_chunks(len(rows), self.images.shape[1]):
            x = self.images[rows[part]]
            code = encode(self.network, x, device)[0] if self.network else (x - self.pca.mean) @ self.pca.components.T
            features[rows[part]] = code
        return features

    def decode(self, features: np.ndarray, device) -> np.ndarray:
        """Features (n, f) → images (n, V2)."""
        from pydra_vae.training.volume_apply import decode

        if self.network is not None:
            return decode(self.network, features, device)
        return features @ self.pca.components + self.pca.mean


@dataclass(frozen=True)
class Prepared:
    """One call of FitJoint, read and checked."""

    inputs: dict
    problem: object
    vectors: Mapping[str, Vectors]
    second: Second | None

    def fingerprint(self, device: str) -> str:
        """Which fit this is, on that kind of device, for its checkpoint."""
        options = {name: value for name, value in self.inputs.items() if name not in FILES}
        return fingerprint([self.inputs[name] for name in FILES], {**options, "device": device.partition(":")[0]})


def prepare(inputs: dict, device) -> Prepared:
    """Read the files of one call of FitJoint.

    Raises
    ------
    ValueError
        Files that do not belong together, scores that cannot be modelled; the message names them.
    """
    from dataclasses import replace

    from pydra_vae.models.joint import JointConfig
    from pydra_vae.models.volume_vae import VolumeVaeConfig
    from pydra_vae.training.joint import RECIPE, ImageNetwork, JointProblem
    from pydra_vae.training.joint_loss import JointLoss

    if not inputs["scores"] and inputs["second"] is None:
        raise ValueError("there is nothing to join the images with: name scores, or give a second modality")
    split = Split.load(inputs["volume_split"])
    made, x, network = read_image(inputs, split)
    jointly, train = inputs["stages"] == "joint", split.rows("train")
    vectors = {} if jointly else {"image": Vectors.of(image_latents(network, x, made, device), train)}
    second = read_second(inputs, split)
    if second is not None:
        vectors["second"] = Vectors.of(second.encode(device), train)
    if inputs["scores"]:
        values = read_scores(inputs["covariates"], split, inputs["scores"])
        vectors["scores"] = Vectors.of(values, train)
        check_scores(values[train], inputs["scores"], inputs["covariates"])
    data = {name: own.pair for name, own in vectors.items()}
    sizes = {name: own.x.shape[1] for name, own in vectors.items() if name != "scores"}
    config = JointConfig(
        inputs["latent_dim"] or (made["latent_dim"] if jointly else sum(sizes.values())),
        sizes, tuple(inputs["scores"]), inputs["hidden"], inputs["fusion"],
    )  # fmt: skip
    image = None
    if jointly:
        data = {"image": (x, np.ones((len(x), 1), dtype=np.float32)), **data}
        shape = {name: made[name] for name in ("shape", "n_voxels", "network", "width")}
        image = ImageNetwork(VolumeVaeConfig(**shape, latent_dim=config.latent_dim), network.mask.numpy())
    problem = JointProblem(
        data,
        split.part.tolist(),
        config,
        loss=JointLoss(_weights(inputs), inputs["cross_weight"], inputs["beta"]),
        recipe=replace(RECIPE, weight_decay=0.0 if jointly else inputs["weight_decay"]).with_options(
            **{name: inputs[name] for name in ("max_steps", "batch_size", "learning_rate")}
        ),
        network=image,
        seed=inputs["seed"],
    )
    return Prepared(inputs, problem, vectors, second)


def _weights(inputs: dict) -> dict[str, float]:
    own = {"image": 1.0}
    if inputs["second"] is not None:
        own["second"] = inputs["second_weight"]
    return own | ({"scores": inputs["score_weight"]} if inputs["scores"] else {})


def read_image(inputs: Mapping, split: Split):
    """(model.json, images, frozen network) of the image's own model."""
    made, x = _volume_vae.read_config(inputs["config"]), load_array(inputs["volumes"])
    _volume_vae.check_volumes(made, x, inputs["volumes"], inputs["mask"])
    check_rows(x, inputs["volumes"], split)
    return made, x, _volume_vae.load_model(inputs["model"], made)


def image_latents(network, x: np.ndarray, made: dict, device) -> np.ndarray:
    """(N, k) posterior means of the frozen image model."""
    from pydra_vae.training.volume_apply import encode

    return encode(network, x, device, made["precision"] == "bfloat16")[0].astype(np.float64)


def read_scores(path: Path, split: Split, names: list[str]) -> np.ndarray:
    """(N, m) values of some columns, NaN where missing.

    Raises
    ------
    ValueError
        A column that is not there, or holds text.
    """
    table = read_covariates(path, split)
    missing = [name for name in names if name not in table]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}; it has {', '.join(map(str, table))}")
    words = [name for name in names if table[name].dtype.kind not in "biuf"]
    if words:
        found = ", ".join(sorted(map(str, set(table[words[0]].dropna())))[:4])
        raise ValueError(
            f"the column {words[0]} of {path} holds text ({found}): the joint model needs numbers, such as 0 and 1 "
            "for two groups"
        )
    return table[list(names)].to_numpy(dtype=np.float64)


def check_scores(values: np.ndarray, names: list[str], path: Path):
    """Refuse scores that few training images have, or that do not vary among them."""
    for name, own in zip(names, values.T, strict=True):
        there = own[np.isfinite(own)]
        if len(there) < FEWEST:
            raise ValueError(
                f"the score {name} of {path} is known of {len(there)} of {len(own)} training images: at least {FEWEST} "
                "are needed; leave it out (--scores)"
            )
        if there.std() == 0:
            raise ValueError(
                f"the score {name} of {path} is {there[0]:g} for all {len(there)} training images: leave it out"
            )


def read_second(inputs: Mapping, split: Split, pca: VolumePca | None = None, size: int | None = None) -> Second | None:
    """The second modality with its frozen model; its PCA is fitted to training images unless it is given."""
    if inputs["second"] is None:
        return None
    path, images = inputs["second"], load_array(inputs["second"])
    check_rows(images, path, split)
    present = np.array([np.isfinite(row).all() for row in images])
    broken = [i for i in np.flatnonzero(~present) if np.isfinite(images[i]).any()]
    if broken:
        raise ValueError(
            f"{path}: the image of {split.label[broken[0]]} has values that are not finite (of {len(broken)} such); "
            "a missing image is a row of NaN alone"
        )
    if (inputs["second_model"] is None) != (inputs["second_config"] is None):
        raise ValueError("second_model and second_config belong together: give the model and the JSON of one fit")
    if inputs["second_model"] is not None:
        made = _volume_vae.read_config(inputs["second_config"])
        _volume_vae.check_volumes(made, images, path, inputs["second_mask"])
        return Second(images, present, _volume_vae.load_model(inputs["second_model"], made))
    if pca is None:
        rows = split.rows("train")[present[split.rows("train")]]
        if len(rows) < FEWEST:
            raise ValueError(f"{path} has images of {len(rows)} training images: at least {FEWEST} are needed")
        size = min(inputs["second_dim"], most_components(len(rows), images.shape[1]))
        pca = fit_volume_pca(images, rows, size)
    return Second(images, present, pca=pca)


def finish(prepared: Prepared, fitted, folder: Path, device) -> tuple[Path, Path, Path]:
    """Write model, configuration and history of a fit into a folder."""
    from safetensors.torch import save

    path = (folder / "model.safetensors").absolute()
    path.write_bytes(save(_tensors(prepared, fitted)))
    history = [{"part": part, **row} for part, fit in fitted.fits.items() for row in fit.history]
    columns = dict.fromkeys(name for row in sorted(history, key=len, reverse=True) for name in row)
    order = ["part", *(name for name in columns if name != "part")]
    rows = [{name: row.get(name) for name in order} for row in history]
    return path, write_json(folder / "model.json", describe(prepared, fitted, device)), write_table(
        folder / "history.tsv", rows
    )  # fmt: skip


def _tensors(prepared: Prepared, fitted) -> dict:
    import torch

    tensors = {f"joint.{name}": value.contiguous() for name, value in fitted.model.state_dict().items()}
    arrays = {}
    for name, own in prepared.vectors.items():
        arrays |= {f"scaling.{name}.mean": own.mean, f"scaling.{name}.sd": own.sd}
    if prepared.second is not None and prepared.second.pca is not None:
        pca = prepared.second.pca
        arrays |= {f"pca.{part}": getattr(pca, part) for part in ("mean", "components", "variance")}
    return tensors | {k: torch.from_numpy(np.array(v, dtype=np.float32)) for k, v in arrays.items()}


def describe(prepared: Prepared, fitted, device) -> dict:
    """The content of model.json."""
    from pydra_vae.engine.hashing import content_hash

    inputs, problem, fits = prepared.inputs, prepared.problem, fitted.fits
    network = problem.network
    return {
        **asdict(problem.config),
        "kind": "joint",
        **{name: inputs[name] for name in ("stages", "cross_weight", "beta", "seed", "second_name")},
        "second_features": _second_features(prepared.second),
        "modalities": {name: _modality(prepared, name) for name in problem.data},
        "image_network": None if network is None else asdict(network.config),
        "image_model": content_hash(Path(inputs["model"])).hex(),
        "images": {part: problem.parts.count(part) for part in ("train", "validation", "test")},
        "recipe": asdict(problem.recipe),
        "best_steps": {name: fit.best_step for name, fit in fits.items()},
        "parameters": sum(parameter.numel() for parameter in fitted.model.parameters()),
        **of_training(fits["fusion"], device, inputs["threads"]),
        "seconds": round(sum(fit.seconds for fit in fits.values()), 2),
    }


def _second_features(second: Second | None) -> str | None:
    if second is None:
        return None
    return "latents of its own frozen model" if second.pca is None else "principal components of the training images"


def _modality(prepared: Prepared, name: str) -> dict:
    """Scaling, likelihood and weight of a modality, as the report states them."""
    values, given = prepared.problem.data[name]
    voxels = name not in prepared.vectors
    train = prepared.problem.rows("train")
    scaling = (
        "(x − mean of the training images) / their sd over all voxels" if voxels else "z-scores by training images"
    )
    found = {
        "n": int(values.shape[1]),
        "training_images": int((given[train].max(1) > 0).sum()),
        "scaling": scaling,
        "likelihood": LIKELIHOODS["voxels" if voxels else "vector"],
        "weight": prepared.problem.loss.weights[name],
    }
    if name == "scores":
        own = prepared.vectors[name]
        found |= {"mean": own.mean.tolist(), "sd": own.sd.tolist()}
    return found


def read_config(path: Path) -> dict:
    """The content of a joint model's model.json; the error names the file."""
    needed = (
        "latent_dim",
        "features",
        "scores",
        "hidden",
        "fusion",
        "stages",
        "image_network",
        "threads",
        "second_name",
    )
    try:
        made = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = [name for name in needed if name not in made]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not the model.json of a joint model: {error}") from error
    if missing:
        raise ValueError(f"{path} is not the model.json of a joint model: it lacks {', '.join(missing)}")
    return made
