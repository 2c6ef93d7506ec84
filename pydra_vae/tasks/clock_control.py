"""Do a TI-VAE's factors follow the data, or a clock of the network's own?"""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"clock": File})
def ClockControl(
    model: File,
    config: File,
    series: list[File],
    subject_split: File,
    shift: int = 20,
    n_recordings: int = 8,
    name: str = "",
    device: Device = Device("auto"),
):
    """Roll test recordings in time, empty them, change their end: what do the factors do?

    All subjects share the task's timing, so a network with a memory could tell the sub-tasks from the time since the
    run began. Rolled inputs must roll the factors, and without any input nothing may vary.

    Parameters
    ----------
    model : file
        Weights (FitTiVae).
    config : file
        The model's JSON (FitTiVae).
    series : list of file
        (T, V) series (PrepareSurface), in the order of the split.
    subject_split : file
        Parts of the recordings (SplitSubjects).
    shift : int
        Frames by which recordings are rolled, round the end.
    n_recordings : int
        At most so many test recordings, evenly spaced.
    name : str
        What the table calls the model.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    clock : file
        TSV, one row a check: model, k, beta, seed, check, value (mean over recordings), expected (without a clock),
        tolerance, passed (n/a where nothing is expected).
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.clock import clock_checks
    from pydra_vae.tasks import _tivae
    from pydra_vae.tasks._clock import rows_of
    from pydra_vae.tasks._recordings import Split, spaced
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.tivae_apply import encode

    made, split = _tivae.read_config(config), Split.load(subject_split)
    split.check("series", series)
    test = split.rows("test")
    if not len(test):
        raise ValueError(f"{subject_split} has no test recording: give at least three persons")
    test = spaced(test, n_recordings)
    arrays = _tivae.load_series([series[row] for row in test])
    _tivae.check_series(made, arrays, [series[row] for row in test])
    with gpu_slot(device) as slot, reproducible(made["seed"], made["threads"]):
        network, on = _tivae.load_model(model, made), resolve_device(slot)

        def factors(x):
            return next(encode(network, [x], on, made["precision"] == "bfloat16"))[0]

        found = [clock_checks(factors, np.asarray(x), shift) for x in arrays]
    named = {"model": name, "k": made["latent_dim"], "beta": made["beta"], "seed": made["seed"]}
    return write_table(Path("clock.tsv"), [named | row for row in rows_of(found)])
