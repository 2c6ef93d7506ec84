"""Diffusion gradients of a subject's connectome, beside which the paper puts its latents."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

MAX_VOXELS = 10_000


@step(outputs={"gradients": File, "info": File})
def DiffusionEmbedding(
    scaled: File,
    frames: File,
    voxels: File,
    scaling: File,
    mask: File,
    level: ty.Literal["auto", "voxel", "seed", "parcel"] = "auto",
    affinity: ty.Literal["cosine", "normalized_angle"] = "cosine",
    sparsity: float = 0.9,
    alpha: float = 0.5,
    n_components: int = 9,
    seed: int = 0,
):
    """Embed the functional connectome by diffusion maps.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    frames : file
        Table of frames (Normalize); those of weight 0 do not count.
    voxels : file
        Table of the mask's voxels and parcels (MakeMask); without an atlas, cubes of 24 mm are the parcels.
    scaling : file
        Scaling of Normalize; says which voxels are usable.
    mask : file
        The mask, for the voxels' positions.
    level : str
        voxel: each voxel's correlations with all voxels (up to 10,000); seed: each voxel's correlations with
        the means of parcels; parcel: parcels with parcels, painted onto their voxels; auto: voxel for up to
        10,000 voxels, else seed, and parcel for the normalised angle.
    affinity : str
        Likeness of two rows of the connectome: cosine, or normalized_angle (parcels only).
    sparsity : float
        Share of each row of the connectome that is dropped, the weakest.
    alpha : float
        Share of the nodes' density that is removed, 0 to 1.
    n_components : int
        Gradients.
    seed : int
        Of the vector from which the eigenvectors are sought.

    Returns
    -------
    gradients : file
        (K, n_components) float32; 0 for voxels of no parcel at the level of parcels.
    info : file
        JSON: level, number of nodes and of seeds, affinity, sparsity, alpha, eigenvalues.
    """
    import numpy as np

    from pydra_vae.stats import diffusion
    from pydra_vae.stats.parcels import parcel_means, parcels_or_blocks
    from pydra_vae.tasks import _io
    from pydra_vae.tasks._space import Space

    x, space = _io.load_array(scaled), Space.load(voxels, scaling, mask)
    weights = _io.read_weights(frames, x.shape[1])
    level = _resolve(level, affinity, len(x))
    parcel = parcels_or_blocks(space.parcel, space.mm)
    labels, seeds = (None, x) if level == "voxel" else parcel_means(x, parcel)
    nodes = seeds if level == "parcel" else x
    profiles = diffusion.connectome(nodes, seeds, weights, sparsity)
    like = diffusion.cosine_affinity if affinity == "cosine" else diffusion.angle_affinity
    found, eigenvalues = diffusion.diffusion_map(like(profiles), n_components, alpha, seed)
    if level == "parcel":
        painted = np.zeros((len(x), n_components))
        inside = np.isin(parcel, labels)
        painted[inside] = found[np.searchsorted(labels, parcel[inside])]
        found = painted
    out = Path.cwd() / "gradients.npy"
    np.save(out, found.astype(np.float32))
    info = {
        "level": level,
        "parcels": "atlas" if space.parcel.any() else "cubes of 24 mm",
        "n_nodes": len(nodes),
        "n_seeds": len(seeds),
        "affinity": affinity,
        "sparsity": sparsity,
        "alpha": alpha,
        "eigenvalues": [round(float(value), 6) for value in eigenvalues],
    }
    return out, _io.write_json("diffusion.json", info)


def _resolve(level: str, affinity: str, n_voxels: int) -> str:
    """The level that auto stands for; what cannot be computed is refused."""
    if level == "auto" and affinity == "normalized_angle":
        return "parcel"
    if level == "auto":
        return "voxel" if n_voxels <= MAX_VOXELS else "seed"
    if level != "parcel" and affinity == "normalized_angle":
        raise ValueError(
            f"the normalised angle needs every pair of nodes at once, which {n_voxels} voxels are too many for: "
            "choose level=parcel, or the cosine affinity"
        )
    if level == "voxel" and n_voxels > MAX_VOXELS:
        raise ValueError(
            f"a voxel by voxel connectome of {n_voxels} voxels is too large (at most {MAX_VOXELS}): choose level=seed"
        )
    return level
