"""The methods text of a report, written from what was actually done."""

from pathlib import Path

from pydra_vae.reports.formats import count, listed, number
from pydra_vae.reports.loaded import Loaded
from pydra_vae.reports.references import REFERENCES, Reference

NETWORKS = {
    "lk": "convolutional VAE with large first kernels",
    "paper": "convolutional VAE in our reading of the paper",
    "dense": "fully connected VAE",
}
SCALINGS = {
    "minmax": "each voxel to [0, 1] over time",
    "minmax_timepoint": "each frame to [0, 1] over voxels",
    "global": "all voxels and frames together to [0, 1]",
    "zscore": "each voxel to mean 0 and standard deviation 1",
}
SPLITS = {
    "random": "single voxels drawn at random, as in the paper",
    "blocked": "whole cubes of 24 mm, so that hardly any test voxel has a training voxel as its neighbour",
    "parcel": "whole parcels of the atlas",
}
CONFOUNDS = {
    "simple": "motion, white-matter and CSF regressors",
    "scrubbing": "motion, white-matter and CSF regressors, with scrubbing",
    "compcor": "motion and CompCor regressors",
    "ica_aroma": "the noise components of ICA-AROMA",
}

# Works that the paragraph on the model may cite
CITED = {"higgins": "Higgins et al.", "fu": "Fu et al.", "zhao": "Zhao et al."}
FMRIPREP = "fMRIPrep (Esteban et al., 2019)"


def write_methods(data: Loaded) -> tuple[list[str], list[Reference]]:
    """Paragraphs and the works that they cite."""
    model = _model(data)
    paragraphs = [
        _reading(data), _scaling(data), model, _training(data), _controls(data), _measures(data), _software(data),
    ]  # fmt: skip
    paragraphs = [p for p in paragraphs if p]
    keys = ["singla", "finn", "kingma", "nilearn", "nibabel", "pydra", "torch", "sklearn", "nireports"]
    keys += ["fmriprep"] if FMRIPREP in _preprocessing(data) else []
    atlas = data.mask_info.get("atlas", "")
    keys += ["schaefer", "templateflow"] if "Schaefer2018" in atlas else []
    keys += ["smith"] if _recipe(data).get("schedule") == "one-cycle" else []
    keys += ["adam"] if data.history is not None else []
    keys += [key for key, words in CITED.items() if words in model]
    return paragraphs, sorted((REFERENCES[key] for key in keys), key=lambda r: r.text)


def why_the_paper_differs(data: Loaded) -> list[str]:
    """Why these numbers and the paper's may differ, in plain sentences."""
    texts = {
        "minmax": (
            "The paper scaled series to [0, 1] with scikit-learn's MinMaxScaler and does not say along which axis. "
            "Here each "
            "voxel is scaled over its own time course. That class, applied to voxels × time, scales each time point "
            "over "
            "voxels instead (--normalize minmax_timepoint); then the differences between voxels' means fill the "
            "range, and "
            "the same reconstruction has a far smaller MSE (some 45 times, where we tried both)."
        ),
        "minmax_timepoint": (
            "Each time point was scaled over voxels, as scikit-learn's MinMaxScaler does to voxels × time. The paper "
            "names that "
            "class but not the axis, so this is its likely reading; the differences between voxels' means fill the "
            "range, "
            "which makes the MSE small whatever the model does over time."
        ),
        "global": "The paper scaled series to [0, 1] with scikit-learn's MinMaxScaler; here one range was used for "
        "all voxels.",
        "zscore": "The paper scaled series to [0, 1]; here each voxel has a variance of 1, so errors are many times "
        "larger.",
    }
    return [
        f"{texts[data.scaling.method]} So compare R² and the controls, which do not depend on the scale, rather than "
        "MSE.",
        "The paper's data are those of Finn et al. (2018), smoothed and regressed: 139,501 voxels × 1,310 frames a "
        "subject. Its tSNR "
        "gains were probably measured on series scaled to [0, 1], since residuals have no mean."
        + (" The data here are simulated." if data.files.simulated else ""),
    ]


def mask_phrase(data: Loaded) -> str:
    """Where the voxels come from."""
    info = data.mask_info
    names = {
        "atlas": f"atlas {info.get('atlas', '')}",
        "mask file": f"mask {info.get('mask', '')}",
        "atlas and mask file": f"atlas {info.get('atlas', '')} inside the mask {info.get('mask', '')}",
        "brain mask": "brain mask common to all runs",
        "every grayordinate": "every grayordinate of the files",
    }
    text = names.get(info.get("mask_from"), "mask")
    inside = data.voxels[data.voxels["parcel"] > 0]
    parcels, networks = inside["parcel"].nunique(), len(set(inside["network"]) - {""})
    if parcels:
        text += f": {count(parcels, 'parcel')}" + (f" in {count(networks, 'network')}" if networks else "")
    return text + (" (resampled to the BOLD grid)" if info.get("atlas_resampled") else "")


def network_phrase(data: Loaded) -> str:
    """The network's name and options."""
    c = data.config
    skip = ", linear skip from PCA" if c.get("linear_skip") == "pca" else ""
    return f"{c.get('network', '–')}: {NETWORKS.get(c.get('network'), 'VAE')}{skip}"


def training_phrase(data: Loaded) -> str:
    """How long it was trained."""
    if data.history is None:
        return "none here: the model was given"
    text = count(int(data.history["step"].max()), "step")
    if name := _recipe(data).get("name"):
        text += f", recipe “{name}”"
    if seconds := data.config.get("seconds"):
        text += f", {number(seconds, 2)} s"
    return text + (", stopped early" if data.config.get("stopped") == "patience" else "")


def device_phrase(data: Loaded) -> str:
    """What it was trained on."""
    c = data.config
    device, threads = c.get("device", ""), c.get("threads")
    if device.startswith("cpu"):
        return device + (f", {count(threads, 'thread')}" if threads else "")
    return f"{device} ({c['device_model']})" if c.get("device_model") else device


def run_name(info: dict, index: int) -> str:
    """A run by its task and run entities, else by its number."""
    entities = [part for part in Path(str(info.get("bold", ""))).name.split("_") if "-" in part]
    wanted = [e for e in entities if e.partition("-")[0] in ("ses", "task", "acq", "dir", "run", "echo", "chunk")]
    return " ".join(wanted) or f"run {index + 1}"


def _recipe(data: Loaded) -> dict:
    recipe = data.config.get("recipe")
    return recipe if isinstance(recipe, dict) else {"name": recipe} if recipe else {}


def _reading(data: Loaded) -> str:
    n, total = len(data.scaling.lengths), data.x.shape[1]
    text = f"{count(n, 'BOLD run')}{' of ' + data.files.dataset if data.files.dataset else ''}, "
    text += _preprocessing(data) + f"with {count(total, 'frame')}"
    text += f" at a repetition time of {data.t_r:g} s. " if data.t_r else ". "
    text += f"Voxels: {mask_phrase(data)}; {len(data.x):,} of {data.scaling.kept.size:,} voxels were usable"
    text += " (constant and non-finite ones were left out). " if not data.scaling.kept.all() else ". "
    if "Schaefer2018" in data.mask_info.get("atlas", ""):
        text += "The atlas is that of Schaefer et al. (2018), from TemplateFlow (Ciric et al., 2022). "
    return text + _cleaning(data)


def _preprocessing(data: Loaded) -> str:
    """What made the runs, as the dataset says; nothing where it does not say."""
    if data.files.simulated:
        return "simulated on the geometry of a template, "
    names = [name.strip() for name in data.files.generated_by.split(",") if name.strip()]
    names = [FMRIPREP if name.lower() == "fmriprep" else name for name in names]
    return f"preprocessed with {listed(names)}, " if names else ""


def _cleaning(data: Loaded) -> str:
    info = next((i for i in data.run_infos if i), {})
    done = []
    if info.get("smoothing_fwhm"):
        done.append(f"smoothed with a Gaussian of {info['smoothing_fwhm']:g} mm FWHM")
    if info.get("strategy", "none") != "none":
        what = CONFOUNDS.get(info["strategy"], info["strategy"])
        done.append(f"cleaned of {what} (nilearn's strategy “{info['strategy']}”)")
    if info.get("high_pass"):
        done.append(f"high-pass filtered at {info['high_pass']:g} Hz")
    text = f"Series were {listed(done)}, each voxel keeping its mean. " if done else ""
    censored = int((~data.used).sum())
    if censored:
        text += (
            f"{count(censored, 'frame')} (dummy, non-steady-state or scrubbed) were interpolated in the input and "
            "left out of "
            "the loss and of all measures. "
        )
    return text.strip()


def _scaling(data: Loaded) -> str:
    n = len(data.scaling.lengths)
    text = f"Scaling: {SCALINGS[data.scaling.method]}, over frames that count"
    if n > 1:
        matched = data.normalization.get("match_baselines", bool(data.scaling.baseline.any()))
        text += "; runs were joined in time" + (
            ", after each voxel's mean had been made the same in every run" if matched else ", with their own means"
        )
    text += ". Everything is inverted for outputs in scanner units."
    if data.scaling.residual:
        text += " The data are residuals: their mean is about 0, so tSNR in scanner units is undefined."
    return text


def _model(data: Loaded) -> str:
    c = data.config
    layers = {
        "dense": "fully connected layers only",
        "paper": (
            "eight one-dimensional convolutions and two fully connected layers in the encoder, mirrored in the "
            "decoder. The paper "
            "gives these numbers only: kernel 3, stride 2, 16 to 128 channels, batch normalisation and ReLU are our "
            "choice"
        ),
        "lk": (
            "eight one-dimensional convolutions (the first of kernel 21 and stride 10, then 3 and 5) and two fully "
            "connected layers "
            "in the encoder, mirrored in the decoder; leaky ReLU, layer normalisation. The paper gives the numbers "
            "of layers only"
        ),
    }
    text = (
        "Model: a variational autoencoder (Kingma & Welling, 2019) over the time series of single voxels, after "
        "Singla et al. (2025), with "
        f"{count(data.latents.shape[1], 'latent dimension')}: {layers.get(c.get('network'), 'convolutional')}. "
    )
    if c.get("linear_skip") == "pca":
        text += "A linear path around the network starts as PCA of the same size. "
    return text + _regularisers(c)


def _regularisers(c: dict) -> str:
    """The KL term and its relatives, as model.json has them."""
    weight, mmd, ramp = c.get("kl_weight") or 0, c.get("mmd_weight") or 0, _ramp(c)
    if weight and c.get("beta") is not None:
        text = (
            f"The KL term has β = {number(c['beta'])} of the evidence lower bound in nats (Higgins et al., 2017): for "
            f"a noise variance of {number(c.get('noise_variance'))} a weight of {number(weight)} beside the mean "
            f"squared error{ramp}."
        )
    elif weight:
        text = f"The KL term (nats, beside the mean squared error) has the weight {number(weight)}{ramp}."
    else:
        text = f"The KL term has the weight 0{'' if mmd else ', as in the paper'}"
        sampled = "." if c.get("sample_latent") else "; so z is the mean of the encoder and nothing is sampled"
        text += sampled + ("" if c.get("sample_latent") else "." if mmd else " (the paper does not say).")
    if mmd:
        text += (
            " The maximum mean discrepancy between the latents of a batch and N(0, I), as in InfoVAE (Zhao et al., "
            f"2019), has the weight {number(mmd)}{'' if weight else ramp}."
        )
    return text


def _ramp(c: dict) -> str:
    """How the weights of the KL term and of the discrepancy rise."""
    if not (steps := c.get("kl_annealing_steps")):
        return ""
    ways = {"cyclical": "in four cycles (Fu et al., 2019)", "sigmoid": "along a sigmoid"}
    way = ways.get(c.get("annealing"), "linearly")
    return f", reached {way} over {steps:,} steps; the best weights were looked for after them"


def _training(data: Loaded) -> str:
    if data.history is None:
        return "The model was fitted elsewhere; here it only encoded and reconstructed."
    c, recipe = data.config, _recipe(data)
    decay = recipe.get("weight_decay")
    text = "Training: Adam (Kingma & Ba, 2015)" + (
        f" with a decoupled weight decay of {number(decay)}" if decay else ""
    )
    if recipe.get("learning_rate"):
        text += f", learning rate {recipe['learning_rate']:g}"
    if recipe.get("schedule") == "one-cycle":
        text += ", one cycle (Smith & Topin, 2018)"
    if recipe.get("batch_size"):
        text += f", batches of {count(recipe['batch_size'], 'voxel')}"
    if recipe.get("patience"):
        text += f", early stopping with a patience of {count(recipe['patience'], 'epoch')}"
    text += f"; {count(int(data.history['step'].max()), 'step')}"
    if c.get("warm_start"):
        text += ", from the weights of another fit (warm start)"
    if c.get("best_step") is not None:
        text += f", of which step {c['best_step']:,} had the smallest validation error and was kept"
    text += f". Seed {c['seed']}" if c.get("seed") is not None else ""
    if c.get("mixing"):
        text += f". Voxel mixing of {number(100 * c['mixing'])} % of the training voxels, drawn anew at each step"
    return f"{text}."


def _controls(data: Loaded) -> str:
    parts = [f"{split} ({SPLITS.get(split, split)})" for split in data.metrics]
    return (
        f"Voxels were split 70/10/20 into training, validation and test voxels; the split was {listed(parts)}"
        + (
            ", each with a fit of its own; maps and denoised series are those of the first. "
            if len(parts) > 1
            else ". "
        )
        + "Controls: PCA fitted to the same training voxels, with as many components as latents (ICA spans the same "
        "subspace) and "
        "with 16; shrinkage of each voxel towards its mean, to the CVAE's variance ratio; and each voxel's own mean."
    )


def _measures(data: Loaded) -> str:
    units = data.tsnr["units"].iloc[0]
    return (
        f"Measures: mean squared error on test voxels and on {number(min(2000, len(data.x)))} random voxels; its "
        "mean over voxels at frame "
        f"{data.emse_frame} (EMSE) and over all frames; R² against each voxel's own mean; the ratio of temporal "
        "variances after and before; "
        f"tSNR (temporal mean over standard deviation, in each run, then averaged) in {units} units, with each "
        "voxel's mean restored, "
        "tested with Wilcoxon's signed-rank test."
    )


def _software(data: Loaded) -> str:
    names = ("pydra-vae", "pydra", "torch", "nilearn", "nibabel", "scikit-learn", "nireports")
    return f"Software: {listed(f'{n} {data.versions[n]}' if n in data.versions else n for n in names)}."
