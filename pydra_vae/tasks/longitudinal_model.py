"""How latents change over the visits of a person, and what the next visit will look like."""

from pathlib import Path
from typing import Literal

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.devices import Device
from pydra_vae.engine.step import step

COEFFICIENTS = (
    "latent", "intercept", "slope_per_year", "se", "p", "q", "slope_sd_per_year", "slope_between", "se_between",
    "p_between", "sd_intercept", "sd_slope", "r_intercept_slope", "sd_residual", "n_images", "n_persons", "n_repeated",
    "note",
)  # fmt: skip
PREDICTIONS = ("label", "person", "part", "n_earlier", "years", "method", "region", "mse")
SCORES = (
    "method", "region", "mse", "ratio_to_carry_forward", "ratio_low", "ratio_high", "p", "n", "n_persons",
    "ratio_test", "n_test",
)  # fmt: skip
FROZEN = ("latent", "region", "mse", "ratio_to_carry_forward", "loss", "p", "slope_per_year", "n")
STEPS = ("row", "kind", "age", "years", "mean", "change")


@step(
    outputs={
        "coefficients": File, "predictions": File, "scores": File, "frozen": File, "progression": File,
        "progression_steps": File, "info": File,
    }
)  # fmt: skip
def LongitudinalModel(
    model: File,
    config: File,
    latents: File,
    volumes: File,
    volume_split: File,
    covariates: File,
    time: Literal["age", "time"] = "age",
    covariates_used: list[str] = [],  # noqa: B006 (a step's default is read, never changed)
    pca: File | None = None,
    n_ages: int = 7,
    seed: int = 0,
    device: Device = Device("auto"),
):
    """Fit a mixed model of each latent over time, and predict the later visits of validation and test persons.

    Change within persons and differences between persons of different ages have slopes of their own. The next visit is
    the last image plus the decoded difference between the last latents and those that the person's slope leads to; all
    models are fitted on the training persons, and nothing of a predicted visit is used but its time.

    Parameters
    ----------
    model, config : file
        A fit (FitVolumeVae).
    latents : file
        (N, k) posterior means of all images (EncodeVolumes).
    volumes : file
        (N, V) images (StackVolumes).
    volume_split : file
        Split of the persons (SplitSubjects); its rows are the images.
    covariates : file
        Table of Covariates, with the column that `time` names.
    time : str
        age, or years since the first visit.
    covariates_used : list of str
        Columns that are further fixed effects; words are categories.
    pca : file, optional
        PCA of the images (FitVolumePca): the same models on as many of its scores, as a control.
    n_ages : int
        Images of each progression.
    seed : int
        Of intervals and sign flips.
    device : str
        auto, cpu, cuda, cuda:N or mps; no part of the key.

    Returns
    -------
    coefficients : file
        TSV, one row a latent: intercept (an average person's first visit), slope_per_year within persons with se, p and
        q (over latents), slope_sd_per_year (in sd of the training latents), slope_between persons (over the age at the
        first visit), random effects (sd_intercept, sd_slope, their correlation, sd_residual), n_repeated (training
        persons with several visits), note.
    predictions : file
        TSV, one row a later visit, method and region (whole; changing: the tenth of voxels of steepest slope within
        training persons): mse. Methods: carry_forward (the last image), decoded_difference (ours),
        average_change (the same with the average person's slope), decoded_prediction (only the decoder),
        decoded_last (the last visit's reconstruction, without any change: what the decoder's denoising brings alone),
        pca_change (ours on PCA scores), voxel_slope (the last image and each voxel's slope within training persons),
        own_voxel_slope (the person's own, where two visits came before), true_latents (the difference that the true
        latents decode to: a ceiling).
    scores : file
        TSV, one row a method and region: mse, ratio_to_carry_forward with a 95 % interval over persons, p (signs of the
        persons' differences flipped), n visits, n_persons, ratio_test and n_test (test persons alone).
    frozen : file
        TSV, one row a latent and region: error of decoded_difference when that latent does not change; loss (of the
        ratio), p.
    progression : file
        (n, V) float32 images decoded along time.
    progression_steps : file
        TSV, one row an image: row, kind (between: average persons of different ages at their first visit; within: one
        person of average age over the years that were observed), age, years, mean, change (root mean square difference
        to the first of its kind).
    info : file
        JSON: persons, visits, images left out, and a message where there are no repeated visits.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.engine.devices import gpu_slot
    from pydra_vae.tasks._io import write_json
    from pydra_vae.tasks._visits import Predictor, frozen_rows, later, score_rows
    from pydra_vae.training.devices import reproducible, resolve_device
    from pydra_vae.training.volume_apply import decode

    visits, info = _load(model, config, latents, volumes, volume_split, covariates, time, covariates_used)
    fit, paths = visits.fitted, visits.trajectories(visits.fitted.z)
    coming = visits.held_out()
    errors, frozen = [], []
    with gpu_slot(device) as name, reproducible(fit.made["seed"], fit.made["threads"]):
        place = resolve_device(name)
        decoder = lambda codes: decode(fit.network, codes, place, fit.bfloat16)  # noqa: E731
        progression, steps = _progression(visits, paths, decoder, n_ages, time)
        if coming:
            predictor = Predictor(visits, paths, decoder, _linear(visits, pca))
            for visit in coming:
                about = later(visit, visits)
                by_method, by_latent = predictor.errors(visit)
                errors += [about | row for row in by_method]
                frozen += [about | row for row in by_latent]
    errors, frozen = pd.DataFrame(errors), pd.DataFrame(frozen)
    tables = {
        "coefficients": (_coefficients(visits, paths), COEFFICIENTS),
        "predictions": (errors, PREDICTIONS),
        "scores": (score_rows(errors, seed) if coming else [], SCORES),
        "frozen": (frozen_rows(frozen, errors, paths.slope("within"), seed) if coming else [], FROZEN),
        "progression_steps": (steps, STEPS),
    }
    written = {n: write_table(Path(f"{n}.tsv"), pd.DataFrame(rows, columns=list(c))) for n, (rows, c) in tables.items()}
    info = write_json(Path("info.json"), info | _counts(visits, paths, coming))
    files = [written[n] for n in ("coefficients", "predictions", "scores", "frozen")]
    return *files, progression, written["progression_steps"], info


def _load(model, config, latents, volumes, volume_split, covariates, time, used):
    """The images with a time and all covariates, and what is said about those without."""
    from pydra_vae.stats.confound_removal import confound_design
    from pydra_vae.tasks._covariates import check_columns, is_number, typed
    from pydra_vae.tasks._visits import Visits
    from pydra_vae.tasks._volume_fitted import load_fitted
    from pydra_vae.tasks._volume_latents import read_covariates

    fit = load_fitted(model, config, latents, volumes, volume_split)
    table = read_covariates(covariates, fit.split)
    check_columns(table, [time, *used], covariates)
    if not is_number(table[time]):
        raise ValueError(f"{covariates}: {time} has words ({table[time].dropna().iloc[0]}), and years are needed")
    rows = np.flatnonzero(table[[time, *used]].notna().all(axis=1))
    if not (fit.split.part[rows] == "train").any():
        raise ValueError(f"{covariates}: no training image has {' and '.join([time, *used])}")
    columns = {name: typed(table[name].iloc[rows]) for name in used}
    visits = Visits(fit, rows, table[time].to_numpy(dtype=float)[rows], confound_design(columns, len(rows)))
    return visits, {"time": time, "covariates": list(used), "images_left_out": len(table) - len(rows)}


def _linear(visits, pca):
    from pydra_vae.tasks._volume_latents import pca_scores

    if pca is None:
        return None
    fit = visits.fitted
    scores, found = pca_scores(pca, fit.x, np.arange(len(fit.x)), fit.z.shape[1])
    paths = visits.trajectories(np.asarray(scores, dtype=float))
    return paths, scores[visits.rows], np.asarray(found.components[: fit.z.shape[1]], dtype=float)


def _counts(visits, paths, coming):
    repeated = visits.part[paths.since > 0]
    info = {
        "images": {part: int((visits.part == part).sum()) for part in ("train", "validation", "test")},
        "later_visits": {part: int((repeated == part).sum()) for part in ("train", "validation", "test")},
        "predicted_visits": len(coming),
        "longest_follow_up_years": float(paths.since.max()),
        "message": "",
    }
    if not len(repeated):
        info["message"] = "no person has a second visit: change within persons cannot be measured, nor predicted"
    elif "within" not in paths.names:
        info["message"] = "no training person has a second visit: slopes are between persons, and predictions use these"
    elif not coming:
        info["message"] = "no validation or test person has a second visit: nothing can be predicted"
    return info


def _coefficients(visits, paths):
    from scipy.stats import false_discovery_control
    from scipy.stats import t as student

    training = visits.part == "train"
    persons = len(set(visits.person[training]))
    repeated = len(set(visits.person[training & (paths.since > 0)]))
    sd = visits.fitted.z[visits.rows[training]].std(axis=0)
    rows = []
    for j, found in enumerate(paths.models):
        row = {"latent": j, "intercept": found.beta[0], "n_images": int(training.sum())}
        row |= {"n_persons": persons, "n_repeated": repeated, "sd_residual": found.sigma, "note": _note(found, paths)}
        for name, columns, dof in (
            ("within", ("slope_per_year", "se", "p"), max(repeated - 1, 1)),
            ("between", ("slope_between", "se_between", "p_between"), found.dof),
        ):
            if name in paths.names:
                beta, se = (values[paths.names.index(name)] for values in (found.beta, found.se))
                p = 2 * student.sf(abs(beta) / se, dof) if se > 0 else None
                row |= dict(zip(columns, (beta, se, p), strict=True))
        if "within" in paths.names:
            sds = np.sqrt(np.diag(found.random))
            both = float(sds.prod())
            row |= {"sd_intercept": sds[0], "sd_slope": sds[1], "slope_sd_per_year": row["slope_per_year"] / sd[j]}
            row["r_intercept_slope"] = found.random[0, 1] / both if both > 1e-12 else None
        rows.append(row)
    known = [row for row in rows if row.get("p") is not None]
    if known:
        for row, q in zip(known, false_discovery_control([row["p"] for row in known]), strict=True):
            row["q"] = q
    return rows


def _note(found, paths):
    if "within" not in paths.names:
        return "no training person has a second visit"
    if found.random[1, 1] < 1e-6 * max(found.random[0, 0], found.sigma**2):
        return "slopes do not differ between persons"
    return None


def _progression(visits, paths, decoder, n_ages, time):
    """Decoded images of average persons: of different ages, and over the years that were observed."""
    from pydra_vae.tasks._io import new_array
    from pydra_vae.tasks._visits import first_times

    first = first_times(visits, paths)
    walks = []
    if "between" in paths.names:
        ages = np.linspace(*np.quantile(first, [0.05, 0.95]), n_ages)
        walks.append(("between", ages, np.zeros(n_ages)))
    if "within" in paths.names:
        years = np.linspace(0, paths.since[visits.part == "train"].max(), n_ages)
        walks.append(("within", np.full(n_ages, paths.centre), years))
    if not walks:  # everyone of one age and seen once: the average person
        walks.append(("between", np.array([paths.centre]), np.zeros(1)))
    written = new_array(Path("progression.npy"), (sum(len(ages) for _, ages, _ in walks), visits.shape[1]))
    steps: list[dict] = []
    for kind, ages, years in walks:
        begin, images = len(steps), decoder(paths.population(ages, years)).astype(np.float64)
        written[begin : begin + len(ages)] = images
        change = np.sqrt(((images - images[0]) ** 2).mean(axis=1))
        steps += [
            {
                "row": begin + i, "kind": kind, "age": ages[i] + years[i] if time == "age" else None,
                "years": years[i] if kind == "within" or time == "time" else None, "mean": images[i].mean(),
                "change": change[i],
            }
            for i in range(len(ages))
        ]  # fmt: skip
    written.flush()
    return Path("progression.npy").absolute(), steps
