"""finn: from an fMRIPrep folder to latents, denoised BOLD and a report, one VAE a subject.

The graph of Singla, Bazin and Scherf (2025). As a program::

    python workflows/finn.py DERIVATIVES OUTPUT participant [options]
    python workflows/finn.py DERIVATIVES OUTPUT group
    python workflows/finn.py            # the embedded demo, on simulated data

As a part of other pipelines: `SubjectCvae` takes files, returns files, and nests in any Pydra workflow.
"""

from __future__ import annotations

import sys
from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.recovery import Recovery
from pydra_vae.tasks.report import SubjectReport
from pydra_vae.tasks.split_hemispheres import SplitHemispheres
from pydra_vae.tasks.split_voxels import SplitVoxels
from pydra_vae.tasks.subject_metrics import SubjectMetrics
from pydra_vae.tasks.subject_verdict import SubjectVerdict
from pydra_vae.tasks.tsnr import Tsnr
from pydra_vae.tasks.voxel_table import VoxelTable
from pydra_vae.tasks.write_maps import WriteDenoised, WriteLatentMaps
from pydra_vae.workflows.finn_parts import EMPTY, FitAndScore, FitIfPossible, Options, PrepareSeries

# Maps that runs in pairs of func.gii have in two files too, one a hemisphere.
IN_HEMISPHERES = ("latent_maps", "tsnr_before", "tsnr_after", "tsnr_change", "mse_map")
PAIRS = tuple(f"{name}_{side}" for name in IN_HEMISPHERES for side in ("left", "right"))
# What the analyses of `finn_science` need of a subject, beside its mask, frames, scaling and model.
SERIES = ("scaled", "mask_voxels", "voxel_split", "controls", "latents", "reconstruction")


@graph.define(
    outputs={
        "mask": File,
        "mask_info": File,
        "voxels": File,
        "frames": File,
        "series_info": list[File],
        "scaling": File,
        "scaling_info": File,
        "model": File,
        "config": File,
        "history": File | None,
        "verdict": File,
        "latent_maps": File,
        "denoised": list[File],
        "tsnr_before": File,
        "tsnr_after": File,
        "tsnr_change": File,
        "tsnr_parcels": File,
        "mse_map": File,
        "emse": File,
        "metrics": File,
        "report": File,
        **dict.fromkeys(SERIES, File),
        "denoised_left": list[File] | None,
        "denoised_right": list[File] | None,
        **dict.fromkeys(PAIRS, File | None),
    }
)
def SubjectCvae(
    label: str,
    bolds: list[File],
    brain_masks: list[File] | None = None,
    confounds: list[File | None] | None = None,
    confounds_json: list[File | None] | None = None,
    sidecars: list[File | None] | None = None,
    atlas: File | None = None,
    atlas_labels: File | None = None,
    mask_file: File | None = None,
    bolds_right: list[File] | None = None,
    atlas_right: File | None = None,
    surfaces: list[File] | None = None,
    mean_image: File | None = None,
    inflated: list[File] | None = None,
    background: File | None = None,
    truth: list[File] | None = None,
    model: File | None = None,
    config: File | None = None,
    t_r: float | None = None,
    scheme: str = "random",
    seed: int = 0,
    extract: Options = EMPTY,
    normalize: Options = EMPTY,
    fit: Options = EMPTY,
    tsnr: Options = EMPTY,
    error: Options = EMPTY,
    report: Options = EMPTY,
):
    """One subject: from preprocessed runs to latents, denoised BOLD, measures and a report.

    Parameters
    ----------
    label : str
        ``sub-01``, for tables and the report.
    bolds : list of file
        Preprocessed runs, in the order in which they are joined along time.
    brain_masks, confounds, confounds_json, sidecars : list of file, optional
        fMRIPrep's companions of the runs, one a run.
    atlas, atlas_labels, mask_file : file, optional
        See `MakeMask`.
    bolds_right : list of file, optional
        The right hemispheres of runs in pairs of func.gii, whose left ones are `bolds`. What comes out is CIFTI;
        `SplitHemispheres` makes pairs of it.
    atlas_right : file, optional
        The right hemisphere of an atlas on the surface in two files.
    surfaces : list of file, optional
        Left and right surface of the mesh, for the places of vertices; needed for runs on the surface.
    inflated : list of file, optional
        The same mesh inflated, for the report's pictures; `surfaces` themselves by default.
    mean_image : file, optional
        See `Normalize`.
    background : file, optional
        What maps are shown on; the mean BOLD by default.
    truth : list of file, optional
        The planted clean signal of simulated runs.
    model, config : file, optional
        A fitted model to use instead of fitting one.
    t_r : float, optional
        Repetition time in seconds, where neither headers nor sidecars have it.
    scheme : str
        How voxels are split: random, blocked or parcel; both: random, and a second fit on blocks for the table.
    seed : int
        Of the split and of the fit.
    extract, normalize, fit, tsnr, error, report : dict
        Further parameters of MaskBold, Normalize, FitCvae, Tsnr, ReconstructionError, SubjectReport.
    """
    timing = {} if t_r is None else {"t_r": t_r}
    data = workflow.add(
        PrepareSeries(
            bolds=bolds,
            brain_masks=brain_masks,
            confounds=confounds,
            confounds_json=confounds_json,
            sidecars=sidecars,
            atlas=atlas,
            atlas_labels=atlas_labels,
            mask_file=mask_file,
            bolds_right=bolds_right,
            atlas_right=atlas_right,
            surfaces=surfaces,
            mean_image=mean_image,
            extract=extract | timing,
            normalize=normalize | ({"tsnr_units": tsnr["units"]} if "units" in tsnr else {}),
        )
    )
    mask = data.mask
    series = {"scaled": data.scaled, "scaling": data.scaling, "frames": data.frames, "mask": mask}
    space = {"mask": mask, "voxels": data.voxels, "scaling": data.scaling}

    first = "random" if scheme == "both" else scheme
    split = workflow.add(SplitVoxels(**space, scheme=first, seed=seed), name="main_split")
    cvae = workflow.add(
        FitAndScore(
            **series,
            voxel_split=split.voxel_split,
            scheme=first,
            seed=seed,
            model=model,
            config=config,
            fit=fit,
            error=error,
        )
    )
    blocked = {"blocked_verdict": None, "blocked_warnings": None}
    blocked_errors, why_not_blocked = None, ""
    if scheme == "both" and model is None:  # a given model is not fitted again
        blocks = workflow.add(
            SplitVoxels(**space, scheme="blocked", seed=seed, if_impossible="skip"), name="blocked_split"
        )
        second = workflow.add(
            FitIfPossible(
                **series, voxel_split=blocks.voxel_split, why_not=blocks.why_not, seed=seed, fit=fit, error=error
            )
        )
        blocked = {"blocked_verdict": second.verdict, "blocked_warnings": second.warnings}
        blocked_errors, why_not_blocked = second.errors, blocks.why_not

    table = workflow.add(VoxelTable(voxels=data.voxels, scaling=data.scaling, voxel_split=split.voxel_split))
    maps = workflow.add(WriteLatentMaps(latents=cvae.latents, scaling=data.scaling, mask=mask))
    runs = {"series": data.series, "bold": data.bolds, "run_index": list(range(len(bolds)))}
    each = WriteDenoised(**series, reconstruction=cvae.reconstruction, **timing)
    denoised = workflow.add(each.split(tuple(runs), **runs).combine(list(runs)))
    compared = series | {"reconstruction": cvae.reconstruction, "controls": cvae.controls}
    snr = workflow.add(Tsnr(**compared, voxels=data.voxels, **tsnr))
    pairs: dict[str, Any] = {}
    if bolds_right:
        sides = workflow.add(SplitHemispheres().split(dense=denoised.denoised).combine("dense"), name="denoised_sides")
        images = (maps.maps, snr.before, snr.after, snr.change, cvae.mse_map)
        for name, image in zip(IN_HEMISPHERES, images, strict=True):
            made = workflow.add(SplitHemispheres(dense=image), name=f"{name}_sides")
            pairs |= {f"{name}_left": made.left, f"{name}_right": made.right}
    recovery = workflow.add(Recovery(**compared, truth=truth)).recovery if truth else None
    metrics = workflow.add(
        SubjectMetrics(label=label, errors=cvae.errors, blocked_errors=blocked_errors, tsnr=snr.tsnr, recovery=recovery)
    )
    warnings = {"verdict": cvae.verdict, "error_warnings": cvae.warnings, "tsnr_warnings": snr.warnings} | blocked
    verdict = workflow.add(SubjectVerdict(**warnings))
    page = workflow.add(
        SubjectReport(
            **series,
            **warnings,
            label=label,
            reconstruction=cvae.reconstruction,
            voxel_split=split.voxel_split,
            voxels=data.voxels,
            latents=cvae.latents,
            config=cvae.config,
            metrics=cvae.errors,
            blocked_metrics=blocked_errors,
            why_not_blocked=why_not_blocked,
            tsnr=snr.tsnr,
            tsnr_parcels=snr.parcels,
            tsnr_before=snr.before,
            tsnr_after=snr.after,
            tsnr_change=snr.change,
            mse_map=cvae.mse_map,
            history=cvae.history,
            normalization=data.scaling_info,
            mask_info=data.mask_info,
            run_infos=data.series_info,
            background=background,
            surfaces=inflated or surfaces,
            folded=surfaces,
            recovery=recovery,
            emse_frame=error.get("emse_frame"),
            **report,
        )
    )
    return (
        mask,
        data.mask_info,
        table.table,
        data.frames,
        data.series_info,
        data.scaling,
        data.scaling_info,
        cvae.model,
        cvae.config,
        cvae.history,
        verdict.verdict,
        maps.maps,
        denoised.denoised,
        snr.before,
        snr.after,
        snr.change,
        snr.parcels,
        cvae.mse_map,
        cvae.emse,
        metrics.metrics,
        page.report,
        data.scaled,
        data.voxels,
        split.voxel_split,
        cvae.controls,
        cvae.latents,
        cvae.reconstruction,
        *((sides.left, sides.right) if bolds_right else (None, None)),
        *(pairs.get(name) for name in PAIRS),
    )


def main(argv: list[str] | None = None, prog: str | None = None) -> int:
    """The program; returns its exit status (see ``--help``)."""
    from pydra_vae.workflows.finn_program import run_finn

    return run_finn(argv, prog)


if __name__ == "__main__":
    # the installed module, so that every way of starting shares one cache
    from pydra_vae.workflows import finn

    sys.exit(finn.main())
