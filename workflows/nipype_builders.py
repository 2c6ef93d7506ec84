"""Nipype workflows for pipelines built like fMRIPrep's and XCP-D's: `init_*_wf`, with `inputnode` and `outputnode`.

    from pydra_vae.workflows.nipype_builders import init_cvae_denoise_wf

    denoise_wf = init_cvae_denoise_wf(latent_dim=9, use_gpu=True, mem_gb=2)
    workflow.connect(bold_std_wf, "outputnode.bold_std", denoise_wf, "inputnode.bold_file")

Every node is an interface of `pydra_vae.interfaces`, so Nipype's cache notices edited code. docs/nipype.md shows where
the workflows go. Those over a group (`init_tivae_factors_wf`, `init_volume_latents_wf`) stand in
`nipype_group_builders` and are offered here too.
"""

from __future__ import annotations

from typing import Any

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from pydra_vae.interfaces import (
    Encode,
    FitControls,
    FitCvae,
    JoinHemispheres,
    JudgeFit,
    MakeMask,
    MaskBold,
    Normalize,
    Reconstruct,
    SplitHemispheres,
    SplitVoxels,
    WriteDenoised,
    WriteLatentMaps,
)
from pydra_vae.workflows.nipype_group_builders import init_tivae_factors_wf, init_volume_latents_wf
from pydra_vae.workflows.nipype_parts import (
    KINGMA,
    SOFTWARE,
    Resources,
    as_given,
    as_given_pairs,
    fitted_model,
    function,
    further,
    identity,
    new_workflow,
    per_hemisphere,
    per_run,
    picked,
    repetition_time,
)

__all__ = ["init_cvae_denoise_wf", "init_cvae_latents_wf", "init_tivae_factors_wf", "init_volume_latents_wf"]

INPUTS = (
    "bold_file", "bold_mask", "confounds_file", "confounds_metadata", "atlas_file", "atlas_labels_file", "mask_file",
    "surfaces",
)  # fmt: skip
MODEL = ("model", "config")  # with fitted=True
LATENTS = ("latent_maps", "latents", "mask", "model", "config", "history", "verdict")
FITTED = "fitted to 70 % of the voxels"
# What returns latents to BOLD needs beside them.
SERIES = ("scaled", "scaling", "frames", "series", "bold", "run_index")
PER_RUN = ("bold_file", "bold_mask", "confounds_file", "confounds_json", "run_index")


def init_cvae_latents_wf(
    *,
    latent_dim: int = 9,
    confounds_strategy: str = "none",
    scheme: str = "random",
    seed: int = 0,
    metadata: dict | None = None,
    extract: dict[str, Any] | None = None,
    normalize: dict[str, Any] | None = None,
    fit: dict[str, Any] | None = None,
    fitted: bool = False,
    hemispheres: bool = False,
    use_gpu: bool = False,
    omp_nthreads: int = 1,
    mem_gb: float = 1.0,
    name: str = "cvae_latents_wf",
) -> pe.Workflow:
    """Build a workflow that fits a VAE to one subject's voxels and maps its latents.

    The VAE of Singla, Bazin and Scherf (2025): a sample is a voxel's whole time course, so each latent is a map of the
    brain. The runs are joined along time, and one model is fitted to them.

    Parameters
    ----------
    latent_dim : int
        Latents; 9 in the paper.
    confounds_strategy : str
        Denoising strategy of nilearn's ``load_confounds_strategy`` (none, simple, scrubbing, compcor, ica_aroma). All
        but none need ``inputnode.confounds_file``.
    scheme : str
        How voxels are split for training, validation and test: random, blocked or parcel.
    seed : int
        Of the split and of the fit.
    metadata : dict, optional
        BIDS metadata of the runs. ``RepetitionTime`` is used where the headers have none.
    extract, normalize, fit : dict, optional
        Further inputs of `MaskBold`, `Normalize` and `FitCvae`, by name.
    fitted : bool
        Apply the model of ``inputnode.model`` and fit none; `latent_dim`, `scheme` and `seed` are then the model's.
    hemispheres : bool
        Runs are pairs of ``func.gii``, left and right, and maps come as pairs too.
    use_gpu : bool
        Fit and encode on a GPU where there is one; MultiProc then counts these nodes as a GPU's.
    omp_nthreads : int
        CPU threads of the fit; they are part of its result.
    mem_gb : float
        Size of all runs of the subject in memory (float32), in GB.
    name : str
        Of the workflow.

    Inputs
    ------
    bold_file
        Preprocessed BOLD run (4-D, or ``dtseries.nii``), or a list of them in the order in which they are joined;
        with `hemispheres` a pair, or a list of pairs.
    bold_mask
        Brain mask of each run, or one for all; without atlas and mask file, voxels inside all of them are taken.
    confounds_file
        fMRIPrep's table of confounds, one a run (optional). Non-steady-state frames are censored in any case.
    confounds_metadata
        Its description, as a JSON file or a dictionary, one a run (optional; compcor needs it).
    atlas_file, atlas_labels_file
        Label image in the space of the runs (``dlabel.nii`` on the surface), whose voxels are taken, and its table
        (optional).
    mask_file
        Mask of the voxels to take, on the grid of the runs (optional).
    surfaces
        Left and right surface of the mesh (``surf.gii``), for runs on the surface.
    model, config
        With `fitted` only: weights and description of a CVAE of as many frames and the same voxels, as `FitCvae` or
        finn wrote them; the description may be left out where it lies beside the weights.

    Outputs
    -------
    latent_maps
        4-D image, one volume a latent; for runs on the surface a ``dscalar.nii``, with `hemispheres` a left and a
        right ``shape.gii``.
    latents
        (K, D) array of the K usable voxels.
    mask
        The voxels that were taken.
    model, config, history
        The fitted VAE: weights, description, learning curve (none with `fitted`).
    verdict
        JSON: has the VAE collapsed, on what figures, what to try.
    scaled, scaling, frames, series, bold, run_index
        What returns latents to BOLD; see `init_cvae_denoise_wf`.
    """
    if fitted and fit:
        raise ValueError(f"fit says how to fit ({', '.join(fit)}), but fitted=True fits nothing: leave one out")
    uses = Resources(use_gpu, omp_nthreads, mem_gb)
    workflow = new_workflow(name, _latents_text(None if fitted else latent_dim, confounds_strategy))
    inputnode = identity("inputnode", INPUTS + MODEL * fitted)
    outputnode = identity("outputnode", (*LATENTS, *SERIES))
    timing = picked(t_r=repetition_time(metadata))
    runs = function(per_run, PER_RUN, "runs")
    make_mask = uses.node(MakeMask(), "make_mask")
    mask_bold = uses.each(
        MaskBold(**further({"strategy": confounds_strategy, **timing}, extract, "extract")),
        "mask_bold",
        over=["bold", "confounds", "confounds_json"],
    )
    scale = uses.node(Normalize(**normalize or {}), "normalize")
    split = uses.node(SplitVoxels(scheme=scheme, seed=seed), "split_voxels", times=0)
    controls = uses.node(FitControls(latent_dim=latent_dim), "fit_controls")
    judge = uses.node(JudgeFit(seed=seed), "judge_fit")
    encode = uses.node(Encode(device=uses.device), "encode")
    maps = uses.node(WriteLatentMaps(), "latent_maps")

    if hemispheres:
        pairs = function(per_hemisphere, ("left", "right"), "pairs")
        join = uses.each(JoinHemispheres(**timing), "join_hemispheres", over=["left", "right"])
        sides = uses.node(SplitHemispheres(), "split_hemispheres", times=0)
        both = pe.Node(niu.Merge(2), name="both_hemispheres", mem_gb=0.1)
        workflow.connect([
            (inputnode, pairs, [("bold_file", "bold_file")]),
            (pairs, join, [("left", "left"), ("right", "right")]),
            (join, runs, [("bold", "bold_file")]),
            (maps, sides, [("maps", "dense")]),
            (sides, both, [("left", "in1"), ("right", "in2")]),
            (both, outputnode, [("out", "latent_maps")]),
        ])  # fmt: skip
    else:
        workflow.connect([
            (inputnode, runs, [("bold_file", "bold_file")]),
            (maps, outputnode, [("maps", "latent_maps")]),
        ])  # fmt: skip

    if fitted:
        vae = function(fitted_model, (*MODEL, "latent_dim", "scheme", "seed"), "fitted_model")
        workflow.connect([
            (inputnode, vae, [(field, field) for field in MODEL]),
            (vae, split, [("scheme", "scheme"), ("seed", "seed")]),
            (vae, controls, [("latent_dim", "latent_dim")]),
            (vae, judge, [("seed", "seed")]),
        ])  # fmt: skip
    else:
        own = {"latent_dim": latent_dim, "scheme": scheme, "seed": seed, "threads": omp_nthreads}
        vae = uses.fit(FitCvae(**{"device": uses.device, **further(own, fit, "fit")}), "fit_cvae")
        workflow.connect([
            (make_mask, vae, [("mask", "mask")]),
            (scale, vae, [("scaled", "scaled"), ("scaling", "scaling"), ("frames", "frames")]),
            (split, vae, [("voxel_split", "voxel_split")]),
            (vae, judge, [("history", "history")]),
            (vae, outputnode, [("history", "history")]),
        ])  # fmt: skip

    network = [(field, field) for field in MODEL]
    workflow.connect([
        (inputnode, runs, [(field, field) for field in INPUTS[1:4]]),
        (inputnode, make_mask, [
            ("atlas_file", "atlas"), ("atlas_labels_file", "atlas_labels"), ("mask_file", "mask_file"),
            ("surfaces", "surfaces"),
        ]),
        (runs, make_mask, [("bold_file", "bolds"), ("bold_mask", "brain_masks")]),
        (runs, mask_bold, [
            ("bold_file", "bold"), ("confounds_file", "confounds"), ("confounds_json", "confounds_json"),
        ]),
        (make_mask, mask_bold, [("mask", "mask")]),
        (make_mask, scale, [("mask", "mask")]),
        (mask_bold, scale, [("series", "series"), ("frames", "frames")]),
        (make_mask, split, [("mask", "mask"), ("voxels", "voxels")]),
        (scale, split, [("scaling", "scaling")]),
        (scale, controls, [("scaled", "scaled"), ("frames", "frames")]),
        (split, controls, [("voxel_split", "voxel_split")]),
        (scale, judge, [("scaled", "scaled"), ("frames", "frames")]),
        (split, judge, [("voxel_split", "voxel_split")]),
        (controls, judge, [("controls", "controls")]),
        (vae, judge, network),
        (scale, encode, [("scaled", "scaled"), ("scaling", "scaling")]),
        (make_mask, encode, [("mask", "mask")]),
        (vae, encode, network),
        (encode, maps, [("latents", "latents")]),
        (scale, maps, [("scaling", "scaling")]),
        (make_mask, maps, [("mask", "mask")]),
        (encode, outputnode, [("latents", "latents")]),
        (make_mask, outputnode, [("mask", "mask")]),
        (vae, outputnode, network),
        (judge, outputnode, [("verdict", "verdict")]),
        (scale, outputnode, [("scaled", "scaled"), ("scaling", "scaling"), ("frames", "frames")]),
        (mask_bold, outputnode, [("series", "series")]),
        (runs, outputnode, [("bold_file", "bold"), ("run_index", "run_index")]),
    ])  # fmt: skip
    return workflow


def init_cvae_denoise_wf(
    *,
    latent_dim: int = 9,
    confounds_strategy: str = "none",
    scheme: str = "random",
    seed: int = 0,
    metadata: dict | None = None,
    extract: dict[str, Any] | None = None,
    normalize: dict[str, Any] | None = None,
    fit: dict[str, Any] | None = None,
    fitted: bool = False,
    hemispheres: bool = False,
    restore_mean: bool = True,
    use_gpu: bool = False,
    omp_nthreads: int = 1,
    mem_gb: float = 1.0,
    name: str = "cvae_denoise_wf",
) -> pe.Workflow:
    """Build a workflow that replaces one subject's BOLD by its reconstruction from a few latents.

    Contains `init_cvae_latents_wf`, and hands on its results.

    Parameters
    ----------
    latent_dim, confounds_strategy, scheme, seed, metadata, extract, normalize, fit, fitted, hemispheres
        As in `init_cvae_latents_wf`.
    restore_mean : bool
        Give every voxel the mean of its input; networks reconstruct means badly.
    use_gpu, omp_nthreads, mem_gb, name
        As in `init_cvae_latents_wf`.

    Inputs
    ------
    bold_file
        Preprocessed BOLD run (4-D, ``dtseries.nii``, or a pair of ``func.gii``), or a list of them.
    bold_mask, confounds_file, confounds_metadata, atlas_file, atlas_labels_file, mask_file, surfaces, model, config
        As in `init_cvae_latents_wf`.

    Outputs
    -------
    denoised_bold
        The reconstruction in scanner units, in the kind of file, with the frames, geometry and repetition time of
        `bold_file`; one file (or pair) for one run, a list for a list.
    latent_maps, latents, mask, model, config, history, verdict
        As in `init_cvae_latents_wf`.
    """
    uses = Resources(use_gpu, omp_nthreads, mem_gb)
    text = _latents_text(None if fitted else latent_dim, confounds_strategy)
    workflow = new_workflow(name, f"{text}\n{_denoise_text(restore_mean)}")
    given = INPUTS + MODEL * fitted
    inputnode = identity("inputnode", given)
    outputnode = identity("outputnode", ("denoised_bold", *LATENTS))
    latents_wf = init_cvae_latents_wf(
        latent_dim=latent_dim,
        confounds_strategy=confounds_strategy,
        scheme=scheme,
        seed=seed,
        metadata=metadata,
        extract=extract,
        normalize=normalize,
        fit=fit,
        fitted=fitted,
        hemispheres=hemispheres,
        use_gpu=use_gpu,
        omp_nthreads=omp_nthreads,
        mem_gb=mem_gb,
    )
    latents_wf.__desc__ = ""  # said above, before what is made of the latents
    decode = uses.node(Reconstruct(device=uses.device), "reconstruct")
    timing = picked(t_r=repetition_time(metadata))
    write = uses.each(
        WriteDenoised(restore_mean=restore_mean, **timing),
        "write_denoised",
        over=["bold", "series", "run_index"],
        times=3,
    )
    collect = function(as_given_pairs if hemispheres else as_given, ["denoised_bold"], "denoised_bold")
    needed = (*SERIES, "mask")

    if hemispheres:
        sides = uses.each(SplitHemispheres(), "split_hemispheres", over=["dense"])
        workflow.connect([
            (write, sides, [("denoised", "dense")]),
            (sides, collect, [("left", "left"), ("right", "right")]),
        ])  # fmt: skip
    else:
        workflow.connect(write, "denoised", collect, "files")
    workflow.connect([
        (inputnode, latents_wf, [(field, f"inputnode.{field}") for field in given]),
        (latents_wf, decode, [(f"outputnode.{field}", field) for field in ("latents", *MODEL)]),
        (latents_wf, write, [(f"outputnode.{field}", field) for field in needed]),
        (decode, write, [("reconstruction", "reconstruction")]),
        (inputnode, collect, [("bold_file", "bold_file")]),
        (collect, outputnode, [("denoised_bold", "denoised_bold")]),
        (latents_wf, outputnode, [(f"outputnode.{field}", field) for field in LATENTS]),
    ])  # fmt: skip
    return workflow


def _latents_text(latent_dim: int | None, strategy: str) -> str:
    """Methods text; without a number of latents, of a model that was fitted before."""
    cleaned = "" if strategy == "none" else f" after confound regression (strategy *{strategy}* of Nilearn)"
    size, fit = ("", "fitted beforehand") if latent_dim is None else (f"in {latent_dim} dimensions ", FITTED)
    return (
        f"The preprocessed BOLD series of each subject were joined over runs{cleaned}, and the time courses of single "
        f"voxels were encoded {size}by {KINGMA} for individual brains (Singla, Bazin & Scherf, 2025), {fit}, as "
        f"implemented in {SOFTWARE}."
    )


def _denoise_text(restore_mean: bool) -> str:
    mean = ", each voxel's mean that of its input" if restore_mean else ""
    return (
        "The series that the model reconstructs from these dimensions were written in place of the BOLD series, in "
        f"scanner units{mean}. They hold the signal that few dimensions can carry; their temporal signal-to-noise "
        "ratio must not be read as a gain in data quality."
    )
