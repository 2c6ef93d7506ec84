"""Scores of every image on the first principal components: the linear latents beside a VAE's."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"scores": File})
def VolumePcaScores(volumes: File, pca: File, n_components: int = 12):
    """Project every image on the first principal components of the training images.

    Parameters
    ----------
    volumes : file
        (N, V) array (StackVolumes).
    pca : file
        Mean and components (FitVolumePca).
    n_components : int
        How many; at most those that there are.

    Returns
    -------
    scores : file
        (N, n) float32 array, in units of the images.
    """
    import numpy as np
    from safetensors.numpy import load_file

    from pydra_vae.stats.chunks import row_chunks
    from pydra_vae.tasks._io import load_array, new_array

    x, found = load_array(volumes), load_file(str(pca))
    mean, components = found["mean"], found["components"][:n_components]
    if x.shape[1] != components.shape[1]:
        raise ValueError(
            f"{volumes} has {x.shape[1]} voxels but {pca} was fitted on {components.shape[1]}: give both of one mask"
        )
    path = Path("scores.npy").absolute()
    scores = new_array(path, (len(x), len(components)))
    for rows in row_chunks(*x.shape):
        scores[rows] = (np.asarray(x[rows]) - mean) @ components.T
    scores.flush()
    return path
