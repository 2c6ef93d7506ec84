"""Write factors as a table for each recording."""

from pathlib import Path

from fileformats.generic import Directory, File

from pydra_vae.engine.step import step


@step(outputs={"tables": Directory})
def WriteFactors(
    factors: File,
    t_r: float,
    subject_split: File | None = None,
    labels: list[str] | None = None,
    start: float = 0.0,
):
    """Write every recording's factors as a table, one row a frame.

    Parameters
    ----------
    factors : file
        (S, T, k) array.
    t_r : float
        Repetition time in seconds.
    subject_split : file, optional
        Labels of the recordings, in their order (SplitSubjects).
    labels : list of str, optional
        The same, where there is no split.
    start : float
        Time of the first frame in seconds, where frames were dropped at the start.

    Returns
    -------
    tables : directory
        ``<label>.tsv`` with the columns time, factor-1, …, factor-k.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._recordings import Split

    values = load_array(factors)
    if subject_split is not None:
        split = Split.load(subject_split)
        split.check("recordings in factors", values)
        labels = list(split.label)
    if labels is None or len(labels) != len(values):
        raise ValueError(
            f"{factors} holds factors of {len(values)} recordings and labels has {len(labels or ())}: give a label for "
            "each, or the subject_split"
        )
    folder = Path("factors").absolute()
    folder.mkdir()
    names = [f"factor-{k + 1}" for k in range(values.shape[2])]
    time = start + t_r * np.arange(values.shape[1])
    for label, part in zip(labels, values, strict=True):
        table = pd.DataFrame(np.asarray(part), columns=names)
        table.insert(0, "time", time.round(6))
        write_table(folder / f"{label}.tsv", table)
    return folder
