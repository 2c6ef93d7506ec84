"""The tutorial and these data: each claim, what was measured, the control beside it, and the rule of the verdict."""

from pydra_vae.reports.structural_rules import Judged
from pydra_vae.reports.structural_tables import StructuralTables


def claims_of(tables: StructuralTables) -> list[Judged]:
    """Every claim that these tables can decide."""
    return []
