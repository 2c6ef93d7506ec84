"""Functional networks of 4-D fMRI: frames as samples of a VAE, its maps and courses beside those of ICA and PCA."""

from __future__ import annotations

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.compare_networks import CompareNetworks
from pydra_vae.tasks.encode_volumes import EncodeVolumes
from pydra_vae.tasks.fit_volume_pca import FitVolumePca
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.tasks.make_mask import MakeMask
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.network_maps import NetworkMaps
from pydra_vae.tasks.score_volume_vae import ScoreVolumeVae
from pydra_vae.tasks.spatial_ica import SpatialIca
from pydra_vae.tasks.stack_frames import StackFrames
from pydra_vae.tasks.task_maps import TaskMaps
from pydra_vae.tasks.task_regressors import TaskRegressors
from pydra_vae.tasks.volume_pca_scores import VolumePcaScores
from pydra_vae.tasks.write_volumes import WriteVolumes
from pydra_vae.workflows.finn_parts import EMPTY, Options

# What is compared: the VAE's own maps, ICA of the data, ICA of what the VAE kept, and PCA.
NETWORK_MODELS = ("VAE", "ICA", "ICA of the latents", "PCA")


COMPARED = {"maps": list[File], "courses": list[File], "task": list[File], "overlap": File, "best": File}


@graph.define(outputs={**COMPARED, "images": list[File]})
def NetworkComparison(
    volumes: File,
    frame_split: File,
    mask: File,
    vae: File,
    ica: File,
    inner: File,
    components: File,
    regressors: list[File] | None = None,
    reference: File | None = None,
    reference_labels: File | None = None,
    seed: int = 0,
):
    """Maps, courses and overlaps of four kinds of latents of the same frames.

    Parameters
    ----------
    volumes, frame_split, mask : file
        Frames (StackFrames) and their voxels.
    vae, ica, inner, components : file
        (N, k) latents: of the VAE, of ICA of the data, of ICA of what the VAE kept, of PCA.
    regressors : list of file, optional
        Of each run (TaskRegressors).
    reference, reference_labels : file, optional
        Known networks; without them, the task's own maps are what is overlapped with, where there is a task.
    seed : int
        Of the nulls.
    """
    frames = {"volumes": volumes, "frame_split": frame_split}
    each = {"latents": [vae, ica, inner, components], "model": list(NETWORK_MODELS)}
    mapping = NetworkMaps(**frames, regressors=regressors, seed=seed)
    mapped = workflow.add(mapping.split(tuple(each), **each).combine(list(each)))
    of_the_task = reference is None and bool(regressors)
    if of_the_task:
        of_task = workflow.add(TaskMaps(**frames, regressors=regressors))
        reference, reference_labels = of_task.maps, of_task.names
    compared = workflow.add(
        CompareNetworks(
            maps=mapped.maps,
            names=list(NETWORK_MODELS),
            mask=mask,
            reference=reference,
            labels=reference_labels,
            same_frames=of_the_task,
            seed=seed,
        )
    )
    written = workflow.add(WriteVolumes(mask=mask, intent="z score").split(values=mapped.maps).combine("values"))
    return mapped.maps, mapped.courses, mapped.task, compared.overlap, compared.best, written.image


@graph.define(
    outputs={
        **dict.fromkeys(("mask", "model", "config", "history", "score", "verdict"), File),
        **COMPARED,
        "images": list[File],
    }
)
def Networks(
    bolds: list[File],
    n_frames: list[int],
    t_r: float,
    brain_masks: list[File] | None = None,
    mask_file: File | None = None,
    confounds: list[File | None] | None = None,
    confounds_json: list[File | None] | None = None,
    sidecars: list[File | None] | None = None,
    events: list[File] | None = None,
    reference: File | None = None,
    reference_labels: File | None = None,
    latent_dim: int = 8,
    seed: int = 0,
    extract: Options = EMPTY,
    fit: Options = EMPTY,
):
    """Frames of a subject's runs through a VAE: spatial maps and time courses of its latents, with controls.

    Parameters
    ----------
    bolds : list of file
        Preprocessed runs of one space.
    n_frames : list of int
        Frames of each.
    t_r : float
        Repetition time, in seconds.
    brain_masks, confounds, confounds_json, sidecars : list of file, optional
        Beside the runs, one each.
    mask_file : file, optional
        The voxels; those of all brain masks without it.
    events : list of file, optional
        events.tsv of each run; without them nothing is held against a task.
    reference, reference_labels : file, optional
        Networks in the runs' space, and their names; without them nothing overlaps.
    latent_dim : int
        Latents, and components of the controls.
    seed : int
        Of blocks, weights and starts.
    extract, fit : dict
        Further parameters of MaskBold and FitVolumeVae.
    """
    mask = workflow.add(MakeMask(bolds=bolds, brain_masks=brain_masks, mask_file=mask_file)).mask
    nothing = [None] * len(bolds)
    runs = {
        "bold": bolds,
        "confounds": confounds or nothing,
        "confounds_json": confounds_json or nothing,
        "sidecar": sidecars or nothing,
    }
    extracted = workflow.add(MaskBold(mask=mask, **extract).split(tuple(runs), **runs).combine(list(runs)))
    stacked = workflow.add(
        StackFrames(series=extracted.series, frames=extracted.frames, series_info=extracted.info, mask=mask, seed=seed)
    )
    data = {"volumes": stacked.volumes}
    divided = {**data, "volume_split": stacked.frame_split}
    device = {"device": fit["device"]} if "device" in fit else {}
    fitted = workflow.add(FitVolumeVae(**divided, mask=mask, latent_dim=latent_dim, seed=seed, **fit))
    network = {"model": fitted.model, "config": fitted.config}
    encoded = workflow.add(EncodeVolumes(**network, **data, **device, mask=mask))
    pca = workflow.add(FitVolumePca(**divided, n_components=2 * latent_dim)).pca
    scored = workflow.add(
        ScoreVolumeVae(**network, **divided, **device, mask=mask, pca=pca, history=fitted.history, setting="frames")
    )
    unmix = {**data, "frame_split": stacked.frame_split, "seed": seed}
    ica = workflow.add(SpatialIca(**unmix, pca=pca, n_components=latent_dim, model="ICA"), name="ica")
    inner = workflow.add(
        SpatialIca(**unmix, latents=encoded.latents, model="ICA of the latents"), name="ica_of_latents"
    )
    components = workflow.add(VolumePcaScores(**data, pca=pca, n_components=latent_dim)).scores
    regressors = None
    if events:
        cleaned = {"high_pass": extract.get("high_pass") or 0.0, "low_pass": 0.0, "detrend": False}
        each = {"events": [[path] for path in events], "n_frames": n_frames}
        expected = TaskRegressors(t_r=t_r, **cleaned).split(tuple(each), **each).combine(list(each))
        regressors = workflow.add(expected).regressors
    held = workflow.add(
        NetworkComparison(
            **data,
            frame_split=stacked.frame_split,
            mask=mask,
            vae=encoded.latents,
            ica=ica.latents,
            inner=inner.latents,
            components=components,
            regressors=regressors,
            reference=reference,
            reference_labels=reference_labels,
            seed=seed,
        )
    )
    return (
        mask,
        fitted.model,
        fitted.config,
        fitted.history,
        scored.score,
        scored.verdict,
        held.maps,
        held.courses,
        held.task,
        held.overlap,
        held.best,
        held.images,
    )
