"""Images drawn from the prior and from densities of the latents, against the statistics of the data."""

from pathlib import Path
from typing import Literal

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step

N_LOOKED_AT = 20  # training images that tell the unit


@step(outputs={"statistics": File, "drawn": File, "table": File})
def DrawVolumes(
    model: File,
    config: File,
    latents: File,
    log_variance: File,
    volumes: File,
    volume_split: File,
    pca: File | None = None,
    n: int = 200,
    n_examples: int = 4,
    density: Literal["gmm", "gaussian"] = "gmm",
    seed: int = 0,
    device: Device = Device("auto"),
):
    """Draw images from the model, and compare their statistics with those of unseen images.

    One image a person, the first visit: a second visit would be its first one's neighbour.

    Parameters
    ----------
    model, config : file
        A fit (FitVolumeVae).
    latents, log_variance : file
        (N, k) posterior means and log variances of all images (EncodeVolumes).
    volumes : file
        (N, V) images (StackVolumes).
    volume_split : file
        Split of the persons (SplitSubjects); its rows are the images.
    pca : file, optional
        PCA of the training images (FitVolumePca): draws from a Gaussian of its scores are the control.
    n : int
        Images a source.
    n_examples : int
        Of the drawn images of each source, how many are kept.
    density : {"gmm", "gaussian"}
        Density of the latents whose draws are kept as examples; the statistics are of both.
    seed : int
        Of the draws.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    statistics : file
        TSV, one row a source: source (data: the test persons' first visits; reconstruction: of these; prior: N(0, I);
        gmm and gaussian: fitted to one draw from the posterior of each training person; pca-gaussian: independent
        Gaussians of the scores of a PCA of the model's size), n images, mean and sd (over images, root mean square
        over voxels), total and total_sd (ml; n/a unless the images are probabilities), voxel_mean_error (of the mean
        image, over the training images' sd), voxel_variance_ratio, variance_map_r, spectrum_distance (of the
        covariance's eigenvalues), out_of_range (share of values beyond all training images at that voxel), impossible
        (beyond all anywhere), nearest_image (distance to the nearest training image, 1: as training images among
        themselves), novelty (the same among latents), components (of the mixture). All against the training images:
        the row data is what unseen images give, not 0 or 1.
    drawn : file
        (m, V) float32: some drawn images.
    table : file
        TSV: row (of drawn), source, nearest_label (the training image most like it), nearest_image (as above).
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.density import novelty
    from pydra_vae.stats.volume_statistics import compare, reference
    from pydra_vae.tasks._io import new_array
    from pydra_vae.tasks._volume_fitted import decoded, load_fitted
    from pydra_vae.tasks._volume_latents import load_latents, once
    from pydra_vae.training.devices import reproducible, resolve_device

    if n < 2:
        raise ValueError(f"n is {n}: statistics need at least 2 images of a source")
    fit = load_fitted(model, config, latents, volumes, volume_split)
    logvar, test = load_latents(log_variance, fit.split), once(fit.split, parts=("test",))
    if len(test) < 2:
        raise ValueError(f"{volume_split} has {len(test)} test persons: at least 2 are needed to compare draws with")
    rng = np.random.default_rng(seed)
    train = once(fit.split, parts=("train",))
    codes, components = _codes(fit, logvar, train, n, rng, seed)
    codes = {"reconstruction": fit.z[test], **codes}
    data, ml, spectrum = reference(fit.x, train), _voxel_ml(fit), min(n, len(test))
    kept = [source for source in ("prior", density, "pca-gaussian") if source in codes or pca is not None]
    examples, rows, found = [], [], []

    def add(source, images, novel):
        statistics = vars(compare(images, data, ml, spectrum))
        found.append({"source": source, **statistics, "novelty": novel, "components": components.get(source)})
        if source in kept:
            rows.extend(_nearest(images[:n_examples], data, fit.split, source, len(rows)))
            examples.append(np.array(images[:n_examples], dtype=np.float32))

    add("data", fit.x[test], novelty(fit.z[test], fit.z[train], seed))
    with gpu_slot(device) as name, reproducible(fit.made["seed"], fit.made["threads"]):
        on = resolve_device(name)
        for source, z in codes.items():
            add(source, decoded(fit, z, on), novelty(z, fit.z[train], seed))
    if pca is not None:
        add("pca-gaussian", *_linear(pca, fit, train, n, rng, seed))
    images = np.concatenate(examples)
    drawn = new_array(Path("drawn.npy"), images.shape)
    drawn[:] = images
    drawn.flush()
    tables = {"statistics.tsv": found, "table.tsv": rows}
    statistics, table = (write_table(Path(name), _whole(content)) for name, content in tables.items())
    return statistics, Path("drawn.npy").absolute(), table


def _codes(fit, logvar, train, n: int, rng, seed: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Latents (n, k) drawn from each density, and how many Gaussians each one is."""
    from pydra_vae.stats.density import fit_density

    # what the decoder was trained on: draws from the posterior, not its means
    posterior = fit.z[train] + np.exp(logvar[train] / 2) * rng.standard_normal(fit.z[train].shape)
    codes, components = {"prior": rng.standard_normal((n, fit.z.shape[1]))}, {"prior": 1}
    for kind in ("gmm", "gaussian"):
        density = fit_density(posterior, kind, seed)
        codes[kind], components[kind] = density.sample(n, rng), len(density.weights)
    return codes, components


def _linear(path, fit, train, n: int, rng, seed: int) -> tuple[np.ndarray, float]:
    """Images (n, V) of Gaussian scores of a PCA of the model's size, and their novelty among the scores."""
    from pydra_vae.stats.density import novelty
    from pydra_vae.tasks._volume_latents import pca_scores

    k = fit.z.shape[1]
    scores, pca = pca_scores(path, fit.x, train, k)
    drawn = rng.standard_normal((n, scores.shape[1])) * np.sqrt(pca.variance[:k])
    return (drawn @ pca.components[:k] + pca.mean).astype(np.float32), novelty(drawn, scores, seed)


def _nearest(images, data, split, source: str, first: int) -> list[dict]:
    from pydra_vae.stats.volume_statistics import squared_distances

    distance = np.sqrt(squared_distances(images, data.images, data.rows, data.mean))
    nearest = distance.argmin(axis=1)
    return [
        {
            "row": first + i,
            "source": source,
            "nearest_label": split.label[data.rows[nearest[i]]],
            "nearest_image": distance[i, nearest[i]] / data.nearest if data.nearest > 0 else np.nan,
        }
        for i in range(len(images))
    ]


def _voxel_ml(fit) -> float:
    """Volume of a voxel, in ml; NaN unless the values can be shares of tissue."""
    from pydra_vae.images.intensities import unit_of
    from pydra_vae.tasks._recordings import spaced

    images = fit.x[spaced(fit.training, N_LOOKED_AT)]
    if unit_of(float(images.min()), float(images.max())) != "probability":
        return np.nan
    return float(abs(np.linalg.det(np.array(fit.made["mask"]["affine"])[:3, :3])) / 1000)


def _whole(rows):
    """Counts as integers, also where some are missing."""
    import pandas as pd

    table = pd.DataFrame(rows)
    return table.astype({"components": "Int64"}) if "components" in table else table
