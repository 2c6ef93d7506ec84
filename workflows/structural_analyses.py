"""What a fitted VAE's latents mean, as workflows: explained, regressed on, joined with other data, followed in time."""

from __future__ import annotations

from functools import partial
from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.align_rows import AlignRows
from pydra_vae.tasks.correlate_latents import CorrelateLatents
from pydra_vae.tasks.decode_volumes import DecodeVolumes
from pydra_vae.tasks.draw_volumes import DrawVolumes
from pydra_vae.tasks.embed_volumes import EmbedVolumes
from pydra_vae.tasks.fit_joint import FitJoint
from pydra_vae.tasks.interpolate_volumes import InterpolateVolumes
from pydra_vae.tasks.latent_regression import LatentRegression
from pydra_vae.tasks.longitudinal_model import LongitudinalModel
from pydra_vae.tasks.make_volume_mask import MakeVolumeMask
from pydra_vae.tasks.score_joint import ScoreJoint
from pydra_vae.tasks.select_rows import SelectRows
from pydra_vae.tasks.stack_volumes import StackVolumes
from pydra_vae.tasks.traverse_volumes import TraverseVolumes
from pydra_vae.tasks.volume_dimension import VolumeDimension
from pydra_vae.tasks.volume_pca_scores import VolumePcaScores
from pydra_vae.tasks.write_volumes import WriteVolumes
from pydra_vae.workflows.finn_parts import EMPTY, Options

TRAVERSED = ("traversals", "effects", "steps", "table")
DRAWN = ("statistics", "drawn", "drawn_table")
BETWEEN = ("interpolated", "interpolation_table")
PAINTED = ("effect_maps", "traversal_maps", "drawn_maps", "interpolated_maps")
EMBEDDED = ("embeddings", "coordinates", "coordinates_table")
DIMENSION = ("dimension", "shells")
JOINED = ("scores", "predictions", "decoded", "table")
FOLLOWED = ("coefficients", "predictions", "scores", "frozen", "progression", "progression_steps", "info")


@graph.define(
    outputs={
        **dict.fromkeys((*TRAVERSED, *DRAWN, *BETWEEN, *EMBEDDED, *DIMENSION), File),
        **dict.fromkeys(PAINTED, File),
        "correlations": File | None,
        "pca_correlations": File | None,
    }
)
def Explained(
    model: File,
    config: File,
    latents: File,
    log_variance: File,
    volumes: File,
    volume_split: File,
    mask: File,
    pca: File,
    covariates: File | None = None,
    regions: File | None = None,
    latent_dim: int = 12,
    seed: int = 0,
    device: str = "auto",
    traverse: Options = EMPTY,
    draw: Options = EMPTY,
    interpolate: Options = EMPTY,
    embed: Options = EMPTY,
):
    """What each latent does to the image, what it goes with, and what the space is like as a whole.

    Parameters
    ----------
    model, config, latents, log_variance : file
        Those of `VolumeModel`.
    volumes, volume_split, mask, pca : file
        Those of `VolumeData`.
    covariates, regions : file, optional
        Tables of the images, one row an image; without both nothing is correlated.
    latent_dim : int
        Latents; as many principal components stand beside them.
    seed, device
        Of what is drawn; where networks run.
    traverse, draw, interpolate, embed : dict
        Further parameters of TraverseVolumes, DrawVolumes, InterpolateVolumes, EmbedVolumes.
    """
    network = {"model": model, "config": config, "device": device}
    data = {"volumes": volumes, "volume_split": volume_split}
    posterior = {"latents": latents, "log_variance": log_variance}
    traversed = workflow.add(TraverseVolumes(**network, **posterior, **data, **traverse))
    drawn = workflow.add(DrawVolumes(**network, **posterior, **data, pca=pca, seed=seed, **draw))
    between = workflow.add(InterpolateVolumes(**network, latents=latents, **data, **interpolate))
    painted = {
        "effects": WriteVolumes(values=traversed.effects, mask=mask, intent="estimate"),
        "traversals": WriteVolumes(values=traversed.traversals, mask=mask),
        "drawn": WriteVolumes(values=drawn.drawn, mask=mask),
        "interpolated": WriteVolumes(values=between.volumes, mask=mask),
    }
    images = [workflow.add(step, name=f"paint_{name}").image for name, step in painted.items()]
    embedded = workflow.add(EmbedVolumes(**data, latents=latents, pca=pca, covariates=covariates, seed=seed, **embed))
    measured = workflow.add(VolumeDimension(latents=latents, **data, pca=pca, seed=seed))
    found, linear = None, None
    if covariates is not None:
        correlate = partial(CorrelateLatents, volume_split=volume_split, covariates=covariates, regions=regions)
        scores = workflow.add(VolumePcaScores(volumes=volumes, pca=pca, n_components=latent_dim)).scores
        found = workflow.add(correlate(latents=latents)).correlations
        linear = workflow.add(
            correlate(latents=scores, model=f"PCA-{latent_dim}"), name="correlate_components"
        ).correlations
    return (
        traversed.traversals,
        traversed.effects,
        traversed.steps,
        traversed.table,
        drawn.statistics,
        drawn.drawn,
        drawn.table,
        between.volumes,
        between.table,
        embedded.scores,
        embedded.coordinates,
        embedded.table,
        measured.dimension,
        measured.shells,
        *images,
        found,
        linear,
    )


@graph.define(outputs={"image": File})
def Reconstructions(model: File, config: File, latents: File, mask: File, device: str = "auto"):
    """Decode the latents of every image, one volume each.

    Parameters
    ----------
    model, config, latents : file
        Those of `VolumeModel`.
    mask : file
        That of `VolumeData`.
    device : str
        Where networks run.
    """
    decoded = workflow.add(DecodeVolumes(model=model, config=config, latents=latents, device=device)).volumes
    return workflow.add(WriteVolumes(values=decoded, mask=mask)).image


@graph.define(outputs={"scores": list[File]})
def LinearLatents(volumes: File, pca: File, sizes: list[int]):
    """Scores on principal components, the linear latents: as many as the VAE has, and twice that.

    Parameters
    ----------
    volumes, pca : file
        Those of `VolumeData`.
    sizes : list of int
        Numbers of components.
    """
    project = VolumePcaScores(volumes=volumes, pca=pca)
    return workflow.add(project.split("n_components", n_components=sizes).combine("n_components")).scores


@graph.define(outputs=dict.fromkeys(("scores", "predictions", "importance", "info"), File))
def Regression(
    features: list[File],
    names: list[str],
    covariates: File,
    volume_split: File,
    target: str,
    confounds: list[str] | None = None,
    seed: int = 0,
    regression: Options = EMPTY,
):
    """Predict one covariate from the latents, beside the same from principal components and from the mean.

    Parameters
    ----------
    features : list of file
        (N, k) arrays: the VAE's latents, then controls.
    names : list of str
        What the tables call them.
    covariates, volume_split : file
        Tables of the images.
    target : str
        A column of the covariates.
    confounds : list of str, optional
        Columns that are removed inside the folds.
    seed : int
        Of the folds and the permutations.
    regression : dict
        Further parameters of LatentRegression.
    """
    found = workflow.add(
        LatentRegression(
            features=features,
            names=names,
            covariates=covariates,
            volume_split=volume_split,
            target=target,
            confounds=[name for name in confounds or () if name != target],
            seed=seed,
            **regression,
        )
    )
    return found.scores, found.predictions, found.importance, found.info


@graph.define(
    outputs={
        **dict.fromkeys(("model", "config", "history", *JOINED), File),
        "decoded_maps": File | None,
    }
)
def Joint(
    model: File,
    config: File,
    volumes: File,
    volume_split: File,
    mask: File,
    pca: File,
    covariates: File,
    scores: list[str],
    second: File | None = None,
    second_mask: File | None = None,
    truth: File | None = None,
    seed: int = 0,
    joint: Options = EMPTY,
):
    """One latent space of images, clinical scores and a second modality; each predicted from the others.

    Parameters
    ----------
    model, config : file
        The image's own model (`VolumeModel`).
    volumes, volume_split, mask, pca : file
        Those of `VolumeData`.
    covariates : file
        Table of the images with the scores.
    scores : list of str
        Columns that are modelled; may be empty where there is a second modality.
    second, second_mask : file, optional
        A second modality (`SecondModality`) and its mask.
    truth : file, optional
        Table of planted factors.
    seed : int
        Of weights and batches.
    joint : dict
        Further parameters of FitJoint.
    """
    device = {"device": joint["device"]} if "device" in joint else {}
    common: dict[str, Any] = {
        "model": model,
        "config": config,
        "volumes": volumes,
        "volume_split": volume_split,
        "mask": mask,
        "covariates": covariates,
        "second": second,
        "second_mask": second_mask,
    }
    fitted = workflow.add(FitJoint(**common, scores=scores, seed=seed, **joint))
    judged = workflow.add(
        ScoreJoint(**common, **device, joint=fitted.model, joint_config=fitted.config, pca=pca, truth=truth, seed=seed)
    )
    decoded = workflow.add(WriteVolumes(values=judged.decoded, mask=mask)) if scores else None
    return (
        fitted.model,
        fitted.config,
        fitted.history,
        judged.scores,
        judged.predictions,
        judged.decoded,
        judged.table,
        None if decoded is None else decoded.image,
    )


@graph.define(outputs={"volumes": File, "mask": File})
def SecondModality(
    volumes: list[File],
    labels: list[str],
    wanted: list[str],
    volume_split: File,
    mask: Options = EMPTY,
):
    """Images of a second modality in the rows of the first, NaN where one has none.

    Parameters
    ----------
    volumes : list of file
        On one grid (PrepareVolume).
    labels : list of str
        Of each, the label of its image of the first modality.
    wanted : list of str
        Labels of all images of the first modality, in order.
    volume_split : file
        Split of the first modality, whose training persons make the mask here too.
    mask : dict
        Further parameters of MakeVolumeMask.
    """
    own = workflow.add(SelectRows(table=volume_split, labels=labels)).table
    made = workflow.add(MakeVolumeMask(volumes=volumes, volume_split=own, **mask), name="mask")
    stacked = workflow.add(StackVolumes(volumes=volumes, labels=labels, mask=made.mask))
    aligned = workflow.add(AlignRows(values=stacked.volumes, labels=labels, wanted=wanted))
    return aligned.values, made.mask


@graph.define(outputs={**dict.fromkeys(FOLLOWED, File), "progression_image": File})
def Longitudinal(
    model: File,
    config: File,
    latents: File,
    volumes: File,
    volume_split: File,
    mask: File,
    pca: File,
    covariates: File,
    time: str = "age",
    seed: int = 0,
    device: str = "auto",
    visits: Options = EMPTY,
):
    """Follow latents over repeated visits and predict the next one.

    Parameters
    ----------
    model, config, latents : file
        Those of `VolumeModel`.
    volumes, volume_split, mask, pca : file
        Those of `VolumeData`.
    covariates : file
        Table of the images.
    time : str
        Column of the covariates that is time, in years.
    seed, device
        Of the tests; where networks run.
    visits : dict
        Further parameters of LongitudinalModel.
    """
    found = workflow.add(
        LongitudinalModel(
            model=model,
            config=config,
            latents=latents,
            volumes=volumes,
            volume_split=volume_split,
            covariates=covariates,
            time=time,
            pca=pca,
            seed=seed,
            device=device,
            **visits,
        )
    )
    written = workflow.add(WriteVolumes(values=found.progression, mask=mask))
    return (
        found.coefficients,
        found.predictions,
        found.scores,
        found.frozen,
        found.progression,
        found.progression_steps,
        found.info,
        written.image,
    )
