"""One TI-VAE in one row: how well it reconstructs, how it uses its factors, how they follow the task."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"score": File, "verdict": File})
def ScoreTiVae(
    model: File,
    config: File,
    series: list[File],
    subject_split: File,
    pca: File | None = None,
    regressors: list[File | None] | None = None,
    name: str = "",
    setting: str = "",
    n_permutations: int = 1000,
    seed: int = 0,
    device: Device = Device("auto"),
):
    """Score a fitted model on training, validation and test recordings, PCA of the same size beside it.

    Errors are from z = μ. On training recordings they are of as many, evenly spaced, as there are test recordings, but
    of ten at least.

    Parameters
    ----------
    model, config : file
        Weights and JSON (FitTiVae).
    series : list of file
        (T, V) series (PrepareSurface), in the order of the split's rows.
    subject_split : file
        Which recordings train, validate and test (SplitSubjects).
    pca : file, optional
        PCA of the training recordings (FitSurfacePca), of at least as many components as there are factors.
    regressors : list of file, optional
        Tables of TaskRegressors, one a recording (None: without events); without them nothing is said of the task.
    name : str
        What tables call the model; by what it is without it.
    setting : str
        A name for what varies, for the table.
    n_permutations : int
        Circular shifts for the chance level of the task's scores.
    seed : int
        Of the shifts, of the sample of z, and of the frames that the collapse detector swaps.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    score : file
        TSV of one row: setting, model, k, beta, seed (of the fit); r2_train, r2_validation, r2_test, gap (train less
        test), pca_r2_test, pca_r2_train, mse_test; of the test recordings kl, mi, tc, dimension_wise (nats a frame; the
        last three sum to the first), mean_log_sigma (log of the mean σ), factor_r (mean absolute r between factors),
        active_units, collapsed; r_validation, r_test, r_paper, readout, chance (means over sub-tasks, as in
        HrfRegression; n/a without regressors); parameters, best_step, seconds.
    verdict : file
        JSON of the collapse detector on held-out frames, with warnings.
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _tivae, _tivae_scores
    from pydra_vae.tasks._components import load_components
    from pydra_vae.tasks._io import write_json
    from pydra_vae.tasks._recordings import Split, load_regressors, load_series
    from pydra_vae.training.devices import reproducible, resolve_device

    made, split = _tivae.read_config(config), Split.load(subject_split)
    split.check("series", series)
    arrays = load_series(series)
    _tivae.check_series(made, arrays, series)
    tables = None
    if regressors is not None:
        split.check("tables of regressors", regressors)
        tables = load_regressors(regressors, len(arrays[0]))
    linear = None if pca is None else load_components(pca, made["latent_dim"], arrays.shape[1])
    with gpu_slot(device) as slot, reproducible(made["seed"], made["threads"]):
        network = _tivae.load_model(model, made)
        through = _tivae_scores.Through(
            network, resolve_device(slot), made["precision"] == "bfloat16", every=tables is not None
        )
        passed = through(arrays, split, linear)
    row = {
        "setting": setting,
        "model": name or _tivae_scores.family(made),
        "k": made["latent_dim"],
        "beta": made["beta"],
        "seed": made["seed"],
        **passed.reconstruction(),
        **_tivae_scores.divergences(passed, seed),
    }
    verdict = passed.verdict(seed, made)
    row |= {"active_units": verdict["active_units"], "collapsed": verdict["collapsed"]}
    row |= _tivae_scores.task(passed, tables, split, n_permutations, seed)
    row |= {key: made[key] for key in ("parameters", "best_step", "seconds")}
    return write_table(Path("score.tsv"), [row]), write_json(Path.cwd() / "verdict.json", verdict)
