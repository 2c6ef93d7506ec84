"""Images of latents under a fitted volumetric VAE."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"volumes": File})
def DecodeVolumes(model: File, config: File, latents: File, device: Device = Device("auto")):
    """Decode latents into images.

    Parameters
    ----------
    model : file
        Weights (FitVolumeVae).
    config : file
        The model's JSON (FitVolumeVae).
    latents : file
        (n, k) latents (EncodeVolumes, or any others of the model's size).
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    volumes : file
        (n, V) float32, values of the mask's voxels in the units of the fitted images.
    """
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _volume_vae
    from pydra_vae.tasks._io import load_array, new_array
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.volume_apply import decode

    made, z = _volume_vae.read_config(config), load_array(latents)
    if z.ndim != 2 or z.shape[1] != made["latent_dim"]:
        raise ValueError(
            f"{latents} has shape {z.shape} but the model has {made['latent_dim']} latents: give latents × dimensions "
            "of this model (EncodeVolumes)"
        )
    network, volumes = _volume_vae.load_model(model, made), new_array(Path("volumes.npy"), (len(z), made["n_voxels"]))
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        decode(network, z, resolve_device(name), made["precision"] == "bfloat16", out=volumes)
    volumes.flush()
    return Path.cwd() / "volumes.npy"
