"""structural's page: the tables of all models under one another, and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.gather_tables import GatherTables
from pydra_vae.tasks.structural_report import StructuralReport
from pydra_vae.workflows.finn_parts import EMPTY, Options
from pydra_vae.workflows.structural_inputs import all_parameters
from pydra_vae.workflows.structural_networks import NETWORK_MODELS

if TYPE_CHECKING:
    from pydra_vae.workflows.structural_study import Study

# Inputs of StructuralReport, each an output of the analysis of that name.
OF_EXPLAINED = {
    "traversals": "traversals",
    "effects": "effects",
    "traversal_steps": "steps",
    "traversal_table": "table",
    "draws": "statistics",
    "drawn": "drawn",
    "drawn_table": "drawn_table",
    "interpolation": "interpolated",
    "interpolation_table": "interpolation_table",
    "embeddings": "embeddings",
    "embedding_table": "coordinates_table",
    "dimension": "dimension",
    "shells": "shells",
}
OF_JOINT = {
    "joint": "scores",
    "joint_predictions": "predictions",
    "joint_decoded": "decoded",
    "joint_tables": "table",
    "joint_configs": "config",
}
OF_LONGITUDINAL = {
    "longitudinal_coefficients": "coefficients",
    "longitudinal_predictions": "predictions",
    "longitudinal_scores": "scores",
    "longitudinal_frozen": "frozen",
    "progression": "progression",
    "progression_table": "progression_steps",
}
OF_REGRESSION = {
    "regression": "scores",
    "regression_predictions": "predictions",
    "regression_importance": "importance",
}
OF_NETWORKS = {
    "network_maps": "maps",
    "network_courses": "courses",
    "network_task": "task",
    "network_overlap": "overlap",
    "network_best": "best",
    "network_mask": "mask",
    "network_scores": "score",
}
# Tables that several models or targets have, gathered: its name, and where its parts come from.
OF_RUNS = {"networks": "best", "networkoverlap": "overlap", "networktask": "task", "networkfits": "score"}
GATHERED = ("fits", "regression", "predictions", "importance", "correlations", *OF_RUNS)


@graph.define(outputs={"report": File, "claims": File, **dict.fromkeys(GATHERED, File | None)})
def StructuralPage(tables: Options = EMPTY, labels: Options = EMPTY, report: Options = EMPTY):
    """Gather the tables of all models and write the report.

    Parameters
    ----------
    tables : dict
        For each of `GATHERED` that is there, paths of its parts.
    labels : dict
        Of some of them, whose each part is.
    report : dict
        Further inputs of StructuralReport.
    """
    gather = {
        name: GatherTables(tables=files, labels=labels.get(name), column="label") for name, files in tables.items()
    }
    found = {name: workflow.add(step, name=f"all_{name}").table for name, step in gather.items()}
    page = workflow.add(StructuralReport(scores=found.get("fits"), **report))
    return (page.report, page.claims, *(found.get(name) for name in GATHERED))


def page_tables(study: Study) -> dict[str, list[str]]:
    """Parts of each gathered table."""
    models = [study.models[fit.setting] for fit in study.fits if fit.setting in study.models]
    regressions = [outputs for label, outputs in study.analyses.items() if label.startswith("regression ")]
    explained = study.analyses.get("explained")
    networks = [study.analyses[label] for label in study.networks if label in study.analyses]
    found = {
        "fits": [outputs.score for outputs in models],
        "regression": [outputs.scores for outputs in regressions],
        "predictions": [outputs.predictions for outputs in regressions],
        "importance": [outputs.importance for outputs in regressions],
        "correlations": [] if explained is None else [explained.correlations, explained.pca_correlations],
        **{name: [getattr(outputs, own) for outputs in networks] for name, own in OF_RUNS.items() if own != "task"},
        "networktask": [path for outputs in networks for path in outputs.task],
    }
    paths = {name: [str(path) for path in parts if path is not None] for name, parts in found.items()}
    return {name: parts for name, parts in paths.items() if parts}


def page_labels(study: Study) -> dict[str, list[str]]:
    """Whose runs each part of the tables of networks is."""
    made = [study.networks[label].label for label in study.networks if label in study.analyses]
    one = dict.fromkeys((name for name in OF_RUNS if name != "networktask"), made)
    found = one | {"networktask": [label for label in made for _ in NETWORK_MODELS]}
    return found if made else {}


def page_inputs(study: Study) -> dict[str, Any]:
    """Inputs of StructuralReport but for the gathered tables."""
    networks = next((label for label in study.networks if label in study.analyses), None)
    found = _of_images(study) if study.models else {}
    if networks is not None:
        found |= _of(study.analyses[networks], OF_NETWORKS)
        found |= {"network_names": list(NETWORK_MODELS), "network_mean": study.networks[networks].background}
    found |= {
        **study.searched,
        "skipped": json.dumps(study.skipped),
        "failures": json.dumps(study.failures),
        "parameters": json.dumps(all_parameters(study.options), sort_keys=True),
        "dataset": study.options.data.absolute().name,
    }
    return {name: value for name, value in found.items() if value is not None}


def _of_images(study: Study) -> dict[str, Any]:
    """What is shown of the images' models and of the analyses of the main one."""
    made = study.analyses
    explained = made.get("explained")
    settings = [fit.setting for fit in study.fits if fit.setting in study.models]
    models = [study.models[setting] for setting in settings]
    regressions = [outputs for label, outputs in made.items() if label.startswith("regression ")]
    correlations = () if explained is None else (explained.correlations, explained.pca_correlations)
    return {
        "subject_split": study.data.volume_split,
        "covariates": study.covariates.covariates,
        **{name: getattr(study.data, name) for name in ("mask", "mean", "mask_info", "volumes_info")},
        **{
            f"{name}s": [getattr(outputs, name) for outputs in models]
            for name in ("verdict", "config", "examples_table")
        },
        "histories": [outputs.history for outputs in models],
        "examples": [outputs.examples for outputs in models],
        "fit_names": settings,
        "example_names": settings,
        "latents": study.models[study.main.setting].latents,
        "correlations": [path for path in correlations if path is not None],
        **_of(explained, OF_EXPLAINED),
        **{name: [getattr(outputs, own) for outputs in regressions] for name, own in OF_REGRESSION.items()},
        **{name: [value] for name, value in _of(made.get("joint"), OF_JOINT).items()},
        **_of(made.get("longitudinal"), OF_LONGITUDINAL),
        **_of(made.get("recovery"), {"recovery": "recovery"}),
    }


def _of(outputs: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """Some outputs by the names that the report has for them."""
    return {} if outputs is None else {name: getattr(outputs, own) for name, own in names.items()}
