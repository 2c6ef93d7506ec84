"""What is not on the page: why, and how to get it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydra_vae.reports.group_findings import sentence
from pydra_vae.reports.group_tables import Tables
from pydra_vae.reports.pages import render

NEEDS_TWO = "Compares subjects, so it needs at least two; here is one."
NOT_MADE = "Not made."
FAILED = " failed: "  # in a reason: it was tried


@dataclass(frozen=True)
class Analysis:
    """One analysis that a page can have.

    Attributes
    ----------
    name : str
        As ``--analyses`` knows it.
    what : str
        What it shows.
    tables : tuple of str
        Of which one must be there.
    level : str
        participant or group.
    section : str
        Where the page has it.
    """

    name: str
    what: str
    tables: tuple[str, ...]
    level: str
    section: str


ANALYSES = (
    Analysis("sweep", "Error by latent size", ("curve",), "participant", "size"),
    Analysis("transfer", "Every subject's data through every other's model", ("transfer",), "group", "transfer"),
    Analysis(
        "latents",
        "Latent structure, networks and connectivity",
        ("structure", "separability"),
        "participant",
        "structure",
    ),
    Analysis("alignment", "Alignment of latent spaces, with floor and nulls", ("pairs",), "group", "alignment"),
    Analysis("shared", "Models of several subjects", ("shared",), "group", "shared"),
    Analysis("kl", "KL and its relatives", ("divergence",), "participant", "kl"),
    Analysis("outliers", "Outliers among voxels and frames", ("outliers",), "participant", "outliers"),
    Analysis("samples", "New series from the latents", ("samples",), "participant", "outliers"),
    Analysis("statistics", "Tests and correlation between subjects", ("tests", "isc"), "group", "statistics"),
    Analysis("identification", "Identification by the other half", ("identification",), "group", "statistics"),
    Analysis(
        "reliability",
        "Fair split-half reliability and Gaussian surrogates",
        ("reliability", "surrogate"),
        "participant",
        "controls",
    ),
)


def failed(skipped: dict[str, str], section: str, analyses: Sequence[Analysis] = ANALYSES) -> str:
    """Warnings of a section's analyses that were tried and failed; "" without any."""
    found = [(a, skipped[a.name]) for a in analyses if a.section == section and FAILED in skipped.get(a.name, "")]
    items = [(f"{a.what}: {reason.partition(FAILED)[0]} failed", reason.partition(FAILED)[2]) for a, reason in found]
    return render("failed.html", items=items) if items else ""


def failed_names(tables: Tables) -> list[str]:
    """Names of the analyses that were tried and failed."""
    return [name for name, reason in tables.files.skipped.items() if FAILED in reason]


def missing(tables: Tables) -> str:
    """A row for each analysis that the page does not have; "" where it has all."""
    skipped, n = tables.files.skipped, tables.metrics["participant_id"].nunique()
    items = []
    for analysis in ANALYSES:
        if any(tables(name) is not None for name in analysis.tables) or FAILED in skipped.get(analysis.name, ""):
            continue
        how = f"{analysis.level} … --analyses {analysis.name}"
        if analysis.name in skipped:
            items.append((analysis.what, sentence(skipped[analysis.name]), ""))
        elif analysis.level == "group" and n < 2:
            items.append((analysis.what, NEEDS_TWO, how))
        elif analysis.level == "participant":
            items.append((analysis.what, f"{NOT_MADE} At the participant level, then the group level again:", how))
        else:
            items.append((analysis.what, NOT_MADE, how))
    if tables("mantel") is None and n > 1 and "mantel" not in skipped:
        items.append(
            ("A score beside latent distances", "Name a column of participants.tsv:", "group … --score COLUMN")
        )
    known = {analysis.name for analysis in ANALYSES}
    items += [(name, sentence(reason), "") for name, reason in skipped.items() if name not in known]
    return render("missing.html", items=items) if items and n else ""
