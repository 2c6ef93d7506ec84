"""Sentences on what the TI-VAE paper claims: do these data agree, and do the controls as well?

One function a claim. Each takes plain numbers, or what was chosen on the validation part, and gives a `Finding`. A
difference of scores counts when it is larger than the standard deviation over seeds, as in the paper; with one seed
nobody knows that, and the sentence says so.
"""

from collections.abc import Sequence

import numpy as np

from pydra_vae.reports.formats import count, fixed, listed, number, p_value
from pydra_vae.reports.group_findings import AGREES, ALIKE, ALSO, DIFFERS, OPEN, POINT, Finding
from pydra_vae.reports.group_sentences import CLUSTERED
from pydra_vae.reports.motor_tables import Chosen, subtask_name

Pair = tuple[Chosen, Chosen]
SHARES = {"r_top10": "10 %", "r_top5": "5 %", "r_top1": "1 %"}
# Figure 3, means over the five sub-tasks: structural, functional, ICA
PAPER_MAPS = {"TI-VAE-S": (0.833, 0.841, 0.562), "TI-VAE-F": (0.837, 0.841, 0.566), "ICA": (0.772, 0.664, 0.368)}


def spread_over(chosen: Chosen) -> str:
    """A score with its standard deviation over seeds.

    Examples
    --------
    >>> spread_over(Chosen("TI-VAE-S", 8, 1.0, np.array([0.5, 0.54]), "validation"))
    '0.52 ± 0.03'
    """
    return fixed(chosen.mean) + (f" ± {fixed(chosen.sd)}" if np.isfinite(chosen.sd) else "")


def _sizes(pairs: Sequence[Pair]) -> str:
    return "k = " + listed([ours.k for ours, _ in pairs])


def _figures(pairs: Sequence[Pair]) -> str:
    return "; ".join(f"{spread_over(a)} against {spread_over(b)}" for a, b in pairs)


def versus(pairs: Sequence[Pair], control: str) -> Finding:
    """Does the first score higher than the second, by more than a standard deviation over seeds, at every size?

    Parameters
    ----------
    pairs : sequence of (ours, control)
        One a number of factors.
    control : str
        Its name within a sentence.
    """
    model = pairs[0][0].model
    seeds = min(len(ours.r) for ours, _ in pairs)
    above, more, same, below = [], [], [], []
    for ours, other in pairs:
        difference, sd = ours.mean - other.mean, ours.sd
        if difference > max(POINT, sd if np.isfinite(sd) else 0):
            more.append((ours, other))
        elif difference > POINT:
            above.append((ours, other))
        else:
            (below if difference < -POINT else same).append((ours, other))
    how = " by more than a standard deviation over seeds" if seeds > 1 else ""
    parts = [
        f"{verb} at {_sizes(found)} ({_figures(found)})"
        for verb, found in (
            (f"scores higher than {control}{how}", more), ("higher, but within a standard deviation", above),
            (f"as {control}" if not more else "the same", same),
            (f"lower than {control}" if not more and not above else "lower", below),
        ) if found
    ]  # fmt: skip
    text = f"{model} {'' if more else 'scores '}{listed(parts)}."
    if seeds == 1 and (more or above):
        text += " With one seed nobody can say whether by more than seeds differ."
    optimistic = any("test" in (a.on, b.on) for a, b in pairs)
    text += " β and variants were chosen on the test part, for want of others: optimistic." if optimistic else ""
    if len(more) == len(pairs):
        return Finding(text, AGREES if seeds > 1 else OPEN)
    return Finding(text, DIFFERS)


def follows(ours: Chosen, null: tuple[float, float], linear: Chosen | None, ceiling: float, readout: float) -> Finding:
    """Do factors follow the sub-tasks, beyond courses shifted in time, and more than linear components?

    Parameters
    ----------
    ours : Chosen
    null : (chance, p)
        Of regressors shifted in time.
    linear : Chosen or None
        The best of ICA and PCA.
    ceiling, readout : float
        Of a noiseless response; of all factors together.
    """
    chance, p = null
    text = f"Mean |r| {spread_over(ours)} at k = {ours.k}"
    text += f"; shifted in time {fixed(chance)}" if np.isfinite(chance) else ""
    text += f" ({p_value(p)})" if np.isfinite(p) else ""
    text += f"; a noiseless response would reach {fixed(ceiling)}." if np.isfinite(ceiling) else "."
    if not np.isfinite(chance) and not np.isfinite(p):
        text += " Without a null this says little."
    elif p >= 0.05 or ours.mean <= chance + POINT:
        return Finding(f"{text} So the factors do not follow the sub-tasks beyond chance.", DIFFERS)
    if np.isfinite(readout):
        hidden = readout - ours.mean > 5 * POINT
        text += f" All factors together reach {fixed(readout)}"
        text += ": they hold more of the task than any one of them shows." if hidden else "."
    if linear is not None and linear.mean >= ours.mean - POINT:
        reached = "as much" if linear.mean <= ours.mean + POINT else "more"
        return Finding(f"{text} Linear components reach {reached} ({linear.model}: {fixed(linear.mean)}).", ALSO)
    return Finding(text, AGREES if np.isfinite(chance) or np.isfinite(p) else OPEN)


def independence(pairs: Sequence[Pair], chance: float = np.nan) -> Finding:
    """Does the term for temporal independence raise the scores?

    Parameters
    ----------
    pairs : sequence of (β > 0, β = 0)
        Of one family, one a number of factors.
    chance : float
        What factors reach that follow no sub-task.
    """
    up = [(a, b) for a, b in pairs if a.mean > b.mean + POINT]
    down = [(a, b) for a, b in pairs if a.mean < b.mean - POINT]
    shown = "; ".join(f"k = {a.k}: {spread_over(a)} at β = {a.beta:g}, {spread_over(b)} at β = 0" for a, b in pairs)
    if all(max(a.mean, b.mean) <= chance + POINT for a, b in pairs):
        return Finding(f"With and without the term, factors are at chance ({shown}): nothing can be said of it.")
    if len(up) == len(pairs):
        text = f"β > 0 scores higher than β = 0 ({shown})"
        if all(a.mean - b.mean > a.sd for a, b in pairs):  # False where there is one seed
            return Finding(f"{text}, by more than a standard deviation over seeds.", AGREES)
        return Finding(f"{text}, but not by more than seeds differ, as far as that is known.", OPEN)
    if up:
        return Finding(f"β > 0 scores higher at {_sizes(up)} only ({shown}).", DIFFERS)
    return Finding(f"β > 0 does not score {'as high as' if down else 'higher than'} β = 0 ({shown}).", DIFFERS)


def disentangled(r0: float, r: float, sigma0: float, sigma: float, beta: float, sd: float = np.nan) -> Finding:
    """Are factors less correlated over time with the term than without, and are posteriors wider?

    Parameters
    ----------
    r0, r, sigma0, sigma : float
        Mean |r| between factors and mean log σ: at β = 0, at β.
    beta : float
    sd : float
        Of r over seeds; NaN of one seed.
    """
    text = f"Mean |r| between factors is {fixed(r)} at β = {beta:g} and {fixed(r0)} at β = 0"
    wider = np.isfinite(sigma) and np.isfinite(sigma0) and sigma - sigma0 > 0.05
    blind = f"; posteriors are wider (mean log σ {fixed(sigma)} against {fixed(sigma0)}), which lowers the TC as well"
    if r < r0 - POINT:
        if r0 - r > sd:  # False where there is one seed
            return Finding(f"{text}{blind if wider else ''}.", AGREES)
        return Finding(f"{text}, within what seeds differ or may differ{blind if wider else ''}.", OPEN)
    return Finding(f"{text}: the factors are no less correlated{blind if wider else ''}.", DIFFERS)


def sharing(ours: float, linear: float, pca: float, k: int) -> Finding:
    """Does weight sharing cost reconstruction? R² on the test part."""
    text = f"R² {fixed(ours, 3)} with weight sharing and {fixed(linear, 3)} without, at k = {k}"
    beside = ""
    if np.isfinite(pca):
        word = "less" if pca < ours - POINT else "as much" if pca <= ours + POINT else "more"
        beside = f" PCA of the same size explains {word} ({fixed(pca, 3)})."
    if ours >= linear - POINT:
        better = "it even helps" if ours > linear + POINT else "it costs nothing"
        return Finding(f"{text}: {better}.{beside}", ALSO if pca > ours + POINT else AGREES)
    return Finding(f"{text}: sharing costs reconstruction.{beside}", DIFFERS)


def bias(ours: Chosen, random: Chosen, r2: tuple[float, float] = (np.nan, np.nan)) -> Finding:
    """Do clusters along the surface help, beyond clusters of random vertices? R² of the test part, of both."""
    shown = f"{spread_over(ours)} against {spread_over(random)} with clusters of random vertices, at k = {ours.k}"
    sds = [sd for sd in (ours.sd, random.sd) if np.isfinite(sd)]
    if ours.mean > random.mean + max(POINT, *sds, 0):
        text = f"Clusters along the surface score higher ({shown})"
        return Finding(f"{text}.", AGREES) if sds else Finding(f"{text}, with one seed each.", OPEN)
    if ours.mean < random.mean - POINT:
        return Finding(f"Clusters of random vertices score higher ({shown}).", DIFFERS)
    if r2[0] > r2[1] + POINT:
        text = f"Clusters of random vertices score as well, as far as seeds can tell ({shown}), but explain less"
        return Finding(f"{text} (R² {fixed(r2[1], 3)} against {fixed(r2[0], 3)}).", OPEN)
    return Finding(f"Clusters of random vertices do as well ({shown}): their place hardly matters.", ALSO)


def maps_agree(paper: tuple[dict, dict], like: tuple[dict, dict], ica: str) -> Finding:
    """Do maps agree with the reference better than ICA's, and do they in like readings?

    Parameters
    ----------
    paper : (ours, ICA's)
        r_top10, r_top5, r_top1 as the paper reads maps: variance, and weights times their sign.
    like : (ours, ICA's)
        The same of amplitudes on both sides; empty where unknown.
    ica : str
        Name of the variant.
    """

    def better(first: dict, second: dict) -> list[str]:
        return [SHARES[s] for s in SHARES if first.get(s, np.nan) > second.get(s, np.nan) + POINT]

    def shown(first: dict, second: dict) -> str:
        ours, other = (", ".join(fixed(found.get(s)) for s in SHARES) for found in (first, second))
        return f"{ours}; ICA {other}"

    known = [s for s in SHARES if np.isfinite(paper[0].get(s, np.nan)) and np.isfinite(paper[1].get(s, np.nan))]
    if not known:
        return Finding("The top of the reference is too small to compare maps with ICA's.")
    won = better(*paper)
    text = f"Agreement (r) over the reference's top 10, 5 and 1 %: {shown(*paper)} ({ica})"
    fair = ""
    if like[0] and like[1]:
        again = better(*like)
        fair = f". As amplitudes, neither of them squared: {shown(*like)}"
        if len(won) == len(known) and len(again) < len(known):
            return Finding(f"{text}{fair}. So the gain lies in squaring, at least in part.", ALSO)
    if len(won) == len(known):
        return Finding(f"{text}{fair}.", AGREES)
    where = f"higher at the top {listed(won)} only" if won else "not higher"
    return Finding(f"{text}: {where}{fair}.", DIFFERS)


def local(structural: float, functional: float, ica: float, k: int | None = None) -> Finding:
    """Are maps of structural sharing more local than those of functional sharing? Spreads in mm, at k factors."""
    text = (
        f"Energy lies {fixed(structural, 1)} mm from its peak with structural sharing, {fixed(functional, 1)} mm with"
    )
    text += " functional sharing"
    text += f"; ICA {fixed(ica, 1)} mm" if np.isfinite(ica) else ""
    text += f"; k = {k}" if k else ""
    if structural >= functional * (1 - ALIKE):
        word = "alike" if structural <= functional * (1 + ALIKE) else "the functional ones are more local"
        return Finding(f"{text}: {word}.", DIFFERS)
    if ica <= structural * (1 + ALIKE):
        return Finding(f"{text}: structural maps are more local, and ICA's are too.", ALSO)
    return Finding(f"{text}: structural maps are more local.", AGREES)


def homunculus(limbs: tuple[int, int], beside: tuple[int, int], own: tuple[int, int] = (0, 0)) -> Finding:
    """Do maps of limbs peak in the opposite hemisphere, beyond chance, and do ICA's?

    Parameters
    ----------
    limbs, beside : (right, n)
        How many limbs peak in the opposite hemisphere, and of how many: ours, ICA's.
    own : (n, of)
        How many maps agree with the reference of their sub-task more than with those of the others.
    """
    right, n = limbs
    text = f"The maps of {right} of {count(n, 'limb')} peak in the opposite hemisphere, where anatomy has them"
    text += f" (all of them would by chance once in {2**n})" if right == n else ""
    text += f"; ICA's of {beside[0]} of {beside[1]}" if beside[1] else ""
    if own[1]:
        text += f". Of {own[1]} maps {own[0]} agree with their own reference more than with those of the others"
    text += ". (The paper's discussion has limbs on their own side.)"
    if right < n or 2 * own[0] <= own[1] != 0:
        return Finding(text, DIFFERS)
    if own[0] < own[1] or not own[1]:
        return Finding(text, OPEN)
    return Finding(text, ALSO if beside[1] and beside[0] == beside[1] else AGREES)


def trajectories(value: float, null: float, p: float, ica: float, name: str = "ICA") -> Finding:
    """Do points of one sub-task cluster in the space of the factors, beyond shifted labels, and beyond ICA's?"""
    text = f"Silhouette of sub-tasks {fixed(value)} in the space of all factors"
    text += f", {fixed(null)} with labels shifted in time ({p_value(p)})" if np.isfinite(null) else ""
    text += f"; {name}: {fixed(ica)}" if np.isfinite(ica) else ""
    if np.isfinite(p) and p >= 0.05:
        return Finding(f"{text}: no clusters beyond chance.", DIFFERS)
    if not np.isfinite(p):
        return Finding(f"{text}. Without a null this says little.", OPEN)
    if value < CLUSTERED:
        return Finding(f"{text}: beyond chance, but not clear (below {CLUSTERED:g}).", DIFFERS)
    return Finding(f"{text}: clear clusters.", ALSO if ica >= value - POINT else AGREES)


def nearest(pairs: Sequence[tuple[str, str, float]]) -> Finding | None:
    """Which sub-tasks lie nearest to each other in the space of the factors; the paper names the feet."""
    known = sorted((pair for pair in pairs if np.isfinite(pair[2])), key=lambda pair: pair[2])
    if len(known) < 2:
        return None
    first, second, _ = known[0]
    text = f"{subtask_name(first)} and {subtask_name(second).lower()} lie nearest to each other of {len(known)} pairs"
    feet = [i for i, (a, b, _) in enumerate(known, 1) if {a, b} == {"left_foot", "right_foot"}]
    if not feet:
        return Finding(f"{text}.")
    if feet[0] == 1:
        return Finding(f"{text}, as the feet do in the paper.", AGREES)
    return Finding(f"{text}; the feet, nearest in the paper, are number {feet[0]}.", DIFFERS)


def parameters(total: float, mixers: float, linear: float) -> Finding:
    """How many parameters does the model have, beside one without weight sharing here?"""
    text = f"The whole model has {number(total)} parameters"
    text += f", of which {number(mixers)} lie in the encoder's mixers" if np.isfinite(mixers) else ""
    text += ". The paper's 44k are the three encoder mixers alone, with C = 64 and H = 256 (43,684 weights)."
    if not np.isfinite(linear):
        return Finding(text, OPEN)
    share = total / linear
    text += f" Without sharing it has {number(linear)} here, {number(1 / share, 2)} times as many."
    return Finding(text, AGREES if share < 0.5 else DIFFERS)
