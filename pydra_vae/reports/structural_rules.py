"""How the claims of the structural page are judged: what counts as better, once, for all of them.

A difference counts where it is larger than twice its standard error and larger than a floor, below which it would
matter to nobody. The limits are set here and not tuned to any data. Where no standard error is at hand, the floor alone
decides, and the text says so.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pydra_vae.reports.formats import fixed, signed
from pydra_vae.reports.group_findings import AGREES, DIFFERS, OPEN, Claim

ERRORS = 2.0  # standard errors
FLOOR = 0.01  # of R², SSIM, correlations
SAME_R2 = 0.02  # R² within which two fits reconstruct alike
INFORMATION = 0.1  # relative difference of information that counts
DISSIMILARITY = 0.05  # share of 1 − SSIM that counts
ALPHA = 0.05
COUNTS = f"more than {ERRORS:g} standard errors and more than {FLOOR:g}"


@dataclass(frozen=True)
class Judged(Claim):
    """A claim with the rule by which its verdict was given.

    Attributes
    ----------
    rule : str
    """

    rule: str = ""


@dataclass(frozen=True)
class Difference:
    """A difference of two measures with its standard error, NaN where that is not known, and what matters of it."""

    value: float
    se: float = np.nan
    floor: float = FLOOR

    @property
    def known(self) -> bool:
        """Whether there is any difference to judge."""
        return bool(np.isfinite(self.value))

    @property
    def margin(self) -> float:
        """What it must exceed."""
        return max(self.floor, ERRORS * self.se) if np.isfinite(self.se) else self.floor

    @property
    def above(self) -> bool:
        """Whether the first is higher by more than the margin.

        Examples
        --------
        >>> Difference(0.05, 0.01).above, Difference(0.05, 0.04).above, Difference(0.05).above
        (True, False, True)
        """
        return self.known and self.value > self.margin

    @property
    def below(self) -> bool:
        """Whether the first is lower by more than the margin."""
        return self.known and self.value < -self.margin

    @property
    def text(self) -> str:
        """As a sentence gives it.

        Examples
        --------
        >>> Difference(0.05, 0.01).text, Difference(-0.004).text
        ('+0.050 ± 0.010', '−0.004')
        """
        error = f" ± {fixed(self.se, 3)}" if np.isfinite(self.se) else ""
        return f"{signed(self.value, 3)}{error}"


def compared(found: Difference) -> str:
    """The verdict of a claim that the first is better than the second: open where it may be, but is not beyond doubt.

    Examples
    --------
    >>> [compared(Difference(*pair)) for pair in ((0.05, 0.01), (0.05, 0.04), (-0.05, 0.01), (0.005,))]
    ['as in the paper', '', 'otherwise', 'otherwise']
    """
    if found.above:
        return AGREES
    highest = found.value + (ERRORS * found.se if np.isfinite(found.se) else 0)
    return DIFFERS if found.known and highest <= found.floor else OPEN


def paired(table: pd.DataFrame, first: dict, second: dict, key: str = "label") -> Difference:
    """Difference of R² of two sets of predictions of the same persons, with its standard error over persons.

    R² is 1 − SSE/SS about the baseline (the column of that name, else the mean of the observed values), so that the
    difference is the mean over persons of the difference of squared errors, over the mean square about the baseline.

    Parameters
    ----------
    table : DataFrame
        observed, predicted, and the columns named by `first` and `second`.
    first, second : dict
        Columns to values that pick the two.
    key : str
        What tells persons apart.
    """
    found = []
    for where in (first, second):
        rows = table
        for column, wanted in where.items():
            rows = rows[rows[column] == wanted]
        rows = rows.assign(
            observed=pd.to_numeric(rows["observed"], errors="coerce"),
            predicted=pd.to_numeric(rows["predicted"], errors="coerce"),
        ).dropna(subset=["observed", "predicted"])
        found.append(rows.drop_duplicates(key).set_index(key))
    joined = found[0].join(found[1], rsuffix="_second", how="inner")
    if len(joined) < 3:
        return Difference(np.nan)
    y = joined["observed"].to_numpy()
    gain = (y - joined["predicted_second"].to_numpy()) ** 2 - (y - joined["predicted"].to_numpy()) ** 2
    baseline = joined["baseline"].to_numpy(dtype=float) if "baseline" in joined else y.mean()
    variance = float(np.mean((y - baseline) ** 2))
    if not variance > 0:
        return Difference(np.nan)
    return Difference(float(gain.mean() / variance), float(gain.std(ddof=1) / np.sqrt(len(y)) / variance))
