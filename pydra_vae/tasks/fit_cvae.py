"""Fit a variational autoencoder to one subject's voxels."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(
    outputs={"model": File, "config": File, "history": File},
    together="pydra_vae.tasks._fit_together",
)
def FitCvae(
    scaled: File,
    voxel_split: File,
    frames: File | None = None,
    scaling: File | None = None,
    mask: File | None = None,
    network: ty.Literal["lk", "paper", "dense"] = "lk",
    latent_dim: int = 9,
    linear_skip: ty.Literal["none", "pca"] = "none",
    mixing: float = 0.0,
    recipe: ty.Literal["fast", "paper"] = "fast",
    max_steps: int | None = None,
    max_epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    kl_weight: float = 0.0,
    beta: float | None = None,
    noise_variance: float | None = None,
    mmd_weight: float = 0.0,
    annealing: ty.Literal["linear", "cyclical", "sigmoid"] = "linear",
    kl_annealing_steps: int = 0,
    sample_latent: bool = False,
    warm_start: File | None = None,
    warm_start_config: File | None = None,
    scheme: str = "",
    seed: int = 0,
    threads: int = 1,
    device: Device = Device("auto"),
):
    """Fit a CVAE to the training voxels and keep the weights that serve the validation voxels best.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    voxel_split : file
        Split of the voxels (SplitVoxels).
    frames : file, optional
        Joined table of frames (Normalize); censored ones have weight 0 in the loss.
    scaling : file, optional
        Scaling of Normalize; its method is kept beside the model.
    mask : file, optional
        Mask of the voxels; kept beside the model, so that data from another mask are refused.
    network : str
        lk: eight convolutions, the first one long; paper: the paper's numbers of layers, the rest our reading;
        dense: fully connected.
    latent_dim : int
        Latent dimensions; 9 in the paper.
    linear_skip : str
        pca: a linear path that starts as PCA of the same size stands beside the network.
    mixing : float
        Share of training voxels replaced by mixtures of two, an augmentation.
    recipe : str
        fast: one-cycle learning rate over a fixed number of steps (lk 1,000, paper 2,000, dense 500; with the
        skip 700, 1,000, 500), validated every 50; paper: Adam at 1e-3, batches of 280, patience 100.
    max_steps : int, optional
        Optimiser steps; the recipe's by default. The smaller of steps and epochs wins.
    max_epochs : int, optional
        Passes over the training voxels.
    batch_size : int, optional
        Voxels a step; 280 by default.
    learning_rate : float, optional
        The recipe's by default.
    patience : int, optional
        Epochs without a better validation before stopping; the recipe's by default (fast: never stops early).
    kl_weight : float
        Weight of the KL divergence in nats beside the mean squared error; 0 as in the paper.
    beta : float, optional
        Weight of the KL divergence on the evidence lower bound in nats, in place of kl_weight: kl_weight = 2 β σ²/T.
    noise_variance : float, optional
        σ² of the data about their reconstruction, for beta; by default the error of PCA of the same size on the
        validation voxels.
    mmd_weight : float
        Weight of InfoVAE's distance (maximum mean discrepancy) between the latents of a batch and the prior.
    annealing : str
        How the weights of KL and MMD rise: once (linear, sigmoid) or in four cycles.
    kl_annealing_steps : int
        Steps over which the weights of KL and MMD rise from 0; the best weights are looked for after them.
    sample_latent : bool
        Sample z although the KL weight is 0; otherwise z is the encoder's mean then, also beside an MMD (our reading).
    warm_start : file, optional
        Weights of another fit (FitCvae) of the same frames, network, size and skip to start from; the mean series and
        the scale stay those of these data.
    warm_start_config : file, optional
        The JSON beside those weights.
    scheme : str
        How voxels were split; kept beside the model, so that whoever scores it again can split alike.
    seed : int
        Seed of weights, batches and sampling.
    threads : int
        CPU threads; sums depend on their number, so it is part of the result.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    model : file
        Weights (safetensors).
    config : file
        JSON with everything needed to rebuild the model or to refuse data it was not made for, and how it was made.
    history : file
        TSV, one row a validation, from step 0.
    """
    inputs = dict(locals())  # every input by its name, nothing else yet

    from pydra_vae.engine import context
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _fits
    from pydra_vae.training.cvae import fit_cvae
    from pydra_vae.training.devices import resolve_device

    prepared = _fits.prepare(inputs)
    with gpu_slot(device) as name:
        model, fit = fit_cvae(
            **vars(prepared.problem),
            threads=threads,
            device=resolve_device(name),
            checkpoint=context.checkpoint_file(),
            fingerprint=prepared.fingerprint(name),
            progress=context.progress,
        )
    return _fits.finish(prepared, model, fit, Path.cwd(), name)
