"""Sentences on what the paper claims of single subjects: does ours agree, and does its control?

One function a claim of Singla, Bazin and Scherf (2025). Each takes plain numbers (and arrays over subjects) and gives a
`Finding`.
"""

import numpy as np

from pydra_vae.reports.formats import count, fixed, model_name, number, p_value, signed
from pydra_vae.reports.group_findings import AGREES, ALIKE, DIFFERS, ERROR, OPEN, POINT, Finding, higher, sentence

ORDER = 5.0  # from which factor on we speak of an order of magnitude
CLUSTERED = 0.25  # silhouette below which there is no substantial structure (Kaufman & Rousseeuw, 1990)
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
    return Finding(f"PCA of the same size ({name}) reconstructs as well ({signed(100 * change)} %).", DIFFERS)


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
    elif across >= pca_across:
        more = f"PCA carries over better (MSE {number(pca_across)} against {number(across)})."
    else:
        more = f"PCA carries over worse (MSE {number(pca_across)} against {number(across)})."
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
    beside = f"PCA of the same size: {signed(pca)} %. " if np.isfinite(pca) else ""
    if gain <= 0:
        return Finding(f"{beside}tSNR did not rise.", DIFFERS)
    if not np.isfinite(shrinkage):
        return Finding(f"{beside}Without the shrinkage control this says little about denoising.", OPEN)
    if gain <= shrinkage * (1 + ALIKE):
        return Finding(
            f"{beside}Shrinking every voxel towards its mean, which removes signal and noise alike, gains "
            f"{signed(shrinkage)} %: a gain like this one is no evidence of denoising.",
            DIFFERS,
        )
    return Finding(
        f"{beside}This is more than shrinkage gains ({signed(shrinkage)} %), but how much of it was noise only R² "
        "and a planted signal can tell.",
        AGREES,
    )


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
    axes = ""
    if np.isfinite(rotated):
        alike = rotated < limit if below == n else rotated <= largest.mean() * (1 + ALIKE)
        axes = f" On random axes of the same spaces the largest is {fixed(rotated)}"
        axes += (
            ": the axes that training found are nothing special." if alike else ", so the found axes are freer of it."
        )
    if below == n:
        return Finding(f"All are below {limit:g} here too.{axes}", AGREES)
    if n == 1:
        return Finding(f"The largest is above {limit:g}.{axes}", DIFFERS)
    return Finding(f"All are below {limit:g} in {below} of {count(n, 'subject')} only.{axes}", DIFFERS)


def scale(latents, gradients) -> Finding:
    """Are the latent maps of finer scale than diffusion gradients? Correlation lengths in mm."""
    ratio = latents / gradients
    if not np.isfinite(ratio):
        return Finding("A correlation length is missing, so the scales cannot be compared.")
    figures = f"(correlation length {fixed(latents, 1)} mm against {fixed(gradients, 1)} mm)"
    if ratio < 1 - ALIKE:
        return Finding(f"The latent maps are of finer scale than the diffusion gradients {figures}.", AGREES)
    if ratio > 1 + ALIKE:
        return Finding(f"The latent maps are of coarser scale than the diffusion gradients {figures}.", DIFFERS)
    return Finding(f"Latent maps and diffusion gradients have the same scale {figures}.", DIFFERS)


def smoothness(morans_i, null, share: float) -> Finding:
    """Are the latent maps smooth? Moran's I, its null's mean, and the share of dimensions with p < .05."""
    against = f" against {fixed(null)} for voxels in random order" if np.isfinite(null) else ""
    verdict = AGREES if share > 0.5 and morans_i > 0 else DIFFERS
    word = "smooth" if verdict == AGREES else "not smooth"
    return Finding(
        f"The latent maps are {word}: Moran's I is {fixed(morans_i)} on average{against}, and significant in "
        f"{fixed(100 * share, 0)} % of dimensions. The data are smooth too, so compare PCA's maps.",
        verdict,
    )


def clustering(cvae, raw, shuffled) -> Finding:
    """Do voxels cluster by network? Silhouettes."""
    beside = f"raw series {fixed(raw)}, labels shuffled {fixed(shuffled)}"
    if cvae < CLUSTERED:
        return Finding(f"No clear clusters by network here either (silhouette {fixed(cvae)}; {beside}).", AGREES)
    return Finding(f"Voxels do cluster by network (silhouette {fixed(cvae)}; {beside}).", DIFFERS)


def separability(cvae, raw, pca, chance: float) -> Finding:
    """Do latents separate networks better than the raw series, and better than PCA? Accuracies by subject.

    Examples
    --------
    >>> separability(np.array([0.4, 0.42]), np.array([0.3, 0.3]), np.array([0.4, 0.43]), 0.1).verdict
    'otherwise'
    """
    cvae, raw, pca = (np.asarray(values, dtype=float) for values in (cvae, raw, pca))
    if np.nanmean(cvae) <= chance + POINT:
        return Finding(f"Networks cannot be told apart from latents better than by chance ({fixed(chance)}).", DIFFERS)
    over_raw, over_pca = higher(cvae, raw), higher(cvae, pca)
    figures = f"{fixed(np.nanmean(raw))} in raw series, {fixed(np.nanmean(pca))} in PCA"
    if over_raw and over_pca:
        return Finding(f"Networks are told apart better than in raw series and in PCA ({figures}).", AGREES)
    if over_raw:
        return Finding(
            f"Better than in raw series, but PCA of the same size does as well ({figures}): "
            "the gain is that of fewer dimensions.",
            DIFFERS,
        )
    than = "but better than in PCA" if over_pca else "nor than in PCA"
    return Finding(f"Networks are not told apart better than in raw series, {than} ({figures}).", DIFFERS)


def connectivity(cvae, partial, pca) -> Finding:
    """Does latent geometry follow functional connectivity, beyond distance, and more than PCA's does?"""
    beyond = f"; {fixed(partial)} with the distance in mm removed" if np.isfinite(partial) else ""
    text = f"Parcels near in latent space are connected (r = {fixed(cvae)}{beyond})"
    if not cvae > 0.1:
        return Finding(f"Latent distances hardly follow functional connectivity (r = {fixed(cvae)}).", DIFFERS)
    if not np.isfinite(pca):
        return Finding(f"{text}.", AGREES)
    if cvae > pca + POINT:
        return Finding(f"{text}, more than in PCA of the same size ({fixed(pca)}).", AGREES)
    return Finding(f"{text}, as they are in PCA of the same size ({fixed(pca)}).", AGREES)
