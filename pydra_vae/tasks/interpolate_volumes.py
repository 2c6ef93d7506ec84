"""Walks between pairs of persons in the latent space, as images."""

from pathlib import Path

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"volumes": File, "table": File})
def InterpolateVolumes(
    model: File,
    config: File,
    latents: File,
    volumes: File,
    volume_split: File,
    n_pairs: int = 2,
    n_steps: int = 5,
    device: Device = Device("auto"),
):
    """Decode straight lines between the latents of the test persons who differ most.

    The pairs follow from a rule: of all pairs of test persons (first visits) the one whose latents lie furthest apart
    in standard deviations of the training images' latents, then the next one without those two persons, and so on.

    Parameters
    ----------
    model, config : file
        A fit (FitVolumeVae).
    latents : file
        (N, k) posterior means of all images (EncodeVolumes).
    volumes : file
        (N, V) images (StackVolumes).
    volume_split : file
        Split of the persons (SplitSubjects); its rows are the images.
    n_pairs : int
        Pairs; fewer where there are fewer than twice as many test persons.
    n_steps : int
        Decoded images a pair, with both ends, which are the two reconstructions.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    volumes : file
        (n, V) float32: for each pair the first person's image, the decoded steps, the second person's image.
    table : file
        TSV, one row an image: pair, step (from 0; of an image that of its reconstruction), share (of the way), row (of
        volumes), kind (image, decoded), label_a, label_b, latent_distance (of the pair, in sd). For decoded steps:
        to_linear (root mean square difference to the blend of the two reconstructions, over that between them: 0 if
        the decoder is linear), nearest_image and nearest_blend (distance of the step, and of that blend, to the nearest
        training image, over the median distance between nearest training images).
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.volume_statistics import reference
    from pydra_vae.tasks._io import new_array
    from pydra_vae.tasks._volume_fitted import decoded, load_fitted
    from pydra_vae.tasks._volume_latents import once
    from pydra_vae.training.devices import reproducible, resolve_device

    if n_steps < 2 or n_pairs < 1:
        raise ValueError(f"{n_pairs} pairs of {n_steps} steps: at least 1 pair and both of its ends are needed")
    fit = load_fitted(model, config, latents, volumes, volume_split)
    test, sd = once(fit.split, parts=("test",)), fit.z[fit.training].std(axis=0)
    if len(test) < 2:
        raise ValueError(f"{volume_split} has {len(test)} test persons: a way needs two")
    pairs = _pairs(fit.z[test] / np.where(sd > 0, sd, 1), n_pairs)
    data, shares = reference(fit.x, once(fit.split, parts=("train",))), np.linspace(0, 1, n_steps)
    length = n_steps + 2
    out, rows = new_array(Path("volumes.npy"), (len(pairs) * length, fit.x.shape[1])), []
    with gpu_slot(device) as name, reproducible(fit.made["seed"], fit.made["threads"]):
        on = resolve_device(name)
        for pair, (i, j, distance) in enumerate(pairs):
            a, b = test[i], test[j]
            path = decoded(fit, fit.z[a] + shares[:, None] * (fit.z[b] - fit.z[a]), on)
            out[pair * length : (pair + 1) * length] = np.concatenate([fit.x[[a]], path, fit.x[[b]]])
            names = {"label_a": fit.split.label[a], "label_b": fit.split.label[b], "latent_distance": distance}
            for place, row in enumerate(_rows(path, shares, data)):
                rows.append({"pair": pair, **row, "row": pair * length + place, **names})
    out.flush()
    first = ("pair", "step", "share", "row", "kind", "label_a", "label_b", "latent_distance")
    return Path("volumes.npy").absolute(), write_table(Path("table.tsv"), _ordered(rows, first))


def _pairs(z: np.ndarray, n: int) -> list[tuple[int, int, float]]:
    """The most different pairs without a person twice."""
    from pydra_vae.stats.embeddings import distances

    apart, found = distances(z, z), []
    np.fill_diagonal(apart, -1)
    while len(found) < min(n, len(z) // 2):
        i, j = sorted(np.unravel_index(apart.argmax(), apart.shape))
        found.append((int(i), int(j), float(apart[i, j])))
        apart[[i, j]] = -1
        apart[:, [i, j]] = -1
    return found


def _rows(path, shares, data) -> list[dict]:
    """What the table says of one way, in the order of its images."""
    from pydra_vae.stats.volume_statistics import squared_distances

    last, path = len(shares) - 1, path.astype(np.float64)
    blend = path[0] + shares[:, None] * (path[-1] - path[0])
    whole = np.sqrt(np.mean((path[-1] - path[0]) ** 2))
    bent = np.sqrt(np.mean((path - blend) ** 2, axis=1))
    near = [
        np.sqrt(squared_distances(values, data.images, data.rows, data.mean).min(axis=1)) / (data.nearest or np.nan)
        for values in (path, blend)
    ]
    rows = [
        {
            "step": step,
            "share": share,
            "kind": "decoded",
            "to_linear": bent[step] / whole if whole > 0 else np.nan,
            "nearest_image": near[0][step],
            "nearest_blend": near[1][step],
        }
        for step, share in enumerate(shares)
    ]
    ends = [{"step": step, "share": float(step > 0), "kind": "image"} for step in (0, last)]
    return [ends[0], *rows, ends[1]]


def _ordered(rows, first):
    import pandas as pd

    table = pd.DataFrame(rows)
    return table[[*first, *(name for name in table if name not in first)]]
