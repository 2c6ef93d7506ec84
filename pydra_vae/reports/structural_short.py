"""The structural page in one sentence."""

from collections.abc import Sequence

from pydra_vae.reports.structural_rules import Judged
from pydra_vae.reports.structural_tables import StructuralTables


def in_short(found: Sequence[Judged], tables: StructuralTables) -> str:
    """What the main fit reached, and beside what; "" without scores."""
    return ""
