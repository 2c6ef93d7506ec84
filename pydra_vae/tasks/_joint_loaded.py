"""A fitted joint model with the data of a study: any modality's posterior mean, and any modality decoded from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.stats.volume_pca import VolumePca
from pydra_vae.tasks import _joint
from pydra_vae.tasks._joint import Second, Vectors
from pydra_vae.tasks._recordings import Split


@dataclass(frozen=True)
class Loaded:
    """A joint model and all images' modalities.

    Attributes
    ----------
    made : dict
        Content of the joint model's model.json.
    model : JointVae
    split : Split
    x : (N, V) array
        Images.
    network : VolumeVae
        The image's own frozen model, or the one that was trained along.
    second : Second or None
    vectors : mapping of str to Vectors
        Modalities that are vectors, scaled as at the fit; and the image's latents where it is not one of them.
    data : mapping of str to (x, given)
        As `training.joint.encode` takes them.
    device : torch.device
    """

    made: dict
    model: object
    split: Split
    x: np.ndarray
    network: object
    second: Second | None
    vectors: Mapping[str, Vectors]
    data: Mapping[str, tuple[np.ndarray, np.ndarray]]
    device: object

    @property
    def images(self) -> list[str]:
        """Modalities that are images: "image", and "second" where there is one."""
        return [name for name in self.data if name != "scores"]

    def present(self, sources: Sequence[str]) -> np.ndarray:
        """Who (N,) has at least one of the sources."""
        return np.any([self.data[name][1].max(1) > 0 for name in sources], axis=0)

    def features(self, sources: Sequence[str]) -> np.ndarray:
        """What simple models read of the sources: standardised values side by side, (N, p); 0 where missing."""
        return np.concatenate([self.vectors[name].pair[0] for name in sources], axis=1).astype(np.float64)

    def latent(self, sources: Sequence[str], data: Mapping | None = None) -> np.ndarray:
        """Posterior means (N, K) given those modalities alone."""
        from pydra_vae.training.joint import encode

        return encode(self.model, {name: (data or self.data)[name] for name in sources}, self.device)

    def scores(self, z: np.ndarray) -> np.ndarray:
        """Scores (n, m) decoded from latents, in their units."""
        from pydra_vae.training.joint import decode

        own = self.vectors["scores"]
        return decode(self.model, "scores", z, self.device) * own.sd + own.mean

    def decode(self, name: str, z: np.ndarray) -> np.ndarray:
        """Images of a modality decoded from latents, (n, V)."""
        from pydra_vae.training import volume_apply
        from pydra_vae.training.joint import decode

        if name == "image" and self.model.image is not None:
            return decode(self.model, name, z, self.device)
        own = self.vectors[name]
        features = decode(self.model, name, z, self.device) * own.sd + own.mean
        if name == "second":
            return self.second.decode(features, self.device)
        return volume_apply.decode(self.network, features, self.device)

    def array(self, name: str) -> np.ndarray:
        """The images of a modality, (N, V)."""
        return self.x if name == "image" else self.second.images


def load(inputs: Mapping, made: dict, device) -> Loaded:
    """Read a joint model with a study's files; ValueError where they do not belong together."""
    from pydra_vae.engine.hashing import content_hash

    split = Split.load(inputs["volume_split"])
    image_made, x, frozen = _joint.read_image(inputs, split)
    if made.get("image_model") not in (None, content_hash(Path(inputs["model"])).hex()):
        raise ValueError(
            f"{inputs['model']} is not the image model that {inputs['joint']} was fitted with: give that one"
        )
    tensors, model = _weights(inputs["joint"], made, frozen.mask)
    pca = None
    if "pca.mean" in tensors:
        parts = [tensors[f"pca.{part}"].numpy().astype(np.float64) for part in ("mean", "components", "variance")]
        pca = VolumePca(*parts, total=float("nan"))
    if made["second_features"] is not None and inputs["second"] is None:
        raise ValueError(f"{inputs['joint']} was fitted with a second modality: give its images too (second)")
    second = _joint.read_second(inputs, split, pca) if made["second_features"] is not None else None
    values = {"image": _joint.image_latents(frozen, x, image_made, device)}
    if second is not None:
        values["second"] = second.encode(device)
    if made["scores"]:
        values["scores"] = _joint.read_scores(inputs["covariates"], split, made["scores"])
    vectors = {name: _scaled(name, own, tensors, split.rows("train")) for name, own in values.items()}
    data = {name: own.pair for name, own in vectors.items()}
    if model.image is not None:
        data["image"] = (x, np.ones((len(x), 1), dtype=np.float32))
    return Loaded(made, model, split, x, model.image or frozen, second, vectors, data, device)


def _scaled(name: str, values: np.ndarray, tensors: Mapping, rows: np.ndarray) -> Vectors:
    """With the scaling of the fit; the image's latents have none where its network was trained along."""
    if f"scaling.{name}.mean" not in tensors:
        return Vectors.of(values, rows)
    return Vectors(values, *(tensors[f"scaling.{name}.{part}"].numpy().astype(np.float64) for part in ("mean", "sd")))


def _weights(path: Path, made: dict, mask):
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from pydra_vae.models.joint import JointConfig, JointVae
    from pydra_vae.models.volume_vae import VolumeVae, VolumeVaeConfig

    config = JointConfig(*(made[name] for name in ("latent_dim", "features", "scores", "hidden", "fusion")))
    network = made["image_network"]
    model = JointVae(config, None if network is None else VolumeVae(VolumeVaeConfig(**network), mask))
    try:
        tensors = load_file(str(path))
        own = {name.removeprefix("joint."): value for name, value in tensors.items() if name.startswith("joint.")}
        model.load_state_dict(own)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"{path} does not hold the weights that its configuration describes ({made['latent_dim']} latents; "
            f"{', '.join([*made['features'], *made['scores']])}): give the model and the JSON of one fit. {error}"
        ) from error
    return tensors, model.eval()
