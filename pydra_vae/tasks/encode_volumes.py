"""Latents of images under a fitted volumetric VAE."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"latents": File, "log_variance": File})
def EncodeVolumes(model: File, config: File, volumes: File, mask: File | None = None, device: Device = Device("auto")):
    """Encode images: mean and log variance of the posterior.

    Parameters
    ----------
    model : file
        Weights (FitVolumeVae).
    config : file
        The model's JSON (FitVolumeVae).
    volumes : file
        (N, V) images within the model's mask (StackVolumes), in the units of the fit.
    mask : file, optional
        Their mask; another one than at the fit is refused.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    latents : file
        (N, k) float32, posterior means μ.
    log_variance : file
        (N, k) float32, log σ² of the posterior.
    """
    import numpy as np

    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _volume_vae
    from pydra_vae.tasks._io import load_array
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.volume_apply import encode

    made, x = _volume_vae.read_config(config), load_array(volumes)
    _volume_vae.check_volumes(made, x, volumes, mask)
    network = _volume_vae.load_model(model, made)
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        mu, log_variance = encode(network, x, resolve_device(name), made["precision"] == "bfloat16")
    np.save("latents.npy", mu)
    np.save("log_variance.npy", log_variance)
    return Path.cwd() / "latents.npy", Path.cwd() / "log_variance.npy"
