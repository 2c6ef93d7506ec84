"""One VAE of images in one row: how well it reconstructs, how much its latents hold, whether it collapsed."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"score": File, "verdict": File, "examples": File, "examples_table": File})
def ScoreVolumeVae(
    model: File,
    config: File,
    volumes: File,
    volume_split: File,
    mask: File,
    pca: File,
    history: File | None = None,
    name: str = "VAE",
    setting: str = "",
    n_examples: int = 6,
    seed: int = 0,
    device: Device = Device("auto"),
):
    """Score a fitted model on training, validation and test images, with PCA of one and two times its size beside it.

    Reconstructions are from z = μ. R² = 1 − SSE / SSE of the training images' mean, inside the mask, over all images of
    a part. SSIM and the verdicts are over at most 100 test images, evenly spaced.

    Parameters
    ----------
    model, config : file
        Weights and JSON (FitVolumeVae).
    volumes : file
        (N, V) images (StackVolumes), in the order of the split's rows.
    volume_split : file
        Which images train, validate and test (SplitSubjects).
    mask : file
        Of the images.
    pca : file
        PCA of the training images (FitVolumePca); what needs more components than it has is n/a.
    history : file, optional
        The training's course (FitVolumeVae), for the verdict on overfitting.
    name : str
        What tables call the model.
    setting : str
        A name for what varies, for the tables.
    n_examples : int
        Test images that are shown with their reconstructions.
    seed : int
        Of the sample of z, and of the images that the collapse detector swaps.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    score : file
        TSV of one row: model, setting, network, k, width, reconstruction, divergence, beta, mmd_weight, learning_rate,
        batch_size, seed (of the fit); r2_train, r2_validation, r2_test, r2_validation_se and r2_test_se (jackknife over
        persons), gap (train less test), mse_test, ssim_test (11-voxel window); the same of PCA-k (pca_), PCA-2k (pca2_)
        and the mean image (mean_); on training and validation images, in nats an image: kl, and mi, tc,
        dimension_wise, which sum to it (against an aggregate of N posteriors the first stops at mi_ceiling = log N, and
        what is above moves into tc: see the same of a Gaussian aggregate, mi_gaussian, tc_gaussian,
        dimension_wise_gaussian), and mmd; kl_test; active_units, informative_units,
        variance_ratio, swap_ratio, collapsed, over_regularised, overfitted; parameters, best_step, steps, seconds.
    verdict : file
        JSON of the collapse detector on test images, of overfitting, and warnings.
    examples : file
        (2 n, V) float32 array: n test images from the best reconstructed to the worst, then their reconstructions.
    examples_table : file
        TSV: row, label, kind (input, reconstruction), r2, ssim.
    """
    import numpy as np

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _volume_scores, _volume_vae
    from pydra_vae.tasks._io import load_array, new_array, write_json
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.tasks._volume_pca import load_pca
    from pydra_vae.training.devices import reproducible, resolve_device

    made, split, x = _volume_vae.read_config(config), Split.load(volume_split), load_array(volumes)
    _volume_vae.check_volumes(made, x, volumes, mask)
    split.check("images", x)
    linear = load_pca(pca, x.shape[1])
    course = None if history is None else read_table(history)
    with gpu_slot(device) as slot, reproducible(made["seed"], made["threads"]):
        passed = _volume_scores.pass_images(
            _volume_vae.load_model(model, made),
            x,
            split,
            linear,
            resolve_device(slot),
            made["precision"] == "bfloat16",
        )
    verdict = _volume_scores.verdict_of(passed, made, course, seed)
    figures = ("active_units", "informative_units", "variance_ratio", "swap_ratio", "collapsed", "over_regularised")
    row = {
        "model": name,
        "setting": setting,
        "network": made["network"],
        "k": made["latent_dim"],
        **{key: made[key] for key in ("width", "reconstruction", "divergence", "beta", "mmd_weight")},
        **{key: made["recipe"][key] for key in ("learning_rate", "batch_size")},
        "seed": made["seed"],
        **passed.reconstruction(),
        **_volume_scores.information(passed, seed),
        **{key: verdict[key] for key in figures},
        "overfitted": verdict["overfitting"]["overfitted"],
        **{key: made[key] for key in ("parameters", "best_step", "steps", "seconds")},
    }
    images, table = _volume_scores.examples(passed, n_examples)
    shown = new_array(Path("examples.npy").absolute(), images.shape)
    shown[:] = images
    shown.flush()
    return (
        write_table(Path("score.tsv"), [row]),
        write_json(Path("verdict.json"), _finite(verdict, np)),
        Path("examples.npy").absolute(),
        write_table(Path("examples.tsv"), table),
    )


def _finite(verdict: dict, np) -> dict:
    """JSON has no infinity: the swap ratio of a perfect reconstruction is left out."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in verdict.items()
    }
