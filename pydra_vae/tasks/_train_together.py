"""What the joint training of several calls of any fitting step has in common."""

from collections.abc import Callable
from pathlib import Path

from pydra_vae.engine import context
from pydra_vae.engine.devices import gpu_slot


def train_together(
    calls: list[tuple[dict, Path]], prepare: Callable[..., list], fit_many: Callable, finish: Callable
) -> list[tuple[Path, ...]]:
    """Compute calls that agree in device and threads, each to the files that it would leave alone.

    Parameters
    ----------
    calls : list of (dict, Path)
        Every input of a call by name, and the folder for its files.
    prepare : callable
        From the device to the calls, read and checked; each has `problem` and `fingerprint(device name)`.
    fit_many : callable
        As `training.tivae.fit_tivae_many`.
    finish : callable
        From a prepared call, model, fit, folder and device to the paths of its files.
    """
    from pydra_vae.training.devices import resolve_device

    first = calls[0][0]
    with gpu_slot(first["device"]) as name:
        device = resolve_device(name)
        prepared = prepare(device)
        results = fit_many(
            [one.problem for one in prepared],
            stack=device.type != "mps",
            threads=first["threads"],
            device=device,
            checkpoint=context.checkpoint_file(),
            fingerprint=" ".join(one.fingerprint(name) for one in prepared),
            progress=context.progress,
        )
    return [
        finish(one, model, fit, Path(folder).absolute(), name)
        for one, (model, fit), (_, folder) in zip(prepared, results, calls, strict=True)
    ]
