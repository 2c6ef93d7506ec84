"""Temporal signal-to-noise ratio before and after the model, beside its controls."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(
    outputs={
        "tsnr": File,
        "parcels": File,
        "before": File,
        "after": File,
        "change": File,
        "warnings": File,
    }
)
def Tsnr(
    scaled: File,
    reconstruction: File,
    scaling: File,
    frames: File,
    controls: File,
    mask: File,
    voxels: File,
    units: ty.Literal["auto", "scanner", "scaled"] = "auto",
):
    """Measure tSNR of the input and of each reconstruction, run by run, then averaged.

    The mean of each voxel is restored in every reconstruction. A gain is no measure of denoising by
    itself: shrinking each voxel towards its mean gains as much as its variance ratio says.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    reconstruction : file
        (K, T) reconstruction in scaled units (Reconstruct).
    scaling : file
        Scaling of Normalize.
    frames : file
        Joined table of frames (Normalize); frames of weight 0 do not count.
    controls : file
        PCAs (FitControls).
    mask : file
        The mask, for the maps.
    voxels : file
        Table of the mask's voxels with their parcels and networks (MakeMask).
    units : str
        scanner (refused for residuals unless a mean image was added), scaled (defined for
        residuals too), or auto: scanner, or scaled for residuals.

    Returns
    -------
    tsnr : file
        TSV, one row a model: mean before and after, mean and median gain in per cent, Wilcoxon's
        log10 p and rank-biserial correlation over voxels and over parcels.
    parcels : file
        TSV, one row a parcel: tSNR before and after the model, gain in per cent, voxels.
    before : file
        NIfTI map of tSNR of the input.
    after : file
        NIfTI map of tSNR of the model's reconstruction.
    change : file
        NIfTI map of the gain in per cent.
    warnings : file
        JSON list of warnings, e.g. tSNR up while R² is low.
    """

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.stats import tsnr as stats
    from pydra_vae.stats.fit_warnings import tsnr_warnings
    from pydra_vae.stats.reconstruction import compare
    from pydra_vae.tasks._io import write_json
    from pydra_vae.tasks._maps import save_map
    from pydra_vae.tasks._measured import Measured

    cwd = Path.cwd()
    data = Measured.load(scaled, reconstruction, scaling, frames, controls)
    x, weights, scale, same_size = data.x, data.weights, data.scaling, data.same_size
    units = stats.choose_units(units, scale.method, scale.residual)
    # over all voxels, as the gains are
    errors = compare(x, {name: data.fitted[name] for name in ("cvae", same_size)}, weights)
    models = data.fitted | {"shrinkage": data.shrinkage(errors["cvae"].variance_ratio())}

    table = read_table(voxels)[scale.kept].reset_index(drop=True)
    parcels = _parcels(table)
    before = stats.tsnr_in_units(x, scale, units, weights=weights)
    rows, gains, after = [], {}, None
    for name, model in models.items():
        values = stats.tsnr_in_units(x, scale, units, model, weights)
        after = values if after is None else after
        gains[name] = stats.gain(before, values)
        rows.append(_row(name, units, before, values, gains[name], table, parcels))
    warnings = tsnr_warnings(gains["cvae"].mean, errors["cvae"].r2(), gains[same_size].mean, errors[same_size].r2())
    maps = {"before": before, "after": after, "change": gains["cvae"].change}
    return (
        write_table(cwd / "tsnr.tsv", rows),
        write_table(cwd / "tsnr_parcels.tsv", _by_parcel(parcels, table, before, after)),
        *(save_map(cwd / f"tsnr_{name}", m, scale, mask) for name, m in maps.items()),
        write_json(cwd / "warnings.json", warnings),
    )


def _parcels(table):
    """One row a parcel of the usable voxels, without parcel 0."""
    inside = table[table["parcel"] > 0]
    return inside.drop_duplicates("parcel").sort_values("parcel")[["parcel", "name", "network"]]


def _row(name, units, before, after, gain, table, parcels) -> dict:
    from pydra_vae.stats.parcels import parcel_means
    from pydra_vae.stats.tests import signed_rank

    numbers = table["parcel"].to_numpy()
    by_parcel = signed_rank(parcel_means(before, numbers)[1], parcel_means(after, numbers)[1])
    return {
        "model": name,
        "units": units,
        "before_mean": gain.before_mean,
        "after_mean": gain.after_mean,
        "gain_mean": gain.mean,
        "gain_median": gain.median,
        "wilcoxon_log10p": gain.test.log10_p,
        "effect_size": gain.test.effect_size,
        "n_voxels": gain.n,
        "wilcoxon_log10p_parcels": by_parcel.log10_p if len(parcels) else None,
        "effect_size_parcels": by_parcel.effect_size if len(parcels) else None,
        "n_parcels": len(parcels),
    }


def _by_parcel(parcels, table, before, after):
    from pydra_vae.stats.parcels import parcel_means, parcel_sizes

    numbers = table["parcel"].to_numpy()
    before, after = (parcel_means(values, numbers)[1] for values in (before, after))
    return parcels.assign(before=before, after=after, gain=100 * (after / before - 1), n=parcel_sizes(numbers))
