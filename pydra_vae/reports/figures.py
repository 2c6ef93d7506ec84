"""The figures of a subject's report, each with its caption."""

import numpy as np
from markupsafe import escape

from pydra_vae.bids.tables import read_table
from pydra_vae.reports import curves, drawing
from pydra_vae.reports.brains import Row, robust_limit, robust_range, slices
from pydra_vae.reports.formats import fixed, model_name, number
from pydra_vae.reports.loaded import Loaded
from pydra_vae.reports.pages import figure
from pydra_vae.reports.surface_rows import SurfaceSpace
from pydra_vae.stats.reconstruction import random_voxels, reconstruction_errors

LATENT_LIMIT = 2.5  # standard deviations
EXAMPLES = {"Good": 0.9, "Median": 0.5, "Bad": 0.1}  # quantiles of R²


def latent_maps(data: Loaded) -> str:
    """All latent dimensions, one row each."""
    sd = data.latents.std(axis=0)
    rows = [
        Row(z, f"z{i + 1}\nSD {number(sd[i], 2)}", (-LATENT_LIMIT, LATENT_LIMIT), "RdBu_r", "SD")
        for i, z in enumerate(data.standardised.T)
    ]
    caption = (
        "Each latent dimension is standardised over voxels, so that all share one colour scale; beside its name "
        "stands its "
        f"standard deviation before that. The sign and the order of dimensions mean nothing. {_behind(data)}"
    )
    return figure(slices(rows, data.space, "Maps of the latent dimensions"), caption)


def latent_structure(data: Loaded) -> str:
    """How the latents correlate, and their mean in each network."""
    networks = data.voxels["network"].to_numpy(dtype=str)
    known = networks if len(set(networks) - {""}) > 1 else None
    n = data.latents.shape[1]
    caption = "The dimensions are not made orthogonal."
    if n > 1:
        correlation = np.nan_to_num(np.corrcoef(data.standardised.T))
        largest = np.abs(correlation[~np.eye(n, dtype=bool)]).max()
        caption = f"The largest correlation of two dimensions is {fixed(largest)} (in the paper: all below 0.3)."
    return figure(curves.latent_structure(data.standardised, known), caption)


def tsnr_maps(data: Loaded) -> str:
    """TSNR before, after, and its change."""
    before, after, change = (
        data.map_values(getattr(data.files, f"tsnr_{name}")) for name in ("before", "after", "change")
    )
    limits = robust_range(before, after)
    limit = robust_limit(change)
    rows = [
        Row(before, "Before", limits, "viridis", "tSNR"),
        Row(after, "After", limits, "viridis", "tSNR"),
        Row(change, "Change", (-limit, limit), "RdBu_r", "%"),
    ]
    units = data.tsnr["units"].iloc[0]
    return figure(
        slices(rows, data.space, "tSNR before, after, and its change"), f"tSNR in {units} units. {_behind(data)}"
    )


def gain(data: Loaded) -> str:
    """TSNR gain of each parcel by network, where the atlas has networks."""
    drawn = curves.gain_by_network(read_table(data.files.tsnr_parcels))
    return figure(drawn, "Each point is the gain of a parcel's mean tSNR.")


def emse_volumes(data: Loaded) -> str:
    """Input, reconstruction and difference at one frame."""
    t = data.emse_frame
    before, after = (np.asarray(a[:, t], dtype=np.float64) for a in (data.x, data.reconstruction))
    limits, limit = robust_range(before, after, quantile=0.99), robust_limit(after - before)
    rows = [
        Row(before, "Input", limits, "inferno", "scaled"),
        Row(after, "Recon-\nstruction", limits, "inferno", "scaled"),
        Row(after - before, "Difference", (-limit, limit), "RdBu_r", "scaled"),
    ]
    emse = data.delivered.loc["cvae", "emse_frame"]
    caption = f"Frame {t} (from 0), scaled units. EMSE of this volume: {number(emse)}."
    if not data.used[t]:
        caption += " <b>This frame was censored:</b> its input is interpolated, so its error says little."
    return figure(
        slices(rows, data.space, f"Input, reconstruction and difference at frame {t}"), f"{caption} {_behind(data)}"
    )


def mse_map(data: Loaded) -> str:
    """Where the reconstruction is good and where not."""
    values = data.map_values(data.files.mse_map)
    rows = [Row(values, "MSE", robust_range(values), "magma", "scaled²")]
    caption = f"Mean squared error of each voxel over time; mean over all voxels {number(values.mean())}."
    return figure(slices(rows, data.space, "Voxel-wise mean squared error"), caption)


def learning_curve(data: Loaded) -> str:
    """Error over the steps, beside PCA."""
    if data.history is None:
        return '<p class="note">The model was given, not fitted here: there is no learning curve.</p>'
    colours, table = drawing.MODEL_COLOURS, data.delivered["mse_test"]
    levels = {f"{model_name(data.pca)}, test voxels": (float(table[data.pca]), colours["pca"])}
    if "voxel mean" in table:
        levels["voxel mean, test voxels"] = (float(table["voxel mean"]), colours["voxel mean"])
    caption = "Validation voxels choose the step whose weights are kept; test voxels had no part in the fit."
    return figure(curves.learning_curve(data.history, levels), caption)


def example_voxels(data: Loaded) -> str:
    """A good, a median and a bad test voxel."""
    rows = data.test[random_voxels(len(data.test))]
    errors = reconstruction_errors(data.x[rows], data.reconstruction[rows], data.used)
    r2 = 1 - errors.voxel / np.maximum(errors.input_variance, 1e-12)
    order = np.argsort(r2, kind="stable")
    shown = _shown_frames(data)
    examples = []
    for name, quantile in EXAMPLES.items():
        chosen = order[round(quantile * (len(order) - 1))]
        voxel = rows[chosen]
        title = f"{name} (R² {fixed(r2[chosen])}): {_place(data, voxel)}"
        examples.append(curves.Example(title, data.x[voxel, shown], data.reconstruction[voxel, shown]))
    drawn = curves.example_voxels(examples, _times(data, shown))
    part = f"frames {shown.start} to {shown.stop - 1}" if shown.stop - shown.start < len(data.used) else "all frames"
    caption = (
        f"Three of {len(rows):,} test voxels, at the 90th, 50th and 10th percentile of R² over time; {part}, scaled "
        "units, as "
        "decoded. Grey bands: censored frames. Dotted: a new run."
    )
    return figure(drawn, str(escape(caption)))


def _shown_frames(data: Loaded) -> slice:
    """A stretch of frames around the EMSE frame."""
    n = len(data.used)
    start = min(max(data.emse_frame - curves.FRAMES_SHOWN // 2, 0), max(n - curves.FRAMES_SHOWN, 0))
    return slice(start, min(start + curves.FRAMES_SHOWN, n))


def _times(data: Loaded, shown: slice) -> curves.Times:
    step = data.t_r or 1.0
    frames = np.arange(shown.start, shown.stop)
    starts = [float(s) * step for s in np.cumsum(data.scaling.lengths)[:-1] if shown.start < s < shown.stop]
    return curves.Times(frames * step, data.used[shown], starts, "Time (s)" if data.t_r else "Frame")


def _place(data: Loaded, row: int) -> str:
    """A voxel's parcel, else its indices."""
    voxel = data.voxels.iloc[row]
    name = voxel["name"] or voxel["network"]
    where = place_of(voxel)
    return f"{name}, {where}" if name else where


def place_of(voxel) -> str:
    """A row of the table of voxels in words: its indices, or its vertex."""
    if "vertex" in voxel and not np.isnan(float(voxel["vertex"])):
        return f"vertex {int(voxel['vertex'])} of the {voxel['structure'].replace('_', ' ').lower()}"
    indices = f"voxel ({int(voxel['i'])}, {int(voxel['j'])}, {int(voxel['k'])})"
    return indices + (f" of the {voxel['structure'].replace('_', ' ').lower()}" if "structure" in voxel else "")


def _behind(data: Loaded) -> str:
    """What the maps lie on."""
    if isinstance(data.space, SurfaceSpace):
        return data.space.caption
    if data.space.background is None:
        return ""
    name = data.files.background_name if data.files.background is not None else "mean BOLD"
    return f"On the {escape(name)}; left is left."
