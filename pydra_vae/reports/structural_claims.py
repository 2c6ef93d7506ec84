"""The tutorial and these data: each claim, what was measured, the control beside it, and the rule of the verdict.

In the order of the tutorial: reconstruction, losses and collapse here; latents and what they predict in
`structural_claims_latents`; joint models, visits and networks in `structural_claims_models`. A claim that no table can
decide is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pydra_vae.reports.formats import fixed, listed, number
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, OPEN, Finding
from pydra_vae.reports.structural_claims_latents import latent_claims
from pydra_vae.reports.structural_claims_models import model_claims
from pydra_vae.reports.structural_rules import (
    COUNTS,
    DISSIMILARITY,
    INFORMATION,
    SAME_R2,
    Difference,
    Judged,
    compared,
)
from pydra_vae.reports.structural_tables import StructuralTables, numbers, text_column, true, value

NO_NUMBER = "no number"


def claims_of(tables: StructuralTables) -> list[Judged]:
    """Every claim that these tables can decide."""
    made = (_reconstruction, _dssim, _mmd, _weight, _collapse, latent_claims, model_claims)
    return [claim for make in made for claim in make(tables)]


def r2_error(row) -> float:
    """Standard error of a fit's R² on test images; NaN where it is not known."""
    found = value(row, "r2_test_se")
    return found if np.isfinite(found) else value(row, "r2_validation_se")


def r2_with_error(row) -> str:
    """R² of the test images with its standard error."""
    error = r2_error(row)
    return f"R² {fixed(value(row, 'r2_test'), 3)}" + (f" ± {fixed(error, 3)}" if np.isfinite(error) else "")


def _reconstruction(tables: StructuralTables) -> Iterator[Judged]:
    main = tables.main
    if main is None or not np.isfinite(value(main, "r2_test")):
        return
    r2, error, k = value(main, "r2_test"), r2_error(main), int(value(main, "k"))
    collapsed = true(main.get("collapsed"))
    verdict = DIFFERS if collapsed else compared(Difference(r2, error))
    text = f"{main['name']} explains {fixed(100 * r2, 1)} % of how unseen images differ from the training mean" + (
        ", and has collapsed." if collapsed else "."
    )
    yield Judged(
        "mean", "A VAE reconstructs how subjects differ, not their mean", "Fig. 2 shows it fail", r2_with_error(main),
        "mean image: R² 0", Finding(text, verdict),
        f"R² on test images above 0 by {COUNTS}, and no collapse.",
    )  # fmt: skip
    pca, pca2 = (value(main, f"{name}_r2_test") for name in ("pca", "pca2"))
    if np.isfinite(pca):
        first, second = Difference(r2 - pca, error), Difference(r2 - pca2, error)
        verdict = ALSO if first.above and second.known and not second.above else compared(first)
        text = f"Against PCA of {k} components: {first.text}"
        text += f"; of {2 * k}: {second.text}." if second.known else "."
        yield Judged(
            "pca", "Non-linear latents hold more than linear ones (PCA)", "§1.1, no number", r2_with_error(main),
            f"PCA-{k}: {fixed(pca, 3)}" + (f"; PCA-{2 * k}: {fixed(pca2, 3)}" if np.isfinite(pca2) else ""),
            Finding(text, verdict),
            f"R² on test images above PCA of as many components by {COUNTS}; “its control does as well” where it is "
            "not above PCA of twice as many too. The standard error is that of the fit's R²; that of the difference "
            "on the same images is smaller.",
        )  # fmt: skip


def _kind(fits: pd.DataFrame, divergence: str = "", reconstruction: str = "") -> pd.DataFrame:
    """Fits with this divergence and reconstruction loss; "": any."""
    for column, wanted in (("divergence", divergence), ("reconstruction", reconstruction)):
        if wanted:
            fits = fits[text_column(fits, column) == wanted]
    return fits


def _like_main(tables: StructuralTables, *differ: str) -> pd.DataFrame:
    """Fits that have the main fit's settings but for these columns."""
    fits = tables.fits
    for column in ("network", "k", "divergence", "reconstruction", "beta", "mmd_weight"):
        if column not in differ and column in fits:
            fits = fits[fits[column].astype(str) == str(tables.main[column])]
    return fits


def _dssim(tables: StructuralTables) -> Iterator[Judged]:
    if tables.main is None:
        return
    alike = _like_main(tables, "reconstruction")
    mse, dssim = _kind(alike, reconstruction="mse"), alike[text_column(alike, "reconstruction").str.contains("dssim")]
    if not len(mse) or not len(dssim) or not np.isfinite(numbers(mse, "ssim_test")).any():
        return
    base = float(np.nanmean(numbers(mse, "ssim_test")))
    spread = np.nanstd(numbers(mse, "ssim_test"), ddof=1) if len(mse) > 1 else np.nan
    found = {str(n): float(np.nanmean(numbers(rows, "ssim_test"))) for n, rows in dssim.groupby("reconstruction")}
    best = max(found, key=found.__getitem__)
    # of an SSIM of .98 no loss could be .01 better: what counts is the share of the dissimilarity that is left
    left = max(1 - base, 1e-9)
    difference = Difference((found[best] - base) / left, float(spread) / left, DISSIMILARITY)
    r2 = {
        n: float(np.nanmean(numbers(rows, "r2_test"))) for n, rows in [("mse", mse), *dssim.groupby("reconstruction")]
    }
    linear = value(tables.main, "pca_ssim_test")
    share = f"{fixed(100 * abs(difference.value), 1)} % {'less' if difference.value > 0 else 'more'}"
    text = (
        f"With {best.upper()} SSIM is {fixed(found[best], 4)}, with MSE {fixed(base, 4)}: of what is left to 1, "
        f"{share}. R² {fixed(r2[best], 3)} against {fixed(r2['mse'], 3)} with MSE."
    )
    yield Judged(
        "dssim", "A structural loss (DSSIM) suits images better than MSE", "§2.2, no number",
        "; ".join(f"{n.upper()}: SSIM {fixed(s, 4)}" for n, s in found.items()),
        f"MSE: SSIM {fixed(base, 4)}" + (f"; PCA: {fixed(linear, 4)}" if np.isfinite(linear) else ""),
        Finding(text, compared(difference)),
        "The dissimilarity of test images (1 − SSIM), the structural loss's own measure, below that of the fit with "
        f"MSE by more than {fixed(100 * DISSIMILARITY, 0)} % of it (and two standard deviations over seeds, where "
        "there are seeds); all else alike.",
    )  # fmt: skip


def information_of(row) -> float:
    """Mutual information in nats; of a Gaussian aggregate where that is known, as the estimate has a ceiling."""
    gaussian = value(row, "mi_gaussian")
    return gaussian if np.isfinite(gaussian) else value(row, "mi")


def _mmd(tables: StructuralTables) -> Iterator[Judged]:
    if tables.main is None:
        return
    mmd, kl = (_kind(tables.fits, name, "mse") for name in ("mmd", "kl"))
    if not len(mmd) or not len(kl):
        return
    ours = _held(mmd.iloc[0])
    others = [other for other in map(_held, kl.iloc) if np.isfinite([other.information, other.r2]).all()]
    if not np.isfinite([ours.information, ours.r2]).all() or not others:
        return
    first = others[0]
    as_much = [o for o in others if o.information * (1 + INFORMATION) >= ours.information and o.r2 >= ours.r2 - SAME_R2]
    equals = [other for other in as_much if not ours.nearer(other)]
    more = ours.information > first.information * (1 + INFORMATION)
    bought = ours.r2 < first.r2 - SAME_R2 or first.nearer(ours)
    verdict = DIFFERS if not more else OPEN if bought else ALSO if equals else AGREES
    text = f"{ours.text}; {first.text}."
    if more and as_much:
        text += f" The KL with another weight keeps as much: {'; '.join(other.text for other in as_much)}."
    yield Judged(
        "mmd", "MMD in place of the KL keeps more information in the latents", "§2.2.2, no number",
        f"MI {fixed(ours.information, 1)} nats", "; ".join(f"{o.name}: {fixed(o.information, 1)}" for o in others),
        Finding(text, verdict),
        f"Mutual information above the first KL fit's by more than {fixed(100 * INFORMATION, 0)} %, at an R² at most "
        f"{SAME_R2:g} lower and with latents no further from the prior (their MMD): any fit keeps more that is held "
        "less. “Its control does as well” where some KL weight keeps as much at that R², as near. The MMD does not "
        "stop σ from shrinking, so its information grows with the steps. One seed each: no standard error.",
    )  # fmt: skip


@dataclass(frozen=True)
class _Held:
    """What a fit's latents hold, and how far all of them together lie from the prior; NaN where that is not known."""

    name: str
    information: float
    r2: float
    mmd: float

    def nearer(self, other: "_Held") -> bool:
        """Whether these latents lie nearer to the prior."""
        return bool(self.mmd * (1 + INFORMATION) < other.mmd)

    @property
    def text(self) -> str:
        apart = f", at an MMD of {fixed(self.mmd, 3)} from the prior" if np.isfinite(self.mmd) else ""
        return f"{self.name} keeps {fixed(self.information, 1)} nats at R² {fixed(self.r2, 3)}{apart}"


def _held(row) -> _Held:
    return _Held(str(row["name"]), information_of(row), value(row, "r2_test"), value(row, "mmd"))


def _weight(tables: StructuralTables) -> Iterator[Judged]:
    """The paper's rule for λ: of the order of the log likelihood."""
    from pydra_vae.bids.tables import read_table

    histories = {n: read_table(p) for n, p in tables.of_fits("histories").items()}
    settings = {str(s): row for s, row in zip(text_column(tables.fits, "setting"), tables.fits.iloc, strict=True)}
    for name, history in histories.items():
        wanted, ratio = (numbers(history, c) for c in ("mmd_weight_paper", "mmd_ratio"))
        row = settings.get(name.removeprefix("VAE "))
        known = np.flatnonzero(np.isfinite(wanted))
        if row is None or str(row.get("divergence")) != "mmd" or not len(known):
            continue
        last = known[-1]
        used, r2 = value(row, "mmd_weight"), value(row, "r2_test")
        order = used >= wanted[last] / 10
        reached = r2 >= value(row, "pca_r2_test") - SAME_R2
        verdict = OPEN if order else DIFFERS if reached else OPEN
        rule = number(float(f"{wanted[last]:.2g}"), 2)
        text = (
            f"With λ = {number(used)}, λ · MMD is {number(ratio[last], 2)} of the log likelihood, and R² is "
            f"{fixed(r2, 3)}."
        )
        text += " A weight far below the rule serves." if verdict == DIFFERS else " The rule is not put to the test."
        yield Judged(
            "lambda", "λ of the MMD must be of the order of the log likelihood", "“at least of the same order”",
            f"λ = {number(used)}; R² {fixed(r2, 3)}", f"the rule asks for λ ≈ {rule}", Finding(text, verdict),
            f"“Otherwise” where a λ below a tenth of the rule's reconstructs no worse than PCA by {SAME_R2:g}; open "
            "in all other cases. The log likelihood of values on a scale depends on their unit (and is 0 in one of "
            "them), so that the rule has no λ of its own: here it is in the images' unit.",
        )  # fmt: skip
        return


def _collapse(tables: StructuralTables) -> Iterator[Judged]:
    fits = tables.fits
    ratios = numbers(fits, "variance_ratio")
    if not np.isfinite(ratios).any():
        return
    collapsed, mild = ([true(v) for v in fits.get(c, [])] for c in ("collapsed", "over_regularised"))
    names = fits["name"].tolist()
    fallen = [n for n, c in zip(names, collapsed, strict=False) if c]
    weak = [n for n, m, c in zip(names, mild, collapsed, strict=False) if m and not c]
    lowest, swap = int(np.nanargmin(ratios)), numbers(fits, "swap_ratio")
    healthy = [r for r, c, m in zip(ratios, collapsed, mild, strict=False) if not c and not m and np.isfinite(r)]
    verdict = AGREES if _pulled(fits, collapsed, mild) else OPEN
    text = (
        f"{listed(fallen)} {'decodes' if len(fallen) == 1 else 'decode'} one image for everybody"
        if fallen
        else "No fit has collapsed"
    )
    text += f"; {listed(weak)} {'is' if len(weak) == 1 else 'are'} over-regularised." if weak else "."
    yield Judged(
        "collapse", "Too strong a pull to the prior makes every reconstruction the mean", "Fig. 2",
        f"variance ratio {fixed(ratios[lowest], 3)}, swap ratio {fixed(swap[lowest], 2)} ({names[lowest]})",
        _healthy(healthy),
        Finding(text, verdict),
        "Holds where at least one fit is collapsed by the detector (variance ratio < 0.05, swap ratio < 1.1 or no "
        "active unit) and one with a lower weight of the same divergence, and as many latents, is healthy; else it "
        "stays open, as a fit that has not learnt looks the same.",
    )  # fmt: skip


def _healthy(ratios: list[float]) -> str:
    if not ratios:
        return "no healthy fit"
    low, high = fixed(min(ratios)), fixed(max(ratios))
    return f"healthy fits: variance ratio {low}" + (f" to {high}" if high != low else "")


def _pulled(fits: pd.DataFrame, collapsed: list[bool], mild: list[bool]) -> bool:
    """Whether a heavier weight of the divergence makes the difference between a healthy fit and a collapsed one."""
    if len(collapsed) != len(fits):
        return False
    mild = mild or [False] * len(fits)
    for column, kind in (("beta", "kl"), ("mmd_weight", "mmd")):
        weight, alike = numbers(fits, column), (text_column(fits, "divergence") == kind).to_numpy()
        k = text_column(fits, "k").to_numpy()
        for i in np.flatnonzero(alike & np.array(collapsed)):
            lighter = alike & (weight < weight[i]) & (k == k[i])
            if any(not collapsed[j] and not mild[j] for j in np.flatnonzero(lighter)):
                return True
    return False
