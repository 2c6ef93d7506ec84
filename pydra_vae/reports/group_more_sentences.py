"""Sentences of the group report on what the paper leaves to future work, and on controls that it lacks."""

import numpy as np

from pydra_vae.reports.formats import count, fixed, number, signed, space_name
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, ERROR, POINT, Finding, higher

LEAK = 0.01  # gain over PCA on a Gaussian surrogate that no honest autoencoder has
FOLLOWS = 0.5  # correlation from which on one profile is said to follow another


def divergence(errors: dict[str, float], accuracies: dict[str, float], none: str = "no KL") -> Finding:
    """What the KL term and its relatives cost and bring.

    Parameters
    ----------
    errors, accuracies : dict
        Mean test error and mean k-NN accuracy by setting.
    none : str
        The setting without any.

    Examples
    --------
    >>> divergence({"no KL": 1.0, "β 1": 1.1}, {"no KL": 0.3, "β 1": 0.34}).text
    'β 1 costs +10.0 % in error and separates networks best (k-NN accuracy 0.34 against 0.30 without KL).'
    """
    if none not in errors or len(errors) < 2:
        return Finding("The setting without a KL term is missing, so nothing can be compared.")
    price = {name: 100 * (error / errors[none] - 1) for name, error in errors.items() if name != none}
    known = {name: value for name, value in accuracies.items() if np.isfinite(value)}
    if none not in known:
        dearest = max(price, key=price.__getitem__)
        return Finding(f"The largest price is that of {dearest}: {signed(price[dearest])} % in error.")
    best = max(known, key=known.__getitem__)
    if known[best] <= known[none] + POINT:
        low, high = min(price.values()), max(price.values())
        most = f"; best {fixed(known[best])}, {best}" if best != none else ""
        return Finding(
            f"No setting separates networks better than none by more than {POINT:g} (k-NN accuracy "
            f"{fixed(known[none])}{most}), at "
            f"{signed(low)} to {signed(high)} % in error."
        )
    return Finding(
        f"{best} costs {signed(price[best])} % in error and separates networks best (k-NN accuracy "
        f"{fixed(known[best])} against {fixed(known[none])} without KL)."
    )


def _flags(kind: str, detector: str, planted, flagged: dict[str, float]) -> str:
    """How many a detector flags at its threshold: a good order may still have a threshold that nothing reaches."""
    found = flagged.get(detector, np.nan)
    if not np.isfinite([found, planted]).all():
        return ""
    return f"; at its threshold it flags a mean of {number(found, 2)} {kind}s where {number(planted, 2)} are planted"


def outliers(
    auc: dict[str, dict[str, float]], n_planted: dict[str, float], flagged: dict[str, dict[str, float]] | None = None
) -> Finding:
    """How well planted artefacts are found.

    Parameters
    ----------
    auc : dict
        Kind (voxel, frame) to detector to mean area under the ROC curve.
    n_planted : dict
        Kind to the mean number of planted ones.
    flagged : dict, optional
        Kind to detector to the mean number that it flags at its threshold.
    """
    texts = []
    for kind, by_detector in auc.items():
        ours = {d: v for d, v in by_detector.items() if not is_control(d) and np.isfinite(v)}
        controls = {d: v for d, v in by_detector.items() if is_control(d) and np.isfinite(v)}
        if not ours:
            continue
        best = max(ours, key=ours.__getitem__)
        text = f"planted artefact {kind}s are found with an AUC of {fixed(ours[best])} ({best})"
        if controls:
            other = max(controls, key=controls.__getitem__)
            verb = "better than" if ours[best] > controls[other] + POINT else (
                "no better than" if ours[best] >= controls[other] - POINT else "worse than")  # fmt: skip
            text += f", {verb} the best control ({control_name(other)}, {fixed(controls[other])})"
        texts.append(text + _flags(kind, best, n_planted.get(kind, np.nan), (flagged or {}).get(kind, {})))
    if not texts:
        return Finding("Nobody knows which voxels and frames are outliers here, so no AUC can be given.")
    return Finding(" ".join(f"{text[0].upper()}{text[1:]}." for text in texts))


def is_control(detector: str) -> bool:
    """Whether a detector of outliers is a control.

    Examples
    --------
    >>> is_control("error"), is_control("control: pca error"), is_control("dvars")
    (False, True, True)
    """
    return detector not in ("error", "density", "combined")


def control_name(detector: str) -> str:
    """A control's name without the word.

    Examples
    --------
    >>> control_name("control: pca error"), control_name("dvars")
    ('PCA error', 'DVARS')
    """
    return space_name(detector.removeprefix("controls: ").removeprefix("control: "))


def samples(distance: float, control: float, reconstruction: float) -> Finding:
    """How like the data new series are.

    Parameters
    ----------
    distance, control, reconstruction : float
        Root mean square difference of log10 spectra to the data: of new series, of PCA's, of reconstructions.
    """
    factor = 10**distance
    text = f"The power of new series differs from the data's by a factor of {fixed(factor, 1)} on average"
    beside = []
    if np.isfinite(reconstruction):
        beside.append(f"reconstructions {fixed(10**reconstruction, 1)}")
    if np.isfinite(control):
        beside.append(f"series drawn from PCA {fixed(10**control, 1)}")
    text += f" ({', '.join(beside)})" if beside else ""
    if np.isfinite(control) and distance > control:
        text += "; PCA's are nearer"
    if reconstruction >= 0.9 * distance:
        text += ": nearly all of it is what reconstructions lack as well"
    return Finding(f"{text}.")


def reliability(by_model: dict[str, np.ndarray], measure: str) -> Finding:
    """Do denoised maps of one half predict the raw other half better than raw maps do?

    Examples
    --------
    >>> reliability({"raw": np.array([0.6]), "cvae": np.array([0.5]), "pca": np.array([0.4])}, "Task maps").text
    'Task maps: the CVAE does not improve on raw data (r = 0.50 against 0.60), but loses less than PCA (0.40).'
    """
    if "cvae" not in by_model or "raw" not in by_model:
        return Finding(f"{measure}: the CVAE or the raw data are missing.")
    cvae, raw = np.asarray(by_model["cvae"]), np.asarray(by_model["raw"])
    pca = np.asarray(by_model.get("pca", [np.nan]))
    figures = f"(r = {fixed(np.nanmean(cvae))} against {fixed(np.nanmean(raw))})"
    if cvae.size == raw.size and higher(cvae, raw):
        text = f"{measure}: the CVAE's are more reliable than raw ones {figures}"
        smooth = np.asarray(by_model.get("smoothing", [np.nan]))
        if smooth.size == cvae.size and not higher(cvae, smooth):
            return Finding(f"{text}, but plain smoothing does as well ({fixed(np.nanmean(smooth))}).", ALSO)
        return Finding(f"{text}.", AGREES)
    text = f"{measure}: the CVAE does not improve on raw data {figures}"
    if pca.size == cvae.size and higher(cvae, pca):
        text += f", but loses less than PCA ({fixed(np.nanmean(pca))})"
    return Finding(f"{text}.", DIFFERS)


def surrogate(gains, same_start: bool = False) -> Finding:
    """Does the CVAE beat PCA where it cannot?

    Parameters
    ----------
    gains : (S,) array
        1 − MSE/MSE of PCA on Gaussian data with the subject's own covariance.
    same_start : bool
        Whether the fits started as PCA (linear skip) and none became better on validation voxels.

    Examples
    --------
    >>> surrogate(np.array([0.002, -0.004])).text
    'On Gaussian data of the same covariance the CVAE gains −0.1 % over PCA on average, 0.2 % at most: no leak.'
    """
    gains = np.asarray(gains, dtype=float)
    most, mean = float(np.nanmax(gains)), float(np.nanmean(gains))
    average = f"{signed(100 * mean)} % over PCA on average, " if gains.size > 1 else ""
    text = f"On Gaussian data of the same covariance the CVAE gains {average}{fixed(100 * most, 1)} %"
    text += " at most" if gains.size > 1 else " over PCA"
    if most > LEAK:
        return Finding(f"{text}. No model can: this is a leak, and the gains on this page cannot be trusted.", DIFFERS)
    short = " (it falls short of PCA, so it may not be trained to the end)" if mean < -5 * ERROR else ""
    start = " The fits start as PCA here, and no step of their training was better on validation voxels."
    return Finding(f"{text}: no leak{short}.{start if same_start else ''}")


def stimulus(r, n_networks: int, denoised, raw, pca=np.nan, r_raw=np.nan) -> Finding:
    """Is the planted share of the stimulus found again by correlation between subjects, beyond raw series and PCA?"""
    text = f"Correlation between subjects rises from {fixed(raw)} to {fixed(denoised)} by denoising"
    text += f" (PCA: {fixed(pca)})" if np.isfinite(pca) else ""
    if not denoised > raw:
        text = f"Denoising does not raise the correlation between subjects ({fixed(raw)} to {fixed(denoised)})"
    if np.isfinite(r):
        verb = "follows" if r >= FOLLOWS else "hardly follows"
        text += f"; over {count(n_networks, 'network')} it {verb} the planted share of the stimulus (r = {fixed(r)}"
        text += f"; raw series {fixed(r_raw)})" if np.isfinite(r_raw) else ")"
    return Finding(f"{text}.")


def planted_latents(by_space: dict[str, float]) -> Finding:
    """Which space holds the planted latents."""
    if "cvae" not in by_space:
        return Finding("Planted latents were not compared.")
    rest = {name: value for name, value in by_space.items() if name != "cvae"}
    beside = ", ".join(f"{space_name(name)} {fixed(value)}" for name, value in rest.items())
    text = f"Linear regression from the CVAE's latents explains R² {fixed(by_space['cvae'])} of the planted ones"
    pca = rest.get("pca", np.nan)
    verb = ", no more than PCA of the same size" if pca >= by_space["cvae"] - POINT else ""
    return Finding(f"{text}{verb} ({beside}).")


def dimensions(cvae: tuple[float, float, float], pca: float, raw: float, gaussian: float = np.nan) -> Finding:
    """How many dimensions the latents fill (TwoNN), beside random points of the same covariance, PCA and raw series."""
    value, low, high = cvae
    beside = [f"random points of their covariance {number(gaussian, 2)}"] if np.isfinite(gaussian) else []
    beside += [f"PCA {number(pca, 2)}"] if np.isfinite(pca) else []
    beside += [f"raw series {number(raw, 2)}"] if np.isfinite(raw) else []
    more = f"; {', '.join(beside)}" if beside else ""
    return Finding(
        f"The latents fill {number(value, 2)} dimensions (TwoNN, {number(low, 2)} to {number(high, 2)}{more})."
    )


def gradients(r_best, share: float, r_all, r_null) -> Finding:
    """How like diffusion gradients the latents are.

    Parameters
    ----------
    r_best : float
        Mean over latents of the largest |r| with a gradient.
    share : float
        Of latents whose best gradient is more like them than random maps' best ones (p < .05).
    r_all, r_null : float
        Multiple correlation of a latent with all gradients, and with random maps; NaN where unknown.
    """
    text = (
        f"A latent's most similar gradient has |r| = {fixed(r_best)} on average, more than smooth random maps in "
        f"{fixed(100 * share, 0)} % of latents"
    )
    if np.isfinite(r_all):
        text += f"; all gradients together explain it with R = {fixed(r_all)} (random maps {fixed(r_null)})"
    return Finding(f"{text}.")
