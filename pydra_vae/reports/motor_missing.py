"""What is not on the motor page: why, where that is known."""

from pydra_vae.reports.group_findings import sentence
from pydra_vae.reports.group_missing import FAILED, NOT_MADE, Analysis
from pydra_vae.reports.motor_tables import BETA, FUNCTIONAL, MotorTables
from pydra_vae.reports.pages import render

ANALYSES = (
    Analysis("task", "Scores against the sub-tasks", ("comparison",), "group", "scores"),
    Analysis("sweep", "Scores over β", ("sweep",), "group", "scores"),
    Analysis("courses", "Time courses beside the task", ("courses",), "group", "courses"),
    Analysis("maps", "Maps on the surface", ("maps",), "group", "maps"),
    Analysis("reference", "Agreement of maps with a reference", ("map_scores",), "group", "maps"),
    Analysis("embedding", "Trajectories of the factors", ("embedding",), "group", "trajectories"),
    Analysis("clusters", "Clusters on the surface", ("clusters",), "group", "sharing"),
    Analysis("fits", "Reconstruction and terms of the loss", ("fits",), "group", "fits"),
    Analysis("clock", "Do factors carry a clock?", ("clock",), "group", "controls"),
    Analysis("consistency", "Agreement of factors between seeds", ("consistency",), "group", "controls"),
    Analysis("stability", "Restarts of ICA", ("stability",), "group", "controls"),
)
HOW = {
    "task": "It needs recordings with events in all parts of the split.",
    "reference": "It needs a reference map of each sub-task (--reference).",
    "sweep": "It needs fits over β (--grid).",
    "courses": "It needs recordings with events.",
    "consistency": "It needs fits from two seeds (--seeds).",
}


def missing(tables: MotorTables) -> str:
    """A row for each analysis that the page does not have; "" where it has all."""
    skipped = tables.files.skipped
    items = []
    for analysis in ANALYSES:
        reason = skipped.get(analysis.name, "")
        if any(_given(tables, name) for name in analysis.tables) or FAILED in reason:
            continue
        items.append((analysis.what, sentence(reason) or f"{NOT_MADE} {HOW.get(analysis.name, '')}".strip(), ""))
    families = tables.families()
    if families and FUNCTIONAL not in families:
        items.append(("TI-VAE with functional clusters", sentence(skipped.get("functional", "")) or NOT_MADE, ""))
    if families and not tables.families(BETA):
        items.append(("β-VAE", sentence(skipped.get("beta-vae", "")) or NOT_MADE, ""))
    known = {analysis.name for analysis in ANALYSES} | {"functional", "beta-vae"}
    items += [(name, sentence(why), "") for name, why in skipped.items() if name not in known and FAILED not in why]
    return render("missing.html", items=items) if items else ""


def _given(tables: MotorTables, name: str) -> bool:
    if name == "sweep":  # β may also vary among the fits of the comparison
        return tables(name) is not None or any(
            found["beta"].nunique() > 1 for _, found in tables.results.groupby(["model", "k"])
        )
    if name == "map_scores":
        table = tables(name)
        return table is not None and bool(table["r_all"].notna().any())
    value = getattr(tables.files, name)
    return bool(value) if isinstance(value, tuple | list) else tables(name) is not None
