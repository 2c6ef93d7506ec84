"""motor's comparison: the tables of all models under one another, agreement between seeds, and the report."""

from __future__ import annotations

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.gather_tables import GatherTables
from pydra_vae.tasks.motor_report import MotorReport
from pydra_vae.tasks.seed_consistency import SeedConsistency
from pydra_vae.workflows.motor_parts import EMPTY, Options

# Tables of the models, by the name of the gathered one: an output of `TiVaeModel` or `IcaModel`.
GATHERED = {
    "comparison": "summary",
    "scores": "scores",
    "fits": "score",
    "subjects": "subjects",
    "courses": "courses",
    "glm": "glm",
    "map_scores": "map_scores",
    "stability": "stability",
    "clock": "clock",
}
# The same for tables that do not say which model they are of.
NAMED = {"distances": "distances", "silhouette": "silhouette"}
# Tables that no single model has: the grid's scores, and the agreement of seeds.
ACROSS = ("sweep", "consistency")

UNSHOWN = ("distances", "silhouette")  # the report takes them model by model


@graph.define(outputs={"report": File, "claims": File, **dict.fromkeys((*GATHERED, *NAMED, *ACROSS), File | None)})
def MotorComparison(
    subject_split: File,
    tables: Options = EMPTY,
    factors: Options = EMPTY,
    seeds: Options = EMPTY,
    report: Options = EMPTY,
):
    """Gather the tables of all models and write the report.

    Parameters
    ----------
    subject_split : file
        That of SplitSubjects.
    tables : dict
        For each of `GATHERED` and `NAMED` that is there: model → path; "sweep": part of the grid → path.
    factors, seeds : dict
        Model → path of its factors, and its seed, of models that were fitted from several seeds.
    report : dict
        Further inputs of MotorReport.
    """
    found = {}
    for name, files in tables.items():
        labels = {"labels": list(files), "column": "model"} if name in NAMED else {}
        found[name] = workflow.add(GatherTables(tables=list(files.values()), **labels), name=f"all_{name}").table
    if factors:
        agreement = SeedConsistency(
            factors=list(factors.values()),
            models=[label.rpartition(" seed=")[0] for label in factors],  # with k and β
            seeds=[seeds[label] for label in factors],
            subject_split=subject_split,
        )
        found["consistency"] = workflow.add(agreement).consistency
    page = workflow.add(MotorReport(**{name: found[name] for name in found if name not in UNSHOWN}, **report))
    return (page.report, page.claims, *(found.get(name) for name in (*GATHERED, *NAMED, *ACROSS)))
