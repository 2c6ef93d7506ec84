"""finn's analyses of one subject: what its latents hold, beside controls, and how far the fit can be trusted.

Each analysis of Singla et al. (2025), or asked for in their discussion, is a workflow of its own; `SubjectScience` adds
one of them. All give tidy tables, which the group level gathers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.compare_gradients import CompareGradients
from pydra_vae.tasks.connectivity_geometry import ConnectivityGeometry
from pydra_vae.tasks.diffusion_embedding import DiffusionEmbedding
from pydra_vae.tasks.encode import Encode
from pydra_vae.tasks.find_outliers import FindOutliers
from pydra_vae.tasks.fit_controls import FitControls
from pydra_vae.tasks.fit_cvae import FitCvae
from pydra_vae.tasks.gaussian_surrogate import GaussianSurrogate
from pydra_vae.tasks.halve_series import HalveSeries
from pydra_vae.tasks.latent_recovery import LatentRecovery
from pydra_vae.tasks.latent_structure import LatentStructure
from pydra_vae.tasks.latent_views import LatentViews
from pydra_vae.tasks.pca_scores import PcaScores
from pydra_vae.tasks.reconstruct import Reconstruct
from pydra_vae.tasks.reliability import Reliability
from pydra_vae.tasks.sample_series import SampleSeries
from pydra_vae.tasks.score_fit import ScoreFit
from pydra_vae.tasks.separability import Separability
from pydra_vae.tasks.write_maps import WriteLatentMaps
from pydra_vae.workflows.finn_parts import Options
from pydra_vae.workflows.sweep import Point, grid, sweep

# What each analysis gives; None where it was not asked for.
LATENTS = (
    "structure", "correlations", "dimensions", "views", "gradient_maps", "matches", "separability", "geometry",
    "matrices", "matrix_parcels", "latent_recovery",
)  # fmt: skip
OUTPUTS: dict[str, tuple[str, ...]] = {
    "latents": LATENTS,
    "sweep": ("sweep",),
    "kl": ("divergence",),
    "outliers": ("outliers", "voxel_scores", "frame_scores", "score_map"),
    "samples": ("samples",),
    "reliability": ("reliability", "surrogate"),
}
SIZES = tuple(range(2, 17))  # the paper's
ANNEALED = 0.3  # share of a fit's steps
EMPTY: dict[str, Any] = {}


def _files(*names: str) -> dict[str, type]:
    return dict.fromkeys(names, File | None)


@graph.define(outputs=_files(*LATENTS))
def LatentScience(
    scaled: File,
    scaling: File,
    frames: File,
    mask: File,
    voxels: File,
    controls: File,
    latents: File,
    latent_dim: int,
    truth: File | None = None,
    surfaces: list[File] | None = None,
    seed: int = 0,
    views: Options = EMPTY,
    gradients: Options = EMPTY,
    permutations: Options = EMPTY,
):
    """Structure, maps, networks and geometry of the latents, beside PCA, ICA and diffusion embedding."""
    space = {"voxels": voxels, "scaling": scaling, "mask": mask}
    pca = workflow.add(
        PcaScores(scaled=scaled, controls=controls, frames=frames, latent_dim=latent_dim, whiten=False)
    ).latents
    diffusion = workflow.add(
        DiffusionEmbedding(**space, scaled=scaled, frames=frames, seed=seed, **{"n_components": latent_dim} | gradients)
    ).gradients
    structure = workflow.add(
        LatentStructure(
            **space,
            latents=latents,
            scaled=scaled,
            frames=frames,
            pca=pca,
            gradients=diffusion,
            surfaces=surfaces,
            seed=seed,
        )
    )
    viewed = workflow.add(LatentViews(**space, latents=latents, seed=seed, **views))
    nulls = {"n_null": permutations["n_permutations"]} if permutations else {}
    matches = workflow.add(CompareGradients(**space, latents=latents, gradients=diffusion, seed=seed, **nulls))
    compared = {"scaled": scaled, "latents": latents, "controls": controls, "frames": frames}
    separable = workflow.add(Separability(**space, **compared, gradients=diffusion, seed=seed))
    geometry = workflow.add(ConnectivityGeometry(**space, **compared, seed=seed, **permutations))
    maps = workflow.add(WriteLatentMaps(latents=diffusion, scaling=scaling, mask=mask), name="gradient_maps")
    recovery = None
    if truth is not None:
        series = {"scaled": scaled, "latents": latents, "controls": controls}
        planted = LatentRecovery(**space, **series, truth=truth, gradients=diffusion, seed=seed)
        recovery = workflow.add(planted).recovery
    return (
        structure.structure,
        structure.correlations,
        structure.dimensions,
        viewed.views,
        maps.maps,
        matches.matches,
        separable.separability,
        geometry.geometry,
        geometry.matrices,
        geometry.parcels,
        recovery,
    )


@graph.define(outputs={"table": File})
def ManyFits(
    scaled: File,
    scaling: File,
    frames: File,
    mask: File,
    voxels: File,
    voxel_split: File,
    points: list[Point],
    scheme: str = "random",
    fit: Options = EMPTY,
):
    """One CVAE for each point of a grid, and one table of their scores."""
    series = {"scaled": scaled, "scaling": scaling, "frames": frames, "mask": mask, "voxel_split": voxel_split}
    shared = {key: value for key, value in fit.items() if key not in points[0]}
    largest = max(SIZES[-1], *(point["latent_dim"] for point in points))  # so that a size added below it fits no PCA
    pca = workflow.add(FitControls(scaled=scaled, voxel_split=voxel_split, frames=frames, latent_dim=largest))
    device = {"device": fit["device"]} if "device" in fit else {}
    score = partial(ScoreFit, **series, voxels=voxels, controls=pca.controls, **device)
    return sweep(FitCvae, score, points, "sweep", **series, scheme=scheme, **shared)


@graph.define(outputs={"reliability": File, "surrogate": File})
def Trust(
    scaled: File,
    scaling: File,
    frames: File,
    mask: File,
    voxels: File,
    voxel_split: File,
    events: list[File | None] | None = None,
    lengths: list[int] | None = None,
    t_r: float | None = None,
    scheme: str = "random",
    seed: int = 0,
    fit: Options = EMPTY,
):
    """Fair split-half reliability, and a Gaussian surrogate that no autoencoder can beat PCA on."""
    space = {"scaling": scaling, "mask": mask}
    chosen = {"voxel_split": voxel_split, "scheme": scheme, "seed": seed}
    device = {"device": fit["device"]} if "device" in fit else {}
    size = {"latent_dim": fit["latent_dim"]} if "latent_dim" in fit else {}
    halves = workflow.add(HalveSeries(scaled=scaled, frames=frames, scaling=scaling))
    half = {"scaled": halves.first, "frames": halves.first_frames}
    fitted = workflow.add(FitCvae(**half, **space, **chosen, **fit), name="first_half_fit")
    model = {"model": fitted.model, "config": fitted.config}
    controls = workflow.add(FitControls(**half, voxel_split=voxel_split, **size)).controls
    encoded = workflow.add(Encode(scaled=halves.first, **model, **device))
    decoded = workflow.add(Reconstruct(latents=encoded.latents, **model, **device))
    task = {"events": events, "lengths": lengths, "t_r": t_r} if events else {}
    reliable = workflow.add(
        Reliability(
            first=halves.first,
            second=halves.second,
            first_frames=halves.first_frames,
            second_frames=halves.second_frames,
            reconstruction=decoded.reconstruction,
            controls=controls,
            voxels=voxels,
            **space,
            **task,
            seed=seed,
        )
    )
    made = workflow.add(GaussianSurrogate(scaled=scaled, frames=frames, seed=seed)).surrogate
    series = {"scaled": made, "frames": frames, "voxel_split": voxel_split}
    null = workflow.add(FitCvae(**series, **space, scheme=scheme, seed=seed, **fit), name="surrogate_fit")
    score = ScoreFit(**series, model=null.model, config=null.config, setting="gaussian surrogate", **device)
    score = workflow.add(score)
    return reliable.reliability, score.score


@graph.define(outputs=_files(*(name for names in OUTPUTS.values() for name in names)))
def SubjectScience(
    analysis: str,
    scaled: File,
    scaling: File,
    frames: File,
    mask: File,
    voxels: File,
    voxel_split: File,
    controls: File,
    model: File,
    config: File,
    latents: File,
    reconstruction: File,
    latent_dim: int,
    truth_latents: File | None = None,
    truth_artefacts: File | None = None,
    surfaces: list[File] | None = None,
    tasks: list[str] | None = None,
    confounds: list[File | None] | None = None,
    events: list[File | None] | None = None,
    lengths: list[int] | None = None,
    t_r: float | None = None,
    scheme: str = "random",
    seed: int = 0,
    fit: Options = EMPTY,
    sizes: Options = EMPTY,
    divergence: Options = EMPTY,
    views: Options = EMPTY,
    gradients: Options = EMPTY,
    permutations: Options = EMPTY,
):
    """One analysis of a subject; the outputs of the others are None.

    Parameters
    ----------
    analysis : str
        A key of `OUTPUTS`.
    scaled, scaling, frames, mask, voxels, voxel_split, controls, model, config, latents, reconstruction : file
        Of the subject's fit.
    latent_dim : int
        Of that model.
    truth_latents, truth_artefacts : file, optional
        What was planted in simulated data.
    surfaces : list of file, optional
        Left and right surface of the mesh, of runs on the surface.
    tasks : list of str, optional
        Task of each run, to find planted frames.
    confounds, events : list of file, optional
        Tables of confounds and of events, one a run.
    lengths : list of int, optional
        Frames of each run.
    t_r : float, optional
        Repetition time in seconds.
    scheme, seed, fit
        As the subject's own fit had them.
    sizes : dict
        ``sizes`` (list of int) and ``seeds`` (int) of the sweep.
    divergence : dict
        ``betas`` and ``mmd_weights``, lists of float.
    views, gradients, permutations : dict
        Further parameters of LatentViews, DiffusionEmbedding and of the permutation tests.
    """
    space = {"scaling": scaling, "mask": mask, "voxels": voxels}
    series = {"scaled": scaled, "frames": frames, **space}
    chosen = {"voxel_split": voxel_split, "scheme": scheme, "fit": fit}
    decoded = {"reconstruction": reconstruction, "latents": latents, "controls": controls}
    if analysis == "latents":
        compared = {"controls": controls, "latents": latents, "latent_dim": latent_dim, "truth": truth_latents}
        compared["surfaces"] = surfaces
        given = {"views": views, "gradients": gradients, "permutations": permutations}
        done = workflow.add(LatentScience(**series, **compared, **given, seed=seed))
    elif analysis == "sweep":
        done = workflow.add(ManyFits(**series, **chosen, points=sweep_points(seed, **sizes)))
    elif analysis == "kl":
        points = divergence_points(seed, latent_dim, fit.get("max_steps"), **divergence)
        done = workflow.add(ManyFits(**series, **chosen, points=points))
    elif analysis == "outliers":
        planted = {"truth": truth_artefacts, "tasks": tasks, "confounds": confounds}
        done = workflow.add(FindOutliers(**series, **decoded, **planted, seed=seed))
    elif analysis == "samples":
        named = {"scaled": scaled, "frames": frames, "scaling": scaling, "model": model, "config": config}
        done = workflow.add(SampleSeries(**named, **decoded, t_r=t_r, seed=seed))
    elif analysis == "reliability":
        runs = {"events": events, "lengths": lengths, "t_r": t_r}
        done = workflow.add(Trust(**series, **chosen, **runs, seed=seed))
    else:
        raise ValueError(f"analysis {analysis!r} is unknown: it must be one of {', '.join(OUTPUTS)}")
    made = {name: getattr(done, "table" if analysis in ("sweep", "kl") else name) for name in OUTPUTS[analysis]}
    return tuple(made.get(name) for names in OUTPUTS.values() for name in names)


def sweep_points(seed: int, sizes: list[int] | tuple[int, ...] = SIZES, seeds: int = 2) -> list[Point]:
    """Latent sizes × seeds, the first seed being the subject's own."""
    return grid(latent_dim=sorted(set(sizes)), seed=[seed + i for i in range(seeds)])


def n_further_fits(analyses: Collection[str], sizes: Mapping[str, Any], divergence: Mapping[str, Any]) -> int:
    """How many models a subject's analyses fit beside its own, those that some share counted once more.

    >>> n_further_fits(["latents", "sweep", "reliability"], {"sizes": [2, 9], "seeds": 1}, {})
    4
    """
    counts = {
        "sweep": len(sweep_points(0, **sizes)),
        "kl": len(divergence_points(0, 1, **divergence)),
        "reliability": 2,  # of one half, and of the surrogate
    }
    return sum(n for name, n in counts.items() if name in analyses)


def divergence_points(
    seed: int,
    latent_dim: int,
    steps: int | None = None,
    betas: tuple[float, ...] = (0.1, 1.0, 4.0),
    mmd_weights: tuple[float, ...] = (0.01, 0.1),
) -> list[Point]:
    """Weight 0, β in nats, β annealed in two ways, and InfoVAE's MMD."""
    ramp = max(1, round(ANNEALED * (steps or 500)))
    none = {"kl_weight": 0.0, "beta": None, "mmd_weight": 0.0, "annealing": "linear", "kl_annealing_steps": 0}
    points = [{"setting": "no KL"}]
    points += [{"setting": f"β {beta:g}", "beta": beta} for beta in betas]
    last = 1.0 if 1.0 in betas else max(betas)
    points += [
        {"setting": f"β {last:g}, {kind}", "beta": last, "annealing": kind, "kl_annealing_steps": ramp}
        for kind in ("linear", "cyclical")
    ]
    points += [{"setting": f"MMD {weight:g}", "mmd_weight": weight} for weight in mmd_weights]
    return [none | point | {"latent_dim": latent_dim, "seed": seed} for point in points]
