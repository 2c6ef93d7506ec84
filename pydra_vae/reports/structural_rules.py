"""How the claims of the structural page are judged: what counts as better, once, for all of them.

A difference counts where it is larger than twice its standard error, and larger than a floor below which it would
matter to nobody. The limits are set here and not tuned to any data.
"""

from dataclasses import dataclass

from pydra_vae.reports.group_findings import Claim


@dataclass(frozen=True)
class Judged(Claim):
    """A claim with the rule by which its verdict was given.

    Attributes
    ----------
    rule : str
    """

    rule: str = ""
