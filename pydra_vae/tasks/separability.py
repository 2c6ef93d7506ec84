"""Do the atlas's networks separate better in the latent space than in others?"""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"separability": File})
def Separability(
    scaled: File,
    latents: File,
    controls: File,
    voxels: File,
    scaling: File,
    mask: File,
    frames: File,
    gradients: File | None = None,
    seed: int = 0,
    n_voxels: int = 4000,
    n_shuffles: int = 20,
):
    """Measure network separability in the raw series, PCA, ICA, diffusion and the model's latents.

    The same voxels and folds over whole parcels serve every space. ICA is a rotation of whitened PCA, which no
    distance and no linear probe can tell from it, so none is run. Controls: the voxels' positions as a space,
    and the model's latents with the networks permuted over parcels.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize). All frames of weight 1 are the raw space; nothing else is reduced.
    latents : file
        (K, D) latents (Encode).
    controls : file
        PCAs (FitControls).
    voxels : file
        Table of the mask's voxels with their parcels and networks (MakeMask).
    scaling : file
        Scaling of Normalize.
    mask : file
        The mask, for positions in mm.
    frames : file
        Joined table of frames (Normalize); frames of weight 0 do not count.
    gradients : file, optional
        (K, n) diffusion embedding (DiffusionEmbedding).
    seed : int
        Of the sample of voxels, the folds and the shuffles.
    n_voxels : int
        At most so many voxels, drawn at random, evenly over parcels.
    n_shuffles : int
        Permutations of the networks over parcels.

    Returns
    -------
    separability : file
        TSV, one row a space (raw, pca, the larger PCA, ica, diffusion, cvae, cvae whitened, mm, labels shuffled):
        n_dimensions, silhouette, knn_accuracy, knn_sd, probe_accuracy, probe_sd, chance, variance_ratio,
        n_networks, n_parcels, n_voxels. No rows without networks.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.separability import Separation, sample_voxels, separability_of
    from pydra_vae.tasks._io import load_array, load_controls, read_weights
    from pydra_vae.tasks._scores import pca_scores, whitened
    from pydra_vae.tasks._space import Space

    space, x, z = Space.load(voxels, scaling, mask), load_array(scaled), load_array(latents)
    weights = read_weights(frames, x.shape[1])
    rows = sample_voxels(space.network, space.parcel, n_voxels, seed)
    table = []
    if len(rows):
        series, pcas = x[rows], load_controls(controls)
        scores = pca_scores(pcas, series)
        places = {
            "raw": series[:, weights > 0],
            **scores,
            "ica": whitened(pcas, scores),
            **({"diffusion": load_array(gradients)[rows]} if gradients else {}),
            **_latents(z, rows),
            "mm": space.mm[rows],
        }
        given = {"network": space.network[rows], "parcel": space.parcel[rows], "seed": seed, "n_voxels": n_voxels}
        table = [_row(name, place, separability_of(place, **given)) for name, place in places.items()]
        null = separability_of(places["cvae"], **given, n_shuffles=n_shuffles)
        table.append(_row("labels shuffled", places["cvae"], null))
    columns = ["space", "n_dimensions", *Separation.__dataclass_fields__]
    return write_table(Path("separability.tsv"), pd.DataFrame(table, columns=columns))


def _row(name, place, found) -> dict:
    return {"space": name, "n_dimensions": place.shape[1], **vars(found)}


def _latents(z, rows) -> dict:
    """The latents, and their whitened form: what ICA is to PCA."""
    from pydra_vae.stats.connectivity import whiten

    return {"cvae": z[rows], "cvae whitened": whiten(z)[rows]}
