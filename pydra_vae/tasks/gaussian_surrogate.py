"""Surrogate data on which no autoencoder can beat PCA."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"surrogate": File})
def GaussianSurrogate(scaled: File, frames: File, seed: int = 0):
    """Draw as many voxels as the data have from a Gaussian with their mean series and covariance over frames.

    Fit and score it as the data: a "gain" over PCA above 1 % is a leak, not denoising.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    frames : file
        Joined table of frames (Normalize), for its length; censored frames keep their covariance and their weight 0.
    seed : int

    Returns
    -------
    surrogate : file
        (K, T) float32; rows are independent of each other, so neighbours share nothing.
    """
    import numpy as np

    from pydra_vae.stats.chunks import row_chunks
    from pydra_vae.stats.surrogate import GaussianRows
    from pydra_vae.tasks._io import load_array, new_array, read_weights

    x, rng = load_array(scaled), np.random.default_rng(seed)
    read_weights(frames, x.shape[1])
    rows_of = GaussianRows.fit(x)
    surrogate = new_array(Path("surrogate.npy"), x.shape)
    for rows in row_chunks(*x.shape):
        surrogate[rows] = rows_of.sample(rows.stop - rows.start, rng)
    surrogate.flush()
    return Path.cwd() / "surrogate.npy"
