"""Everything that a subject's analysis warns of, in one file."""

import json
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"verdict": File})
def SubjectVerdict(
    verdict: File | None = None,
    error_warnings: File | None = None,
    blocked_warnings: File | None = None,
    tsnr_warnings: File | None = None,
):
    """Join the fit's verdict with the warnings of the steps after it.

    Parameters
    ----------
    verdict : file, optional
        Verdict of FitCvae; none for a given model.
    error_warnings, blocked_warnings : file, optional
        Warnings of ReconstructionError, for the delivered fit and for the one on blocks of voxels.
    tsnr_warnings : file, optional
        Warnings of Tsnr.

    Returns
    -------
    verdict : file
        JSON: the fit's verdict, and ``warnings`` of all steps, each with code, severity and text.
    """
    from pydra_vae.tasks._io import write_json

    joined = json.loads(Path(verdict).read_text(encoding="utf-8")) if verdict else {}
    joined["warnings"] = list(joined.get("warnings", []))
    for path in (error_warnings, blocked_warnings, tsnr_warnings):
        if path is not None:
            joined["warnings"] += json.loads(Path(path).read_text(encoding="utf-8"))
    return write_json("verdict.json", joined)
