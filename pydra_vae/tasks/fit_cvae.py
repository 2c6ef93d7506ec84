"""Fit a variational autoencoder to one subject's voxels."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"model": File, "config": File, "history": File})
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
    kl_annealing_steps: int = 0,
    sample_latent: bool = False,
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
    kl_annealing_steps : int
        Steps over which the KL weight rises from 0; the best weights are looked for after them.
    sample_latent : bool
        Sample z although the KL weight is 0; otherwise z is the encoder's mean then (our reading).
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
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine import context
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.pca import fit_pca
    from pydra_vae.tasks import _fits, _models
    from pydra_vae.tasks._io import load_array, read_weights, write_json
    from pydra_vae.training.cvae import TRAIN, CvaeLoss, cvae_recipe, fit_cvae
    from pydra_vae.training.devices import resolve_device

    options = {
        "network": network, "latent_dim": latent_dim, "linear_skip": linear_skip, "mixing": mixing, "recipe": recipe,
        "max_steps": max_steps, "max_epochs": max_epochs, "batch_size": batch_size, "learning_rate": learning_rate,
        "patience": patience, "kl_weight": kl_weight, "kl_annealing_steps": kl_annealing_steps,
        "sample_latent": sample_latent, "seed": seed, "threads": threads,
    }  # fmt: skip
    x, split = load_array(scaled), np.array(load_array(voxel_split))
    weights = None if frames is None else read_weights(frames, x.shape[1])
    schedule = cvae_recipe(
        recipe, network, linear_skip, max_steps=max_steps, max_epochs=max_epochs, batch_size=batch_size,
        learning_rate=learning_rate, patience=patience,
    )  # fmt: skip
    skip = fit_pca(x, latent_dim, weights, rows=split == TRAIN) if linear_skip == "pca" else None
    with gpu_slot(device) as name:
        model, fit = fit_cvae(
            x,
            split,
            latent_dim=latent_dim,
            network=network,
            components=None if skip is None else skip.components,
            loss=CvaeLoss(weights, mixing, kl_weight, sample_latent),
            recipe=schedule,
            ramp_steps=kl_annealing_steps,
            seed=seed,
            threads=threads,
            device=resolve_device(name),
            checkpoint=context.checkpoint_file(),
            fingerprint=_fits.fingerprint([scaled, voxel_split, frames], {**options, "device": name.partition(":")[0]}),
            progress=context.progress,
        )
    cwd = Path.cwd()
    made = _fits.describe(model, fit, schedule, options, split, name)
    made["scheme"] = scheme
    made["scaling"] = None if scaling is None else _models.describe_scaling(scaling)
    made["mask"] = None if mask is None else _models.describe_mask(mask)
    return (
        _models.save_weights(cwd / "model.safetensors", model),
        write_json(cwd / "model.json", made),
        write_table(cwd / "history.tsv", _fits.complete(fit.history)),
    )
