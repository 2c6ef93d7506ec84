"""motor's models as workflows: TI-VAE and its relatives, ICA and PCA, each with factors, maps and scores.

Every model gives factors (recordings × time × k) and maps (k × vertices), and from these on all are treated alike, by
`ScoreFactors`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.clock_control import ClockControl
from pydra_vae.tasks.compare_maps import CompareMaps
from pydra_vae.tasks.encode_factors import EncodeFactors
from pydra_vae.tasks.factor_embedding import FactorEmbedding
from pydra_vae.tasks.fit_tivae import FitTiVae
from pydra_vae.tasks.hrf_regression import HrfRegression
from pydra_vae.tasks.ica import Ica
from pydra_vae.tasks.rotate_factors import RotateFactors
from pydra_vae.tasks.score_tivae import ScoreTiVae
from pydra_vae.tasks.spatial_maps import SpatialMaps
from pydra_vae.tasks.subject_maps import SubjectMaps
from pydra_vae.tasks.write_surface_maps import WriteSurfaceMaps
from pydra_vae.workflows.motor_parts import EMPTY, Options
from pydra_vae.workflows.sweep import Point, sweep

SCORED = ("scores", "summary", "subjects", "courses", "glm", "map_scores")
SURFACE_FILES = ("cifti", "left", "right")
EMBEDDED = ("embedding", "distances", "silhouette")
OF_SUBJECTS = ("subject_cifti", "subject_left", "subject_right")
ROTATED = tuple(f"rotated_{name}" for name in ("factors", "maps", *SCORED))


@graph.define(outputs=dict.fromkeys(SCORED, File | None))
def ScoreFactors(
    factors: File,
    maps: File,
    subject_split: File,
    vertices: File,
    region: File,
    surfaces: list[File],
    regressors: list[File | None] | None = None,
    reference: File | None = None,
    reference_names: File | None = None,
    kind: str = "variance",
    family: str = "",
    beta: float | None = None,
    seed: int = 0,
    task: Options = EMPTY,
):
    """Hold a model's factors against the task, and its maps against a reference; without a task only measure the maps.

    Parameters
    ----------
    factors, maps : file
        (S, T, k) and (k, V) arrays.
    subject_split, vertices, region : file
        As everywhere in motor.
    surfaces : list of file
        Left and right surface, for distances within a map.
    regressors : list of file, optional
        One table a recording, None for one without events.
    reference, reference_names : file, optional
        Maps of the sub-tasks, and their names.
    kind : {"variance", "signed"}
        Of the maps.
    family, beta, seed
        What the tables call the model.
    task : dict
        Further parameters of HrfRegression.
    """
    named = {"model": family, "beta": beta, "seed": seed}
    scored: dict[str, Any] = dict.fromkeys(SCORED[:-1])
    if regressors:
        found = workflow.add(
            HrfRegression(factors=factors, regressors=regressors, subject_split=subject_split, **named, **task)
        )
        scored = {name: getattr(found, name) for name in scored}
    compared = workflow.add(
        CompareMaps(
            maps=maps,
            scores=scored["scores"],
            vertices=vertices,
            region=region,
            surfaces=surfaces,
            reference=reference,
            reference_names=reference_names,
            kind=kind,
            **named,
        )
    )
    return (*scored.values(), compared.map_scores)


@graph.define(
    outputs={
        "model": File,
        "config": File,
        "history": File,
        "score": File,
        "verdict": File,
        "factors": File,
        "sigma": File,
        "maps": File,
        **dict.fromkeys((*SURFACE_FILES, *OF_SUBJECTS, *SCORED, "clock", *EMBEDDED, *ROTATED), File | None),
    }
)
def TiVaeModel(
    series: list[File],
    subject_split: File,
    vertices: File,
    region: File,
    clusters: File,
    clusters_info: File,
    surfaces: list[File],
    pca: File,
    regressors: list[File | None] | None = None,
    reference: File | None = None,
    reference_names: File | None = None,
    family: str = "TI-VAE-S",
    latent_dim: int = 8,
    beta: float = 1.0,
    seed: int = 0,
    fit: Options = EMPTY,
    task: Options = EMPTY,
    rotate: str = "none",
    shown: bool = True,
    own_maps: list[str] | None = None,
):
    """Fit one TI-VAE (or a relative), encode every recording, map and score its factors.

    Parameters
    ----------
    series : list of file
        (T, V) arrays, in the order of `subject_split`.
    subject_split, vertices, region, clusters, clusters_info, pca : file
        Those of SplitSubjects, MakeRegion, SpectralClusters and FitSurfacePca.
    surfaces : list of file
        Left and right surface, for distances within a map.
    regressors : list of file, optional
        One table a recording; without them nothing is scored against a task.
    reference, reference_names : file, optional
        Maps of the sub-tasks, and their names.
    family, latent_dim, beta, seed
        What the tables call the model, factors, weight of the total correlation (of the KL in a β-VAE), seed.
    fit, task : dict
        Further parameters of FitTiVae and HrfRegression.
    rotate : str
        Rotate the factors after training, beside the fit itself; a method of RotateFactors, or none.
    shown : bool
        With the trajectory's embedding, the clock control and maps as CIFTI and GIFTI, which a figure needs.
    own_maps : list of str, optional
        Labels of recordings whose own maps are written too (SubjectMaps' regression).
    """
    data = {"series": series, "subject_split": subject_split}
    device = {"device": fit["device"]} if "device" in fit else {}
    fitted = workflow.add(
        FitTiVae(
            **data,
            vertices=vertices,
            clusters=clusters,
            clusters_info=clusters_info,
            latent_dim=latent_dim,
            beta=beta,
            seed=seed,
            **fit,
        )
    )
    network = {"model": fitted.model, "config": fitted.config}
    scored = workflow.add(
        ScoreTiVae(**network, **data, **device, pca=pca, regressors=regressors, name=family, seed=seed)
    )
    encoded = workflow.add(EncodeFactors(**network, series=series, **device))
    mapped = workflow.add(SpatialMaps(**network, factors=encoded.factors, subject_split=subject_split, **device))
    space = {"vertices": vertices, "region": region}
    common = {
        **space,
        "subject_split": subject_split,
        "surfaces": surfaces,
        "regressors": regressors,
        "reference": reference,
        "reference_names": reference_names,
        "beta": beta,
        "seed": seed,
        "task": task,
    }
    compared = workflow.add(ScoreFactors(factors=encoded.factors, maps=mapped.maps, family=family, **common))
    files, clock, embedded, rotated = (None,) * 3, None, (None,) * 3, (None,) * len(ROTATED)
    subject_files: tuple[Any, ...] = (None,) * 3
    if own_maps:
        single = workflow.add(SubjectMaps(**network, **data, **device, factors=encoded.factors, labels=own_maps))
        names = [f"{label} factor-{k + 1}" for label in own_maps for k in range(latent_dim)]
        written = workflow.add(WriteSurfaceMaps(maps=single.regression, names=names, **space), name="subject_files")
        subject_files = tuple(getattr(written, name) for name in SURFACE_FILES)
    if shown:
        names = [f"factor-{k + 1}" for k in range(latent_dim)]
        written = workflow.add(WriteSurfaceMaps(maps=mapped.maps, names=names, **space))
        files = tuple(getattr(written, name) for name in SURFACE_FILES)
        clock = workflow.add(ClockControl(**network, **data, **device, name=family)).clock
        plane = workflow.add(
            FactorEmbedding(factors=encoded.factors, subject_split=subject_split, regressors=regressors, seed=seed)
        )
        embedded = tuple(getattr(plane, name) for name in EMBEDDED)
    if rotate != "none":
        turned = workflow.add(
            RotateFactors(factors=encoded.factors, series=series, subject_split=subject_split, method=rotate, seed=seed)
        )
        again = workflow.add(
            ScoreFactors(factors=turned.factors, maps=turned.maps, family=f"{family} rotated", kind="signed", **common),
            name="rotated_scores",
        )
        rotated = (turned.factors, turned.maps, *(getattr(again, name) for name in SCORED))
    return (
        fitted.model,
        fitted.config,
        fitted.history,
        scored.score,
        scored.verdict,
        encoded.factors,
        encoded.sigma,
        mapped.maps,
        *files,
        *subject_files,
        *(getattr(compared, name) for name in SCORED),
        clock,
        *embedded,
        *rotated,
    )


@graph.define(
    outputs={
        "factors": File,
        "maps": File,
        "stability": File,
        **dict.fromkeys((*SURFACE_FILES, *SCORED, *EMBEDDED), File | None),
    }
)
def IcaModel(
    series: list[File],
    subject_split: File,
    vertices: File,
    region: File,
    surfaces: list[File],
    pca: File,
    regressors: list[File | None] | None = None,
    reference: File | None = None,
    reference_names: File | None = None,
    family: str = "ICA",
    n_components: int = 8,
    seed: int = 0,
    ica: Options = EMPTY,
    task: Options = EMPTY,
    shown: bool = False,
):
    """Decompose the training recordings by ICA or PCA, project every recording, score factors and maps.

    Parameters
    ----------
    series, subject_split, vertices, region, surfaces, pca, regressors, reference, reference_names
        As in `TiVaeModel`.
    family, n_components, seed
        What the tables call the model, components, seed of the restarts.
    ica, task : dict
        Further parameters of Ica and HrfRegression.
    shown : bool
        With the trajectory's embedding, and maps as CIFTI and GIFTI.
    """
    space = {"vertices": vertices, "region": region}
    found = workflow.add(
        Ica(
            series=series,
            subject_split=subject_split,
            pca=pca,
            regressors=regressors,
            n_components=n_components,
            model=family,
            seed=seed,
            **ica,
        )
    )
    compared = workflow.add(
        ScoreFactors(
            **space,
            factors=found.factors,
            maps=found.maps,
            subject_split=subject_split,
            surfaces=surfaces,
            regressors=regressors,
            reference=reference,
            reference_names=reference_names,
            kind="signed",
            family=family,
            seed=seed,
            task=task,
        )
    )
    files, embedded = (None,) * 3, (None,) * 3
    if shown:
        names = [f"component-{k + 1}" for k in range(n_components)]
        written = workflow.add(WriteSurfaceMaps(maps=found.maps, names=names, **space))
        files = tuple(getattr(written, name) for name in SURFACE_FILES)
        plane = workflow.add(
            FactorEmbedding(factors=found.factors, subject_split=subject_split, regressors=regressors, seed=seed)
        )
        embedded = tuple(getattr(plane, name) for name in EMBEDDED)
    return (
        found.factors,
        found.maps,
        found.stability,
        *files,
        *(getattr(compared, name) for name in SCORED),
        *embedded,
    )


@graph.define(outputs={"table": File})
def TiVaeGrid(
    series: list[File],
    subject_split: File,
    vertices: File,
    clusters: File,
    clusters_info: File,
    pca: File,
    points: list[Point],
    regressors: list[File | None] | None = None,
    family: str = "TI-VAE-S",
    fit: Options = EMPTY,
):
    """One fit for each point of a grid over k, β and seed, and one table of their scores (figure 2A).

    Parameters
    ----------
    series, subject_split, vertices, clusters, clusters_info, pca, regressors
        As in `TiVaeModel`.
    points : list of dict
        Parameters of FitTiVae, the same names in each.
    family : str
        What the table calls the models.
    fit : dict
        Further parameters of FitTiVae.
    """
    data = {"series": series, "subject_split": subject_split}
    device = {"device": fit["device"]} if "device" in fit else {}
    score = partial(ScoreTiVae, **data, **device, pca=pca, regressors=regressors, name=family)
    shared = {key: value for key, value in fit.items() if key not in points[0]}
    where = {"vertices": vertices, "clusters": clusters, "clusters_info": clusters_info}
    return sweep(FitTiVae, score, points, "grid", **data, **where, **shared)
