"""The parts of motor's graph before any model: the surface with its clusters, and one recording's series."""

from __future__ import annotations

from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.geodesic_distances import GeodesicDistances
from pydra_vae.tasks.prepare_surface import PrepareSurface
from pydra_vae.tasks.spectral_clusters import SpectralClusters
from pydra_vae.tasks.task_regressors import TaskRegressors

Options = dict[str, Any]
EMPTY: Options = {}  # Pydra copies the inputs of a workflow
FILTERS = ("high_pass", "low_pass", "detrend", "dummy_scans")  # what regressors go through like the data
CLUSTERS = ("clusters", "quality", "clusters_info")


@graph.define(outputs=dict.fromkeys(CLUSTERS, File))
def StructuralClusters(
    vertices: File, left: File, right: File, surfaces: list[File], seed: int = 0, clusters: Options = EMPTY
):
    """Clusters from distances that another step measures: only in a workflow of their own can two files be one list."""
    method = {"method": "structural"} | clusters
    made = workflow.add(
        SpectralClusters(vertices=vertices, distances=[left, right], surfaces=surfaces, seed=seed, **method)
    )
    return made.clusters, made.quality, made.info


@graph.define(outputs={"left": File, "right": File, "geodesics_info": File, **dict.fromkeys(CLUSTERS, File)})
def SurfaceGeometry(
    vertices: File,
    region: File,
    surfaces: list[File],
    seed: int = 0,
    geodesics: Options = EMPTY,
    clusters: Options = EMPTY,
):
    """Geodesic distances of a region's vertices, and its structural clusters.

    Parameters
    ----------
    vertices, region : file
        Those of MakeRegion.
    surfaces : list of file
        Left and right surface, or those of several subjects after one another.
    seed : int
        Of the clusters.
    geodesics, clusters : dict
        Further parameters of GeodesicDistances and SpectralClusters.
    """
    found = workflow.add(GeodesicDistances(surfaces=surfaces, vertices=vertices, region=region, **geodesics))
    made = workflow.add(
        StructuralClusters(
            vertices=vertices, left=found.left, right=found.right, surfaces=surfaces[:2], seed=seed, clusters=clusters
        )
    )
    return found.left, found.right, found.info, made.clusters, made.quality, made.clusters_info


@graph.define(outputs={"series": File, "info": File, "regressors": File | None})
def RecordingSeries(
    data: list[File],
    vertices: File,
    region: File,
    sidecar: File | None = None,
    confounds: File | None = None,
    confounds_json: File | None = None,
    events: list[File] | None = None,
    n_frames: int | None = None,
    t_r: float | None = None,
    start_time: float = 0.0,
    prepare: Options = EMPTY,
    task: Options = EMPTY,
):
    """One recording: the region's filtered series, and what the task makes one expect of it.

    Parameters
    ----------
    data : list of file
        One CIFTI series, or the GIFTI series of the left and right hemisphere.
    vertices, region : file
        Those of MakeRegion.
    sidecar, confounds, confounds_json : file, optional
        fMRIPrep's companions of the recording.
    events : list of file, optional
        Its events; an empty list where the layout needs none. None: no task.
    n_frames, t_r, start_time : int, float, float
        Length, repetition time and the first frame's time, in seconds.
    prepare, task : dict
        Further parameters of PrepareSurface and TaskRegressors.
    """
    prepared = workflow.add(
        PrepareSurface(
            data=data,
            vertices=vertices,
            region=region,
            sidecar=sidecar,
            confounds=confounds,
            confounds_json=confounds_json,
            t_r=t_r,
            **prepare,
        )
    )
    regressors = None
    if events is not None:
        filters = {name: value for name, value in prepare.items() if name in FILTERS}
        expected = TaskRegressors(events=events, n_frames=n_frames, t_r=t_r, start_time=start_time, **filters, **task)
        regressors = workflow.add(expected).regressors
    return prepared.series, prepared.info, regressors
