"""Write the report of a subject."""

import json
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"report": File})
def SubjectReport(
    label: str,
    scaled: File,
    reconstruction: File,
    scaling: File,
    frames: File,
    voxel_split: File,
    mask: File,
    voxels: File,
    latents: File,
    config: File,
    metrics: File,
    tsnr: File,
    tsnr_parcels: File,
    tsnr_before: File,
    tsnr_after: File,
    tsnr_change: File,
    mse_map: File,
    history: File | None = None,
    verdict: File | None = None,
    blocked_metrics: File | None = None,
    blocked_verdict: File | None = None,
    error_warnings: File | None = None,
    blocked_warnings: File | None = None,
    tsnr_warnings: File | None = None,
    normalization: File | None = None,
    mask_info: File | None = None,
    run_infos: list[File] | None = None,
    background: File | None = None,
    background_name: str = "background image",
    recovery: File | None = None,
    dataset: str = "",
    generated_by: str = "",
    simulated: bool = False,
    emse_frame: int | None = None,
    why_not_blocked: str = "",
    parameters: str = "{}",
    surfaces: list[File] | None = None,
    folded: list[File] | None = None,
):
    """Write one self-contained HTML page of a subject.

    Parameters
    ----------
    label : str
        Subject (and session) label, such as ``sub-01``; also the page's name.
    scaled : file
        (K, T) scaled series (Normalize).
    reconstruction : file
        (K, T) reconstruction in scaled units (Reconstruct).
    scaling : file
        Scaling of Normalize.
    frames : file
        Joined table of frames (Normalize).
    voxel_split : file
        Split of the delivered model (SplitVoxels).
    mask : file
        Mask (MakeMask).
    voxels : file
        Table of its voxels, with parcel and network (MakeMask).
    latents : file
        (K, D) latents (Encode).
    config : file
        The model's JSON (FitCvae, or beside a given model).
    metrics : file
        Table of ReconstructionError of the delivered model.
    tsnr : file
        Table of Tsnr, one row a model.
    tsnr_parcels : file
        Table of Tsnr, one row a parcel.
    tsnr_before : file
        Map of Tsnr.
    tsnr_after : file
        Map of Tsnr.
    tsnr_change : file
        Map of Tsnr.
    mse_map : file
        Map of ReconstructionError.
    history : file, optional
        Learning curve (FitCvae); none for a given model.
    verdict : file, optional
        Verdict (JudgeFit) on the delivered model.
    blocked_metrics : file, optional
        Table of ReconstructionError of a second fit, on blocks of voxels.
    blocked_verdict : file, optional
        Verdict (JudgeFit) on the second fit; its warnings begin with "blocked fit: ".
    error_warnings : file, optional
        JSON list of warnings (ReconstructionError of the delivered model).
    blocked_warnings : file, optional
        JSON list of warnings (ReconstructionError of the second fit).
    tsnr_warnings : file, optional
        JSON list of warnings (Tsnr).
    normalization : file, optional
        JSON of Normalize.
    mask_info : file, optional
        JSON of MakeMask.
    run_infos : list of file, optional
        JSON of MaskBold, one a run.
    background : file, optional
        3-D image behind the maps, in the space of the BOLD; the mean BOLD by default.
    background_name : str
        What it is, for the captions, such as "T1w image".
    recovery : file, optional
        Table of Recovery, for simulated data.
    dataset : str
        Name of the dataset.
    generated_by : str
        What preprocessed it, comma separated, as its GeneratedBy says; the methods text names it.
    simulated : bool
        Whether the dataset says that it is simulated; the page then says so.
    emse_frame : int, optional
        Frame of the volumes shown, from 0; as in ReconstructionError by default.
    why_not_blocked : str
        Why a second fit on blocks was asked for but not possible, if so.
    parameters : str
        JSON of the options that the user gave, for the record.
    surfaces : list of file, optional
        Left and right surface on which the maps of vertices are drawn; needed for runs on the surface.
    folded : list of file, optional
        The same meshes as they are folded, for gyri and sulci in two greys.

    Returns
    -------
    report : file
        The page, ``LABEL.html``.
    """
    from pydra_vae.reports.subject import SubjectReport as Report

    given = locals()
    paths = {
        name: Path(given[name]) for name in Report.__dataclass_fields__ if name in FILES and given[name] is not None
    }
    several = {
        "metrics": (metrics, blocked_metrics),
        "warnings": (error_warnings, blocked_warnings, tsnr_warnings),
        "run_infos": run_infos or (),
        "surfaces": surfaces or (),
        "folded": folded or (),
    }
    report = Report(
        label=label,
        background_name=background_name,
        dataset=dataset,
        generated_by=generated_by,
        simulated=simulated,
        emse_frame=emse_frame,
        why_not_blocked=why_not_blocked,
        parameters=_parsed("parameters", parameters),
        **paths,
        **{name: tuple(Path(f) for f in files if f is not None) for name, files in several.items()},
    )
    return report.write(Path.cwd() / f"{label}.html")


FILES = (
    "scaled", "reconstruction", "scaling", "frames", "voxel_split", "mask", "voxels", "latents", "config", "tsnr",
    "tsnr_parcels", "tsnr_before", "tsnr_after", "tsnr_change", "mse_map", "history", "verdict", "blocked_verdict",
    "normalization", "mask_info", "background", "recovery",
)  # fmt: skip


def _parsed(name: str, text: str):
    """A JSON input; the error names it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is no JSON: {error} in {text[:80]!r}") from error
