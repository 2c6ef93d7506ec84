"""Cut a recording into two consecutive halves."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"first": File, "second": File, "first_frames": File, "second_frames": File})
def HalveSeries(scaled: File, frames: File, scaling: File | None = None):
    """Cut joined series into two consecutive halves, at the border of two runs where one is near the middle.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    frames : file
        Joined table of frames (Normalize).
    scaling : file, optional
        Scaling of Normalize: its method is applied to each half anew. The range of a voxel over all frames would carry
        a spike of one half into the other: subjects with nothing of their own but artefacts in the first half were
        then all identified by their second half, and at chance with a scaling for each half.

    Returns
    -------
    first, second : file
        (K, T1) and (K, T2) float32; T1 + T2 = T. A voxel that is constant in a half is 0 there once it is scaled.
    first_frames, second_frames : file
        The rows of the table of frames that belong to each; ``run`` and ``frame`` stay as they were.
    """
    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.images.headers import MIN_FRAMES
    from pydra_vae.stats.halves import border
    from pydra_vae.tasks._io import load_array, read_weights
    from pydra_vae.tasks._models import describe_scaling

    cwd, x = Path.cwd(), load_array(scaled)
    weights = read_weights(frames, x.shape[1])
    table, method = read_table(frames), None if scaling is None else describe_scaling(scaling)["method"]
    cut = border(table["run"].value_counts(sort=False).sort_index().to_list())
    made = []
    for name, part in (("first", slice(0, cut)), ("second", slice(cut, None))):
        n_used = int(weights[part].sum())
        if n_used < MIN_FRAMES:
            raise ValueError(
                f"{scaled}: the {name} half has {n_used} usable frames and at least {MIN_FRAMES} are needed: "
                "leave the split-half analyses out, censor fewer frames, or add runs"
            )
        half = _write_half(cwd / f"{name}.npy", x[:, part], weights[part], method)
        made.append((half, write_table(cwd / f"{name}_frames.tsv", table[part])))
    (first, first_frames), (second, second_frames) = made
    return first, second, first_frames, second_frames


def _write_half(path: Path, half, weights, method: str | None) -> Path:
    """Some frames of all voxels, as they are or scaled by a method."""
    from pydra_vae.stats.chunks import row_chunks
    from pydra_vae.stats.normalise import Scaling
    from pydra_vae.tasks._io import new_array

    out = new_array(path, half.shape)
    if method is None:
        for rows in row_chunks(*half.shape):
            out[rows] = half[rows]
    else:
        anew = Scaling.fit([half], [weights], method, match_baselines=False)
        if anew.kept.all():
            anew.apply([half], out=out)
        else:
            out[anew.kept] = anew.apply([half])  # the rest of a new file is 0
    out.flush()
    return path
