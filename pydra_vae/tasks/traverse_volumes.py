"""What each latent does to the image, and how much it carries."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step

MAX_IMAGES = 200  # for the variance that a latent carries alone: k + 1 decodings of each


@step(outputs={"traversals": File, "effects": File, "steps": File, "table": File})
def TraverseVolumes(
    model: File,
    config: File,
    latents: File,
    log_variance: File,
    volumes: File,
    volume_split: File,
    n_steps: int = 7,
    span: float = 2.0,
    device: Device = Device("auto"),
):
    """Decode walks along each latent, and measure what each one carries.

    Parameters
    ----------
    model, config : file
        A fit (FitVolumeVae).
    latents, log_variance : file
        (N, k) posterior means and log variances of all images (EncodeVolumes).
    volumes : file
        (N, V) images (StackVolumes).
    volume_split : file
        Split of the persons (SplitSubjects); its rows are the images.
    n_steps : int
        Images a walk, both ends included.
    span : float
        Where a walk ends to either side, in standard deviations of the training images' latents.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    traversals : file
        (k · n_steps, V) float32 images: each latent from −span to +span, the others at the training images' mean.
    effects : file
        (k, V) float32: change of the image for one standard deviation of the latent, signed.
    steps : file
        TSV: latent (from 0), step, value_sd, row (of traversals).
    table : file
        TSV, one row a latent: latent; order (1 carries most, by r2_lost); variance_share (variance over training
        images, at most 200, when this latent alone varies, over that when all do; shares need not sum to 1); kl (nats,
        mean over training images); sd (of the training images' latents); posterior_sd (root mean square over them);
        mean_abs_change_per_sd (of effects, over voxels, in units of the data); r2_lost (R² of test images with all
        latents minus that with this one at its mean); r2 (with all; the same in every row); n_train, n_test.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.stats.collapse import kl_per_unit
    from pydra_vae.tasks._io import new_array
    from pydra_vae.tasks._recordings import spaced
    from pydra_vae.tasks._volume_fitted import load_fitted
    from pydra_vae.tasks._volume_latents import load_latents
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.volume_apply import decode
    from pydra_vae.training.volume_traversals import alone_shares, effects, frozen_r2, walk_codes

    fit = load_fitted(model, config, latents, volumes, volume_split)
    train, test = fit.training, fit.split.rows("test")
    logvar = load_latents(log_variance, fit.split)[train]
    mean, sd = fit.z[train].mean(axis=0), fit.z[train].std(axis=0)
    codes, values = walk_codes(mean, sd, n_steps, span)
    walks = new_array(Path("traversals.npy"), (len(codes), fit.x.shape[1]))
    change = new_array(Path("effects.npy"), (len(mean), fit.x.shape[1]))
    with gpu_slot(device) as name, reproducible(fit.made["seed"], fit.made["threads"]):
        on = resolve_device(name), fit.bfloat16
        decode(fit.network, codes, *on, out=walks)
        change[:] = effects(fit.network, mean, sd, *on)
        shares = alone_shares(fit.network, fit.z[spaced(train, MAX_IMAGES)], mean, *on)
        r2, frozen = frozen_r2(fit.network, fit.x, test, fit.z, mean, fit.training_mean, *on)
    walks.flush()
    change.flush()
    lost = r2 - frozen
    order = np.argsort(np.argsort(-np.nan_to_num(lost), kind="stable")) + 1
    columns = {
        "latent": np.arange(len(mean)),
        "order": order,
        "variance_share": shares,
        "kl": kl_per_unit(fit.z[train], logvar),
        "sd": sd,
        "posterior_sd": np.sqrt(np.exp(logvar).mean(axis=0)),
        "mean_abs_change_per_sd": np.abs(change).mean(axis=1, dtype=np.float64),
        "r2_lost": lost,
    }
    rows = [
        {key: column[i] for key, column in columns.items()} | {"r2": r2, "n_train": len(train), "n_test": len(test)}
        for i in range(len(mean))
    ]
    steps = [
        {"latent": row // n_steps, "step": row % n_steps, "value_sd": values[row % n_steps], "row": row}
        for row in range(len(codes))
    ]
    return (
        Path("traversals.npy").absolute(),
        Path("effects.npy").absolute(),
        write_table(Path("steps.tsv"), steps),
        write_table(Path("table.tsv"), rows),
    )
