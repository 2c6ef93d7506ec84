"""New BOLD series from the latent space."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"samples": File, "series": File, "info": File})
def SampleSeries(
    model: File,
    config: File,
    latents: File,
    controls: File,
    scaled: File,
    reconstruction: File,
    frames: File,
    scaling: File,
    t_r: float | None = None,
    n_samples: int = 2000,
    density: ty.Literal["gmm", "gaussian"] = "gmm",
    seed: int = 0,
):
    """Draw codes from a density fitted to the latents, decode them, and compare the series with the data's.

    A model without KL has no prior to draw from, so the density of its own codes is fitted. The decoder gives what
    the code explains, without the rest: compare samples with reconstructions first, and with the data for what is
    missing from both. The control draws Gaussian scores of a PCA of the model's size.

    Parameters
    ----------
    model, config : file
        A fitted model (FitCvae).
    latents : file
        (K, D) latents of all voxels (Encode).
    controls : file
        PCAs (FitControls).
    scaled, reconstruction : file
        (K, T) series and their reconstruction, in scaled units.
    frames, scaling : file
        Of Normalize; frames of weight 0 do not count, and runs are not joined across their borders.
    t_r : float, optional
        Repetition time in seconds; without it frequencies are in cycles a frame.
    n_samples : int
        New series, and voxels of the data to compare them with.
    density : str
        gmm: a mixture of 1, 2, 4 or 8 Gaussians, by BIC; gaussian: one.
    seed : int

    Returns
    -------
    samples : file
        TSV: quantity (spectrum, autocorrelation, variance), at (frequency; lag in frames; quantile over voxels), data,
        reconstruction, samples, pca_samples. Spectra in squared scaled units per unit of frequency, mean over voxels.
    series : file
        (n, T) float32 new series, in scaled units.
    info : file
        JSON: the density, how far each column is from the data's, and whether samples are copies of voxels.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.density import fit_density, novelty
    from pydra_vae.stats.reconstruction import random_voxels
    from pydra_vae.tasks._io import load_array, write_json
    from pydra_vae.tasks._measured import Measured
    from pydra_vae.tasks._models import check_data, read_config

    cwd, rng = Path.cwd(), np.random.default_rng(seed)
    data = Measured.load(scaled, reconstruction, scaling, frames, controls)
    made = read_config(Path(config))
    check_data(made, Path(scaled), data.x.shape, scaling, None)
    z, pca = np.asarray(load_array(latents)), data.pcas[data.latent_dim]
    fitted = fit_density(z, density, seed)
    drawn = fitted.sample(n_samples, rng)
    chosen = random_voxels(len(z), seed, n_samples)
    scores = fit_density(pca.encode(data.x[random_voxels(len(z), seed, 20_000)]), "gaussian", seed)
    sources = {
        "data": data.x[chosen],
        "reconstruction": data.decoded[chosen],
        "samples": _decode(model, made, drawn),
        "pca_samples": pca.decode(scores.sample(n_samples, rng)).astype(np.float32),
    }
    np.save(cwd / "series.npy", sources["samples"])
    columns = {name: _describe(x, data.weights, data.scaling.lengths, t_r or 1.0) for name, x in sources.items()}
    table = columns["data"][["quantity", "at"]].assign(**{name: found["value"] for name, found in columns.items()})
    info = {
        "density": density,
        "components": len(fitted.weights),
        "bic": fitted.bic,
        "n_samples": n_samples,
        "n_voxels_compared": len(chosen),
        "frequency_unit": "Hz" if t_r else "cycles a frame",
        "t_r": t_r,
        "distance_from_data": _distances(table, list(sources)[1:]),
        "distance_from_reconstruction": _distances(table, ["samples"], "reconstruction"),
        "novelty": novelty(drawn, z, seed),
    }
    return (
        write_table(cwd / "samples.tsv", table),
        cwd / "series.npy",
        write_json(cwd / "samples.json", info),
    )


def _decode(weights, config, codes):
    """Series of codes, (n, T) float32."""
    import numpy as np

    from pydra_vae.tasks._models import load_model
    from pydra_vae.training.apply import decode
    from pydra_vae.training.devices import reproducible

    with reproducible(config["seed"], config["threads"]):
        return np.vstack([x for _, x in decode(load_model(weights, config), codes)])


def _describe(x, weights, lengths, t_r):
    """Spectrum, autocorrelation and quantiles of the variance of one set of series, as a tidy table."""
    import numpy as np
    import pandas as pd

    from pydra_vae.stats.samples import QUANTILES, autocovariance, spectrum

    covariance, variance = autocovariance(x, weights, lengths)
    frequency, power = spectrum(covariance, t_r)
    parts = {
        "spectrum": (frequency, power),
        "autocorrelation": (np.arange(len(covariance)), covariance / covariance[0]),
        "variance": (QUANTILES, np.quantile(variance, QUANTILES)),
    }
    return pd.concat(
        [pd.DataFrame({"quantity": name, "at": at, "value": value}) for name, (at, value) in parts.items()],
        ignore_index=True,
    )


def _distances(table, columns, reference="data"):
    """How far columns are from another: mean |log10 ratio|; of autocorrelations mean |difference|."""
    import numpy as np

    found = {}
    for column in columns:
        found[column] = {}
        for quantity, rows in table.groupby("quantity", sort=False):
            a, b = rows[reference].to_numpy(), rows[column].to_numpy()
            if quantity == "autocorrelation":
                difference = np.abs(a - b)
            else:
                both = (a > 0) & (b > 0)
                difference = np.abs(np.log10(b[both] / a[both]))
            found[column][quantity] = float(np.nanmean(difference)) if difference.size else None
    return found
