"""Sentences of the group report on subjects against each other: alignment, shared models, identification, scores."""

import numpy as np

from pydra_vae.reports.formats import count, fixed, p_value, signed
from pydra_vae.reports.group_findings import AGREES, ALIKE, DIFFERS, OPEN, POINT, Finding

ALIGNED = 0.3  # disparity up to which two spaces are said to align
MOSTLY = 2 / 3  # share of a disparity that a floor may have at most, for the rest to count as the subject's
KINDS = {
    "independent": "one model a subject",
    "shared_decoder": "shared decoder",
    "subject_decoders": "a decoder for each subject",
    "pooled": "pooled",
    "pca": "PCA of each subject",
    "pooled pca": "pooled PCA",
}


def individuality(latents, gradients, floor=np.nan) -> Finding:
    """Do latents vary more between subjects than gradients do, and more than between two fits of one subject?

    Parameters
    ----------
    latents, gradients : float
        Correlation between subjects of parcel × parcel distance matrices.
    floor : float
        The same between two fits of one subject.
    """
    figures = f"(r between subjects {fixed(latents)} against {fixed(gradients)})"
    if not latents < gradients - POINT:
        return Finding(
            f"The latents' geometry does not vary more between subjects than the gradients' {figures}.", DIFFERS
        )
    text = f"The latents' geometry varies more between subjects than the gradients' {figures}"
    if np.isfinite(floor) and floor < gradients - POINT:
        return Finding(
            f"{text}, but two fits of one subject agree no better than r = {fixed(floor)}: "
            "some of this variation is the fit's, not the subject's.",
            OPEN,
        )
    return Finding(f"{text}.", AGREES)


def alignment(between, floor, chance: tuple[float, float], pca) -> Finding:
    """Do latent spaces align, and could they, given how two fits of one subject align?

    Parameters
    ----------
    between : float
        Mean Procrustes disparity of pairs of subjects; 0: the same up to rotation and scale, 1: nothing in common.
    floor : float
        The same of two fits of one subject.
    chance : (observed, low)
        What is held against the hardest null, and the lower end of its range; NaN where there is none.
    pca : float
        Of pairs of subjects, whitened PCA.
    """
    beside = f" Whitened PCA: {fixed(pca)}." if np.isfinite(pca) else ""
    start, verdict = f"The subjects' latents align only in part (disparity {fixed(between)}; 0 is perfect)", AGREES
    if chance[0] >= chance[1]:
        start = f"The subjects' latents align no better than by chance (disparity {fixed(between)}; 0 is perfect)"
    elif between <= ALIGNED:
        start, verdict = f"The subjects' latents do align (disparity {fixed(between)}; 0 is perfect)", DIFFERS
    if not np.isfinite(floor):
        return Finding(f"{start}; without a second fit of the same subject, nothing says why.{beside}", verdict)
    if verdict == DIFFERS:
        return Finding(f"{start}; two fits of one subject: {fixed(floor)}.{beside}", verdict)
    if floor >= between * (1 - ALIKE):
        return Finding(
            f"{start}, but neither do two fits of one subject ({fixed(floor)}): the misalignment is the fit's, and no "
            f"evidence of individual brains.{beside}",
            DIFFERS,
        )
    return Finding(
        f"{start}, worse than two fits of one subject ({fixed(floor)}): {fixed(100 * floor / between, 0)} % of the "
        f"disparity is the fit's, and the rest may be the subject's.{beside}",
        AGREES if floor <= MOSTLY * between else OPEN,
    )


def shared_geometry(between, floor, chance: tuple[float, float], pca) -> Finding:
    """Do subjects share the geometry of their latent spaces? r between distance matrices, no rotation needed.

    Parameters
    ----------
    chance : (observed, high)
        What is held against the hardest null, and the upper end of its range; NaN where there is none.
    """
    observed, high = chance
    beside = [f"two fits of one subject {fixed(floor)}"] if np.isfinite(floor) else []
    beside += [f"whitened PCA {fixed(pca)}"] if np.isfinite(pca) else []
    beside += [f"hardest null up to {fixed(high)}"] if np.isfinite(high) else []
    figures = f"(r = {fixed(between)}; {', '.join(beside)})" if beside else f"(r = {fixed(between)})"
    if not np.isfinite(high):
        return Finding(f"Distances between parcels correlate between subjects {figures}; a null is missing.")
    if observed <= high:
        return Finding(f"Distances between parcels agree between subjects no more than by chance {figures}.", DIFFERS)
    text = f"Distances between parcels agree between subjects {figures}"
    if np.isfinite(pca) and pca >= between - POINT:
        return Finding(f"{text}, but PCA shares its geometry as well or better.", AGREES)
    return Finding(f"{text}.", AGREES)


def template(cvae: float, pca: float) -> Finding:
    """How near subjects come to their own group template."""
    if not np.isfinite(pca):
        return Finding(f"To the group template (generalised Procrustes), subjects have a disparity of {fixed(cvae)}.")
    nearer = "nearer" if cvae < pca * (1 - ALIKE) else "farther" if cvae > pca * (1 + ALIKE) else "as near"
    return Finding(
        f"To the group template (generalised Procrustes), subjects have a disparity of {fixed(cvae)}, {nearer} "
        f"{'as' if nearer == 'as near' else 'than'} with whitened PCA ({fixed(pca)})."
    )


def shared(price: dict[str, float], disparity: dict[str, float], apart: float) -> Finding:
    """What a model of several subjects costs in error and gains in alignment.

    Parameters
    ----------
    price : dict
        Kind to its change of the error, in per cent.
    disparity : dict
        Kind to the disparity between subjects; `apart` is that of independent models.
    """
    if not price:
        return Finding("No shared model was fitted.")
    best = min(disparity, key=lambda kind: (disparity[kind], kind))
    against = f" against {fixed(apart)} of independent ones" if np.isfinite(apart) else ""
    name = KINDS.get(best, best)
    text = (
        f"The model with the best alignment ({name}) has a disparity of {fixed(disparity[best])}{against}, "
        f"at {signed(price[best])} % in error"
    )
    cheapest = min(price, key=lambda kind: (price[kind], kind))
    if cheapest != best:
        name = KINDS.get(cheapest, cheapest)
        text += f"; the cheapest ({name}) {fixed(disparity[cheapest])} at {signed(price[cheapest])} %"
    return Finding(f"{text}.")


def identification(accuracy, chance, p, p_smallest, n: int, control=np.nan) -> Finding:
    """Does a subject's latent geometry find its own second half?"""
    text = (
        f"{fixed(100 * accuracy, 0)} % of {count(n, 'subject')} are found by their other half (chance "
        f"{fixed(100 * chance, 0)} %; {p_value(p, p_smallest)})"
    )
    if np.isfinite(control):
        text += f"; by the control {fixed(100 * control, 0)} %"
    if p > 0.05:
        return Finding(f"{text}.", DIFFERS if p_smallest <= 0.05 else OPEN)
    return Finding(f"{text}.", AGREES)


def mantel(score: str, r, p, p_smallest, n: int) -> Finding:
    """Do subjects of similar scores have similar latent geometries?"""
    if not np.isfinite(r):
        return Finding(f"“{score}” is known of {count(n, 'subject')}: a correlation over pairs needs three.")
    word = "have more similar" if p <= 0.05 and r > 0 else "cannot be said to have more similar"
    return Finding(
        f"Subjects of similar “{score}” {word} latent geometries (r = {fixed(r)}, {p_value(p, p_smallest)}; "
        f"{count(n, 'subject')})."
    )
