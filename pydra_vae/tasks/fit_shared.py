"""Fit one model to several subjects."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"model": File, "config": File, "history": File})
def FitShared(
    labels: list[str],
    scaled: list[File],
    frames: list[File],
    voxels: list[File],
    scalings: list[File],
    masks: list[File],
    kind: ty.Literal["shared_decoder", "subject_decoders", "pooled"] = "shared_decoder",
    latent_dim: int = 9,
    rank: int = 32,
    network: ty.Literal["dense", "lk", "paper"] = "dense",
    scheme: ty.Literal["random", "blocked"] = "random",
    max_steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    threads: int = 1,
    device: Device = Device("auto"),
):
    """Fit one autoencoder to the voxels that several subjects share, each subject with a small part of its own.

    Held-out voxels are the same places in every subject. Only a batch of rows is read at a time, so memory does not
    grow with the number of subjects. The KL has no weight, as in the paper.

    Parameters
    ----------
    labels : list of str
        Of the members, in the order of all lists; at least two.
    scaled : list of file
        (K, T) scaled series (Normalize), of as many frames in each subject.
    frames : list of file
        Joined tables of frames (Normalize); censored ones count in no loss.
    voxels, scalings, masks : list of file
        Where the rows lie (MakeMask, Normalize), in one standard space.
    kind : str
        shared_decoder: common encoder and decoder, linear maps of each subject between its frames and common
        coordinates; subject_decoders: common encoder, one latent space, a decoder for each subject (Huang et al.
        2022); pooled: one plain CVAE on all voxels of all subjects.
    latent_dim : int
        Latent dimensions; 9 in the paper.
    rank : int
        Common coordinates between a subject's frames and the network (not in a pooled model).
    network : str
        Of a pooled model, as in FitCvae, with the linear skip; dense in the others.
    scheme : str
        How places are split 70/10/20: random, or blocked (cubes of 24 mm).
    max_steps : int, optional
        Optimiser steps; 250 a subject by default, at least 500, at most 2,000.
    batch_size : int, optional
        Series a step, of up to four subjects together; 280 by default.
    learning_rate : float, optional
        The peak of one cycle; 0.003 by default, a tenth of it for a subject's own maps.
    seed : int
        Seed of split, weights and batches.
    threads : int
        CPU threads; sums depend on their number, so it is part of the result.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    model : file
        Weights, members' parts and places (safetensors).
    config : file
        JSON with everything needed to rebuild the model or to refuse data it was not made for.
    history : file
        TSV, one row a validation, from step 0.
    """
    options = {name: value for name, value in locals().items() if name in OPTIONS}

    import numpy as np
    import torch

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine import context
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.shared_voxels import coarsest, shared_rows
    from pydra_vae.stats.splits import TRAIN, VALIDATION, split_voxels
    from pydra_vae.tasks import _fits, _models, _shared
    from pydra_vae.tasks._group import at_least_two, check_lengths
    from pydra_vae.tasks._io import write_json
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.shared import Places, fit_shared, mean_latents, shared_recipe

    at_least_two(labels, "a shared model")
    lists = {"scaled": scaled, "frames": frames, "voxels": voxels, "scalings": scalings, "masks": masks}
    check_lengths(labels, **lists)
    subjects = [_shared.Subject.load(*files) for files in zip(labels, *lists.values(), strict=True)]
    _shared.check_alike(subjects)
    edges = [subject.voxel_mm for subject in subjects]
    rows = shared_rows([subject.mm for subject in subjects], edges, labels)
    reference = coarsest(edges)
    mm = subjects[reference].mm[rows[reference]]
    split = split_voxels(scheme, len(mm), coordinates_mm=mm, seed=seed)
    train, validation = np.flatnonzero(split == TRAIN), np.flatnonzero(split == VALIDATION)
    places = Places([one.x for one in subjects], rows, train, validation, [one.weights for one in subjects])
    with reproducible(seed, threads):
        build = _pooled if kind == "pooled" else _with_parts
        model = build(subjects, rows, train, options)
    model.mm.copy_(torch.from_numpy(mm.astype(np.float32)))
    model.split.copy_(torch.from_numpy(split))
    chosen = {"max_steps": max_steps, "batch_size": batch_size, "learning_rate": learning_rate}
    recipe = shared_recipe(len(subjects), **chosen)
    with gpu_slot(device) as name:
        fit = fit_shared(
            model,
            places,
            recipe=recipe,
            seed=seed,
            threads=threads,
            device=resolve_device(name),
            checkpoint=context.checkpoint_file(),
            fingerprint=_fits.fingerprint(
                [file for files in lists.values() for file in files], {**options, "device": name.partition(":")[0]}
            ),
            progress=context.progress,
        )
        if kind != "pooled":
            with reproducible(seed, threads):
                model.common.copy_(mean_latents(model, places, resolve_device(name)))
    made = {
        **vars(model.config),
        "labels": list(labels),
        "scaling": subjects[0].method,
        "voxel_mm": edges[reference].tolist(),
        "scheme": scheme,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "parameters_own": model.own(0),
        **_shared.describe_training(fit, recipe, options, name),
    }
    return (
        _models.save_weights(Path("model.safetensors"), model.cpu()),
        write_json(Path("model.json"), made),
        write_table("history.tsv", _fits.complete(fit.history)),
    )


OPTIONS = (
    "labels", "kind", "latent_dim", "rank", "network", "scheme", "max_steps", "batch_size", "learning_rate", "seed",
    "threads",
)  # fmt: skip


def _with_parts(subjects, rows, train, options: dict):
    """A model whose members' read-ins agree, one subject after the other."""
    import torch

    from pydra_vae.models.shared import SharedConfig, SharedCvae
    from pydra_vae.stats.read_ins import align, template_rows
    from pydra_vae.tasks import _shared

    chosen = template_rows(train, options["seed"])
    rank = _shared.usable_rank(options["rank"], options["latent_dim"], subjects, len(chosen))
    found = [
        _shared.fit_read_in(subject, own[train], own[chosen], rank) for subject, own in zip(subjects, rows, strict=True)
    ]
    read_ins, maps, scales = zip(*found, strict=True)
    turned, template = align(read_ins, maps)
    config = SharedConfig(
        options["kind"], subjects[0].x.shape[1], options["latent_dim"], rank, len(subjects), rows.shape[1], len(chosen)
    )
    parts = [
        _shared.part_of(config, one, scale, subject.weights)
        for one, scale, subject in zip(turned, scales, subjects, strict=True)
    ]
    model = SharedCvae(config, parts)
    model.template.copy_(torch.from_numpy(template))
    model.template_rows.copy_(torch.from_numpy(chosen))
    return model


def _pooled(subjects, rows, train, options: dict):
    """A plain CVAE that starts as PCA of all subjects' training voxels.

    The PCA leaves out the frames that most subjects have censored; in the others an interpolated frame of a few
    subjects enters it, but never the loss.
    """
    import numpy as np
    import torch

    from pydra_vae.models.shared import PooledCvae, SharedConfig
    from pydra_vae.stats.pca import fit_pca
    from pydra_vae.stats.read_ins import Stacked
    from pydra_vae.training.cvae import build

    stacked = Stacked([subject.x for subject in subjects], [own[train] for own in rows])
    used = (np.mean([subject.weights for subject in subjects], axis=0) >= 0.5).astype(np.int8)
    pca = fit_pca(stacked, options["latent_dim"], used)
    network = build(stacked, np.arange(len(stacked)), options["latent_dim"], options["network"], pca.components)
    config = SharedConfig(
        "pooled", stacked.shape[1], options["latent_dim"], n_members=len(subjects), n_places=rows.shape[1],
        network=options["network"],
    )  # fmt: skip
    model = PooledCvae(config, network)
    model.pca_mean.copy_(torch.from_numpy(pca.mean))
    model.pca_components.copy_(torch.from_numpy(pca.components))
    return model
