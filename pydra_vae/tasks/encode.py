"""Latents of voxels under a fitted model."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"latents": File})
def Encode(
    scaled: File,
    model: File,
    config: File,
    scaling: File | None = None,
    mask: File | None = None,
    device: Device = Device("auto"),
):
    """Encode every voxel: the mean of its posterior.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize), of as many frames as the model was fitted on.
    model : file
        Weights (FitCvae).
    config : file
        The model's JSON (FitCvae).
    scaling : file, optional
        Scaling of the series; another method than at the fit is refused.
    mask : file, optional
        Mask of the series; another one than at the fit is refused. Left out to carry a model to other voxels.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    latents : file
        (K, D) float32.
    """
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks._io import load_array, new_array
    from pydra_vae.tasks._models import check_data, load_model, read_config
    from pydra_vae.training.apply import encode
    from pydra_vae.training.devices import reproducible, resolve_device

    made, x = read_config(config), load_array(scaled)
    check_data(made, Path(scaled), x.shape, scaling, mask)
    latents = new_array(Path("latents.npy"), (len(x), made["latent_dim"]))
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        for rows, mu, _ in encode(load_model(model, made), x, resolve_device(name)):
            latents[rows] = mu
    latents.flush()
    return Path.cwd() / "latents.npy"
