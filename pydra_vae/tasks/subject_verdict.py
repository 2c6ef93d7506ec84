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
    blocked_verdict: File | None = None,
    tsnr_warnings: File | None = None,
):
    """Join the fit's verdict with the warnings of a second fit and of the steps after both.

    Parameters
    ----------
    verdict : file, optional
        Verdict of JudgeFit on the delivered model.
    error_warnings, blocked_warnings : file, optional
        Warnings of ReconstructionError, for the delivered fit and for the one on blocks of voxels.
    blocked_verdict : file, optional
        Verdict of JudgeFit on the second fit; its warnings begin with "blocked fit: ".
    tsnr_warnings : file, optional
        Warnings of Tsnr.

    Returns
    -------
    verdict : file
        JSON: the fit's verdict, and ``warnings`` of all steps, each with code, severity and text; a
        collapse or over-regularisation of either fit is among them.
    """
    from pydra_vae.stats.fit_warnings import verdict_warnings
    from pydra_vae.tasks._io import write_json

    joined = {} if verdict is None else _read(verdict)
    joined["warnings"] = verdict_warnings(joined)
    if blocked_verdict is not None:
        joined["warnings"] += verdict_warnings(_read(blocked_verdict), "blocked fit: ")
    for path in (error_warnings, blocked_warnings, tsnr_warnings):
        if path is not None:
            joined["warnings"] += _read(path)
    return write_json("verdict.json", joined)


def _read(path: File):
    return json.loads(Path(path).read_text(encoding="utf-8"))
