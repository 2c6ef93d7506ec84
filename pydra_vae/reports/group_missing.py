"""What is not on the page: why, and how to get it."""

from dataclasses import dataclass

from pydra_vae.reports.group_findings import sentence
from pydra_vae.reports.group_tables import Tables
from pydra_vae.reports.pages import render

NEEDS_TWO = "Compares subjects, so it needs at least two; here is one."
NOT_MADE = "Not made."


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
    """

    name: str
    what: str
    tables: tuple[str, ...]
    level: str


ANALYSES = (
    Analysis("sweep", "Error by latent size", ("curve",), "participant"),
    Analysis("transfer", "Every subject's data through every other's model", ("transfer",), "group"),
    Analysis("latents", "Latent structure, networks and connectivity", ("structure", "separability"), "participant"),
    Analysis("alignment", "Alignment of latent spaces, with floor and nulls", ("pairs",), "group"),
    Analysis("shared", "Models of several subjects", ("shared",), "group"),
    Analysis("kl", "KL and its relatives", ("divergence",), "participant"),
    Analysis("outliers", "Outliers among voxels and frames", ("outliers",), "participant"),
    Analysis("samples", "New series from the latents", ("samples",), "participant"),
    Analysis("statistics", "Tests over subjects, correlation between subjects", ("tests", "isc"), "group"),
    Analysis("identification", "Identification of subjects by their other half", ("identification",), "group"),
    Analysis(
        "reliability",
        "Fair split-half reliability and Gaussian surrogates",
        ("reliability", "surrogate"),
        "participant",
    ),
)


def missing(tables: Tables) -> str:
    """A row for each analysis that the page does not have; "" where it has all."""
    skipped, n = tables.files.skipped, tables.metrics["participant_id"].nunique()
    items = []
    for analysis in ANALYSES:
        if any(tables(name) is not None for name in analysis.tables):
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
