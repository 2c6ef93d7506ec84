"""How far apart parcels lie in a latent space: what subjects, runs and fits can be compared by."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"distances": File, "parcels": File})
def ParcelDistances(latents: File, voxels: File, scaling: File, mask: File):
    """Euclidean distances between the parcels' mean latents: no rotation of the space changes them.

    Parcels are those of the atlas, or else cubes of 24 mm whose numbers follow from their place; those of
    fewer than five usable voxels are left out.

    Parameters
    ----------
    latents : file
        (K, D) latents of the usable voxels (Encode, PcaScores, DiffusionEmbedding).
    voxels : file
        Table of the mask's voxels (MakeMask).
    scaling : file
        Scaling of Normalize; says which voxels are usable.
    mask : file
        The mask, for positions in mm.

    Returns
    -------
    distances : file
        (P, P) float32, in units of the latent space.
    parcels : file
        TSV, one row a parcel in the same order: parcel, name, network, x y z of its centre in mm, n voxels.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.connectivity import parcel_distances
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._parcels import Parcels

    parcels = Parcels.load(voxels, scaling, mask)
    distances = Path.cwd() / "distances.npy"
    np.save(distances, parcel_distances(parcels.means(load_array(latents), Path(latents))).astype(np.float32))
    return distances, write_table(Path("parcels.tsv"), parcels.table())
