"""The motor page in one sentence: which claim holds against which null."""

from collections.abc import Sequence

from pydra_vae.reports.formats import listed
from pydra_vae.reports.group_findings import AGREES, ALSO, OPEN, Claim
from pydra_vae.reports.motor_tables import MotorTables

NULLS = {
    "factors": "courses shifted in time",
    "temporal": "the best temporal ICA",
    "ica": "the best of all ICA",
    "beta-vae": "the β-VAE",
    "beta": "itself at β = 0",
}


def in_short(found: Sequence[Claim], tables: MotorTables) -> str:
    """What the main family beats, what it does not, and what these fits cannot tell; "" without scores.

    Parameters
    ----------
    found : sequence of Claim
    tables : MotorTables
    """
    verdicts = {claim.name: claim.finding.verdict for claim in found if claim.name in NULLS}
    if not verdicts:
        return ""
    # factors that beat courses shifted in time may still be no better than linear components, which have rows below
    beaten = [NULLS[name] for name, v in verdicts.items() if v == AGREES or (name == "factors" and v == ALSO)]
    untold = [NULLS[name] for name, v in verdicts.items() if v == OPEN]
    lost = [null for name, null in NULLS.items() if name in verdicts and null not in (*beaten, *untold)]
    parts = [f"beats {listed(beaten)}"] if beaten else []
    parts += [f"does not beat {' or '.join(filter(None, (', '.join(lost[:-1]), lost[-1])))}"] if lost else []
    parts += [f"may or may not beat {listed(untold)}: these fits cannot tell"] if untold else []
    text = f"In short: {tables.main} {'; it '.join(parts)}."
    return f"{text} To beat another model is to score higher by more than seeds differ."
