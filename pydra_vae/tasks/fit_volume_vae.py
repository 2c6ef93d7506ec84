"""Fit a variational autoencoder to the brain volumes of many persons."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(
    outputs={"model": File, "config": File, "history": File},
    together="pydra_vae.tasks._fit_volumes_together",
)
def FitVolumeVae(
    volumes: File,
    volume_split: File,
    mask: File,
    network: ty.Literal["conv-dense", "conv", "dense"] = "conv-dense",
    latent_dim: int = 12,
    width: int = 8,
    reconstruction: ty.Literal["mse", "dssim", "mse+dssim"] = "mse",
    dssim: ty.Literal["full", "half"] = "full",
    ssim_window: int = 11,
    divergence: ty.Literal["kl", "mmd", "none"] = "kl",
    beta: float = 10.0,
    mmd_weight: float = 2000.0,
    free_bits: float = 0.0,
    n_samples: int = 1,
    annealing: ty.Literal["none", "linear", "cyclical", "sigmoid"] = "none",
    annealing_steps: int = 0,
    augmentation: ty.Literal["none", "noise", "shift", "flip", "mix"] = "none",
    max_steps: int | None = None,
    max_epochs: int | None = None,
    batch_size: int = 32,
    learning_rate: float = 4e-3,
    patience: int | None = None,
    precision: ty.Literal["auto", "float32", "bfloat16"] = "auto",
    seed: int = 0,
    threads: int = 1,
    device: Device = Device("auto"),
):
    """Fit a model to the training images and keep the weights that serve the validation images best.

    Parameters
    ----------
    volumes : file
        (N, V) images within the mask (StackVolumes).
    volume_split : file
        Which images train, validate and test (SplitSubjects), in the order of the images.
    mask : file
        Mask of the images (MakeVolumeMask); kept beside the model, so that images of another one are refused.
    network : str
        conv-dense: convolutional encoder, dense decoder to the mask's voxels; conv: convolutions both ways, as in the
        tutorial; dense: fully connected.
    latent_dim : int
        Latent dimensions.
    width : int
        Channels of the first convolution, doubled twice; dense layers have 32 times as many units.
    reconstruction : str
        mse: Gaussian likelihood with the best variance; dssim: structural dissimilarity in its place; mse+dssim: the
        mean of both.
    dssim : str
        full: 1 − SSIM, as the tutorial prints it; half: half of that, the usual definition. Both learn the same, since
        the loss takes the logarithm.
    ssim_window : int
        Window of SSIM along each axis, in voxels (Gaussian, σ 1.5).
    divergence : str
        kl: each image's posterior from the prior; mmd: all latents together from the prior (InfoVAE); none: an
        autoencoder.
    beta : float
        Weight of the KL; 1 is the evidence lower bound.
    mmd_weight : float
        Weight of the MMD, λ, in the same nats.
    free_bits : float
        Nats of each dimension's KL that cost nothing.
    n_samples : int
        Draws of the latents for each image and step, whose errors are averaged.
    annealing : str
        How the weight of the divergence rises from 0: not at all, once (linear, sigmoid) or in four cycles.
    annealing_steps : int
        Steps of that rise, after which the best weights are looked for; 0 for two fifths of the training.
    augmentation : str
        noise on the input; shift by one voxel; flip left to right; mix two images.
    max_steps : int, optional
        Optimiser steps; 500 where epochs are not given either. The smaller of steps and epochs wins.
    max_epochs : int, optional
        Passes over the training images.
    batch_size : int
        Images a step.
    learning_rate : float
        Peak of the one-cycle schedule.
    patience : int, optional
        Epochs without a better validation before stopping; never stops early without it.
    precision : str
        auto: bfloat16 where the device computes with it natively, else float32; errors are float32 in any case.
    seed : int
        Seed of weights, batches and sampling.
    threads : int
        CPU threads; sums depend on their number, so it is part of the result.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    model : file
        Weights, mean and scale of the training images, mask (safetensors).
    config : file
        JSON with everything needed to rebuild the model, how it was made, and how it did on training and validation.
    history : file
        TSV, one row a validation, from step 0: terms of the loss on training batches (loss_) in nats an image, their
        weights at that step (weight_), R² against the mean of the training images from z = μ (train_r2, val_r2), and
        on the validation images the loss, its terms, log p(x | z) in nats, mmd_ratio = λ MMD/|log p(x | z)| and the λ
        at which it would be 1 (mmd_weight_paper).
    """
    inputs = dict(locals())  # every input by its name, nothing else yet

    from pydra_vae.engine import context
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _volume_vae
    from pydra_vae.training.devices import resolve_device
    from pydra_vae.training.volume_vae import fit_volumes

    with gpu_slot(device) as name:
        on = resolve_device(name)
        prepared = _volume_vae.prepare(inputs, on)
        model, fit = fit_volumes(
            prepared.problem,
            threads=threads,
            device=on,
            checkpoint=context.checkpoint_file(),
            fingerprint=prepared.fingerprint(name),
            progress=context.progress,
        )
    return _volume_vae.finish(prepared, model, fit, Path.cwd(), name)
