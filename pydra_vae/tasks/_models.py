"""A fitted CVAE on disk: `model.safetensors` (weights) and `model.json` (how to rebuild it, what to refuse)."""

import json
from pathlib import Path

import numpy as np

ARCHITECTURE = ("n_frames", "latent_dim", "network", "linear_skip", "output")


def save_weights(path: Path, model) -> Path:
    """Write a model's parameters and buffers as safetensors."""
    from safetensors.torch import save

    path = Path(path).absolute()
    # not `save_file`, which makes files that only their owner can read
    path.write_bytes(save({name: value.contiguous() for name, value in model.state_dict().items()}))
    return path


def read_config(path: Path) -> dict:
    """The content of a model.json; the error names the file."""
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = [key for key in (*ARCHITECTURE, "scaling", "mask", "seed", "threads") if key not in config]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not the model.json of a fitted CVAE: {error}") from error
    if missing:
        raise ValueError(f"{path} is not the model.json of a fitted CVAE: it lacks {', '.join(missing)}")
    return config


def load_model(weights: Path, config: dict):
    """The `Cvae` of a model.json with its weights, in eval mode."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from pydra_vae.models.cvae import Cvae, CvaeConfig

    model = Cvae(CvaeConfig(**{key: config[key] for key in ARCHITECTURE}))
    try:
        model.load_state_dict(load_file(str(weights)))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"{weights} does not hold the weights that its configuration describes "
            f"({config['network']}, {config['n_frames']} frames, {config['latent_dim']} latents): "
            f"give the model and the JSON of one fit. {error}"
        ) from error
    return model.eval()


def other_shape(config: dict, needed: dict) -> str:
    """Why a fit cannot start from a model, or "": what the model is, what is needed, what to do.

    Examples
    --------
    >>> other_shape({"latent_dim": 9}, {"latent_dim": 4})[:36]
    'a model with latent_dim 9, not 4: a '
    """
    differing = [f"{name} {config[name]}, not {value}" for name, value in needed.items() if config[name] != value]
    if not differing:
        return ""
    return (
        f"a model with {'; '.join(differing)}: a fit can only start from weights of its own shape; give another "
        "model, or these options"
    )


def describe_mask(path: Path) -> dict:
    """What tells two masks apart: shape, affine, number of voxels, digest of the voxels (`images.geometry`)."""
    from pydra_vae.images.geometry import load_geometry

    return load_geometry(Path(path)).describe()


def describe_scaling(path: Path) -> dict:
    """The scaling's method, the lengths of its runs, and whether the data were residuals."""
    from pydra_vae.stats.normalise import Scaling

    scaling = Scaling.load(Path(path))
    return {"method": scaling.method, "run_lengths": scaling.lengths.tolist(), "residual": scaling.residual}


def check_data(config: dict, source: Path, shape: tuple[int, int], scaling: Path | None, mask: Path | None):
    """Refuse data that the model was not made for.

    Raises
    ------
    ValueError
        Another number of frames, another scaling method, or another mask than at the fit.
    """
    if shape[1] != config["n_frames"]:
        raise ValueError(
            f"{source} has {shape[1]} frames but the model was fitted on {config['n_frames']}: "
            "it takes series of that length only; give the same runs (or as many frames), or fit a new model"
        )
    if scaling is not None and config["scaling"] is not None:
        method, needed = describe_scaling(scaling)["method"], config["scaling"]["method"]
        if method != needed:
            raise ValueError(
                f"{source} was scaled by {method!r} but the model was fitted on data scaled by {needed!r}: "
                f"scale it by {needed!r} (--normalize {needed})"
            )
    if mask is not None and config["mask"] is not None:
        beside = "--mask, the *_desc-cvae_mask.nii.gz beside the model"
        check_mask(config["mask"], describe_mask(mask), mask, beside)


def check_mask(needed: dict, found: dict, path: Path, where: str = "the one that its FitVolumeVae was given"):
    """Refuse a mask (`describe_mask`) that is not the model's; the message says where that is found."""
    from pydra_vae.images.headers import AFFINE_TOLERANCE_MM, dimensions

    if found["shape"] != needed["shape"]:
        what = f"a grid of {dimensions(found['shape'])} voxels, the model's of {dimensions(needed['shape'])}"
    elif not np.allclose(found["affine"], needed["affine"], atol=AFFINE_TOLERANCE_MM):
        what = "another affine than the model's, so the same voxels lie elsewhere"
    elif found["digest"] != needed["digest"]:
        what = f"{found['voxels']} voxels, the model's {needed['voxels']}, and they are not the same ones"
    else:
        return
    raise ValueError(
        f"the mask {path} has {what}: give the mask that the model was fitted in ({where}), or fit a new model"
    )
