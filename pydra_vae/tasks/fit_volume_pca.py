"""The linear control of every volume VAE: principal components of the training images."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"pca": File, "info": File})
def FitVolumePca(volumes: File, volume_split: File, n_components: int = 32):
    """Fit a PCA to the training images, exactly, a block of voxels in memory at a time.

    Parameters
    ----------
    volumes : file
        (N, V) images (StackVolumes), in the order of the split's rows.
    volume_split : file
        Which images train, validate and test (SplitSubjects).
    n_components : int
        Components kept; fewer where the training images span fewer directions, which the JSON says.

    Returns
    -------
    pca : file
        Safetensors, float32: mean (V), components (n, V) with orthonormal rows, variance (n) of the training images.
    info : file
        JSON: training images, voxels, components asked for and kept, shares of variance explained.
    """
    from pydra_vae.stats.volume_pca import fit_volume_pca, most_components
    from pydra_vae.tasks._io import load_array, write_json
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.tasks._volume_pca import save_pca

    x, split = load_array(volumes), Split.load(volume_split)
    split.check("images", x)
    rows = split.rows("train")
    if len(rows) < 2:
        raise ValueError(
            f"{volume_split} has {len(rows)} training images, and a PCA needs at least 2: give more persons, or a "
            "larger share to training"
        )
    pca = fit_volume_pca(x, rows, min(n_components, most_components(len(rows), x.shape[1])))
    info = {
        "n_images": len(rows),
        "n_voxels": int(x.shape[1]),
        "n_components_asked": n_components,
        "n_components": len(pca.components),
        "total_variance": pca.total,
        "explained": (pca.variance / pca.total).round(8).tolist(),
    }
    return save_pca(Path("pca.safetensors"), pca), write_json(Path("pca.json"), info)
