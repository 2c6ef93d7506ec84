"""Compare reconstructions with the planted signal of simulated data."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"recovery": File, "recovery_map": File})
def Recovery(
    truth: list[File],
    scaled: File,
    reconstruction: File,
    scaling: File,
    frames: File,
    controls: File,
    mask: File,
):
    """Correlate input, model and PCA with the planted clean signal, voxel by voxel.

    Parameters
    ----------
    truth : list of file
        4-D images of the clean signal (``desc-truth_bold``), one a run, in the order of the runs.
    scaled : file
        (K, T) scaled series (Normalize).
    reconstruction : file
        (K, T) reconstruction (Reconstruct).
    scaling : file
        Scaling of Normalize.
    frames : file
        Joined table of frames (Normalize); frames of weight 0 do not count.
    controls : file
        PCAs (FitControls).
    mask : file
        The mask of the series.

    Returns
    -------
    recovery : file
        TSV, one row a model (input, cvae, PCAs): mean and median correlation over voxels.
    recovery_map : file
        NIfTI map of the model's correlation minus the input's.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.geometry import load_geometry
    from pydra_vae.stats.recovery import correlation_with
    from pydra_vae.tasks._maps import save_map
    from pydra_vae.tasks._measured import Measured

    cwd = Path.cwd()
    data = Measured.load(scaled, reconstruction, scaling, frames, controls)
    scale, voxels = data.scaling, load_geometry(Path(mask))
    clean = np.hstack([voxels.extract(Path(path))[scale.kept] for path in truth])

    def correlation(model):
        series, transform = (data.x, model) if callable(model) else (model, None)
        return correlation_with(series, clean, data.weights, scale.lengths, transform)

    found = {name: correlation(model) for name, model in {"input": data.x, **data.fitted}.items()}
    planted = np.isfinite(found["input"])
    rows = [
        {
            "model": name,
            "r_clean_mean": float(np.nanmean(r[planted])) if planted.any() else np.nan,
            "r_clean_median": float(np.nanmedian(r[planted])) if planted.any() else np.nan,
            "n_voxels_planted": int(planted.sum()),
        }
        for name, r in found.items()
    ]
    gained = found["cvae"] - found["input"]
    return write_table(cwd / "recovery.tsv", rows), save_map(cwd / "recovery", gained, scale, mask)
