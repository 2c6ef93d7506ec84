"""From a recording on the surface to the filtered series of the region."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

BLOCK = 4096  # vertices at a time: 9 MB of float64 for 284 frames


@step(outputs={"series": File, "info": File})
def PrepareSurface(
    data: list[File],
    vertices: File,
    region: File,
    sidecar: File | None = None,
    t_r: float | None = None,
    high_pass: float | None = 0.01,
    low_pass: float | None = 0.15,
    detrend: bool = True,
    standardize: ty.Literal["zscore", "none"] = "zscore",
    confounds: File | None = None,
    confounds_json: File | None = None,
    strategy: ty.Literal["none", "simple", "scrubbing", "compcor", "ica_aroma"] = "none",
    dummy_scans: int = 0,
):
    """Read the region's series of one recording, filter and detrend them, and z-score each vertex.

    The filter is the paper's, as one matrix over time: the result is that of nilearn.signal.clean.
    Linear trends are removed before the band-pass (the paper says after).

    Parameters
    ----------
    data : list of file
        One CIFTI series, or the GIFTI series of the left and right hemisphere.
    vertices : file
        The region's vertices (MakeRegion).
    region : file
        Its description (MakeRegion's info).
    sidecar : file, optional
        JSON with RepetitionTime, compared with the header's.
    t_r : float, optional
        Repetition time in seconds, compared with those of header and sidecar where they have one.
    high_pass : float, optional
        Lower end of the pass band, in Hz; 0 for none.
    low_pass : float, optional
        Upper end of the pass band, in Hz; 0 for none.
    detrend : bool
        Remove each vertex's linear trend.
    standardize : str
        zscore gives each vertex mean 0 and variance 1; none keeps the scanner's units.
    confounds : file, optional
        fMRIPrep's table of the run. Its non-steady-state frames are interpolated in any case.
    confounds_json : file, optional
        The table's description; needed for compcor.
    strategy : str
        Denoising strategy of nilearn's load_confounds_strategy. Frames that scrubbing censors are
        interpolated before the filter, never cut out.
    dummy_scans : int
        Leave out this many frames at the start.

    Returns
    -------
    series : file
        (T, V) float32; vertices that are constant, or not finite, are 0.
    info : file
        JSON: repetition time, sizes, what was done.
    """

    from pydra_vae.images.grayordinates import read_series
    from pydra_vae.stats import filtering
    from pydra_vae.tasks._io import new_array, write_json
    from pydra_vae.tasks._region import Region

    where = Region.load(vertices, region)
    read = read_series([Path(f) for f in data], where.vertices)
    header, values = read.header, read.values
    _check_mesh(header, where.mesh_sizes, region)
    t_r = _repetition_time(header, sidecar, t_r)
    regressors, weights, censored = _confounds(header, confounds, confounds_json, strategy, dummy_scans)
    values = values[dummy_scans:]
    p = filtering.operator(len(values), t_r, high_pass, low_pass, detrend, regressors)
    series, flat, bad = new_array(Path("series.npy"), values.shape), 0, 0
    for first in range(0, values.shape[1], BLOCK):
        columns = slice(first, first + BLOCK)
        series[:, columns], constant, not_finite = _clean(values[:, columns], weights, p, standardize)
        flat, bad = flat + constant, bad + not_finite
    if flat + bad == values.shape[1]:
        raise ValueError(
            f"none of the {values.shape[1]} vertices of {header.path} can be used: {flat} are constant over time, "
            f"{bad} hold NaN or infinite values; preprocess the run again, or leave it out"
        )
    series.flush()
    info = {
        "t_r": t_r,
        "n_frames": len(values),
        "n_vertices": values.shape[1],
        "n_flat": flat + bad,
        "n_not_finite": bad,
        "source": [path.name for path in header.paths],
        "dtype": header.dtype,
        "high_pass": high_pass,
        "low_pass": low_pass,
        "detrend": detrend,
        "standardize": standardize,
        "strategy": strategy,
        "n_regressors": 0 if regressors is None else regressors.shape[1],
        "censored": censored,
        "dummy_scans": dummy_scans,
    }
    return Path("series.npy").absolute(), write_json(Path("series.json"), info)


def _clean(values, weights, p, standardize):
    """Filtered and standardised series (T, n), how many of them are constant, and how many not finite."""
    import numpy as np

    from pydra_vae.images.clean import interpolate
    from pydra_vae.stats import filtering

    block = values.astype(np.float64)
    finite = np.isfinite(block[weights]).all(axis=0)
    block[:, ~finite] = 0
    interpolate(block.T, weights)
    spread = np.ptp(block, axis=0)
    block = p @ block
    flat = filtering.standardize(block, spread) if standardize == "zscore" else spread == 0
    block[:, flat] = 0
    return block, int((flat & finite).sum()), int((~finite).sum())


def _check_mesh(header, mesh_sizes, region) -> None:
    if header.mesh_sizes != mesh_sizes:
        found, needed = (" + ".join(f"{n:,}" for n in sizes) for sizes in (header.mesh_sizes, mesh_sizes))
        raise ValueError(
            f"{header.path} lies on meshes of {found} vertices, but the region ({region}) on {needed}: "
            "make the region from data of the same space and density"
        )


def _repetition_time(header, sidecar, t_r) -> float:
    """The TR on which header, sidecar and the given one agree."""
    import json

    from pydra_vae.images.headers import T_R_TOLERANCE, check_t_r

    said = None
    if sidecar is not None:
        try:
            said = json.loads(Path(sidecar).read_text(encoding="utf-8")).get("RepetitionTime")
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{sidecar} cannot be read as a JSON object: {error}") from error
    if said is None:
        return check_t_r(header, t_r, "the given t_r")
    found = check_t_r(header, float(said), Path(sidecar))
    if t_r is not None and abs(found - t_r) > T_R_TOLERANCE * found:
        raise ValueError(f"{sidecar} says RepetitionTime = {found:g} s, but {t_r:g} s was given: leave one out")
    return found


def _confounds(header, confounds, description, strategy, dummy_scans):
    """Regressors and weights of the frames that stay, and how many of them each reason censors."""
    from pydra_vae.images import confounds as tables

    if not 0 <= dummy_scans < header.n_frames:
        raise ValueError(f"{dummy_scans} dummy scans of {header.n_frames} frames ({header.path}) leave nothing")
    regressors, frames = tables.load(
        confounds and Path(confounds), header.n_frames, strategy, description and Path(description)
    )
    frames = frames.iloc[dummy_scans:]
    tables.check_enough_frames(frames, header.path)
    regressors = None if regressors is None else regressors.to_numpy(float)[dummy_scans:]
    weights = frames["weight"].to_numpy(bool)
    return regressors, weights, tables.count_reasons(frames)
