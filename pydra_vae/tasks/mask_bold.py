"""From a BOLD run to the series of its voxels or vertices."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

Model = ty.Literal["basic", "power2", "derivatives", "full"]
Compcor = ty.Literal["anat_combined", "anat_separated", "temporal", "temporal_anat_combined", "temporal_anat_separated"]


@step(outputs={"series": File, "frames": File, "info": File})
def MaskBold(
    bold: File,
    mask: File,
    confounds: File | None = None,
    confounds_json: File | None = None,
    sidecar: File | None = None,
    t_r: float | None = None,
    strategy: ty.Literal["none", "simple", "scrubbing", "compcor", "ica_aroma"] = "none",
    motion: Model | None = None,
    wm_csf: Model | None = None,
    global_signal: Model | None = None,
    compcor: Compcor | None = None,
    n_compcor: int | None = None,
    scrub: int | None = None,
    fd_threshold: float | None = None,
    std_dvars_threshold: float | None = None,
    dummy_scans: int = 0,
    high_pass: float | None = None,
    smoothing_fwhm: float | None = None,
):
    """Read a run's voxel series inside a mask; smooth, clean and censor them if asked.

    Frames are never cut out: dummy, non-steady-state and scrubbed ones are interpolated, and have
    weight 0 in everything that follows. Every voxel keeps its mean. Constant and non-finite voxels
    are left as they are read.

    Parameters
    ----------
    bold : file
        Preprocessed 4-D image, or a CIFTI dense series (dtseries.nii, of any stored type).
    mask : file
        Mask on its grid, or of its grayordinates (MakeMask).
    confounds : file, optional
        fMRIPrep's table of the run. Its non-steady-state frames are censored in any case.
    confounds_json : file, optional
        The table's description; needed for compcor.
    sidecar : file, optional
        JSON with RepetitionTime, compared with the header's.
    t_r : float, optional
        Repetition time in seconds, where neither header nor sidecar have it.
    strategy : str
        Denoising strategy of nilearn's load_confounds_strategy; ica_aroma regresses the noise
        components of the table (nilearn's basic).
    motion : str, optional
        Motion regressors (default: nilearn's for the strategy, full).
    wm_csf : str, optional
        White-matter and CSF regressors (default: nilearn's for the strategy).
    global_signal : str, optional
        Global-signal regressors (default: none).
    compcor : str, optional
        Which CompCor components (default: anat_combined).
    n_compcor : int, optional
        How many CompCor components (default: all that fMRIPrep kept).
    scrub : int, optional
        With scrubbing, also censor segments shorter than this many frames (default: 5).
    fd_threshold : float, optional
        Censor frames with a larger framewise displacement, in mm (default: 0.5 with scrubbing,
        else none).
    std_dvars_threshold : float, optional
        Censor frames with larger standardised DVARS (default: 1.5 with scrubbing, else none).
    dummy_scans : int
        Censor this many frames at the start, beside the non-steady-state ones.
    high_pass : float, optional
        Cut-off of a discrete-cosine high-pass filter, in Hz.
    smoothing_fwhm : float, optional
        Full width at half maximum of a Gaussian over the whole image before masking, in mm; refused on the surface.

    Returns
    -------
    series : file
        (V, T) float32 matrix, scanner units, voxels in C order of the mask, grayordinates in their file's.
    frames : file
        TSV: frame, weight (0: censored), reason.
    info : file
        JSON: what was done and how much it touched.
    """
    import json

    import numpy as np

    from pydra_vae.images import confounds as tables
    from pydra_vae.images.clean import clean, usable
    from pydra_vae.images.geometry import load_geometry, read_bold_header
    from pydra_vae.images.headers import check_bold, check_t_r
    from pydra_vae.images.streams import replacing

    cwd, bold = Path.cwd(), Path(bold)
    header = read_bold_header(bold)
    check_bold(header)
    t_r = check_t_r(header, *repetition_time(sidecar, t_r))
    where = load_geometry(Path(mask))
    where.check(bold, "BOLD")
    parameters = {
        "motion": motion,
        "wm_csf": wm_csf,
        "global_signal": global_signal,
        "compcor": compcor,
        "n_compcor": n_compcor,
        "scrub": scrub,
    }
    regressors, frames = tables.load(
        confounds and Path(confounds),
        header.n_frames,
        strategy,
        confounds_json and Path(confounds_json),
        fd_threshold,
        std_dvars_threshold,
        dummy_scans,
        **{key: value for key, value in parameters.items() if value is not None},
    )
    tables.check_enough_frames(frames, bold)
    weights = frames["weight"].to_numpy()
    columns = [] if regressors is None else list(regressors)
    if high_pass and any(column.startswith("cosine") for column in columns):
        raise ValueError(
            f"the strategy {strategy} removes slow drifts already (fMRIPrep's cosine regressors, 128 s): "
            "leave --high-pass out, or leave --confounds out"
        )
    series = where.extract(bold, smoothing_fwhm)
    finite, varies = usable(series, weights)
    if not varies.any():
        raise ValueError(
            f"none of the {len(series)} voxels of {bold} inside the mask can be used: "
            f"{(~finite).sum()} hold NaN or infinite values, {(finite & ~varies).sum()} are constant over time; "
            "look at the image and the mask, or preprocess the run again"
        )
    clean(series, weights, None if regressors is None else regressors.to_numpy(), high_pass, t_r)
    with replacing(cwd / "series.npy") as temporary:
        np.save(temporary, series)
    frames.to_csv(cwd / "frames.tsv", sep="\t", index=False)
    info = {
        "bold": bold.name,
        "repetition_time": t_r,
        "n_frames": header.n_frames,
        "n_frames_used": int(weights.sum()),
        "censored": tables.count_reasons(frames),
        "n_voxels": len(series),
        "n_voxels_constant": int((finite & ~varies).sum()),
        "n_voxels_not_finite": int((~finite).sum()),
        "strategy": strategy,
        "regressors": columns,
        "fd_threshold": fd_threshold,
        "std_dvars_threshold": std_dvars_threshold,
        "dummy_scans": dummy_scans,
        "high_pass": high_pass,
        "smoothing_fwhm": smoothing_fwhm,
    }
    (cwd / "series.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    return cwd / "series.npy", cwd / "frames.tsv", cwd / "series.json"


def repetition_time(sidecar, t_r):
    """The TR that is not the header's, and where it comes from."""
    import json

    if sidecar is not None:
        try:
            found = json.loads(Path(sidecar).read_text(encoding="utf-8")).get("RepetitionTime")
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{sidecar} cannot be read as a JSON object: {error}") from error
        if found is not None:
            return float(found), Path(sidecar)
    return t_r, "the given t_r"
