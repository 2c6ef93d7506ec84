"""Functional connectivity between parcels: by what subjects are identified without any model."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"connectivity": File})
def ParcelConnectivity(scaled: File, frames: File, voxels: File, scaling: File, mask: File):
    """Correlate the mean series of parcels, those of ParcelDistances in the same order.

    Parameters
    ----------
    scaled : file
        (K, T) series of the usable voxels (Normalize, HalveSeries).
    frames : file
        Table of their frames; those of weight 0 do not count.
    voxels : file
        Table of the mask's voxels (MakeMask).
    scaling : file
        Scaling of Normalize; says which voxels are usable.
    mask : file
        The mask, for positions in mm.

    Returns
    -------
    connectivity : file
        (P, P) float32, Pearson correlations; 0 for a parcel whose mean series is constant.
    """
    import numpy as np

    from pydra_vae.stats.connectivity import connectivity
    from pydra_vae.tasks._io import load_array, read_weights
    from pydra_vae.tasks._parcels import Parcels

    x = load_array(scaled)
    series = Parcels.load(voxels, scaling, mask).means(x, Path(scaled))
    found = Path.cwd() / "connectivity.npy"
    np.save(found, np.nan_to_num(connectivity(series, read_weights(frames, x.shape[1]))).astype(np.float32))
    return found
