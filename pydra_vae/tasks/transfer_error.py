"""One subject's data through another subject's model."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"row": File})
def TransferError(
    model: File,
    config: File,
    controls: File,
    scaled: File,
    frames: File,
    scaling: File,
    voxel_split: File,
    source: str,
    target: str,
    n_voxels: int = 2000,
    seed: int = 0,
    device: Device = Device("auto"),
):
    """Measure one cell of the matrix of transfer: the source's model and PCA on the target's voxels.

    Within a subject, only test voxels count. Frames count that have weight 1 in the target and that the source's
    models have seen.

    Parameters
    ----------
    model, config : file
        Weights and JSON of the source (FitCvae).
    controls : file
        PCAs of the source (FitControls).
    scaled, frames, scaling, voxel_split : file
        The target's series, frames, scaling and split (Normalize, SplitVoxels).
    source, target : str
        Their labels; the same one for a subject's own model.
    n_voxels : int
        Random voxels of the target to measure on.
    seed : int
        Seed of these voxels.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    row : file
        TSV of one row: source, target, mse, r2, pca_mse, pca_r2, n_voxels, reason (why there are no figures).
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.reconstruction import compare
    from pydra_vae.stats.splits import TEST
    from pydra_vae.tasks import _io, _models
    from pydra_vae.training.apply import decode, encode
    from pydra_vae.training.devices import reproducible, resolve_device

    made, x = _models.read_config(config), _io.load_array(scaled)
    row = {"source": source, "target": target}
    row |= dict.fromkeys(("mse", "r2", "pca_mse", "pca_r2"), np.nan) | {"n_voxels": 0, "reason": None}
    there = _models.describe_scaling(scaling)["method"]
    needed = there if made["scaling"] is None else made["scaling"]["method"]
    if x.shape[1] != made["n_frames"]:
        row["reason"] = f"{target} has {x.shape[1]} frames, the model of {source} takes {made['n_frames']}"
    elif there != needed:
        row["reason"] = f"{target} is scaled by {there}, the model of {source} takes {needed}"
    if row["reason"]:
        return write_table(Path("transfer.tsv"), [row])
    weights = _io.read_weights(frames, x.shape[1])
    pca = _io.first_components(controls, made["latent_dim"], x.shape[1])
    seen = weights * pca.components.any(axis=0)
    candidates = np.flatnonzero(_io.load_array(voxel_split) == TEST) if source == target else np.arange(len(x))
    voxels = np.sort(np.random.default_rng(seed).permutation(candidates)[:n_voxels])
    inputs = np.asarray(x[voxels])
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        network, on = _models.load_model(model, made), resolve_device(name)
        latents = np.concatenate([mu for _, mu, _ in encode(network, inputs, on)])
        decoded = np.concatenate([block for _, block in decode(network, latents, on)])
    found = compare(inputs, {"cvae": decoded, "pca": pca.reconstruct}, seen)
    row |= {"mse": found["cvae"].mse(), "r2": found["cvae"].r2()}
    row |= {"pca_mse": found["pca"].mse(), "pca_r2": found["pca"].r2(), "n_voxels": len(voxels)}
    return write_table(Path("transfer.tsv"), [row])
