"""The sections of the structural page, in the order of the tutorial."""

from pydra_vae.reports.pages import Section
from pydra_vae.reports.structural_tables import StructuralTables


def sections(tables: StructuralTables) -> list[Section]:
    """Every section; those without fragments are left out by the page."""
    return []
