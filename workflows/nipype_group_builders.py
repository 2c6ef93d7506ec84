"""Nipype workflows over a group: TI-VAE of recordings on the surface, and the VAE of brain volumes.

They are offered by `nipype_builders`. In a pipeline by subjects a `JoinNode` gathers what they take.
"""

from __future__ import annotations

from typing import Any

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from pydra_vae.interfaces import (
    EncodeFactors,
    EncodeVolumes,
    FitTiVae,
    FitVolumePca,
    FitVolumeVae,
    GeodesicDistances,
    MakeRegion,
    MakeVolumeMask,
    PrepareSurface,
    PrepareVolume,
    ScoreTiVae,
    ScoreVolumeVae,
    SpatialMaps,
    SpectralClusters,
    SplitSubjects,
    StackVolumes,
    WriteFactors,
    WriteLatents,
    WriteSurfaceMaps,
)
from pydra_vae.workflows.nipype_parts import (
    KINGMA,
    SOFTWARE,
    Resources,
    function,
    further,
    identity,
    new_workflow,
    per_image,
    per_recording,
    picked,
    repetition_time,
)

RECORDINGS = ("data", "first", "labels", "persons", "confounds", "confounds_json")
IMAGES = ("images", "masks", "labels", "persons", "grid")
SHARES = "70 % of the persons (10 % for validation, 20 % for test)"


def init_tivae_factors_wf(
    *,
    metadata: dict,
    latent_dim: int = 8,
    beta: float = 1.0,
    region: tuple[str, ...] = ("7Networks_2",),
    n_clusters: int = 64,
    confounds_strategy: str = "none",
    seed: int = 0,
    prepare: dict[str, Any] | None = None,
    fit: dict[str, Any] | None = None,
    use_gpu: bool = False,
    omp_nthreads: int = 1,
    mem_gb: float = 1.0,
    name: str = "tivae_factors_wf",
) -> pe.Workflow:
    """Build a workflow that finds factors of BOLD over time that all recordings of a group share.

    TI-VAE: a sample is a frame of a recording on the surface, and the total correlation over time keeps the factors
    apart.

    Parameters
    ----------
    metadata : dict
        BIDS metadata of the recordings, which must share their ``RepetitionTime``.
    latent_dim : int
        Factors.
    beta : float
        Weight of the total correlation.
    region : tuple of str
        Labels of the vertices to model, in which * stands for any characters; by default Yeo's somatomotor network.
    n_clusters : int
        Clusters of vertices in each hemisphere, which share their weights.
    confounds_strategy : str
        Denoising strategy of nilearn's ``load_confounds_strategy``; all but none need ``inputnode.confounds_file``.
    seed : int
        Of the split, of the clusters and of the fit.
    prepare, fit : dict, optional
        Further inputs of `PrepareSurface` (band-pass, dummy scans, …) and of `FitTiVae`, by name.
    use_gpu : bool
        Fit and encode on a GPU where there is one; MultiProc then counts these nodes as a GPU's.
    omp_nthreads : int
        CPU threads of the fit; they are part of its result.
    mem_gb : float
        Size of all recordings of the region in memory (float32), in GB.
    name : str
        Of the workflow.

    Inputs
    ------
    bold_file
        List of recordings: each a ``dtseries.nii``, or the left and right ``func.gii``.
    subject_id
        Whose recording each is, with or without ``sub-``; all recordings of a person lie in one part of the split.
    surfaces
        Left and right surface of the group (``surf.gii``), for distances between vertices.
    region_labels
        One ``dlabel.nii``, or left and right ``label.gii`` or annot (optional; Yeo's 7 networks on fsLR 32k).
    confounds_file, confounds_metadata
        fMRIPrep's table of each recording, and its description as file or dictionary (optional).

    Outputs
    -------
    factors
        (S, T, k) array, recordings in the order of `subject_split`.
    factor_tables
        Folder with a table of the factors for each recording.
    subject_split
        Table of labels, persons and parts.
    maps_cifti, maps_left, maps_right
        Where each factor varies the surface: ``dscalar.nii`` and ``shape.gii``.
    model, config, history
        The fitted model: weights, description, learning curve.
    score, verdict
        Table of its errors on test recordings; JSON: has it collapsed, what to try.
    """
    uses = Resources(use_gpu, omp_nthreads, mem_gb)
    t_r = repetition_time(metadata)
    if t_r is None:
        raise ValueError(
            f"metadata has no RepetitionTime, only {sorted(metadata)}: the factors' tables have a time axis"
        )
    workflow = new_workflow(name, _factors_text(latent_dim))
    fields = ("bold_file", "subject_id", "surfaces", "region_labels", "confounds_file", "confounds_metadata")
    inputnode = identity("inputnode", fields)
    results = (
        "factors", "factor_tables", "subject_split", "maps_cifti", "maps_left", "maps_right", "model", "config",
        "history", "score", "verdict",
    )  # fmt: skip
    outputnode = identity("outputnode", results)
    recordings = function(per_recording, RECORDINGS, "recordings")
    make_region = uses.node(MakeRegion(region=list(region)), "make_region", times=0)
    prepare_surface = uses.each(
        PrepareSurface(**further({"strategy": confounds_strategy, "t_r": t_r}, prepare, "prepare")),
        "prepare_surface",
        over=["data", "confounds", "confounds_json"],
        times=0.5,
    )
    distances = uses.node(GeodesicDistances(), "geodesic_distances", times=0.5)
    both = pe.Node(niu.Merge(2), name="both_hemispheres", mem_gb=0.1)
    clusters = uses.node(SpectralClusters(n_clusters=n_clusters, seed=seed), "spectral_clusters", times=0.5)
    split = uses.node(SplitSubjects(seed=seed), "split_subjects", times=0)
    own = {"latent_dim": latent_dim, "beta": beta, "seed": seed, "threads": omp_nthreads}
    fit_tivae = uses.fit(FitTiVae(**{"device": uses.device, **further(own, fit, "fit")}), "fit_tivae")
    judge = uses.node(ScoreTiVae(name="TI-VAE", seed=seed, device=uses.device), "score_tivae")
    encode = uses.node(EncodeFactors(device=uses.device), "encode_factors")
    tables = uses.node(WriteFactors(t_r=t_r), "write_factors", times=0)
    spatial = uses.node(SpatialMaps(device=uses.device), "spatial_maps")
    names = [f"factor-{k + 1}" for k in range(latent_dim)]
    write_maps = uses.node(WriteSurfaceMaps(names=names), "write_maps", times=0)
    network = [("model", "model"), ("config", "config")]
    space = [("vertices", "vertices"), ("info", "region")]

    workflow.connect([
        (inputnode, recordings, [
            (field, field) for field in ("bold_file", "subject_id", "confounds_file", "confounds_metadata")
        ]),
        (inputnode, make_region, [("region_labels", "labels")]),
        (recordings, make_region, [("first", "data")]),
        (recordings, prepare_surface, [
            ("data", "data"), ("confounds", "confounds"), ("confounds_json", "confounds_json"),
        ]),
        (make_region, prepare_surface, space),
        (inputnode, distances, [("surfaces", "surfaces")]),
        (make_region, distances, space),
        (distances, both, [("left", "in1"), ("right", "in2")]),
        (inputnode, clusters, [("surfaces", "surfaces")]),
        (make_region, clusters, [("vertices", "vertices")]),
        (both, clusters, [("out", "distances")]),
        (recordings, split, [("labels", "labels"), ("persons", "persons")]),
        (make_region, fit_tivae, [("vertices", "vertices")]),
        (clusters, fit_tivae, [("clusters", "clusters"), ("info", "clusters_info")]),
        (prepare_surface, fit_tivae, [("series", "series")]),
        (split, fit_tivae, [("subject_split", "subject_split")]),
        (fit_tivae, judge, network),
        (prepare_surface, judge, [("series", "series")]),
        (split, judge, [("subject_split", "subject_split")]),
        (fit_tivae, encode, network),
        (prepare_surface, encode, [("series", "series")]),
        (encode, tables, [("factors", "factors")]),
        (split, tables, [("subject_split", "subject_split")]),
        (fit_tivae, spatial, network),
        (encode, spatial, [("factors", "factors")]),
        (split, spatial, [("subject_split", "subject_split")]),
        (spatial, write_maps, [("maps", "maps")]),
        (make_region, write_maps, space),
        (encode, outputnode, [("factors", "factors")]),
        (tables, outputnode, [("tables", "factor_tables")]),
        (split, outputnode, [("subject_split", "subject_split")]),
        (write_maps, outputnode, [("cifti", "maps_cifti"), ("left", "maps_left"), ("right", "maps_right")]),
        (fit_tivae, outputnode, [*network, ("history", "history")]),
        (judge, outputnode, [("score", "score"), ("verdict", "verdict")]),
    ])  # fmt: skip
    return workflow


def init_volume_latents_wf(
    *,
    latent_dim: int = 12,
    beta: float | None = None,
    resolution: float | None = None,
    smoothing_fwhm: float | None = None,
    normalization: str = "none",
    seed: int = 0,
    fit: dict[str, Any] | None = None,
    use_gpu: bool = False,
    omp_nthreads: int = 1,
    mem_gb: float = 1.0,
    name: str = "volume_latents_wf",
) -> pe.Workflow:
    """Build a workflow that fits a VAE to one brain volume a person, and gives every person's latents.

    Parameters
    ----------
    latent_dim : int
        Latents.
    beta : float, optional
        Weight of the KL divergence; 1 is the evidence lower bound (default: that of `FitVolumeVae`).
    resolution : float, optional
        Edge of the voxels to resample to, in mm (default: the grid of `grid_file`).
    smoothing_fwhm : float, optional
        Full width at half maximum of a Gaussian, in mm.
    normalization : str
        zscore, minmax or mean, within each image's own mask; none, as tissue probabilities need.
    seed : int
        Of the split and of the fit.
    fit : dict, optional
        Further inputs of `FitVolumeVae`, by name.
    use_gpu : bool
        Fit and encode on a GPU where there is one; MultiProc then counts these nodes as a GPU's.
    omp_nthreads : int
        CPU threads of the fit; they are part of its result.
    mem_gb : float
        Size of all images within the mask in memory (float32), in GB.
    name : str
        Of the workflow.

    Inputs
    ------
    anat_file
        List of 3-D images in one standard space: tissue probabilities, T1w images, functional maps.
    subject_id
        Whose image each is, with or without ``sub-``; all images of a person lie in one part of the split.
    anat_mask
        Brain mask of each image (optional).
    grid_file
        Image on the grid to resample to (optional; the first image's).
    mask_file
        Voxels to model (optional; found from the training images).

    Outputs
    -------
    latents_file
        Table, one row an image: label, person, part, latents z0 … and their posterior standard deviations sd0 ….
    latents
        (N, k) array in the same order.
    mask
        The voxels that were modelled.
    subject_split
        Table of labels, persons and parts.
    model, config, history
        The fitted VAE: weights, description, learning curve.
    score, verdict
        Table of its errors beside PCA's; JSON: has it collapsed, what to try.
    """
    uses = Resources(use_gpu, omp_nthreads, mem_gb)
    workflow = new_workflow(name, _volumes_text(latent_dim))
    inputnode = identity("inputnode", ("anat_file", "subject_id", "anat_mask", "grid_file", "mask_file"))
    results = (
        "latents_file", "latents", "mask", "subject_split", "model", "config", "history", "score", "verdict",
    )  # fmt: skip
    outputnode = identity("outputnode", results)
    images = function(per_image, IMAGES, "images")
    grid = picked(resolution=resolution, smoothing_fwhm=smoothing_fwhm)
    prepare = uses.each(
        PrepareVolume(normalization=normalization, **grid), "prepare_volume", over=["image", "brain_mask"], times=0.1
    )
    split = uses.node(SplitSubjects(seed=seed), "split_subjects", times=0)
    make_mask = uses.node(MakeVolumeMask(), "make_mask")
    stack = uses.node(StackVolumes(), "stack_volumes")
    pca = uses.node(FitVolumePca(n_components=2 * latent_dim), "fit_pca")
    own = {"latent_dim": latent_dim, "seed": seed, "threads": omp_nthreads, **picked(beta=beta)}
    fit_vae = uses.fit(FitVolumeVae(**{"device": uses.device, **further(own, fit, "fit")}), "fit_vae")
    encode = uses.node(EncodeVolumes(device=uses.device), "encode_volumes")
    judge = uses.node(ScoreVolumeVae(seed=seed, device=uses.device), "score_vae")
    table = uses.node(WriteLatents(), "write_latents", times=0)
    network = [("model", "model"), ("config", "config")]
    data = [("volumes", "volumes")]
    parts = [("subject_split", "volume_split")]

    workflow.connect([
        (inputnode, images, [(field, field) for field in ("anat_file", "subject_id", "anat_mask", "grid_file")]),
        (images, prepare, [("images", "image"), ("masks", "brain_mask"), ("grid", "grid")]),
        (images, split, [("labels", "labels"), ("persons", "persons")]),
        (inputnode, make_mask, [("mask_file", "mask_file")]),
        (prepare, make_mask, [("volume", "volumes")]),
        (split, make_mask, parts),
        (prepare, stack, [("volume", "volumes")]),
        (images, stack, [("labels", "labels")]),
        (make_mask, stack, [("mask", "mask"), ("info", "mask_info")]),
        (stack, pca, data),
        (split, pca, parts),
        (stack, fit_vae, data),
        (split, fit_vae, parts),
        (make_mask, fit_vae, [("mask", "mask")]),
        (fit_vae, encode, network),
        (stack, encode, data),
        (make_mask, encode, [("mask", "mask")]),
        (fit_vae, judge, [*network, ("history", "history")]),
        (stack, judge, data),
        (split, judge, parts),
        (make_mask, judge, [("mask", "mask")]),
        (pca, judge, [("pca", "pca")]),
        (encode, table, [("latents", "latents"), ("log_variance", "log_variance")]),
        (split, table, parts),
        (table, outputnode, [("table", "latents_file")]),
        (encode, outputnode, [("latents", "latents")]),
        (make_mask, outputnode, [("mask", "mask")]),
        (split, outputnode, [("subject_split", "subject_split")]),
        (fit_vae, outputnode, [*network, ("history", "history")]),
        (judge, outputnode, [("score", "score"), ("verdict", "verdict")]),
    ])  # fmt: skip
    return workflow


def _factors_text(latent_dim: int) -> str:
    return (
        f"Frames of the preprocessed BOLD series on the cortical surface were encoded in {latent_dim} factors by a "
        f"temporally independent extension of {KINGMA.removeprefix('a ')}, fitted to {SHARES}, as implemented in "
        f"{SOFTWARE}."
    )


def _volumes_text(latent_dim: int) -> str:
    return (
        f"Brain volumes were encoded in {latent_dim} latent dimensions by {KINGMA}, fitted to {SHARES}, as implemented "
        f"in {SOFTWARE}."
    )
