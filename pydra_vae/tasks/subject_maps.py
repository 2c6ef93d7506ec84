"""Maps of factors in single recordings."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"maps": File, "regression": File, "names": File})
def SubjectMaps(
    model: File,
    config: File,
    factors: File,
    series: list[File],
    subject_split: File,
    factor: list[int] | None = None,
    labels: list[str] | None = None,
    n_recordings: int = 4,
    n_steps: int = 50,
    device: Device = Device("auto"),
):
    """Two maps of a factor in one recording: what the model draws over its range, and where its data follow it.

    The decoder is one for all subjects. So the traversal over a recording's own range differs from the group's map
    only by how strongly the factor moves in it and by where the others rest: it cannot show an anatomy of its own.
    The regression of the recording's series on its factors can.

    Parameters
    ----------
    model : file
        Weights (FitTiVae).
    config : file
        The model's JSON (FitTiVae).
    factors : file
        (S, T, k) factors of all recordings (EncodeFactors).
    series : list of file
        (T, V) series (PrepareSurface), in the order of the split.
    subject_split : file
        Parts of the recordings (SplitSubjects).
    factor : list of int, optional
        Which factors, from 0; all of them if left out.
    labels : list of str, optional
        Which recordings; the first test recordings if left out.
    n_recordings : int
        How many of those.
    n_steps : int
        Steps of the traversal, both ends included.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    maps : file
        (n, V) float32 ``.npy``: variance over the traversal of the recording's own range, the others at its own mean.
    regression : file
        (n, V) float32 ``.npy``: change of the series for one standard deviation of the factor, all factors in one
        regression; signed.
    names : file
        TSV, one row a map: index, label, factor (from 0).
    """

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _tivae
    from pydra_vae.tasks._io import load_array, new_array
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.tasks._subject_maps import chosen_factors, chosen_recordings, regression_maps
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.traversals import factor_range, traversal_maps

    made, split, values = _tivae.read_config(config), Split.load(subject_split), load_array(factors)
    for name, given in (("recordings in the factors", values), ("series", series)):
        split.check(name, given)
    which, rows = chosen_factors(factor, values.shape[2]), chosen_recordings(split, labels, n_recordings)
    arrays = _tivae.load_series([series[row] for row in rows])
    _tivae.check_series(made, arrays, [series[row] for row in rows])
    shape = (len(rows) * len(which), arrays[0].shape[1])
    drawn, followed = new_array(Path("maps.npy"), shape), new_array(Path("regression.npy"), shape)
    with gpu_slot(device) as name, reproducible(made["seed"], made["threads"]):
        network, on = _tivae.load_model(model, made), resolve_device(name)
        for i, (row, x) in enumerate(zip(rows, arrays, strict=True)):
            here, own = slice(i * len(which), (i + 1) * len(which)), factor_range(values[row : row + 1])
            drawn[here] = traversal_maps(network, *own, n_steps, which, on)
            followed[here] = regression_maps(x, values[row])[which]
    drawn.flush()
    followed.flush()
    pairs = [(split.label[row], int(number)) for row in rows for number in which]
    names = [{"index": i, "label": label, "factor": number} for i, (label, number) in enumerate(pairs)]
    cwd = Path.cwd()
    return cwd / "maps.npy", cwd / "regression.npy", write_table(cwd / "names.tsv", names)
