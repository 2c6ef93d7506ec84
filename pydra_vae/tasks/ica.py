"""Fit ICA, the paper's null model, in every reading of it."""

import typing as ty
from pathlib import Path

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.step import step

STABILITY = ("restart", "iterations", "converged", "objective", "similarity", "kept")


@step(outputs={"factors": File, "maps": File, "stability": File})
def Ica(
    series: list[File],
    subject_split: File,
    pca: File,
    method: ty.Literal["infomax-extended", "infomax", "fastica", "pca"] = "infomax-extended",
    independence: ty.Literal["temporal", "spatial"] = "temporal",
    data: ty.Literal["concatenated", "mean"] = "concatenated",
    n_components: int = 8,
    n_restarts: int = 3,
    regressors: list[File | None] | None = None,
    model: str = "",
    seed: int = 0,
):
    """Unmix the training recordings into independent components and project every recording on them.

    The paper says "InfoMax ICA" (Lee, Girolami & Sejnowski 1999, the extended algorithm) beside its model's temporal
    independence, and not whether it is temporal or spatial: "infomax-extended" with "temporal" is the nearest reading.
    What a start finds is not unique, so one start is fixed (the principal components), others are random by seed, and
    the best objective is kept.

    Parameters
    ----------
    series : list of files
        (T, V) series of all recordings (PrepareSurface), in the order of the split.
    subject_split : file
        Split of the persons (SplitSubjects); only training recordings are unmixed.
    pca : file
        FitSurfacePca of the same recordings.
    method : str
        infomax-extended; infomax: super-Gaussian sources only; fastica; pca: principal components, no unmixing.
    independence : str
        temporal: of the courses, time points are the samples; spatial: of the maps, vertices are.
    data : str
        concatenated: the training recordings under one another; mean: their mean.
    n_components : int
        Number of factors k.
    n_restarts : int
        Random starts beside the fixed one.
    regressors : list of files, optional
        Tables of TaskRegressors: the mean is made within each timing, as in FitSurfacePca.
    model : str
        Name in the table; by default what was fitted, e.g. "temporal Infomax (extended), concatenated".
    seed : int
        Of the random starts.

    Returns
    -------
    factors : file
        (S, T, k) factors of all recordings, of variance 1 over the training recordings, in the order of the variance
        that they explain.
    maps : file
        (k, V) signed maps: what a unit of the factor adds; the largest entry of each is positive.
    stability : file
        TSV, one row a start: model, k, beta, seed, restart (0 is the fixed start), iterations, converged, objective
        (lower is better), similarity (mean |r| of its factors with those kept, matched), kept.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.ica import fit_ica
    from pydra_vae.tasks._components import load_components
    from pydra_vae.tasks._recordings import Split, load_series

    split = Split.load(subject_split)
    split.check("series", series)
    recordings = load_series(series)
    mean, components = load_components(pca, n_components, recordings.shape[1], data)
    scores = np.stack([np.asarray(x) @ components.T - mean @ components.T for x in recordings])
    train = split.rows("train")
    k = scores.shape[2]
    stacked = scores[train].reshape(-1, k)
    samples = stacked if data == "concatenated" else _means(scores[train], regressors, split, train)
    found = fit_ica(components, samples, stacked, method, independence, n_restarts, seed)
    factors, maps = Path("factors.npy").absolute(), Path("maps.npy").absolute()
    np.save(factors, (scores @ found.turn).astype(np.float32))
    np.save(maps, found.maps.astype(np.float32))
    head = {"model": model or ica_name(method, independence, data), "k": k, "beta": None, "seed": seed}
    rows = [{**head, **start._asdict()} for start in found.starts]
    return factors, maps, write_table(Path("stability.tsv"), pd.DataFrame(rows, columns=[*head, *STABILITY]))


def ica_name(method: str, independence: str = "temporal", data: str = "concatenated") -> str:
    """What a variant is called in tables.

    Examples
    --------
    >>> ica_name("infomax-extended"), ica_name("fastica", "spatial", "mean"), ica_name("pca")
    ('temporal Infomax (extended), concatenated', 'spatial FastICA, mean', 'PCA')
    """
    if method == "pca":
        return "PCA" if data == "concatenated" else "PCA, mean"
    algorithm = {"infomax-extended": "Infomax (extended)", "infomax": "Infomax", "fastica": "FastICA"}[method]
    return f"{independence} {algorithm}, {data}"


def _means(scores, regressors, split, train) -> np.ndarray:
    """Mean scores within each timing, one after another: the scores of the mean, since both are linear."""
    from pydra_vae.stats.surface_pca import design_means
    from pydra_vae.tasks._recordings import training_designs

    return design_means(scores, training_designs(regressors, split, train, scores.shape[1]))
