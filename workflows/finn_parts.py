"""The parts of finn's graph: from runs to one matrix, and from a matrix to a fitted, judged and scored CVAE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow
from pydra.utils.general import get_fields

from pydra_vae.engine import graph
from pydra_vae.tasks.encode import Encode
from pydra_vae.tasks.fit_controls import FitControls
from pydra_vae.tasks.fit_cvae import FitCvae
from pydra_vae.tasks.join_hemispheres import JoinHemispheres
from pydra_vae.tasks.judge_fit import JudgeFit
from pydra_vae.tasks.make_mask import MakeMask
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.normalize import Normalize
from pydra_vae.tasks.reconstruct import Reconstruct
from pydra_vae.tasks.reconstruction_error import ReconstructionError

# What a workflow passes on to one step: its parameters by name.
Options = dict[str, Any]
EMPTY: Options = {}  # Pydra copies the inputs of a workflow


@graph.define(
    outputs={
        "bolds": list[File],
        "mask": File,
        "voxels": File,
        "mask_info": File,
        "series": list[File],
        "series_info": list[File],
        "scaled": File,
        "scaling": File,
        "frames": File,
        "scaling_info": File,
    }
)
def PrepareSeries(
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
    extract: Options = EMPTY,
    normalize: Options = EMPTY,
):
    """Mask every run and join them to one scaled matrix, voxels (or vertices) × time.

    Of runs in two GIFTI files one CIFTI file each is made first: `bolds` are what all steps read.
    """
    nothing = [None] * len(bolds)
    if bolds_right:
        pairs = {"left": bolds, "right": bolds_right, "sidecar": sidecars or nothing}
        timing = {"t_r": extract["t_r"]} if "t_r" in extract else {}
        bolds = workflow.add(JoinHemispheres(**timing).split(tuple(pairs), **pairs).combine(list(pairs))).bold
    mask = workflow.add(
        MakeMask(
            bolds=bolds,
            brain_masks=brain_masks,
            atlas=atlas,
            atlas_labels=atlas_labels,
            mask_file=mask_file,
            atlas_right=atlas_right,
            surfaces=surfaces,
        )
    )
    runs = {
        "bold": bolds,
        "confounds": confounds or nothing,
        "confounds_json": confounds_json or nothing,
        "sidecar": sidecars or nothing,
    }
    extracted = workflow.add(MaskBold(mask=mask.mask, **extract).split(tuple(runs), **runs).combine(list(runs)))
    joined = workflow.add(
        Normalize(series=extracted.series, frames=extracted.frames, mask=mask.mask, mean_image=mean_image, **normalize)
    )
    return (
        bolds,
        mask.mask,
        mask.voxels,
        mask.info,
        extracted.series,
        extracted.info,
        joined.scaled,
        joined.scaling,
        joined.frames,
        joined.info,
    )


@graph.define(
    outputs={
        "controls": File,
        "model": File,
        "config": File,
        "history": File | None,
        "verdict": File,
        "latents": File,
        "reconstruction": File,
        "errors": File,
        "mse_map": File,
        "emse": File,
        "warnings": File,
    }
)
def FitAndScore(
    scaled: File,
    scaling: File,
    frames: File,
    mask: File,
    voxel_split: File,
    scheme: str = "random",
    seed: int = 0,
    model: File | None = None,
    config: File | None = None,
    fit: Options = EMPTY,
    error: Options = EMPTY,
):
    """Fit one CVAE (or take a fitted one), reconstruct, judge and score it beside its controls."""
    series = {"scaled": scaled, "scaling": scaling, "frames": frames, "mask": mask}
    size = {"latent_dim": fit["latent_dim"]} if "latent_dim" in fit else {}
    device = {"device": fit["device"]} if "device" in fit else {}
    history = None
    if model is None:
        fitted = workflow.add(FitCvae(**series, voxel_split=voxel_split, scheme=scheme, seed=seed, **fit))
        model, config, history = fitted.model, fitted.config, fitted.history
    else:
        size = {"latent_dim": latent_dim_of(fit, config)}
    network = {"model": model, "config": config}
    fitted_pca = workflow.add(FitControls(scaled=scaled, voxel_split=voxel_split, frames=frames, **size))
    controls = fitted_pca.controls
    judged = workflow.add(
        JudgeFit(
            **network,
            scaled=scaled,
            frames=frames,
            voxel_split=voxel_split,
            controls=controls,
            history=history,
            seed=seed,
        )
    )
    encoded = workflow.add(Encode(**network, scaled=scaled, scaling=scaling, mask=mask, **device))
    decoded = workflow.add(Reconstruct(**network, latents=encoded.latents, **device))
    scored = workflow.add(
        ReconstructionError(
            **series,
            reconstruction=decoded.reconstruction,
            voxel_split=voxel_split,
            controls=controls,
            scheme=scheme,
            seed=seed,
            **error,
        )
    )
    return (
        controls,
        model,
        config,
        history,
        judged.verdict,
        encoded.latents,
        decoded.reconstruction,
        scored.metrics,
        scored.mse_map,
        scored.emse,
        scored.warnings,
    )


@graph.define(outputs={"errors": File | None, "warnings": File | None, "verdict": File | None})
def FitIfPossible(
    scaled: File,
    scaling: File,
    frames: File,
    mask: File,
    voxel_split: File,
    why_not: str,
    seed: int = 0,
    fit: Options = EMPTY,
    error: Options = EMPTY,
):
    """A second fit on blocks of voxels, for the table, where the mask is large enough for blocks."""
    if why_not:
        return None, None, None
    series = {"scaled": scaled, "scaling": scaling, "frames": frames, "mask": mask}
    cvae = workflow.add(
        FitAndScore(**series, voxel_split=voxel_split, scheme="blocked", seed=seed, fit=fit, error=error)
    )
    return cvae.errors, cvae.warnings, cvae.verdict


def latent_dim_of(fit: Options, config: File | None = None) -> int:
    """Latent dimensions of a given model, else of the fit that these options ask for."""
    if config is not None:
        return json.loads(Path(config).read_text(encoding="utf-8"))["latent_dim"]
    return fit.get("latent_dim", next(field.default for field in get_fields(FitCvae) if field.name == "latent_dim"))
