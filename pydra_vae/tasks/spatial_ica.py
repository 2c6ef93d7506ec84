"""Spatial independent components of frames: of the data in the span of a PCA, or of a VAE's latents."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"maps": File, "latents": File, "stability": File})
def SpatialIca(
    volumes: File,
    frame_split: File,
    pca: File | None = None,
    latents: File | None = None,
    n_components: int | None = None,
    method: ty.Literal["infomax", "infomax-extended", "fastica"] = "infomax",
    n_restarts: int = 3,
    model: str = "",
    seed: int = 0,
):
    """Unmix the maps that a few components span, so that they are independent over the voxels.

    The usual reduction is a PCA. With latents instead, the data are first projected on their courses: what the VAE kept
    of the data, cut up by ICA.

    Parameters
    ----------
    volumes : file
        (N, V) frames (StackFrames).
    frame_split : file
        Split of the frames (StackFrames); training frames are unmixed, all are projected.
    pca : file, optional
        PCA of the training frames (FitVolumePca); this or latents.
    latents : file, optional
        (N, k) latents of the frames (EncodeVolumes).
    n_components : int, optional
        Components of the PCA that are unmixed (default: 12, or all latents).
    method : str
        infomax, fastica, or infomax-extended. Maps of networks are sparse, which the first expects; the extended
        algorithm takes some for the opposite (12 components of a real run: best |r| with the task's map .47, with the
        others .89).
    n_restarts : int
        Random starts beside the fixed one.
    model : str
        Name in the table; by default "ICA-k" or "ICA of latents".
    seed : int
        Of the starts.

    Returns
    -------
    maps : file
        (k, V) float32 `.npy`, in the order of the variance that they explain; the largest entry of each is positive.
    latents : file
        (N, k) float32 courses of the components, variance 1 over the training frames.
    stability : file
        TSV, one row a start: model, k, seed, restart, iterations, converged, objective, similarity, kept.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.ica import fit_ica
    from pydra_vae.tasks._frames import Frames
    from pydra_vae.tasks._io import load_array

    if (pca is None) == (latents is None):
        raise ValueError("give either a PCA (FitVolumePca) or latents (EncodeVolumes) whose span is to be unmixed")
    x = load_array(volumes)
    train = Frames.load(frame_split, len(x)).train
    if pca is not None:
        components, scores = _principal(x, pca, 12 if n_components is None else n_components)
    else:
        components, scores = _of_latents(x, np.asarray(load_array(latents), dtype=np.float64), train)
    found = fit_ica(components, scores[train], scores[train], method, "spatial", n_restarts, seed)
    maps, courses = Path("maps.npy").absolute(), Path("latents.npy").absolute()
    np.save(maps, found.maps.astype(np.float32))
    np.save(courses, (scores @ found.turn).astype(np.float32))
    k = len(found.maps)
    name = model or (f"ICA-{k}" if latents is None else "ICA of latents")
    rows = [{"model": name, "k": k, "seed": seed, **start._asdict()} for start in found.starts]
    return maps, courses, write_table(Path("stability.tsv"), rows)


def _principal(x, pca, k):
    """Components (k, V) and scores (N, k)."""
    import numpy as np

    from pydra_vae.stats.chunks import row_chunks
    from pydra_vae.tasks._volume_pca import load_pca

    found = load_pca(pca, x.shape[1])
    if not 1 <= k <= len(found.components):
        raise ValueError(f"{pca} has {len(found.components)} components and {k} were asked for: ask for fewer")
    components = np.asarray(found.components[:k], dtype=np.float64)
    scores = [(np.asarray(x[rows], dtype=np.float64) - found.mean) @ components.T for rows in row_chunks(*x.shape)]
    return components, np.concatenate(scores)


def _of_latents(x, z, train):
    """Orthonormal maps (k, V) of the data's regression on the latents, and the frames' scores on them (N, k)."""
    import numpy as np

    from pydra_vae.stats.network_courses import regression_maps

    if len(z) != len(x):
        raise ValueError(f"{len(z)} latents but {len(x)} frames: give the latents of the same frames")
    beta = regression_maps(x, z, train).beta
    u, s, components = np.linalg.svd(beta, full_matrices=False)
    kept = s > 1e-6 * s[0]  # a latent that the data do not follow spans nothing
    return components[kept], ((z - z[train].mean(axis=0)) @ (u * s))[:, kept]
