"""What the sentences of the group report are made of: a finding, a claim, and what counts as "the same".

The limits are set here, once, and not tuned to any data. A claim that holds for its control as well is not counted as
the model's: it has a verdict of its own.
"""

from dataclasses import dataclass

import numpy as np

AGREES, ALSO, DIFFERS, OPEN = "as in the paper", "its control does as well", "otherwise", ""
BADGES = {AGREES: "fine", ALSO: "plain", DIFFERS: "warn"}
ALIKE = 0.1  # relative difference below which two measures are called alike
POINT = 0.01  # difference of two accuracies, correlations or silhouettes that counts
ERROR = 0.01  # relative difference of two errors that counts


@dataclass(frozen=True)
class Finding:
    """What ours says of a claim.

    Attributes
    ----------
    text : str
        A sentence or two.
    verdict : str
        "as in the paper"; "its control does as well" of a claim that holds, but no more than for its control;
        "otherwise"; or "" where none can be said.
    """

    text: str
    verdict: str = OPEN


@dataclass(frozen=True)
class Claim:
    """One row of the table.

    Attributes
    ----------
    name : str
        Key, by which a section finds its sentence.
    claim, paper, ours, control : str
        What the paper says, its number, ours, and the control's.
    finding : Finding
    """

    name: str
    claim: str
    paper: str
    ours: str
    control: str
    finding: Finding


def higher(first, second, by: float = POINT) -> bool:
    """Whether the first is higher on average by this much, and in more than half of the subjects."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    difference = difference[np.isfinite(difference)]
    return bool(difference.size and difference.mean() > by and (difference > 0).mean() > 0.5)


def sentence(text: str) -> str:
    """A text with a capital and a full stop; "" of nothing.

    Examples
    --------
    >>> sentence("it needs two subjects")
    'It needs two subjects.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "!", "?")) else ".")
