"""Maps of a TI-VAE's factors on the surface."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"maps": File})
def SpatialMaps(
    model: File,
    config: File,
    factors: File,
    subject_split: File,
    n_steps: int = 50,
    device: Device = Device("auto"),
):
    """Move one factor from its minimum to its maximum, the others at their mean; where does the surface vary?

    Minimum, maximum and mean are those of the training and validation recordings.

    Parameters
    ----------
    model : file
        Weights (FitTiVae).
    config : file
        The model's JSON (FitTiVae).
    factors : file
        (S, T, k) factors of all recordings (EncodeFactors).
    subject_split : file
        Parts of the recordings (SplitSubjects).
    n_steps : int
        Steps of the way, both ends included.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    maps : file
        (k, V) float32 ``.npy``: variance over the steps, in squared units of the series. Not negative.
    """
    import numpy as np

    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _tivae
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.traversals import factor_range, traversal_maps

    made, split, values = _tivae.read_config(config), Split.load(subject_split), load_array(factors)
    split.check("recordings in the factors", values)
    seen = np.sort(np.concatenate([split.rows("train"), split.rows("validation")]))
    low, high, rest = factor_range(values[seen])
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        network = _tivae.load_model(model, made)
        np.save("maps.npy", traversal_maps(network, low, high, rest, n_steps, device=resolve_device(name)))
    return Path.cwd() / "maps.npy"
