"""The linear latent space beside a model's: scores of every voxel under a PCA."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"latents": File})
def PcaScores(scaled: File, controls: File, frames: File, latent_dim: int, whiten: bool = True):
    """Project every voxel on the first principal components of the training voxels.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    controls : file
        PCAs (FitControls), the largest of at least `latent_dim` components.
    frames : file
        Joined table of frames (Normalize), of as many frames as the series.
    latent_dim : int
        Components.
    whiten : bool
        Mean 0 and standard deviation 1 over the voxels in each dimension: raw scores differ in scale by their share of
        variance, and comparing them compares little but the first component.

    Returns
    -------
    latents : file
        (K, D) float32.
    """
    import numpy as np

    from pydra_vae.stats.chunks import row_chunks
    from pydra_vae.tasks import _io

    x = _io.load_array(scaled)
    _io.read_weights(frames, x.shape[1])  # the PCA's own frames of weight 0 have components of 0
    pca = _io.first_components(controls, latent_dim, x.shape[1])
    scores = np.concatenate([pca.encode(x[rows]) for rows in row_chunks(*x.shape)])
    if whiten:
        spread = scores.std(axis=0)
        scores = (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1)
    latents = Path.cwd() / "latents.npy"
    np.save(latents, scores.astype(np.float32))
    return latents
