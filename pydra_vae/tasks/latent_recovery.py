"""Are the planted latents of simulated data among the found ones?"""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"recovery": File})
def LatentRecovery(
    truth: File,
    scaled: File,
    latents: File,
    controls: File,
    voxels: File,
    scaling: File,
    mask: File,
    gradients: File | None = None,
    seed: int = 0,
):
    """Regress each planted latent on the found ones, in parcels that had no part in the regression.

    Parameters
    ----------
    truth : file
        4-D image, one volume a planted latent (``desc-truth_latents``), 0 where none are planted.
    scaled : file
        (K, T) scaled series (Normalize), for PCA's scores.
    latents : file
        (K, D) latents (Encode).
    controls : file
        PCAs (FitControls).
    voxels : file
        Table of the mask's voxels with their parcels (MakeMask); 24 mm cubes where there is no atlas.
    scaling : file
        Scaling of Normalize.
    mask : file
        The mask of the series.
    gradients : file, optional
        (K, n) diffusion embedding (DiffusionEmbedding).
    seed : int
        Of the folds over parcels.

    Returns
    -------
    recovery : file
        TSV, one row for each planted latent and space (cvae, pca, the larger PCA, diffusion, mm): planted, space,
        r2, n_dimensions, n_voxels, n_parcels. mm, the voxels' positions, says what smoothness alone gives.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.geometry import load_geometry
    from pydra_vae.stats.latent_recovery import recovered_r2
    from pydra_vae.stats.normalise import Scaling
    from pydra_vae.tasks._io import load_array, load_controls
    from pydra_vae.tasks._parcels import Parcels
    from pydra_vae.tasks._scores import pca_scores

    parcels, x = Parcels.load(voxels, scaling, mask), load_array(scaled)
    planted = load_geometry(Path(mask)).read_maps(Path(truth))[Scaling.load(Path(scaling)).kept]
    here = planted.any(axis=1) & (parcels.parcel > 0)
    number = parcels.parcel[here]
    places = {"cvae": load_array(latents), **pca_scores(load_controls(controls), x)}
    places |= {"diffusion": load_array(gradients)} if gradients else {}
    rows = []
    for space, place in (places | {"mm": parcels.space.mm}).items():
        size = {"n_dimensions": place.shape[1], "n_voxels": int(here.sum()), "n_parcels": len(set(number))}
        r2 = recovered_r2(place[here], planted[here], number, seed)
        rows += [{"planted": n, "space": space, "r2": v, **size} for n, v in zip(_names(len(r2)), r2, strict=True)]
    rows.sort(key=lambda row: _names(planted.shape[1]).index(row["planted"]))
    return write_table(Path("recovery.tsv"), pd.DataFrame(rows))


def _names(n: int) -> list[str]:
    from pydra_vae.simulate.response import LATENTS

    return list(LATENTS) if n == len(LATENTS) else [f"latent{i + 1}" for i in range(n)]
