"""Cut a recording into two consecutive halves."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"first": File, "second": File, "first_frames": File, "second_frames": File})
def HalveSeries(scaled: File, frames: File):
    """Cut joined series into two consecutive halves, at the border of two runs where one is near the middle.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    frames : file
        Joined table of frames (Normalize).

    Returns
    -------
    first, second : file
        (K, T1) and (K, T2) float32; T1 + T2 = T. Both keep the scaling that was fitted to all frames: it is the same
        for every voxel of either half and of every model, so nothing of one half's course enters the other.
    first_frames, second_frames : file
        The rows of the table of frames that belong to each; ``run`` and ``frame`` stay as they were.
    """
    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.images.headers import MIN_FRAMES
    from pydra_vae.stats.chunks import row_chunks
    from pydra_vae.stats.halves import border
    from pydra_vae.tasks._io import load_array, new_array, read_weights

    cwd, x = Path.cwd(), load_array(scaled)
    weights = read_weights(frames, x.shape[1])
    table = read_table(frames)
    cut = border(table["run"].value_counts(sort=False).sort_index().to_list())
    made = []
    for name, part in (("first", slice(0, cut)), ("second", slice(cut, None))):
        n_used = int(weights[part].sum())
        if n_used < MIN_FRAMES:
            raise ValueError(
                f"{scaled}: the {name} half has {n_used} usable frames and at least {MIN_FRAMES} are needed: "
                "leave the split-half analyses out, censor fewer frames, or add runs"
            )
        half = new_array(cwd / f"{name}.npy", (len(x), len(weights[part])))
        for rows in row_chunks(*half.shape):
            half[rows] = x[rows, part]
        half.flush()
        made.append((cwd / f"{name}.npy", write_table(cwd / f"{name}_frames.tsv", table[part])))
    (first, first_frames), (second, second_frames) = made
    return first, second, first_frames, second_frames
