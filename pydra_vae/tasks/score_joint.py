"""A joint model on unseen persons: each modality predicted from the others, beside controls."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step


@step(outputs={"scores": File, "predictions": File, "decoded": File, "table": File})
def ScoreJoint(
    joint: File,
    joint_config: File,
    volumes: File,
    volume_split: File,
    mask: File,
    model: File,
    config: File,
    covariates: File,
    pca: File | None = None,
    second: File | None = None,
    second_model: File | None = None,
    second_config: File | None = None,
    second_mask: File | None = None,
    region: File | None = None,
    truth: File | None = None,
    seed: int = 0,
    device: Device = Device("auto"),
):
    """Score a joint model on the first visit of each test person; everything else is learnt from training persons.

    Parameters
    ----------
    joint, joint_config : file
        Weights and JSON (FitJoint).
    volumes, volume_split, mask, model, config, covariates : file
        As FitJoint was given.
    pca : file, optional
        PCA of the training images (FitVolumePca): the same head is fitted to as many of its scores as there are
        latents, and images are predicted linearly on it.
    second, second_model, second_config, second_mask : file, optional
        As FitJoint was given.
    region : file, optional
        Mask of a region of interest (planted atrophy) on the images' grid, for the images decoded.
    truth : file, optional
        Table of planted factors, one row an image (label and numbers): the ceiling of what any of them could explain.
    seed : int
        Of the controls' heads.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    scores : file
        TSV: direction ("image → SCORE", "scores → image", …), source, target, method, region, n, r2, r, mae. Methods:
        the joint model ("two-stage" or "joint"); "same head on latents", "same head on PCA" and "ridge on latents" of
        that source alone; "ridge" on the source's values, and "ridge on products" with their squares and products too;
        "ceiling" (all modalities, the target included); "planted factors"; "mean". R² is 1 − SSE/SSE(mean
        of the training images). Regions of an image: whole; related (the tenth of the voxels that follow the source
        most in training images); planted.
    predictions : file
        TSV: label, person, score, source, method, observed, predicted; one row a test person and direction.
    decoded : file
        (n, V) images decoded from one score alone, low and high; the offset of decoding the mean latent is taken off.
    table : file
        TSV, one row each of them: row, score, level, value (of the score), sd, voxel_sd (over voxels, of the
        difference from the mean image).
    """
    inputs = dict(locals())  # every input by its name, nothing else yet

    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks import _joint, _joint_scores
    from pydra_vae.training.devices import reproducible, resolve_device

    made = _joint.read_config(joint_config)
    with gpu_slot(device) as slot, reproducible(seed, made["threads"]):
        judged = _joint_scores.judge(inputs, made, resolve_device(slot))
    return _joint_scores.write(judged, Path.cwd())
