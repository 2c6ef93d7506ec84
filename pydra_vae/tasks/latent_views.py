"""Voxels as points in two-dimensional views of the latent space."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"views": File})
def LatentViews(
    latents: File,
    voxels: File,
    scaling: File,
    mask: File,
    tsne: bool = False,
    umap: bool = False,
    n_voxels: int = 3000,
    seed: int = 0,
):
    """See the latent space from the side of its PCA and its ICA, and as t-SNE or UMAP if asked.

    Dimensions keep their scale. PCA and ICA are fitted on all voxels, t-SNE and UMAP on those that are shown.

    Parameters
    ----------
    latents : file
        (K, D) latents (Encode).
    voxels : file
        Table of the mask's voxels, their parcels and networks (MakeMask).
    scaling : file
        Scaling of Normalize; says which voxels are usable.
    mask : file
        The mask of the series.
    tsne : bool
        t-SNE of the latent space too.
    umap : bool
        UMAP of the latent space too (needs the extra umap).
    n_voxels : int
        At most so many voxels, drawn at random, the same in each view.
    seed : int
        Of the draw, the ICA, t-SNE and UMAP.

    Returns
    -------
    views : file
        TSV, one row a voxel and view: view (pca, ica, tsne, umap), row of the voxel (from 0), its network and
        parcel, x, y.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats import views
    from pydra_vae.tasks._space import Space
    from pydra_vae.tasks._structure import read_rows

    space = Space.load(voxels, scaling, mask)
    z = read_rows(latents, len(space.mm))
    rows = np.arange(len(z))
    if len(z) > n_voxels:
        rows = np.sort(np.random.default_rng(seed).choice(len(z), n_voxels, replace=False))
    shown = {"pca": views.pca_view(z)[rows], "ica": views.ica_view(z, seed)[rows]}
    if tsne:
        shown["tsne"] = views.tsne_view(z[rows], seed)
    if umap:
        shown["umap"] = views.umap_view(z[rows], seed)
    place = {"row": rows, "network": space.network[rows], "parcel": space.parcel[rows]}
    tables = [pd.DataFrame({"view": name, **place, "x": at[:, 0], "y": at[:, 1]}) for name, at in shown.items()]
    return write_table(Path.cwd() / "views.tsv", pd.concat(tables).replace({"network": {"": np.nan}}))
