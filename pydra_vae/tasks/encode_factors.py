"""Factors of every recording under a fitted TI-VAE."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"factors": File, "sigma": File})
def EncodeFactors(model: File, config: File, series: list[File], device: Device = Device("auto")):
    """Encode recordings: mean and width of the posterior at every frame.

    Parameters
    ----------
    model : file
        Weights (FitTiVae).
    config : file
        The model's JSON (FitTiVae).
    series : list of file
        (T, V) series (PrepareSurface) of the model's region, all of one length.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    factors : file
        (S, T, k) float32, posterior means.
    sigma : file
        (S, k) float32, mean over frames of the posterior's standard deviation.
    """
    import numpy as np

    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _tivae
    from pydra_vae.tasks._io import new_array
    from pydra_vae.tasks._recordings import load_series
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.tivae_apply import encode

    made, arrays = _tivae.read_config(config), load_series(series)
    _tivae.check_series(made, arrays, series)
    factors = new_array(Path("factors.npy"), (len(arrays), len(arrays[0]), made["latent_dim"]))
    sigma = new_array(Path("sigma.npy"), (len(arrays), made["latent_dim"]))
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        network, on = _tivae.load_model(model, made), resolve_device(name)
        encoded = encode(network, arrays, on, made["precision"] == "bfloat16")
        for row, (mu, log_variance) in enumerate(encoded):
            factors[row], sigma[row] = mu, np.exp(log_variance / 2).mean(0)
    factors.flush()
    sigma.flush()
    return Path.cwd() / "factors.npy", Path.cwd() / "sigma.npy"
