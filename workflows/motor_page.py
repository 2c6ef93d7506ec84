"""What motor's report shows beside the gathered tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydra_vae.workflows.motor_inputs import all_parameters
from pydra_vae.workflows.motor_specs import Vae

if TYPE_CHECKING:
    from pydra_vae.workflows.motor_study import Study

# Analyses of the report that need events.
NO_TASK = dict.fromkeys(("task", "courses"), "no recording has events")


def info_of(made: Any) -> Path:
    """clusters.json of SurfaceGeometry or SpectralClusters."""
    return getattr(made, "clusters_info", None) or made.info


def shown_inputs(
    study: Study, models: Mapping[str, tuple[Any, Any]], shown: Mapping[str, tuple[Any, Any]]
) -> dict[str, Any]:
    """Inputs of MotorReport: maps of all models, trajectories of those `shown`, and what the study came upon."""
    names = list(study.clusters)
    return {
        "maps": [outputs.maps for _, outputs in models.values()],
        "map_models": list(models),
        "vertices": study.files["vertices"],
        "region": study.files["region"],
        "surfaces": study.display,
        "folded": study.surface,
        "clusters": [study.clusters[name].clusters for name in names],
        "clusters_quality": [study.clusters[name].quality for name in names],
        "clusters_info": [info_of(study.clusters[name]) for name in names],
        "cluster_names": names,
        "geodesics_info": study.files["geodesics_info"],
        "embedding": [outputs.embedding for _, outputs in shown.values()],
        "embedding_models": list(shown),
        "distances": [outputs.distances for _, outputs in shown.values()],
        "silhouette": [outputs.silhouette for _, outputs in shown.values()],
        "configs": [outputs.config for model, outputs in models.values() if isinstance(model, Vae)],
        "histories": [outputs.history for model, outputs in models.values() if isinstance(model, Vae)],
        "config_names": [label for label, (model, _) in models.items() if isinstance(model, Vae)],
        "series_info": study.files["series_info"],
        "reference": study.files.get("reference"),
        "reference_names": study.files.get("reference_names"),
        "subject_split": study.files["subject_split"],
        "failures": json.dumps(study.failures),
        "skipped": json.dumps(study.skipped | (NO_TASK if study.regressors is None else {})),
        "parameters": json.dumps(all_parameters(study.options), sort_keys=True),
        "dataset": study.options.data.absolute().name,
    }
