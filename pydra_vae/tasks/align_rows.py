"""Rows of one table of images in the order of another's, where some have no such image."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"values": File})
def AlignRows(values: File, labels: list[str], wanted: list[str]):
    """Put rows in the order of other labels; NaN where there is none.

    Parameters
    ----------
    values : file
        (n, V) array, one row a label.
    labels : list of str
        Of its rows.
    wanted : list of str
        Of the rows of the result; a label without a row gets NaN.

    Returns
    -------
    values : file
        (N, V) float32 array.
    """
    import numpy as np

    from pydra_vae.tasks._io import load_array, new_array

    found = load_array(values)
    if len(found) != len(labels):
        raise ValueError(f"{values} has {len(found)} rows but there are {len(labels)} labels: give one for each row")
    row_of = {label: row for row, label in enumerate(labels)}
    if not row_of.keys() & set(wanted):
        raise ValueError(
            f"{values} has rows of {', '.join(labels[:3])}, …, and none is among those wanted ({', '.join(wanted[:3])},"
            " …): do both lists name images alike?"
        )
    path = Path("values.npy").absolute()
    aligned = new_array(path, (len(wanted), found.shape[1]))
    for row, label in enumerate(wanted):
        aligned[row] = found[row_of[label]] if label in row_of else np.nan
    aligned.flush()
    return path
