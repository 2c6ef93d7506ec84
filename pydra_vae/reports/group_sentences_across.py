"""Sentences of the group report on subjects against each other: alignment, shared models, identification, scores."""

import numpy as np

from pydra_vae.reports.formats import count, fixed, p_value, signed
from pydra_vae.reports.group_findings import AGREES, ALIKE, ALSO, DIFFERS, OPEN, POINT, Finding

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


# Two fits that start from the same components are alike whatever the training adds.
SAME_START = (
    "both start from nearly the same PCA components (the linear skip), so that this floor is small by construction and "
    "does not tell the fit's part from the subject's"
)


def individuality(latents, gradients, floor=np.nan, pca=np.nan, same_start: bool = False) -> Finding:
    """Do latents vary more between subjects than gradients do, than PCA's scores, and than two fits of one subject?

    Parameters
    ----------
    latents, gradients : float
        Correlation between subjects of parcel × parcel distance matrices.
    floor : float
        The same between two fits of one subject.
    pca : float
        The same of whitened PCA between subjects.
    same_start : bool
        Whether two fits of one subject start from the same components, so that the floor says nothing.
    """
    figures = f"(r between subjects {fixed(latents)} against {fixed(gradients)})"
    if not latents < gradients - POINT:
        return Finding(
            f"The latents' geometry does not vary more between subjects than the gradients' {figures}.", DIFFERS
        )
    text = f"The latents' geometry varies more between subjects than the gradients' {figures}"
    if np.isfinite(floor) and not same_start and floor < gradients - POINT:
        return Finding(
            f"{text}, but two fits of one subject agree no better than r = {fixed(floor)}: "
            "some of this variation is the fit's, not the subject's.",
            OPEN,
        )
    if pca <= latents + POINT:
        return Finding(f"{text}, but that of whitened PCA varies as much or more (r = {fixed(pca)}).", ALSO)
    return Finding(f"{text}.", AGREES)


def alignment(between, floor, chance: tuple[float, float], pca, same_start: bool = False) -> Finding:
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
    same_start : bool
        Whether two fits of one subject start from the same components, so that the floor says nothing.
    """
    start, verdict = f"The subjects' latents align only in part (disparity {fixed(between)}; 0 is perfect)", AGREES
    if chance[0] >= chance[1]:
        start = f"The subjects' latents align no better than by chance (disparity {fixed(between)}; 0 is perfect)"
    elif between <= ALIGNED:
        start, verdict = f"The subjects' latents do align (disparity {fixed(between)}; 0 is perfect)", DIFFERS
    verdict, beside = _beside_pca(between, pca, verdict)
    if not np.isfinite(floor):
        return Finding(f"{start}; without a second fit of the same subject, nothing says why.{beside}", verdict)
    if same_start:
        return Finding(f"{start}. Two fits of one subject have {fixed(floor)}, but {SAME_START}.{beside}", verdict)
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
        verdict if floor <= MOSTLY * between else OPEN,
    )


def _beside_pca(between, pca, verdict: str) -> tuple[str, str]:
    """The verdict on "do not align" beside whitened PCA's disparity, and a sentence on it."""
    if not np.isfinite(pca):
        return verdict, ""
    if verdict == DIFFERS or pca < between * (1 - ALIKE):
        return verdict, f" Whitened PCA: {fixed(pca)}."
    return ALSO, f" Whitened PCA aligns no better ({fixed(pca)}), so that this is no property of the CVAE."


def shared_geometry(between, floor, chance: tuple[float, float], pca, same_start: bool = False) -> Finding:
    """Do subjects share the geometry of their latent spaces? r between distance matrices, no rotation needed.

    Parameters
    ----------
    chance : (observed, high)
        What is held against the hardest null, and the upper end of its range; NaN where there is none.
    """
    observed, high = chance
    fits = "two fits of one subject" + (" from the same components" if same_start else "")
    beside = [f"{fits} {fixed(floor)}"] if np.isfinite(floor) else []
    beside += [f"whitened PCA {fixed(pca)}"] if np.isfinite(pca) else []
    beside += [f"hardest null up to {fixed(high)}"] if np.isfinite(high) else []
    figures = f"(r = {fixed(between)}; {', '.join(beside)})" if beside else f"(r = {fixed(between)})"
    if not np.isfinite(high):
        return Finding(f"Distances between parcels correlate between subjects {figures}; a null is missing.")
    if observed <= high:
        return Finding(f"Distances between parcels agree between subjects no more than by chance {figures}.", DIFFERS)
    text = f"Distances between parcels agree between subjects {figures}"
    if np.isfinite(pca) and pca >= between - POINT:
        return Finding(f"{text}, but PCA shares its geometry as well or better.", ALSO)
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


def newcomers(price: dict[str, dict[str, float]]) -> str:
    """What new subjects cost: kind to member (joined, zero-shot) to the change of the error in per cent.

    Examples
    --------
    >>> newcomers({"pooled": {"zero-shot": 94.1}, "shared_decoder": {"joined": 4.3}})
    ' New subjects: joined by their own part +4.3 % (shared decoder); with nothing fitted +94.1 % (pooled).'
    """
    texts = []
    for member, how in (("joined", "joined by their own part"), ("zero-shot", "with nothing fitted")):
        found = {kind: by_member.get(member, np.nan) for kind, by_member in price.items()}
        found = {kind: value for kind, value in found.items() if np.isfinite(value)}
        if found:
            texts.append(f"{how} {', '.join(f'{signed(v)} % ({KINDS.get(k, k)})' for k, v in found.items())}")
    return f" New subjects: {'; '.join(texts)}." if texts else ""


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
    if control >= accuracy:
        return Finding(f"{text}.", ALSO)
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
