"""How well a shared model serves one subject."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"score": File, "latents": File, "held_out": File})
def ScoreShared(
    model: File,
    config: File,
    scaled: File,
    frames: File,
    voxels: File,
    scaling: File,
    mask: File,
    label: str,
    part: File | None = None,
    device: Device = Device("auto"),
):
    """Score a shared model on the held-out places of one subject, and encode all its voxels.

    Latents are always those of the subject's own series. A subject that is no member and brings no part is scored
    with the members' mean part, its own mean series and spread: zero-shot.

    Parameters
    ----------
    model, config : file
        Weights and JSON (FitShared).
    scaled : file
        (K, T) scaled series of the subject (Normalize).
    frames : file
        Joined table of frames (Normalize); censored ones do not count.
    voxels, scaling, mask : file
        Where its rows lie (MakeMask, Normalize).
    label : str
        Of the subject; says which member's part is taken.
    part : file, optional
        Its own part (JoinShared).
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    score : file
        TSV of one row: kind label member (training, joined or zero-shot) mse_test r2, pca_mse_test (PCA of the same
        size, of the subject's own training voxels), pooled_pca_mse_test (of all members'; pooled models only),
        mse_common (from the mean of the members' latents at each place; subject_decoders only), parameters_own
        steps n_test.
    latents : file
        (K, D) float32.
    held_out : file
        (K,) int8: 1 for the subject's voxels at the places that no part of the model was trained on.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.pca import fit_pca
    from pydra_vae.stats.reconstruction import compare
    from pydra_vae.stats.splits import TEST, TRAIN
    from pydra_vae.tasks import _shared
    from pydra_vae.tasks._io import new_array
    from pydra_vae.training.apply import blocks
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.shared import decode_rows, encode_rows

    made = _shared.read_shared_config(config)
    subject = _shared.Subject.load(label, scaled, frames, voxels, scaling, mask)
    _shared.check_suits(subject, made, config)
    shared = _shared.rebuild_model(model, made)
    places, rows = _shared.places_of(subject, shared, made)
    code = shared.split.numpy()[places]
    test, train = code == TEST, np.zeros(len(subject.x), dtype=bool)
    train[rows[code == TRAIN]] = True
    member, number, steps = _choose_part(shared, made, subject, part, train)
    latents = new_array(Path("latents.npy"), (len(subject.x), made["latent_dim"]))
    x = subject.x[rows[test]]
    decoded = {"": np.empty_like(x)} | ({"common": np.empty_like(x)} if made["kind"] == "subject_decoders" else {})
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        on = resolve_device(name)
        for block in blocks(len(latents)):
            latents[block] = encode_rows(shared, subject.x[block], number, on).numpy()
        for block in blocks(len(x)):
            decoded[""][block] = decode_rows(shared, _tensor(latents[rows[test][block]]), number, on)
            if "common" in decoded:
                decoded["common"][block] = decode_rows(shared, shared.common.cpu()[places[test][block]], number, on)
    latents.flush()
    pca = fit_pca(subject.x, made["latent_dim"], subject.weights, rows=train)
    models = decoded | {"pca": pca.reconstruct} | _pooled_pca(shared)
    errors = compare(x, models, subject.weights)
    mse = {name: found.mse() for name, found in errors.items()}
    row = {
        "kind": made["kind"],
        "label": label,
        "member": member,
        "mse_test": mse[""],
        "r2": errors[""].r2(),
        "pca_mse_test": mse["pca"],
        "pooled_pca_mse_test": mse.get("pooled pca", np.nan),
        "mse_common": mse.get("common", np.nan),
        "parameters_own": shared.own(number),
        "steps": steps,
        "n_test": len(x),
    }
    held_out = np.zeros(len(latents), dtype=np.int8)
    held_out[rows[test]] = 1
    np.save("held_out.npy", held_out)
    return write_table("score.tsv", [row]), Path.cwd() / "latents.npy", Path.cwd() / "held_out.npy"


def _choose_part(shared, made: dict, subject, part, train) -> tuple[str, int, int]:
    """Whose part serves the subject: member, its number in the model, and the steps that it was trained for."""
    import torch

    from pydra_vae.tasks import _shared

    own, steps = (None, 0) if part is None else _shared.load_part(part, shared.config, subject.label)
    if own is None and subject.label in made["labels"]:
        return "training", made["labels"].index(subject.label), made["steps"]
    if shared.config.kind == "pooled":
        return "zero-shot", 0, 0
    member = "zero-shot" if own is None else "joined"
    if own is None:
        own = shared.mean_part()
        mean, scale = _mean_and_spread(subject, train)
        own.mean.copy_(torch.from_numpy(mean))
        own.scale.fill_(scale)
        own.used.copy_(torch.from_numpy(subject.weights))
    shared.alone_with(own)
    return member, 0, steps


def _mean_and_spread(subject, train) -> tuple:
    """Mean series of the training voxels, and the standard deviation about it over usable frames."""
    import numpy as np

    from pydra_vae.tasks import _shared

    rows, used = np.flatnonzero(train), subject.weights > 0
    mean = sum(x.sum(axis=0) for x in _shared.own_rows(subject.x, rows)) / len(rows)
    power = sum(np.square((x - mean)[:, used]).sum() for x in _shared.own_rows(subject.x, rows))
    return mean, float(np.sqrt(power / len(rows) / used.sum()))


def _pooled_pca(shared) -> dict:
    """The linear control of a pooled model, by name."""
    if shared.config.kind != "pooled":
        return {}
    mean, components = shared.pca_mean.cpu().numpy(), shared.pca_components.cpu().numpy()
    return {"pooled pca": lambda x: mean + (x - mean) @ components.T @ components}


def _tensor(array):
    import numpy as np
    import torch

    return torch.from_numpy(np.array(array, dtype=np.float32))
