"""Series of latents under a fitted model."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"reconstruction": File})
def Reconstruct(latents: File, model: File, config: File, device: Device = Device("auto")):
    """Decode latents to series in scaled units.

    Parameters
    ----------
    latents : file
        (K, D) latents (Encode).
    model : file
        Weights (FitCvae).
    config : file
        The model's JSON (FitCvae).
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    reconstruction : file
        (K, T) float32 series in scaled units, as decoded.
    """
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks._io import load_array, new_array
    from pydra_vae.tasks._models import load_model, read_config
    from pydra_vae.training.apply import decode
    from pydra_vae.training.devices import reproducible, resolve_device

    made, z = read_config(config), load_array(latents)
    if z.ndim != 2 or z.shape[1] != made["latent_dim"]:
        raise ValueError(
            f"{latents} has the shape {z.shape} but the model has {made['latent_dim']} latent dimensions: "
            "give the latents that Encode made with this model"
        )
    series = new_array(Path("reconstruction.npy"), (len(z), made["n_frames"]))
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        for rows, x in decode(load_model(model, made), z, resolve_device(name)):
            series[rows] = x
    series.flush()
    return Path.cwd() / "reconstruction.npy"
