"""Turn a model's factors after training."""

import typing as ty
from pathlib import Path

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"factors": File, "maps": File, "rotation": File})
def RotateFactors(
    factors: File,
    subject_split: File,
    maps: File | None = None,
    series: list[File] | None = None,
    method: ty.Literal["spatial-infomax", "temporal-infomax", "varimax"] = "spatial-infomax",
    n_restarts: int = 3,
    seed: int = 0,
):
    """Change factors linearly so that maps or courses are independent, or maps simple; information stays the same.

    The change is found on the training recordings. It needs signed maps: given the series, they are the regression of
    the training series on the factors; else `maps` are taken as they stand, which suits ICA and PCA, not the variances
    of SpatialMaps.

    Parameters
    ----------
    factors : file
        (S, T, k) factors of all recordings.
    subject_split : file
        Split of the persons (SplitSubjects).
    maps : file, optional
        (k, V) signed maps; needed without series.
    series : list of files, optional
        (T, V) series of all recordings (PrepareSurface).
    method : str
        spatial-infomax: independent maps; temporal-infomax: independent courses (both extended Infomax);
        varimax: simple maps.
    n_restarts : int
        Random starts of Infomax beside the fixed one.
    seed : int
        Of the random starts.

    Returns
    -------
    factors : file
        (S, T, k) new factors, of variance 1 over the training recordings.
    maps : file
        (k, V) signed maps of the new factors.
    rotation : file
        (k, k) float64: new factors are factors @ rotation.
    """
    from pydra_vae.stats.rotation import rotate
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._recordings import Split

    split, values = Split.load(subject_split), load_array(factors)
    split.check("recordings in the factors", values)
    train = np.asarray(values[split.rows("train")], dtype=np.float64)
    if series is not None:
        split.check("series", series)
        loadings = _regression(train, [series[i] for i in split.rows("train")])
    elif maps is not None:
        loadings = load_array(maps)
    else:
        raise ValueError("no maps to turn: give series, from which they are computed, or signed maps")
    if len(loadings) != values.shape[2]:
        raise ValueError(f"{maps} holds {len(loadings)} maps but there are {values.shape[2]} factors: give one each")
    rotation, turned, _ = rotate(train.reshape(-1, values.shape[2]), loadings, method, n_restarts, seed)
    outputs = {"factors": (values @ rotation).astype(np.float32), "maps": turned.astype(np.float32)}
    paths = []
    for name, array in {**outputs, "rotation": rotation}.items():
        paths.append(Path(f"{name}.npy").absolute())
        np.save(paths[-1], array)
    return tuple(paths)


def _regression(factors, series) -> np.ndarray:
    """Least-squares maps (k, V) of the series on the factors, centred over the training recordings."""
    from pydra_vae.tasks._recordings import load_series

    recordings = load_series(series)
    if recordings.shape[0] != factors.shape[1]:
        raise ValueError(
            f"the factors have {factors.shape[1]} frames but the series {recordings.shape[0]}: "
            "give the factors of the same recordings"
        )
    factors = factors - factors.mean(axis=(0, 1))
    product = sum(f.T @ x for f, x in zip(factors, recordings, strict=True))
    scatter = np.einsum("stj,stk->jk", factors, factors)
    return np.linalg.pinv(scatter, rcond=1e-10, hermitian=True) @ product
