"""One fit in one row: how well it reconstructs, how it uses its latents, whether its latents tell networks apart."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"score": File})
def ScoreFit(
    model: File,
    config: File,
    scaled: File,
    frames: File,
    voxel_split: File,
    scaling: File | None = None,
    mask: File | None = None,
    voxels: File | None = None,
    controls: File | None = None,
    setting: str = "",
    seed: int = 0,
    device: Device = Device("auto"),
):
    """Score a fitted CVAE on held-out voxels, PCA of the same size beside it.

    Parameters
    ----------
    model, config : file
        Weights and JSON (FitCvae).
    scaled, frames, voxel_split : file
        Series, frames and split that it was fitted on (Normalize, SplitVoxels).
    scaling, mask, voxels : file, optional
        Scaling, mask and table of voxels; together they place the voxels in networks.
    controls : file, optional
        PCAs (FitControls) of the same split, the largest of at least the model's size; fitted here without them.
    setting : str
        A name for what varies, for the table.
    seed : int
        Seed of the voxels that are drawn.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    score : file
        TSV of one row: setting, how the fit was made, mse_val, mse_test, r2, pca_mse_val, pca_mse_test, active_units,
        kl_nats (n/a where no KL has a weight), variance_ratio, swap_ratio, collapsed, over_regularised,
        knn_accuracy, silhouette (n/a without networks), best_step, seconds.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.pca import fit_pca
    from pydra_vae.stats.splits import TEST, TRAIN, VALIDATION
    from pydra_vae.tasks import _io, _models
    from pydra_vae.training.devices import reproducible, resolve_device

    made = _models.read_config(config)
    x, split = _io.load_array(scaled), np.array(_io.load_array(voxel_split))
    _models.check_data(made, Path(scaled), x.shape, scaling, mask)
    weights, size = _io.read_weights(frames, x.shape[1]), made["latent_dim"]
    if controls is None:
        pca = fit_pca(x, size, weights, rows=split == TRAIN)
    else:
        pca = _io.first_components(controls, size, x.shape[1])
    space = None if None in (scaling, mask, voxels) else _labelled(voxels, scaling, mask, seed)
    parts = [np.flatnonzero(split == code) for code in (VALIDATION, TEST)]
    inputs = x[np.concatenate(parts)]  # test voxels last, so that they are a slice and no copy
    with gpu_slot(device) as slot, reproducible(made["seed"], made["threads"]):
        network, on = _models.load_model(model, made), resolve_device(slot)
        outputs = _through(network, inputs, on)
        latents = None if space is None else _through(network, x[space["rows"]], on)[0]
    row = {
        "setting": setting,
        "latent_dim": size,
        **{name: made[name] for name in ("seed", "network", "linear_skip", "kl_weight")},
        "beta": made.get("beta"),
        "mmd_weight": made.get("mmd_weight", 0.0),
        "annealing": made.get("annealing", "linear"),
        **_figures(inputs, outputs, len(parts[0]), pca, weights, made["kl_weight"] > 0, seed),
        **_separability(latents, space, seed),
        "best_step": made["best_step"],
        "seconds": made["seconds"],
    }
    return write_table(Path("score.tsv"), [row])


def _through(network, x, device):
    """Mean and log variance of the latents, and the reconstruction, of some rows."""
    import numpy as np

    from pydra_vae.training.apply import decode, encode

    blocks = list(encode(network, x, device))
    mu, log_variance = (np.concatenate([block[i] for block in blocks]) for i in (1, 2))
    decoded = np.empty((len(mu), x.shape[1]), np.float32)
    for rows, block in decode(network, mu, device):
        decoded[rows] = block
    return mu, log_variance, decoded


def _figures(x, outputs, n_validation: int, pca, weights, has_kl: bool, seed: int) -> dict:
    """Errors on validation and test voxels, in this order, and the detector's figures on those that JudgeFit takes."""
    import numpy as np

    from pydra_vae.stats.collapse import detect_collapse, kl_per_unit
    from pydra_vae.stats.reconstruction import compare

    mu, log_variance, decoded = outputs
    errors = compare(x, {"": decoded, "pca_": pca.reconstruct}, weights)
    validation, test = slice(0, n_validation), slice(n_validation, None)
    judged = test if len(x) - n_validation > 1 else validation
    verdict = detect_collapse(
        x[judged],
        decoded[judged],
        mu[judged],
        log_variance[judged] if has_kl else None,
        weights=weights,
        reference=pca.reconstruct,
        seed=seed,
    )
    kl = kl_per_unit(mu[judged].astype(float), log_variance[judged].astype(float)).sum()

    def mse(of, rows):
        return errors[of].mse(rows) if len(x[rows]) else np.nan

    return {
        "mse_val": mse("", validation),
        "mse_test": mse("", test),
        "r2": errors[""].r2(judged),
        "pca_mse_val": mse("pca_", validation),
        "pca_mse_test": mse("pca_", test),
        "active_units": verdict.active_units,
        "kl_nats": float(kl) if has_kl else np.nan,
        "variance_ratio": verdict.variance_ratio,
        "swap_ratio": verdict.swap_ratio,
        "collapsed": verdict.collapsed,
        "over_regularised": verdict.over_regularised,
    }


def _labelled(voxels, scaling, mask, seed: int) -> dict | None:
    """Voxels in networks, with their networks and parcels; None where there is nothing to tell apart."""
    from pydra_vae.stats.parcels import parcels_or_blocks
    from pydra_vae.stats.separability import sample_voxels
    from pydra_vae.tasks._space import Space

    space = Space.load(Path(voxels), Path(scaling), Path(mask))
    parcel = parcels_or_blocks(space.parcel, space.mm)
    rows = sample_voxels(space.network, parcel, seed=seed)
    return {"rows": rows, "network": space.network[rows], "parcel": parcel[rows]} if len(rows) else None


def _separability(latents, space: dict | None, seed: int) -> dict:
    """How well neighbours in the latent space, in other parcels, tell a voxel's network."""
    if space is None:
        return {"knn_accuracy": float("nan"), "silhouette": float("nan")}
    from pydra_vae.stats.separability import separability_of

    found = separability_of(latents, space["network"], space["parcel"], seed=seed)
    return {"knn_accuracy": found.knn_accuracy, "silhouette": found.silhouette}
