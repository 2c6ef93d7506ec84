"""Latent dimensions beside diffusion gradients: do their maps agree beyond smoothness?"""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

MIN_PATCHES = 16
COLUMNS = [
    "latent", "gradient", "r", "p_spatial", "r_voxels", "best", "p_best", "r_all", "r_all_null", "p_all", "n_patches",
]  # fmt: skip


@step(outputs={"matches": File})
def CompareGradients(
    latents: File,
    gradients: File,
    voxels: File,
    scaling: File,
    mask: File,
    n_patches: int = 256,
    n_null: int = 1000,
    seed: int = 0,
):
    """Correlate the maps of latents and gradients against Moran spectral randomisation.

    Means over patches of equal size are compared: the null needs places of equal noise, which the parcels of
    an atlas are not. The gradients stay; all latents are randomised together.

    Parameters
    ----------
    latents : file
        (K, D) latents (Encode).
    gradients : file
        (K, n) gradients (DiffusionEmbedding).
    voxels : file
        Table of the mask's voxels (MakeMask).
    scaling : file
        Scaling of Normalize; says which voxels are usable.
    mask : file
        The mask, for the voxels' positions.
    n_patches : int
        Patches, a power of 2; fewer where they would have fewer than 8 voxels.
    n_null : int
        Random maps; the smallest p is 1/(n_null + 1).
    seed : int
        Of the random maps.

    Returns
    -------
    matches : file
        TSV, one row a latent and gradient (from 1): r over patches, p_spatial (two-sided), r_voxels; best: 1 for
        the latent's best gradient, and p_best, its p against the best gradient of each random map; r_all: the
        multiple correlation of the latent with all gradients together, for axes of a latent space are
        arbitrary, and r_all_null, p_all, that of the random maps; n_patches. No rows below 16 patches.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.map_matches import match_maps
    from pydra_vae.stats.moran import equal_patches, moran_basis
    from pydra_vae.stats.parcels import centroids, parcel_means
    from pydra_vae.tasks._space import Space
    from pydra_vae.tasks._structure import read_rows

    space, out = Space.load(voxels, scaling, mask), Path.cwd() / "matches.tsv"
    z, g = (read_rows(path, len(space.mm)) for path in (latents, gradients))
    patch = equal_patches(space.mm, n_patches)
    if (n := patch.max(initial=0)) < MIN_PATCHES:
        return write_table(out, pd.DataFrame(columns=COLUMNS))
    means, basis = (parcel_means(values, patch)[1] for values in (z, g)), moran_basis(centroids(space.mm, patch))
    found = match_maps(*means, basis, n_null, np.random.default_rng(seed))
    latent, gradient = (index.ravel() for index in np.indices(found.r.shape))
    columns = {
        "latent": latent + 1,
        "gradient": gradient + 1,
        "r": found.r.ravel(),
        "p_spatial": found.p.ravel(),
        "r_voxels": np.corrcoef(z, g, rowvar=False)[: z.shape[1], z.shape[1] :].ravel(),
        "best": (gradient == found.best[latent]).astype(int),
        "p_best": found.p_best[latent],
        "r_all": found.r_all[latent],
        "r_all_null": found.r_all_null[latent],
        "p_all": found.p_all[latent],
        "n_patches": n,
    }
    return write_table(out, pd.DataFrame(columns, columns=COLUMNS))
