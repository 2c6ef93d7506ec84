"""Intersubject correlation before and after the model."""

from fileformats.generic import File

from pydra_vae.engine.step import step

COLUMNS = ["network", "model", "isc", "n_voxels", "n_subjects", "left_out"]


@step(outputs={"isc": File})
def IntersubjectCorrelation(
    labels: list[str],
    series: list[File],
    reconstructions: list[File],
    frames: list[File],
    voxels: list[File],
    scalings: list[File],
    masks: list[File],
    controls: list[File] | None = None,
    persons: list[str] | None = None,
):
    """Correlate each subject with the mean of all others, voxel by voxel, in the data and in the reconstructions.

    Only recordings of the same runs can be compared: of those that differ in length, or in the task and run that their
    labels name, the largest set of equal ones is used.

    Parameters
    ----------
    labels : list of str
        Of the recordings, in the order of all lists.
    series : list of file
        (K, T) scaled series (Normalize).
    reconstructions : list of file
        (K, T) reconstructions (Reconstruct).
    frames : list of file
        Joined tables of frames (Normalize); frames that are censored in one recording count in none.
    voxels, scalings, masks : list of file
        Where the rows lie (MakeMask, Normalize).
    controls : list of file, optional
        PCAs (FitControls): adds the PCA of the model's size.
    persons : list of str, optional
        Whose each recording is; all different by default.

    Returns
    -------
    isc : file
        TSV: network model isc n_voxels n_subjects left_out. Model: raw, cvae, pca, and each shifted in time (control).
        Network: all, then the atlas's. Empty where fewer than two persons have runs of equal length.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.intersubject import intersubject_correlation
    from pydra_vae.stats.normalise import Scaling
    from pydra_vae.tasks import _io
    from pydra_vae.tasks._group import SharedSpace, at_least_two, check_lengths, person_numbers

    at_least_two(labels, "intersubject correlation")
    lists = {"series": series, "reconstructions": reconstructions, "frames": frames, "scalings": scalings}
    check_lengths(labels, **lists, voxels=voxels, masks=masks, controls=controls, persons=persons)
    lengths = [tuple(Scaling.load(path).lengths.tolist()) for path in scalings]
    runs = list(zip(lengths, map(_run_of, labels), strict=True))
    # the first of the most frequent
    chosen = [s for s, run in enumerate(runs) if run == max(dict.fromkeys(runs), key=runs.count)]
    numbers = person_numbers([labels[s] for s in chosen], persons and [persons[s] for s in chosen])
    if numbers.max() == 0:
        return write_table("isc.tsv", pd.DataFrame(columns=COLUMNS))

    def those(values):
        return values if values is None else [values[s] for s in chosen]

    group = SharedSpace.load(those(labels), those(voxels), those(scalings), those(masks), those(persons))
    models = {"raw": group.arrays(those(series), "series"), "cvae": group.arrays(those(reconstructions), "cvae")}
    n_frames = sum(lengths[chosen[0]])
    used = np.all([_io.read_weights(path, n_frames) == 1 for path in those(frames)], axis=0)
    if controls is not None:
        models["pca"] = [_reconstructed(x, path) for x, path in zip(models["raw"], those(controls), strict=True)]
    left_out = " ".join(label for s, label in enumerate(labels) if s not in chosen) or None
    facts = {"n_subjects": int(numbers.max()) + 1, "left_out": left_out}
    rows = []
    for name, data in models.items():
        found = intersubject_correlation(data, group.rows, numbers, used)
        for model, r in zip((name, f"{name} (shifted)"), found, strict=True):
            rows += [{"model": model} | facts | row for row in _by_network(r, group.space.network[group.own])]
    return write_table("isc.tsv", pd.DataFrame(rows, columns=COLUMNS))


def _run_of(label: str) -> str:
    """What a label says beside person and session: recordings that were split by run are of one run each.

    Examples
    --------
    >>> _run_of("sub-01_ses-2_task-story_run-1"), _run_of("sub-01_ses-2"), _run_of("sub-01")
    ('task-story_run-1', '', '')
    """
    return "_".join(part for part in label.split("_")[1:] if not part.startswith("ses-"))


def _reconstructed(x, controls):
    """Rows of a series as the PCA of the model's size reconstructs them."""
    from pydra_vae.tasks._io import load_controls

    pca = next(iter(load_controls(controls).values()))
    return lambda rows: pca.reconstruct(x[rows])


def _by_network(r, network):
    import numpy as np

    for name in ["all", *sorted(set(network) - {"", "n/a"})]:
        inside = np.isfinite(r) & ((network == name) | (name == "all"))
        yield {"network": name, "isc": r[inside].mean() if inside.any() else None, "n_voxels": int(inside.sum())}
