"""Let a new subject join a shared model."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step

STEPS = 300  # one subject's linear maps reach their plateau by then


@step(outputs={"part": File, "config": File, "history": File})
def JoinShared(
    model: File,
    config: File,
    scaled: File,
    frames: File,
    voxels: File,
    scaling: File,
    mask: File,
    label: str,
    max_steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    threads: int = 1,
    device: Device = Device("auto"),
):
    """Fit a new subject's own part to its training voxels; what the subjects share does not move.

    The part starts from the subject's own principal components, rotated to the members' common maps. A pooled model
    has no parts: nothing is fitted then.

    Parameters
    ----------
    model, config : file
        Weights and JSON of the shared model (FitShared).
    scaled : file
        (K, T) scaled series of the new subject (Normalize), of as many frames as the members have.
    frames : file
        Joined table of frames (Normalize).
    voxels, scaling, mask : file
        Where its rows lie (MakeMask, Normalize), in the members' standard space.
    label : str
        Of the new subject.
    max_steps : int, optional
        Optimiser steps; 300 by default.
    batch_size : int, optional
        Voxels a step; 280 by default.
    learning_rate : float, optional
        The peak of one cycle; 0.003 by default.
    seed : int
        Seed of the batches.
    threads : int
        CPU threads; sums depend on their number, so it is part of the result.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    part : file
        The subject's own weights (safetensors).
    config : file
        JSON: whose part it is, of which model, and how it was fitted.
    history : file
        TSV, one row a validation; no rows for a pooled model.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine import context
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _fits, _shared
    from pydra_vae.tasks._io import write_json
    from pydra_vae.training.devices import resolve_device
    from pydra_vae.training.shared import fit_shared, shared_recipe

    made = _shared.read_shared_config(config)
    subject = _shared.Subject.load(label, scaled, frames, voxels, scaling, mask)
    _shared.check_suits(subject, made, config)
    shared, about = _shared.rebuild_model(model, made), {"label": label, "kind": made["kind"]}
    if made["kind"] == "pooled":
        part = _shared.save_part("part.safetensors", None, label, 0)
        history = pd.DataFrame(columns=_shared.HISTORY)
        return part, write_json(Path("part.json"), {**about, "steps": 0}), write_table("history.tsv", history)
    alone, places = _newcomer(shared, made, subject)
    options = {"seed": seed, "threads": threads, "label": label}
    chosen = {"max_steps": max_steps or STEPS, "batch_size": batch_size, "learning_rate": learning_rate}
    recipe = shared_recipe(1, **chosen)
    files = [model, config, scaled, frames, voxels, scaling, mask]
    with gpu_slot(device) as name:
        fit = fit_shared(
            alone,
            places,
            recipe=recipe,
            join=True,
            seed=seed,
            threads=threads,
            device=resolve_device(name),
            checkpoint=context.checkpoint_file(),
            fingerprint=_fits.fingerprint(files, {**options, **chosen, "device": name.partition(":")[0]}),
            progress=context.progress,
        )
    made = {**about, "parameters_own": alone.own(0), **_shared.describe_training(fit, recipe, options, name)}
    return (
        _shared.save_part("part.safetensors", alone.parts[0], label, fit.steps),
        write_json(Path("part.json"), made),
        write_table("history.tsv", _fits.complete(fit.history)),
    )


def _newcomer(shared, made: dict, subject):
    """The shared model with the subject's part in the place of the members', and the subject's rows at the places."""
    import numpy as np

    from pydra_vae.stats.read_ins import rotation_to
    from pydra_vae.stats.splits import TRAIN, VALIDATION
    from pydra_vae.tasks import _shared
    from pydra_vae.training.shared import Places

    places, rows = _shared.places_of(subject, shared, made)
    row_of = np.full((1, len(shared.mm)), -1)
    row_of[0, places] = rows
    train, validation = (_shared.places_in(shared, places, code) for code in (TRAIN, VALIDATION))
    own, template = _shared.template_of_newcomer(shared, places, rows, subject.label)
    read_in, maps, scale = _shared.fit_read_in(subject, row_of[0, train], own, shared.config.rank)
    turned = read_in.turned(rotation_to(maps, template))
    part = _shared.part_of(shared.config, turned, scale, subject.weights)
    if part.decoder is not None:
        part.decoder.load_state_dict(shared.mean_part().decoder.state_dict())
    return shared.alone_with(part), Places([subject.x], row_of, train, validation, [subject.weights])
