"""Fit the linear controls that stand beside every autoencoder."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"controls": File})
def FitControls(
    scaled: File,
    voxel_split: File,
    frames: File | None = None,
    latent_dim: int = 9,
    extra_dim: int = 16,
):
    """Fit PCA of the model's size and of a larger one to the training voxels.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    voxel_split : file
        Split of the voxels (SplitVoxels).
    frames : file, optional
        Joined table of frames (Normalize); censored ones then have no part in the fit.
    latent_dim : int
        Latent dimensions of the model.
    extra_dim : int
        Size of the second PCA; left out where the data allow no more than `latent_dim`.

    Returns
    -------
    controls : file
        Mean and components of each PCA (safetensors).
    """

    from pydra_vae.stats.pca import fit_pca
    from pydra_vae.stats.splits import TRAIN
    from pydra_vae.tasks._io import load_array, read_weights, save_controls

    x, train = load_array(scaled), load_array(voxel_split) == TRAIN
    weights = None if frames is None else read_weights(frames, x.shape[1])
    n_used = x.shape[1] if weights is None else int(weights.sum())
    sizes = {latent_dim} | ({extra_dim} if extra_dim <= min(train.sum(), n_used) else set())
    largest = fit_pca(x, max(sizes), weights, rows=train)
    models = [largest.first(k) for k in sorted(sizes)]
    return save_controls(Path.cwd() / "controls.safetensors", models, latent_dim)
