"""Fit the PCAs that ICA starts from and that every model's reconstruction is compared with."""

from pathlib import Path

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"pca": File, "info": File})
def FitSurfacePca(
    series: list[File],
    subject_split: File,
    n_components: int = 32,
    regressors: list[File | None] | None = None,
    seed: int = 0,
):
    """Fit a PCA to the training recordings under one another, and one to their mean.

    Recordings are read one after the other, some passes long; no matrix of vertices by vertices is made.

    Parameters
    ----------
    series : list of files
        (T, V) series of all recordings (PrepareSurface), in the order of the split.
    subject_split : file
        Split of the persons (SplitSubjects).
    n_components : int
        Components kept; the mean's may be fewer, where a short band-passed run has no more.
    regressors : list of files, optional
        Tables of TaskRegressors: the mean is then made within each timing, the means one after another. Without them
        all recordings are taken to share one timing.
    seed : int
        Of the randomised decomposition.

    Returns
    -------
    pca : file
        Safetensors, float32: concatenated.mean (V), .components (n, V) with orthonormal rows, .variance (n); mean.*
        of the mean over training recordings.
    info : file
        JSON: recordings, time points, shares of variance explained.
    """
    from safetensors.numpy import save

    from pydra_vae.stats.surface_pca import design_means, exact_pca, stacked_pca
    from pydra_vae.tasks._io import write_json
    from pydra_vae.tasks._recordings import Split, load_series, training_designs

    split = Split.load(subject_split)
    split.check("series", series)
    chosen = split.rows("train")
    recordings = load_series(series).take(chosen)
    mean = design_means(recordings, training_designs(regressors, split, chosen, recordings.shape[0]))
    n_mean = min(n_components, len(mean) - 1, mean.shape[1])
    found = {"concatenated": stacked_pca(recordings, n_components, seed), "mean": exact_pca(mean, n_mean)}
    arrays = {
        f"{name}.{part}": np.ascontiguousarray(getattr(pca, part), np.float32)
        for name, pca in found.items()
        for part in ("mean", "components", "variance")
    }
    path = Path("pca.safetensors").absolute()
    path.write_bytes(save(arrays))
    info = {
        "n_recordings": len(recordings),
        "n_vertices": int(mean.shape[1]),
        "seed": seed,
        **{
            name: {
                "n_rows": len(mean) if name == "mean" else sum(map(len, recordings)),
                "total_variance": pca.total,
                "explained": (pca.variance / (pca.total or 1)).round(8).tolist(),
            }
            for name, pca in found.items()
        },
    }
    return path, write_json(Path("pca.json"), info)
