"""The sections of the structural page, in the order of the tutorial: sentences first, then figures and tables."""

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import escape

from pydra_vae.reports.formats import glued
from pydra_vae.reports.group_findings import BADGES
from pydra_vae.reports.group_missing import failed
from pydra_vae.reports.group_words import folded, table_of
from pydra_vae.reports.pages import Section, render
from pydra_vae.reports.structural_methods import methods
from pydra_vae.reports.structural_missing import ANALYSES, missing
from pydra_vae.reports.structural_rules import Judged
from pydra_vae.reports.structural_sections_fits import collapse, losses, reconstruction, search, training
from pydra_vae.reports.structural_sections_images import draws
from pydra_vae.reports.structural_sections_latents import dimension, embeddings, latents
from pydra_vae.reports.structural_sections_models import joint, regression
from pydra_vae.reports.structural_sections_visits import longitudinal, networks, planted
from pydra_vae.reports.structural_short import in_short
from pydra_vae.reports.structural_tables import StructuralTables

SOURCE = "VAE tutorial"


def sections(tables: StructuralTables, made: Sequence[Judged]) -> list[Section]:
    """Every section, with the claims that were judged; those without fragments are left out by the page."""
    found = {claim.name: claim for claim in made}
    page = [
        Section("paper", "The tutorial and these data", [claims(made, tables)]),
        Section("reconstruction", "Reconstruction", reconstruction(tables, found)),
        Section("training", "Training", training(tables)),
        Section("losses", "Losses", losses(tables, found)),
        Section("collapse", "Collapse", collapse(tables, found)),
        Section("search", "Search", search(tables)),
        Section("latents", "Latents", latents(tables, found)),
        Section("draws", "New images", draws(tables)),
        Section("maps", "Other maps", embeddings(tables, found)),
        Section("dimension", "Dimension", dimension(tables, found)),
        Section("regression", "Regression", regression(tables, found)),
        Section("joint", "Joint models", joint(tables, found)),
        Section("longitudinal", "Visits", longitudinal(tables, found)),
        Section("networks", "Networks", networks(tables, found)),
        Section("planted", "Planted and found", planted(tables, found)),
        Section("methods", "Methods", [methods(tables)]),
        Section("missing", "Not on this page", [missing(tables)]),
    ]
    skipped = tables.files.skipped
    return [replace(part, fragments=[failed(skipped, part.name, ANALYSES), *part.fragments]) for part in page]


def claims(found: Sequence[Judged], tables: StructuralTables) -> str:
    """The page in a sentence, the tutorial's claims beside what was measured, and the rules of the verdicts."""
    short = in_short(found, tables)
    notice = f'<div class="notice"><p>{escape(glued(short))}</p></div>' if short else ""
    if not found:
        return notice
    what = "simulated images" if tables.files.simulated else "images"
    lead = (
        f"The tutorial gives no numbers of its own; below are the claims that these {what} speak to, each with its "
        "control. All figures are of images or persons that had no part in the fit, unless a section says otherwise; ± "
        "is a standard error over persons. A claim without a mark stays open."
    )
    table = render("claims.html", claims=found, lead=lead, badges=BADGES, source=SOURCE)
    rules = table_of(["Claim", "Rule of its verdict"], [[c.claim, c.rule] for c in found], text=(0, 1))
    return notice + table + folded("By which rules the verdicts are given", rules)
