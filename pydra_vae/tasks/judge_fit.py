"""Judge a fit: has it collapsed, is it over-regularised, what should its user be warned of."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"verdict": File})
def JudgeFit(
    scaled: File,
    voxel_split: File,
    model: File,
    config: File,
    controls: File,
    frames: File | None = None,
    history: File | None = None,
    seed: int = 0,
):
    """Run the collapse detector on held-out voxels, and look at the learning curve.

    A step of its own, so that a change of the detector or of a warning's words refits no model.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    voxel_split : file
        Split of the voxels (SplitVoxels).
    model : file
        Weights (FitCvae).
    config : file
        The model's JSON (FitCvae).
    controls : file
        PCAs (FitControls): what a linear model of the same size reaches on these data.
    frames : file, optional
        Joined table of frames (Normalize); censored ones do not count.
    history : file, optional
        Learning curve (FitCvae); none for a given model.
    seed : int
        Seed of the voxels that are drawn, and of those that are swapped.

    Returns
    -------
    verdict : file
        JSON: has it collapsed, is it over-regularised, on what figures, what to try, and warnings.
    """
    import numpy as np

    from pydra_vae.bids.tables import read_table
    from pydra_vae.stats.collapse import MAX_SAMPLES, detect_collapse
    from pydra_vae.stats.fit_warnings import fit_warnings
    from pydra_vae.stats.splits import TEST, VALIDATION
    from pydra_vae.tasks import _io, _models
    from pydra_vae.training.apply import decode, encode
    from pydra_vae.training.devices import reproducible

    made = _models.read_config(config)
    network = _models.load_model(model, made)
    x, split = _io.load_array(scaled), np.array(_io.load_array(voxel_split))
    weights = None if frames is None else _io.read_weights(frames, x.shape[1])
    held_out = np.flatnonzero(split == TEST)
    if len(held_out) < 2:
        held_out = np.flatnonzero(split == VALIDATION)
    voxels = np.sort(np.random.default_rng(seed).permutation(held_out)[:MAX_SAMPLES])
    inputs = np.asarray(x[voxels])
    with reproducible(made["seed"], made["threads"]):
        encoded = list(encode(network, inputs))
        mu, log_variance = (np.concatenate([block[i] for block in encoded]) for i in (1, 2))
        decoded = np.concatenate([block for _, block in decode(network, mu)])
    found = detect_collapse(
        inputs,
        decoded,
        mu,
        log_variance if made["kl_weight"] > 0 else None,  # without a weight its value means nothing
        weights=weights,
        reference=_io.load_controls(controls)[made["latent_dim"]].reconstruct(inputs),
        seed=seed,
    )
    curve = {}
    if history is not None:
        rows = read_table(history)
        rows = rows[rows["step"] >= made["kl_annealing_steps"]]
        curve = {"steps": rows["step"].tolist(), "validation": rows["val_loss"].tolist()}
    warnings = fit_warnings(n_train=made["voxels"]["train"], linear_skip=made["linear_skip"] == "pca", **curve)
    return _io.write_json(Path.cwd() / "verdict.json", {**found.to_dict(), "warnings": warnings})
