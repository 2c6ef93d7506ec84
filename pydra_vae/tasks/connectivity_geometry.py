"""Latent distances between parcels beside their functional connectivity."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

MM = "raw distance mm"


@step(outputs={"geometry": File, "matrices": File, "parcels": File})
def ConnectivityGeometry(
    scaled: File,
    latents: File,
    controls: File,
    voxels: File,
    scaling: File,
    mask: File,
    frames: File,
    n_permutations: int = 1000,
    seed: int = 0,
):
    """Correlate nearness in a space with Pearson connectivity, over pairs of parcels.

    Both are made from the same series, so some agreement is certain. Controls: PCA's distances, those of the
    raw series, and distance in mm, which is also removed in a partial correlation.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    latents : file
        (K, D) latents (Encode).
    controls : file
        PCAs (FitControls).
    voxels : file
        Table of the mask's voxels with their parcels (MakeMask); 24 mm cubes where there is no atlas.
    scaling : file
        Scaling of Normalize.
    mask : file
        The mask, for positions in mm.
    frames : file
        Joined table of frames (Normalize); frames of weight 0 do not count.
    n_permutations : int
        Permutations of parcels.
    seed : int
        Of the permutations.

    Returns
    -------
    geometry : file
        TSV, one row a space (cvae, pca, both also whitened, the larger PCA, raw series, raw distance mm): space,
        r (Spearman of −distance with connectivity), p_mantel, r_partial and p_partial (distance in mm removed),
        n_parcels. No rows with fewer than four parcels.
    matrices : file
        Safetensors: fc, cvae, pca, mm, each (P, P) float32.
    parcels : file
        TSV, one row a parcel in the same order: parcel, name, network, x y z of its centre in mm, n voxels.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.connectivity import connectivity, geometry_of, parcel_distances
    from pydra_vae.tasks._io import load_array, load_controls, read_weights
    from pydra_vae.tasks._parcels import Parcels
    from pydra_vae.tasks._scores import pca_scores, whitened

    parcels, x = Parcels.load(voxels, scaling, mask), load_array(scaled)
    weights = read_weights(frames, x.shape[1])
    series, table, pcas = parcels.means(x, Path(scaled)), parcels.table(), load_controls(controls)
    scores = pca_scores(pcas, series)  # those of a mean series are the mean of the scores
    places = {
        **_latents(parcels, load_array(latents), Path(latents)),
        **scores,
        "pca whitened": whitened(pcas, scores),
        "raw series": series[:, weights > 0],
        MM: table[["x", "y", "z"]].to_numpy(),
    }
    distances = {space: parcel_distances(means) for space, means in places.items()}
    fc, rows = connectivity(series, weights), []
    if len(table) > 3:
        for space, distance in distances.items():
            found = geometry_of(distance, fc, distances[MM], n_permutations, seed)
            rows.append({"space": space, **vars(found), "n_parcels": len(table)})
    columns = ["space", "r", "p_mantel", "r_partial", "p_partial", "n_parcels"]
    shown = {"fc": fc, "cvae": distances["cvae"], "pca": distances["pca"], "mm": distances[MM]}
    return (
        write_table(Path("geometry.tsv"), pd.DataFrame(rows, columns=columns)),
        _save(Path("matrices.safetensors"), {name: np.float32(matrix) for name, matrix in shown.items()}),
        write_table(Path("parcels.tsv"), table),
    )


def _latents(parcels, z, path) -> dict:
    from pydra_vae.stats.connectivity import whiten

    return {"cvae": parcels.means(z, path), "cvae whitened": parcels.means(whiten(z), path)}


def _save(path, arrays) -> Path:
    from safetensors.numpy import save

    path.write_bytes(save(arrays))
    return path.absolute()
