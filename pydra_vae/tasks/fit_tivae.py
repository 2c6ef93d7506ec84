"""Fit a temporally independent variational autoencoder, or one of its relatives, to the recordings of many subjects."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(
    outputs={"model": File, "config": File, "history": File},
    together="pydra_vae.tasks._fit_tivae_together",
)
def FitTiVae(
    series: list[File],
    subject_split: File,
    vertices: File,
    clusters: File,
    clusters_info: File | None = None,
    kind: ty.Literal["tivae", "beta-vae"] = "tivae",
    network: ty.Literal["mixer", "linear"] = "mixer",
    latent_dim: int = 8,
    beta: float = 1.0,
    share_hemispheres: bool = True,
    input_layer: ty.Literal["per-hemisphere", "shared"] = "per-hemisphere",
    temporal_decoder: bool = False,
    recurrent_l2: float = 0.0,
    recipe: ty.Literal["fast", "paper"] = "fast",
    initialisation: ty.Literal["lsuv", "orthogonal", "pytorch"] = "lsuv",
    max_steps: int | None = None,
    max_epochs: int | None = None,
    batch_size: int | None = None,
    crop: int | None = None,
    learning_rate: float | None = None,
    precision: ty.Literal["auto", "float32", "bfloat16"] = "auto",
    seed: int = 0,
    threads: int = 1,
    device: Device = Device("auto"),
):
    """Fit a model to the training recordings and keep the weights that serve the validation recordings best.

    Parameters
    ----------
    series : list of file
        (T, V) filtered series (PrepareSurface), one a recording, in the order of the split's rows.
    subject_split : file
        Which recordings train, validate and test (SplitSubjects).
    vertices : file
        Table of the region's vertices (MakeRegion).
    clusters : file
        Cluster of every vertex (SpectralClusters); not read by the linear network.
    clusters_info : file, optional
        JSON beside the clusters; kept beside the model.
    kind : str
        tivae: reconstruction + KL + beta times the total correlation over time; beta-vae: reconstruction + beta
        times the KL. A beta-vae at 1 is a tivae at 0.
    network : str
        mixer: weights shared over clusters, features and hemispheres; linear: the paper's baseline without sharing.
    latent_dim : int
        Factors.
    beta : float
        Weight of the total correlation (of the KL in a beta-vae); not comparable between numbers of factors.
    share_hemispheres : bool
        Both hemispheres share their mixers; False is a control.
    input_layer : str
        per-hemisphere: a linear input layer for each (the paper's text); shared: one for both (its appendix A).
    temporal_decoder : bool
        A second causal GRU before the factors.
    recurrent_l2 : float
        Weight of the squared norm of the temporal decoder's hidden-to-hidden weights.
    recipe : str
        fast: Adam with a one-cycle learning rate up to 3e-3, four random crops of 96 frames a step, 400 steps,
        regularisers that rise over the first 60 %; paper: Adam at 5e-3 (ε .1, decay 1e-4), lower on plateaus
        (.95, 6 epochs), eight whole recordings a step, 150 epochs.
    initialisation : str
        lsuv: orthogonal, each layer scaled to unit variance on training data (the last to .3); orthogonal; pytorch: its
        own, from which the network collapses.
    max_steps : int, optional
        Optimiser steps; the recipe's by default. The smaller of steps and epochs wins.
    max_epochs : int, optional
        Passes over the training recordings.
    batch_size : int, optional
        Recordings a step.
    crop : int, optional
        Frames of a crop; as many as a recording has, or more, for whole recordings.
    learning_rate : float, optional
        The recipe's by default.
    precision : str
        auto: bfloat16 where the device computes with it natively, else float32; errors are float32 in any case.
    seed : int
        Seed of weights, batches, crops and sampling.
    threads : int
        CPU threads; sums depend on their number, so it is part of the result.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    model : file
        Weights and clusters (safetensors).
    config : file
        JSON with everything needed to rebuild the model, how it was made, and its parameters by part.
    history : file
        TSV, one row a validation, from step 0: terms of the loss on training crops (loss_) and whole validation
        recordings (val_), their weights at that step (weight_), R² on the validation recordings from z = μ. Recipe
        paper validates on all of them, fast on as many, evenly spaced, as a tenth of the time allows, but on two.
    """
    inputs = dict(locals())  # every input by its name, nothing else yet

    from pydra_vae.engine import context
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _tivae
    from pydra_vae.training.devices import resolve_device
    from pydra_vae.training.tivae import fit_tivae

    with gpu_slot(device) as name:
        on = resolve_device(name)
        prepared = _tivae.prepare(inputs, on)
        model, fit = fit_tivae(
            prepared.problem,
            threads=threads,
            device=on,
            checkpoint=context.checkpoint_file(),
            fingerprint=prepared.fingerprint(name),
            progress=context.progress,
        )
    return _tivae.finish(prepared, model, fit, Path.cwd(), name)
