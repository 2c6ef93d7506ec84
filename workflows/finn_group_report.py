"""finn's group: the subjects' tables gathered, and the report of it all."""

from __future__ import annotations

from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.choose_size import ChooseSize
from pydra_vae.tasks.gather_tables import GatherTables
from pydra_vae.tasks.group_report import GroupReport
from pydra_vae.workflows.finn_group import LISTS, OUTPUTS
from pydra_vae.workflows.finn_parts import EMPTY, Options

# Tables of a subject's analyses that the group puts under one another.
GATHERED = (
    "sweep", "divergence", "structure", "correlations", "dimensions", "views", "matches", "separability", "geometry",
    "outliers", "samples", "reliability", "surrogate", "latent_recovery",
)  # fmt: skip
# Files of the group's analyses that the report takes.
SHOWN = tuple(name for names in OUTPUTS.values() for name in names if name not in (*LISTS, "template_maps"))


@graph.define(outputs={"table": File, "index": File, **dict.fromkeys((*GATHERED, "choice", "curve"), File | None)})
def GroupCvae(
    metrics: list[File],
    tables: Options = EMPTY,
    sizes: Options = EMPTY,
    across: Options = EMPTY,
    report: Options = EMPTY,
):
    """Tables and the report of all subjects.

    Parameters
    ----------
    metrics : list of file
        Tables of SubjectMetrics.
    tables : dict
        For each of `GATHERED` that is there: label → path.
    sizes : dict
        Further parameters of ChooseSize.
    across : dict
        Those of `SHOWN` that are there, by name.
    report : dict
        Further inputs of GroupReport.
    """
    table = workflow.add(GatherTables(tables=metrics), name="metrics").table
    found: dict[str, Any] = {}
    for name, files in tables.items():
        gathered = GatherTables(tables=list(files.values()), labels=list(files))
        found[name] = workflow.add(gathered, name=f"all_{name}").table
    if "sweep" in found:
        chosen = workflow.add(ChooseSize(sweep=found["sweep"], **sizes))
        found |= {"choice": chosen.choice, "curve": chosen.curve}
    page = workflow.add(GroupReport(metrics=metrics, **found, **across, **report))
    return (table, page.index, *(found.get(name) for name in (*GATHERED, "choice", "curve")))
