"""What a latent space is made of: correlations of its dimensions, how many there are, how smooth their maps are."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"structure": File, "correlations": File, "dimensions": File})
def LatentStructure(
    latents: File,
    voxels: File,
    scaling: File,
    mask: File,
    scaled: File | None = None,
    frames: File | None = None,
    pca: File | None = None,
    gradients: File | None = None,
    n_points: int = 4000,
    n_null: int = 199,
    seed: int = 0,
    surfaces: list[File] | None = None,
):
    """Describe the latent space, beside PCA, diffusion gradients, the raw series and surrogates.

    Parameters
    ----------
    latents : file
        (K, D) latents (Encode).
    voxels : file
        Table of the mask's voxels (MakeMask).
    scaling : file
        Scaling of Normalize; says which voxels are usable.
    mask : file
        The mask, for the voxels' geometry.
    scaled : file, optional
        (K, T) scaled series (Normalize): the space "raw".
    frames : file, optional
        Table of frames (Normalize): those of weight 0 do not count.
    pca : file, optional
        (K, n) scores (PcaScores). Whitened ones have a participation ratio of n by construction.
    gradients : file, optional
        (K, n) gradients (DiffusionEmbedding).
    n_points : int
        Random voxels for the intrinsic dimension, the same number in every space.
    n_null : int
        Random orders of the voxels for the null of Moran's I.
    seed : int
        Of all draws.
    surfaces : list of file, optional
        Left and right surface of the data's mesh; needed for grayordinates.

    Returns
    -------
    structure : file
        TSV, one row a space: largest absolute correlation of two dimensions, share of pairs below .3, TwoNN
        dimension with its 95 % interval, participation ratio. "cvae, rotated": the same latents on random axes
        (mean over 100 rotations), since a small correlation says something only if other axes have larger ones;
        "cvae, gaussian": random points of the same covariance, so that a smaller dimension of the latents is
        curvature or clusters.
    correlations : file
        TSV: space, first, second (from 1), r.
    dimensions : file
        TSV, one row a map: standard deviation, Moran's I of face neighbours (of vertices: along the mesh) with mean
        and standard deviation after the voxels were shuffled, one-sided p (at least 1/(n_null + 1)), distance in mm
        at which the autocorrelation falls to 1/e (of vertices: along the surface, subcortical voxels left out).
        "raw": single frames, evenly spaced, after each voxel's mean was removed.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks import _io, _structure
    from pydra_vae.tasks._neighbours import Neighbours
    from pydra_vae.tasks._space import Space

    cwd, space = Path.cwd(), Space.load(voxels, scaling, mask)
    spaces = {"cvae": latents, "pca": pca, "diffusion": gradients}
    spaces = {name: _structure.read_rows(path, len(space.ijk)) for name, path in spaces.items() if path}
    maps = dict(spaces)
    structure = [_structure.describe(name, z, n_points, seed) for name, z in spaces.items()]
    structure[1:1] = _structure.controls(spaces["cvae"], n_points, seed)
    if scaled is not None:
        x = _io.load_array(scaled)
        used = slice(None) if frames is None else _io.read_weights(frames, x.shape[1]).astype(bool)
        structure.append(_structure.describe_series(x, used, n_points, seed))
        maps["raw"] = _structure.single_frames(x, used, spaces["cvae"].shape[1])
    pairs = pd.concat([_structure.correlation_rows(name, z) for name, z in spaces.items()])
    return (
        write_table(cwd / "structure.tsv", pd.DataFrame(structure).astype({"n_points": "Int64"})),
        write_table(cwd / "correlations.tsv", pairs),
        write_table(
            cwd / "dimensions.tsv", _structure.smoothness_rows(maps, Neighbours.of(space, surfaces, seed), n_null, seed)
        ),
    )
