"""Fit one latent space to images, clinical scores, and a second modality where there is one."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"model": File, "config": File, "history": File})
def FitJoint(
    volumes: File,
    volume_split: File,
    mask: File,
    model: File,
    config: File,
    covariates: File,
    scores: list[str],
    second: File | None = None,
    second_model: File | None = None,
    second_config: File | None = None,
    second_mask: File | None = None,
    second_dim: int = 8,
    second_name: str = "functional",
    stages: ty.Literal["two", "joint"] = "two",
    fusion: ty.Literal["poe", "mean"] = "poe",
    latent_dim: int | None = None,
    hidden: int = 64,
    cross_weight: float = 1.0,
    score_weight: float = 1.0,
    second_weight: float = 1.0,
    beta: float = 1.0,
    max_steps: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.01,
    seed: int = 0,
    threads: int = 1,
    device: Device = Device("auto"),
):
    """Fit a joint model to the training images and keep the weights that serve the validation images best.

    In two stages the image's own model stays as it is: its latents are what the shared latent is fitted to, and then
    each score's decoder ("head") is trained on the finished latent and stops on its own. Values are standardised by the
    training images; likelihoods are Gaussian with the best variance, one a feature (one for all voxels).

    Parameters
    ----------
    volumes : file
        (N, V) images (StackVolumes).
    volume_split : file
        Which images train, validate and test; all lists and tables are in the order of its rows.
    mask : file
        Mask of the voxels.
    model, config : file
        The image's own model (FitVolumeVae): frozen in two stages; jointly, one of the same shape is trained anew.
    covariates : file
        Table of the images (Covariates) with the scores; n/a where a score is missing.
    scores : list of str
        Its columns to model, numeric; may be empty where there is a second modality.
    second : file, optional
        (N, V2) images of a second modality, in the same order; a row of NaN where a person has none.
    second_model, second_config, second_mask : file, optional
        Its own frozen model, and its mask; without a model it is described by its principal components.
    second_dim : int
        Principal components of the second modality, without a model of its own.
    second_name : str
        What tables call it.
    stages : str
        two: on the frozen image model; joint: image network, fusion and heads together, from the start.
    fusion : str
        poe: product of the modalities' posteriors over the prior; mean: mean of their moments.
    latent_dim : int, optional
        Dimensions of the shared latent; by default as many as all modalities' features (jointly: the image model's).
    hidden : int
        Units of each small network.
    cross_weight : float
        Weight of predicting each modality from another one alone, beside 1 for reconstructing it.
    score_weight, second_weight : float
        Weight of the log likelihood of the scores and of the second modality, the image's being 1. Jointly, both are
        multiplied by the number of voxels, as the image's is a mean over them.
    beta : float
        Weight of the KL divergence in nats.
    max_steps : int, optional
        Optimiser steps of the shared latent, and of each head; 400 by default.
    batch_size : int
        Images a step.
    learning_rate : float
        Peak of the one-cycle rate.
    weight_decay : float
        Of AdamW, in two stages.
    seed : int
        Seed of weights, batches and sampling.
    threads : int
        CPU threads; sums depend on their number, so it is part of the result.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    model : file
        Weights, scaling and principal components of the second modality (safetensors).
    config : file
        JSON: modalities with their scaling, likelihood and weight; stages, fusion; how it was made.
    history : file
        TSV, one row a validation: part (fusion, or head SCORE), step, terms of the training loss (loss_, nats) and of
        the validation (val_).
    """
    inputs = dict(locals())  # every input by its name, nothing else yet

    from pydra_vae.engine import context
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _joint
    from pydra_vae.training.devices import resolve_device
    from pydra_vae.training.joint import fit_joint

    with gpu_slot(device) as name:
        on = resolve_device(name)
        prepared = _joint.prepare(inputs, on)
        fitted = fit_joint(
            prepared.problem,
            threads=threads,
            device=on,
            checkpoint=context.checkpoint_file(),
            fingerprint=prepared.fingerprint(name),
            progress=context.progress,
        )
    return _joint.finish(prepared, fitted, Path.cwd(), name)
