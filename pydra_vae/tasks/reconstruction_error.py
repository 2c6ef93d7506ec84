"""How well the model reconstructs, beside its controls."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"metrics": File, "mse_map": File, "emse": File, "warnings": File})
def ReconstructionError(
    scaled: File,
    reconstruction: File,
    scaling: File,
    voxel_split: File,
    frames: File,
    controls: File,
    mask: File,
    scheme: str = "random",
    emse_frame: int | None = None,
    seed: int = 0,
):
    """Measure MSE, EMSE, R² and the variance ratio of the model and of its controls.

    The controls are the voxel's own mean, PCA of the same size (ICA spans the same subspace) and a
    larger one, fitted to the same training voxels, and pure shrinkage with the model's variance
    ratio on test voxels. Frames of weight 0 do not count.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    reconstruction : file
        (K, T) reconstruction in scaled units, as decoded (Reconstruct).
    scaling : file
        Scaling of Normalize.
    voxel_split : file
        Split of the voxels (SplitVoxels).
    frames : file
        Joined table of frames (Normalize).
    controls : file
        PCAs (FitControls).
    mask : file
        The mask, for the map.
    scheme : str
        Name of the split, for the table.
    emse_frame : int, optional
        Frame, from 0, of the volume-wise error; 900 as in the paper by default, or the middle of
        shorter series; the nearest frame that is not censored.
    seed : int
        Seed of the 2,000 random voxels.

    Returns
    -------
    metrics : file
        TSV, one row a model: mse_test, mse_random, emse_frame, emse_all, r2, variance_ratio (the
        last two on test voxels).
    mse_map : file
        NIfTI map of the model's voxel-wise MSE, in scaled units squared.
    emse : file
        TSV, one row a frame, one column a model.
    warnings : file
        JSON list of warnings, e.g. no gain over PCA.
    """

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.stats import reconstruction as errors_of
    from pydra_vae.stats.fit_warnings import gain_warnings
    from pydra_vae.stats.splits import TEST
    from pydra_vae.tasks._io import load_array, write_json
    from pydra_vae.tasks._maps import save_map
    from pydra_vae.tasks._measured import Measured

    cwd = Path.cwd()
    data = Measured.load(scaled, reconstruction, scaling, frames, controls)
    x, weights = data.x, data.weights
    test = load_array(voxel_split) == TEST
    table = errors_of.compare(x, data.fitted, weights)
    trivial = {
        "shrinkage": data.shrinkage(table["cvae"].variance_ratio(test)),
        "voxel mean": lambda rows: errors_of.voxel_mean(rows, weights),
    }
    table |= errors_of.compare(x, trivial, weights)

    chosen = errors_of.random_voxels(len(x), seed)
    frame = errors_of.emse_frame(x.shape[1], weights) if emse_frame is None else emse_frame
    rows = [
        {
            "split": scheme,
            "model": name,
            "mse_test": found.mse(test),
            "mse_random": found.mse(chosen),
            "emse_frame": found.emse(frame),
            "emse_all": found.emse(),
            "r2": found.r2(test),
            "variance_ratio": found.variance_ratio(test),
        }
        for name, found in table.items()
    ]
    by_frame = read_table(frames)[["run", "frame", "weight"]]
    by_frame = by_frame.assign(**{name: found.frame for name, found in table.items()})
    ours, pca = (table[name].mse(test) for name in ("cvae", data.same_size))
    warnings = gain_warnings(ours, pca, scheme, data.latent_dim, int(test.sum()))
    return (
        write_table(cwd / "metrics.tsv", rows),
        save_map(cwd / "mse", table["cvae"].voxel, data.scaling, mask),
        write_table(cwd / "emse.tsv", by_frame),
        write_json(cwd / "warnings.json", warnings),
    )
