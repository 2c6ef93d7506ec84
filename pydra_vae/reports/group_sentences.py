"""Sentences on what the paper claims of single subjects: does ours agree, and does its control?

One function a claim of Singla, Bazin and Scherf (2025). Each takes plain numbers (and arrays over subjects) and gives a
`Finding`.
"""

import numpy as np

from pydra_vae.reports.formats import count, fixed, model_name, number, p_value, signed, space_name
from pydra_vae.reports.group_findings import AGREES, ALIKE, ALSO, DIFFERS, ERROR, OPEN, POINT, Finding, higher, sentence

ORDER = 5.0  # from which factor on we speak of an order of magnitude
# Silhouettes below which there is no substantial structure, and up to which it is weak (Kaufman & Rousseeuw, 1990)
CLUSTERED, WEAK = 0.25, 0.5
PAPER_RISE = 0.019 / 0.0011


def reconstruction(ours, control, pca: str) -> Finding:
    """Does the CVAE reconstruct better than PCA of its size?

    Parameters
    ----------
    ours, control : (S,) arrays
        Mean squared errors of the CVAE and of PCA, by subject.
    pca : str
        The control's name.

    Examples
    --------
    >>> reconstruction(np.array([0.9, 0.8]), np.array([1.0, 1.0]), "pca-9").text
    "The CVAE's error is 15.0 % below that of PCA-9, and below it in 2 of 2 subjects."
    """
    change = float(np.mean(ours / control - 1))
    better, name = int((ours < control).sum()), model_name(pca).partition(" =")[0]
    where = f"in {better} of {count(len(ours), 'subject')}" if len(ours) > 1 else "in the one subject"
    if change < -ERROR:
        below = f", and below it {where}" if len(ours) > 1 else ""
        return Finding(f"The CVAE's error is {fixed(-100 * change, 1)} % below that of {name}{below}.", AGREES)
    if change > ERROR:
        return Finding(
            f"{name} reconstructs better: the CVAE's error is {fixed(100 * change, 1)} % above (below it {where}).",
            DIFFERS,
        )
    return Finding(f"PCA of the same size ({name}) reconstructs as well ({signed(100 * change)} %).", ALSO)


def emse(ratio, control) -> Finding:
    """Is the error of one volume like that over time, and is PCA's? Ratios of the two errors."""
    beside = f"; PCA: {number(control, 2)}" if np.isfinite(control) else ""
    text = f"The error of one volume is {number(ratio, 2)} times that over time (paper: 1.4{beside})."
    alike, also = (0.5 < value < 2 for value in (ratio, control))
    return Finding(text, DIFFERS if not alike else ALSO if also else AGREES)


def cross_subject(within, across, pca_within, pca_across) -> Finding:
    """Does the error rise by an order of magnitude in other subjects, and does PCA's as well?"""
    rise, control = across / within, pca_across / pca_within
    text = (
        f"Through other subjects' models the error is {number(rise, 2)} times as large (paper: {number(PAPER_RISE, 2)})"
    )
    if not np.isfinite(rise):
        return Finding("No model could be given another subject's data.")
    verdict = AGREES if rise >= ORDER else DIFFERS
    text += ", which is no order of magnitude. " if verdict == DIFFERS else ". "
    if not np.isfinite(control):
        return Finding(text.strip(), verdict)
    if across > pca_across * (1 - ALIKE) and across < pca_across * (1 + ALIKE):
        more = (
            f"PCA fitted to the other subject does as badly (MSE {number(pca_across)} against {number(across)}), so "
            "the rise shows that courses differ between subjects, not a property of the CVAE's latents."
        )
        verdict = ALSO if verdict == AGREES else verdict
    elif across >= pca_across:
        more = f"PCA carries over better (MSE {number(pca_across)} against {number(across)})."
    else:
        more = f"PCA carries over worse (MSE {number(pca_across)} against {number(across)})."
        verdict = ALSO if verdict == AGREES else verdict
    return Finding(text + more, verdict)


def tsnr(gain, shrinkage, pca) -> Finding:
    """Is the gain in tSNR more than deleting variance is worth?

    Parameters
    ----------
    gain, shrinkage, pca : float
        Mean gains in per cent; NaN where there is none.
    """
    if not np.isfinite(gain):
        return Finding("tSNR is undefined here.")
    if gain <= 0:
        return Finding(f"tSNR does not rise ({signed(gain)} %).", DIFFERS)
    text = f"tSNR rises by {fixed(gain, 1)} %"
    beside = f"; PCA of the same size gains {signed(pca)} %" if np.isfinite(pca) else ""
    if not np.isfinite(shrinkage):
        return Finding(f"{text}{beside}. Without the shrinkage control this says little about denoising.", OPEN)
    if gain <= shrinkage * (1 + ALIKE):
        return Finding(
            f"{text}, but shrinking every voxel towards its mean, which removes signal and noise alike, gains "
            f"{signed(shrinkage)} %: a gain like this one is no evidence of denoising{beside}.",
            ALSO,
        )
    text += f", more than by shrinkage ({signed(shrinkage)} %)"
    if pca >= gain * (1 - ALIKE):
        word = "more" if pca > gain * (1 + ALIKE) else "as much"
        return Finding(
            f"{text}, but PCA of the same size gains {word} ({signed(pca)} %). tSNR also rises where signal is lost, "
            "so read it with R².",
            ALSO,
        )
    return Finding(f"{text}{beside}; how much of it was noise only R² and a planted signal can tell.", AGREES)


def significance(p, p_smallest, n: int) -> Finding:
    """What a p over subjects can say, beside the paper's over voxels."""
    text = (
        f"Over {count(n, 'subject')}, which are independent as voxels are not: {p_value(p, p_smallest)}. The paper's "
        "p is over dependent voxels and below the smallest double."
    )
    return Finding(text, OPEN)


def size(choice: dict, paper: int = 9) -> Finding:
    """Does the stated rule choose the paper's latent size?

    Parameters
    ----------
    choice : dict
        Of ChooseSize: size (None without an elbow), low, high, verdict, sentence, pca_size.

    Examples
    --------
    >>> size({"size": 6, "low": 4, "high": 8}).verdict, size({"size": 12, "low": 9, "high": 16}).text
    ('otherwise', "The rule chooses 12; the paper's 9 lies within its interval (9 to 16).")
    """
    chosen, low, high = choice.get("size"), choice.get("low"), choice.get("high")
    pca = choice.get("pca_size")
    beside = f" For PCA it chooses {pca}." if pca is not None else ""
    beside += f" Beside the rule, only to describe: {near.removesuffix('.')}." if (near := _near(choice)) else ""
    said = sentence(str(choice.get("sentence", "")))
    if chosen is None:
        return Finding(f"{said or 'No elbow.'} So the error alone does not choose {paper}.{beside}", DIFFERS)
    if choice.get("verdict") == "uncertain":
        return Finding(f"{said}{beside}", OPEN)
    interval = f" ({low} to {high})" if low is not None and low != high else ""
    within = chosen == paper or (low is not None and low <= paper <= high)
    if chosen == paper:
        text = f"The rule chooses {chosen} as well{interval}."
    else:
        where = "within" if within else "outside"
        text = f"The rule chooses {chosen}; the paper's {paper} lies {where} its interval{interval}."
    return Finding(text + beside, AGREES if within else DIFFERS)


def of_size(name: str) -> str:
    """A linear space within a sentence.

    >>> of_size("pca whitened"), of_size("ica")
    ('whitened PCA', 'ICA')
    """
    shown = space_name(name)
    return shown if shown.isupper() else shown[:1].lower() + shown[1:]


def _near(choice: dict) -> str:
    """The smallest size near the largest one's error, with PCA's; "" where it was not looked for."""
    text, pca = str(choice.get("near_sentence", "")), choice.get("pca_near_size")
    return f"{text}; for PCA it is {pca}" if text and pca is not None else text


def correlations(largest, rotated=np.nan, limit: float = 0.3) -> Finding:
    """Are all correlations of latent dimensions below 0.3, and would they be on other axes?

    Parameters
    ----------
    largest : (S,) array
        Of each subject.
    rotated : float
        The largest on random axes of the same space.
    """
    largest = np.asarray(largest, dtype=float)
    below, n = int((largest < limit).sum()), len(largest)
    axes, alike = "", False
    if np.isfinite(rotated):
        alike = rotated < limit if below == n else rotated <= largest.mean() * (1 + ALIKE)
        axes = f" On random axes of the same spaces the largest is {fixed(rotated)}"
        axes += (
            ": the axes that training found are nothing special." if alike else ", so the found axes are freer of it."
        )
    if below == n:
        return Finding(f"All are below {limit:g} here too.{axes}", ALSO if alike else AGREES)
    if n == 1:
        return Finding(f"The largest is above {limit:g}.{axes}", DIFFERS)
    return Finding(f"All are below {limit:g} in {below} of {count(n, 'subject')} only.{axes}", DIFFERS)


def scale(latents, gradients, pca=np.nan) -> Finding:
    """Are the latent maps of finer scale than diffusion gradients, and are PCA's? Correlation lengths in mm."""
    ratio = latents / gradients
    if not np.isfinite(ratio):
        return Finding("A correlation length is missing, so the scales cannot be compared.")
    figures = f"(correlation length {fixed(latents, 1)} mm against {fixed(gradients, 1)} mm)"
    if ratio < 1 - ALIKE:
        text = f"The latent maps are of finer scale than the diffusion gradients {figures}"
        if pca <= latents * (1 + ALIKE):
            return Finding(f"{text}, as PCA's maps are ({fixed(pca, 1)} mm).", ALSO)
        return Finding(f"{text}.", AGREES)
    if ratio > 1 + ALIKE:
        return Finding(f"The latent maps are of coarser scale than the diffusion gradients {figures}.", DIFFERS)
    return Finding(f"Latent maps and diffusion gradients have the same scale {figures}.", DIFFERS)


def smoothness(morans_i, null, share: float, pca=np.nan) -> Finding:
    """Are the latent maps smooth, beyond PCA's? Moran's I, its null's mean, share of dimensions of p < .05, PCA's I."""
    against = f" against {fixed(null)} for voxels in random order" if np.isfinite(null) else ""
    verdict = AGREES if share > 0.5 and morans_i > 0 else DIFFERS
    word = "smooth" if verdict == AGREES else "not smooth"
    text = (
        f"The latent maps are {word}: Moran's I is {fixed(morans_i)} on average{against}, and significant in "
        f"{fixed(100 * share, 0)} % of dimensions"
    )
    if not np.isfinite(pca):
        text += ". The data are smooth too: without PCA's maps nothing says whether it is the model's."
        return Finding(text, OPEN if verdict == AGREES else verdict)
    if pca >= morans_i * (1 - ALIKE):
        return Finding(f"{text}. PCA's maps are as smooth ({fixed(pca)}).", ALSO if verdict == AGREES else verdict)
    return Finding(f"{text}, more than in PCA's maps ({fixed(pca)}).", verdict)


def clustering(cvae, raw, shuffled, linear: tuple[str, float] = ("pca", np.nan)) -> Finding:
    """Do voxels cluster by network, and do they in the better linear space? Silhouettes."""
    name, control = of_size(linear[0]), linear[1]
    beside = [f"raw series {fixed(raw)}", *([f"{name} {fixed(control)}"] if np.isfinite(control) else [])]
    beside = ", ".join([*beside, f"labels shuffled {fixed(shuffled)}"])
    if cvae < CLUSTERED:
        text = f"No clear clusters by network here either (silhouette {fixed(cvae)}; {beside})"
        if control < CLUSTERED:
            return Finding(f"{text}, nor in {name} of the same size.", ALSO)
        return Finding(f"{text}.", AGREES)
    word = "cluster weakly" if cvae <= WEAK else "do cluster"
    return Finding(f"Voxels {word} by network (silhouette {fixed(cvae)}; {beside}).", DIFFERS)


def separability(cvae, raw, pca, chance: float, name: str = "pca", others: dict[str, float] | None = None) -> Finding:
    """Do latents separate networks better than the raw series, and than the better linear space? Accuracies by subject.

    Examples
    --------
    >>> separability(np.array([0.4, 0.42]), np.array([0.3, 0.3]), np.array([0.4, 0.43]), 0.1).verdict
    'its control does as well'
    """
    linear = of_size(name)
    cvae, raw, pca = (np.asarray(values, dtype=float) for values in (cvae, raw, pca))
    if np.nanmean(cvae) <= chance + POINT:
        return Finding(f"Networks cannot be told apart from latents better than by chance ({fixed(chance)}).", DIFFERS)
    over_raw, over_pca = higher(cvae, raw), higher(cvae, pca)
    figures = f"k-NN accuracy {fixed(np.nanmean(cvae), 3)}, against {fixed(np.nanmean(raw), 3)} in raw series and "
    figures += f"{fixed(np.nanmean(pca), 3)} in {linear}"
    if over_raw and over_pca:
        alike = {key: value for key, value in (others or {}).items() if value >= np.nanmean(cvae) - POINT}
        text = ", ".join(f"{space_name(key)} {fixed(value, 3)}" for key, value in alike.items())
        return Finding(
            f"Networks are told apart better than in raw series and in {linear} ({figures})"
            + (f", but no better than in other spaces ({text})." if alike else "."),
            AGREES,
        )
    if over_raw:
        return Finding(
            f"Networks are told apart better than in raw series, but {linear} of the same size does as well "
            f"({figures}): the gain is that of fewer dimensions.",
            ALSO,
        )
    than = f"but better than in {linear}" if over_pca else f"nor than in {linear}"
    return Finding(f"Networks are not told apart better than in raw series, {than} ({figures}).", DIFFERS)


def connectivity(cvae, partial, pca, name: str = "pca") -> Finding:
    """Does latent geometry follow functional connectivity, beyond distance, and more than the better linear one?"""
    beyond = f"; {fixed(partial)} with the distance in mm removed" if np.isfinite(partial) else ""
    text = f"Parcels near in latent space are connected (r = {fixed(cvae)}{beyond})"
    if not cvae > 0.1:
        return Finding(f"Latent distances hardly follow functional connectivity (r = {fixed(cvae)}).", DIFFERS)
    if not np.isfinite(pca):
        return Finding(f"{text}.", AGREES)
    if cvae > pca + POINT:
        return Finding(f"{text}, more than in {of_size(name)} of the same size ({fixed(pca)}).", AGREES)
    return Finding(f"{text}, as they are in {of_size(name)} of the same size ({fixed(pca)}).", ALSO)
