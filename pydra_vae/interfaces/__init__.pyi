"""What `pydra_vae.interfaces` offers; written by ``python -m pydra_vae.interfaces``, not by hand."""

# fmt: off
# ruff: noqa: E501

from collections.abc import Sequence
from os import PathLike
from typing import Literal

from pydra_vae.engine.nipype import StepInterface

_Path = str | PathLike[str]

__all__ = [
    "Align",
    "AlignRows",
    "ChooseModel",
    "ChooseSize",
    "ClockControl",
    "CompareGradients",
    "CompareMaps",
    "CompareNetworks",
    "ConnectivityGeometry",
    "CorrelateLatents",
    "Covariates",
    "DecodeVolumes",
    "DiffusionEmbedding",
    "DrawVolumes",
    "EmbedVolumes",
    "Encode",
    "EncodeFactors",
    "EncodeVolumes",
    "FactorEmbedding",
    "FetchOasis",
    "FindOutliers",
    "FitControls",
    "FitCvae",
    "FitJoint",
    "FitShared",
    "FitSurfacePca",
    "FitTiVae",
    "FitVolumePca",
    "FitVolumeVae",
    "GatherTables",
    "GaussianSurrogate",
    "GeodesicDistances",
    "GroupReport",
    "GroupStatistics",
    "HalveSeries",
    "HrfRegression",
    "Ica",
    "Identify",
    "InterpolateVolumes",
    "IntersubjectCorrelation",
    "JoinHemispheres",
    "JoinShared",
    "JudgeFit",
    "LatentRecovery",
    "LatentRegression",
    "LatentStructure",
    "LatentViews",
    "LongitudinalModel",
    "MakeMask",
    "MakeRegion",
    "MakeVolumeMask",
    "MaskBold",
    "MotorReport",
    "NetworkMaps",
    "Normalize",
    "ParcelConnectivity",
    "ParcelDistances",
    "PcaScores",
    "PrepareSurface",
    "PrepareVolume",
    "ProjectReference",
    "Reconstruct",
    "ReconstructionError",
    "RecoverFactors",
    "Recovery",
    "RegionalVolumes",
    "Reliability",
    "RotateFactors",
    "SampleSeries",
    "ScoreFit",
    "ScoreJoint",
    "ScoreMantel",
    "ScoreShared",
    "ScoreTiVae",
    "ScoreVolumeVae",
    "SeedConsistency",
    "SelectRows",
    "Separability",
    "SharedTable",
    "SimulateFinn",
    "SimulateMotor",
    "SimulateStructural",
    "SpatialIca",
    "SpatialMaps",
    "SpectralClusters",
    "SplitHemispheres",
    "SplitSubjects",
    "SplitVoxels",
    "StackFrames",
    "StackVolumes",
    "StructuralReport",
    "SubjectMaps",
    "SubjectMetrics",
    "SubjectReport",
    "SubjectVerdict",
    "TakeModel",
    "TaskMaps",
    "TaskRegressors",
    "TransferError",
    "TraverseVolumes",
    "Tsnr",
    "VolumeDimension",
    "VolumePcaScores",
    "VoxelTable",
    "WriteDenoised",
    "WriteFactors",
    "WriteLatentMaps",
    "WriteLatents",
    "WriteSurfaceMaps",
    "WriteVolumes",
]

class Align(StepInterface):
    """Align latent spaces by orthogonal Procrustes, and compare distances in them, which need no alignment.

    Outputs: pairs, nulls, template, template_maps
    """

    def __init__(
        self,
        *,
        labels: str | Sequence[str] = ...,
        latents: _Path | Sequence[_Path] = ...,
        voxels: _Path | Sequence[_Path] = ...,
        scalings: _Path | Sequence[_Path] = ...,
        masks: _Path | Sequence[_Path] = ...,
        other_seed: _Path | Sequence[_Path] | None = ...,
        pca: _Path | Sequence[_Path] | None = ...,
        gradients: _Path | Sequence[_Path] | None = ...,
        persons: str | Sequence[str] | None = ...,
        held_out: _Path | Sequence[_Path] | None = ...,
        n_permutations: int = 1000,
        seed: int = 0,
    ) -> None: ...

class AlignRows(StepInterface):
    """Put rows in the order of other labels; NaN where there is none.

    Outputs: values
    """

    def __init__(
        self,
        *,
        values: _Path = ...,
        labels: str | Sequence[str] = ...,
        wanted: str | Sequence[str] = ...,
    ) -> None: ...

class ChooseModel(StepInterface):
    """Choose one trial of a search, and say which others no trial beats.

    Outputs: chosen, table
    """

    def __init__(
        self,
        *,
        trials: _Path = ...,
    ) -> None: ...

class ChooseSize(StepInterface):
    """Look for the elbow of the error against latent size, and say how sure it is.

    Outputs: choice, curve
    """

    def __init__(
        self,
        *,
        sweep: _Path = ...,
        n_bootstrap: int = 1000,
        seed: int = 0,
    ) -> None: ...

class ClockControl(StepInterface):
    """Roll test recordings in time, empty them, change their end: what do the factors do?

    Outputs: clock
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        series: _Path | Sequence[_Path] = ...,
        subject_split: _Path = ...,
        shift: int = 20,
        n_recordings: int = 8,
        name: str = "",
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class CompareGradients(StepInterface):
    """Correlate the maps of latents and gradients against Moran spectral randomisation.

    Outputs: matches
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        gradients: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        n_patches: int = 256,
        n_null: int = 1000,
        seed: int = 0,
    ) -> None: ...

class CompareMaps(StepInterface):
    """Agreement of maps with references; sparsity, spread and lateralisation of each.

    Outputs: map_scores
    """

    def __init__(
        self,
        *,
        maps: _Path = ...,
        vertices: _Path = ...,
        region: _Path = ...,
        surfaces: _Path | Sequence[_Path] = ...,
        scores: _Path | None = ...,
        reference: _Path | None = ...,
        reference_names: _Path | None = ...,
        kind: Literal["variance", "signed"] = "variance",
        model: str = "",
        beta: float | None = ...,
        seed: int = 0,
    ) -> None: ...

class CompareNetworks(StepInterface):
    """Overlap of every component of every model with every network.

    Outputs: overlap, best
    """

    def __init__(
        self,
        *,
        maps: _Path | Sequence[_Path] = ...,
        names: str | Sequence[str] = ...,
        mask: _Path = ...,
        reference: _Path | None = ...,
        labels: _Path | None = ...,
        same_frames: bool = False,
        n_null: int = 500,
        seed: int = 0,
    ) -> None: ...

class ConnectivityGeometry(StepInterface):
    """Correlate nearness in a space with Pearson connectivity, over pairs of parcels.

    Outputs: geometry, matrices, parcels
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        latents: _Path = ...,
        controls: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        frames: _Path = ...,
        n_permutations: int = 1000,
        seed: int = 0,
    ) -> None: ...

class CorrelateLatents(StepInterface):
    """Correlate every latent with every covariate and every region's volume, with one FDR over all of them.

    Outputs: correlations
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        volume_split: _Path = ...,
        covariates: _Path = ...,
        regions: _Path | None = ...,
        parts: Literal["all", "test"] = "all",
        model: str = "VAE",
    ) -> None: ...

class Covariates(StepInterface):
    """Join tables of persons and of visits to the images, in the images' order.

    Outputs: covariates, info
    """

    def __init__(
        self,
        *,
        tables: _Path | Sequence[_Path] = ...,
        labels: str | Sequence[str] = ...,
        persons: str | Sequence[str] = ...,
        sessions: str | Sequence[str] | None = ...,
        columns: str | Sequence[str] | None = ...,
    ) -> None: ...

class DecodeVolumes(StepInterface):
    """Decode latents into images.

    Outputs: volumes
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        latents: _Path = ...,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class DiffusionEmbedding(StepInterface):
    """Embed the functional connectome by diffusion maps.

    Outputs: gradients, info
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        frames: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        level: Literal["auto", "voxel", "seed", "parcel"] = "auto",
        affinity: Literal["cosine", "normalized_angle"] = "cosine",
        sparsity: float = 0.9,
        alpha: float = 0.5,
        n_components: int = 9,
        seed: int = 0,
    ) -> None: ...

class DrawVolumes(StepInterface):
    """Draw images from the model, and compare their statistics with those of unseen images.

    Outputs: statistics, drawn, table
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        latents: _Path = ...,
        log_variance: _Path = ...,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        pca: _Path | None = ...,
        n: int = 200,
        n_examples: int = 4,
        density: Literal["gmm", "gaussian"] = "gmm",
        seed: int = 0,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class EmbedVolumes(StepInterface):
    """Map the images into as many dimensions as the VAE has, by five methods, and judge the maps on unseen persons.

    Outputs: scores, coordinates, table
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        latents: _Path = ...,
        pca: _Path = ...,
        covariates: _Path | None = ...,
        targets: str | Sequence[str] = [],
        methods: Literal["MDS", "LLE", "Isomap"] | Sequence[Literal["MDS", "LLE", "Isomap"]] = ["MDS", "LLE", "Isomap"],
        n_neighbors: int = 10,
        seed: int = 0,
    ) -> None: ...

class Encode(StepInterface):
    """Encode every voxel: the mean of its posterior.

    Outputs: latents
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        model: _Path = ...,
        config: _Path = ...,
        scaling: _Path | None = ...,
        mask: _Path | None = ...,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class EncodeFactors(StepInterface):
    """Encode recordings: mean and width of the posterior at every frame.

    Outputs: factors, sigma
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        series: _Path | Sequence[_Path] = ...,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class EncodeVolumes(StepInterface):
    """Encode images: mean and log variance of the posterior.

    Outputs: latents, log_variance
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        volumes: _Path = ...,
        mask: _Path | None = ...,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class FactorEmbedding(StepInterface):
    """Embed the test average in the plane, and ask whether frames of one sub-task keep together.

    Outputs: embedding, distances, silhouette
    """

    def __init__(
        self,
        *,
        factors: _Path = ...,
        subject_split: _Path = ...,
        regressors: _Path | Sequence[_Path | None] | None = ...,
        perplexity: float = 30.0,
        delay: float = 5.0,
        n_designs: int = 10,
        n_permutations: int = 500,
        seed: int = 0,
    ) -> None: ...

class FetchOasis(StepInterface):
    """List OASIS-1's maps and what is known of the persons; download what is not there yet.

    Outputs: table
    """

    def __init__(
        self,
        *,
        n_subjects: int | None = ...,
        data_dir: str | None = ...,
        tissue: Literal["gm", "wm"] = "gm",
        dartel: bool = True,
    ) -> None: ...

class FindOutliers(StepInterface):
    """Score voxels and frames by reconstruction error and by the density of their latents.

    Outputs: outliers, voxel_scores, frame_scores, score_map
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        reconstruction: _Path = ...,
        latents: _Path = ...,
        controls: _Path = ...,
        frames: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        confounds: _Path | Sequence[_Path | None] | None = ...,
        truth: _Path | None = ...,
        tasks: str | Sequence[str] | None = ...,
        seed: int = 0,
    ) -> None: ...

class FitControls(StepInterface):
    """Fit PCA of the model's size and of a larger one to the training voxels.

    Outputs: controls
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        voxel_split: _Path = ...,
        frames: _Path | None = ...,
        latent_dim: int = 9,
        extra_dim: int = 16,
    ) -> None: ...

class FitCvae(StepInterface):
    """Fit a CVAE to the training voxels and keep the weights that serve the validation voxels best.

    Outputs: model, config, history
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        voxel_split: _Path = ...,
        frames: _Path | None = ...,
        scaling: _Path | None = ...,
        mask: _Path | None = ...,
        network: Literal["lk", "paper", "dense"] = "lk",
        latent_dim: int = 9,
        linear_skip: Literal["none", "pca"] = "none",
        mixing: float = 0.0,
        recipe: Literal["fast", "paper"] = "fast",
        max_steps: int | None = ...,
        max_epochs: int | None = ...,
        batch_size: int | None = ...,
        learning_rate: float | None = ...,
        patience: int | None = ...,
        kl_weight: float = 0.0,
        beta: float | None = ...,
        noise_variance: float | None = ...,
        mmd_weight: float = 0.0,
        annealing: Literal["linear", "cyclical", "sigmoid"] = "linear",
        kl_annealing_steps: int = 0,
        sample_latent: bool = False,
        warm_start: _Path | None = ...,
        warm_start_config: _Path | None = ...,
        scheme: str = "",
        seed: int = 0,
        threads: int = 1,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class FitJoint(StepInterface):
    """Fit a joint model to the training images and keep the weights that serve the validation images best.

    Outputs: model, config, history
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        mask: _Path = ...,
        model: _Path = ...,
        config: _Path = ...,
        covariates: _Path = ...,
        scores: str | Sequence[str] = ...,
        second: _Path | None = ...,
        second_model: _Path | None = ...,
        second_config: _Path | None = ...,
        second_mask: _Path | None = ...,
        second_dim: int = 8,
        second_name: str = "functional",
        stages: Literal["two", "joint"] = "two",
        fusion: Literal["poe", "mean"] = "poe",
        latent_dim: int | None = ...,
        hidden: int = 64,
        cross_weight: float = 1.0,
        score_weight: float = 1.0,
        second_weight: float = 1.0,
        beta: float = 1.0,
        max_steps: int | None = ...,
        batch_size: int = 64,
        learning_rate: float = 0.002,
        weight_decay: float = 0.01,
        seed: int = 0,
        threads: int = 1,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class FitShared(StepInterface):
    """Fit one autoencoder to the voxels that several subjects share, each subject with a small part of its own.

    Outputs: model, config, history
    """

    def __init__(
        self,
        *,
        labels: str | Sequence[str] = ...,
        scaled: _Path | Sequence[_Path] = ...,
        frames: _Path | Sequence[_Path] = ...,
        voxels: _Path | Sequence[_Path] = ...,
        scalings: _Path | Sequence[_Path] = ...,
        masks: _Path | Sequence[_Path] = ...,
        kind: Literal["shared_decoder", "subject_decoders", "pooled"] = "shared_decoder",
        latent_dim: int = 9,
        rank: int = 32,
        network: Literal["dense", "lk", "paper"] = "dense",
        scheme: Literal["random", "blocked"] = "random",
        max_steps: int | None = ...,
        batch_size: int | None = ...,
        learning_rate: float | None = ...,
        seed: int = 0,
        threads: int = 1,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class FitSurfacePca(StepInterface):
    """Fit a PCA to the training recordings under one another, and one to their mean.

    Outputs: pca, info
    """

    def __init__(
        self,
        *,
        series: _Path | Sequence[_Path] = ...,
        subject_split: _Path = ...,
        n_components: int = 32,
        regressors: _Path | Sequence[_Path | None] | None = ...,
        seed: int = 0,
    ) -> None: ...

class FitTiVae(StepInterface):
    """Fit a model to the training recordings and keep the weights that serve the validation recordings best.

    Outputs: model, config, history
    """

    def __init__(
        self,
        *,
        series: _Path | Sequence[_Path] = ...,
        subject_split: _Path = ...,
        vertices: _Path = ...,
        clusters: _Path = ...,
        clusters_info: _Path | None = ...,
        kind: Literal["tivae", "beta-vae"] = "tivae",
        network: Literal["mixer", "linear"] = "mixer",
        latent_dim: int = 8,
        beta: float = 1.0,
        share_hemispheres: bool = True,
        input_layer: Literal["per-hemisphere", "shared"] = "per-hemisphere",
        temporal_decoder: bool = False,
        recurrent_l2: float = 0.0,
        recipe: Literal["fast", "paper"] = "fast",
        initialisation: Literal["lsuv", "orthogonal", "pytorch"] = "lsuv",
        max_steps: int | None = ...,
        max_epochs: int | None = ...,
        batch_size: int | None = ...,
        crop: int | None = ...,
        learning_rate: float | None = ...,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        seed: int = 0,
        threads: int = 1,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class FitVolumePca(StepInterface):
    """Fit a PCA to the training images, exactly, a block of voxels in memory at a time.

    Outputs: pca, info
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        n_components: int = 32,
    ) -> None: ...

class FitVolumeVae(StepInterface):
    """Fit a model to the training images and keep the weights that serve the validation images best.

    Outputs: model, config, history
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        mask: _Path = ...,
        network: Literal["conv-dense", "conv", "dense"] = "conv-dense",
        latent_dim: int = 12,
        width: int = 8,
        reconstruction: Literal["mse", "dssim", "mse+dssim"] = "mse",
        dssim: Literal["full", "half"] = "full",
        ssim_window: int = 11,
        divergence: Literal["kl", "mmd", "none"] = "kl",
        beta: float = 10.0,
        mmd_weight: float = 2000.0,
        free_bits: float = 0.0,
        n_samples: int = 1,
        annealing: Literal["none", "linear", "cyclical", "sigmoid"] = "none",
        annealing_steps: int = 0,
        augmentation: Literal["none", "noise", "shift", "flip", "mix"] = "none",
        max_steps: int | None = ...,
        max_epochs: int | None = ...,
        batch_size: int = 32,
        learning_rate: float = 0.004,
        patience: int | None = ...,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        seed: int = 0,
        threads: int = 1,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class GatherTables(StepInterface):
    """Put tables under one another, row by row as they stand.

    Outputs: table
    """

    def __init__(
        self,
        *,
        tables: _Path | Sequence[_Path] = ...,
        labels: str | Sequence[str] | None = ...,
        column: str = "participant_id",
    ) -> None: ...

class GaussianSurrogate(StepInterface):
    """Draw as many voxels as the data have from a Gaussian with their mean series and covariance over frames.

    Outputs: surrogate
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        frames: _Path = ...,
        seed: int = 0,
    ) -> None: ...

class GeodesicDistances(StepInterface):
    """Measure distances over the whole of each hemisphere, between the region's vertices.

    Outputs: left, right, info
    """

    def __init__(
        self,
        *,
        surfaces: _Path | Sequence[_Path] = ...,
        vertices: _Path = ...,
        region: _Path = ...,
        limit: float | None = 15.0,
        diagonals: bool = True,
        threads: int = 1,
    ) -> None: ...

class GroupReport(StepInterface):
    """Write the index of all subjects: the paper beside these data, and every analysis with its controls.

    Outputs: index
    """

    def __init__(
        self,
        *,
        metrics: _Path | Sequence[_Path] = ...,
        links: str = "{}",
        warnings: str = "{}",
        failures: str = "[]",
        dataset: str = "",
        simulated: bool = False,
        parameters: str = "{}",
        skipped: str = "{}",
        sweep: _Path | None = ...,
        curve: _Path | None = ...,
        choice: _Path | None = ...,
        transfer: _Path | None = ...,
        structure: _Path | None = ...,
        correlations: _Path | None = ...,
        dimensions: _Path | None = ...,
        views: _Path | None = ...,
        matches: _Path | None = ...,
        separability: _Path | None = ...,
        pairs: _Path | None = ...,
        nulls: _Path | None = ...,
        template: _Path | None = ...,
        shared: _Path | None = ...,
        divergence: _Path | None = ...,
        outliers: _Path | None = ...,
        samples: _Path | None = ...,
        isc: _Path | None = ...,
        geometry: _Path | None = ...,
        tests: _Path | None = ...,
        mantel: _Path | None = ...,
        identification: _Path | None = ...,
        identification_matrix: _Path | None = ...,
        reliability: _Path | None = ...,
        surrogate: _Path | None = ...,
        latent_recovery: _Path | None = ...,
        stimulus: _Path | None = ...,
        example: str = "",
        latents: _Path | None = ...,
        gradients: _Path | None = ...,
        mask: _Path | None = ...,
        scaling: _Path | None = ...,
        background: _Path | None = ...,
        background_name: str = "background image",
        matrices: _Path | None = ...,
        parcels: _Path | None = ...,
        linear_skip: str = "",
        gradients_info: _Path | None = ...,
        frequency_unit: str = "",
    ) -> None: ...

class GroupStatistics(StepInterface):
    """Compare the model with the raw data and with its controls, one value a subject.

    Outputs: tests
    """

    def __init__(
        self,
        *,
        metrics: _Path = ...,
        pairs: _Path | None = ...,
        n_permutations: int = 10000,
        seed: int = 0,
    ) -> None: ...

class HalveSeries(StepInterface):
    """Cut joined series into two consecutive halves, at the border of two runs where one is near the middle.

    Outputs: first, second, first_frames, second_frames
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        frames: _Path = ...,
        scaling: _Path | None = ...,
    ) -> None: ...

class HrfRegression(StepInterface):
    """Correlate factors with the sub-tasks' regressors: held out, the paper's way, by read-out and by subject.

    Outputs: scores, summary, subjects, courses, glm
    """

    def __init__(
        self,
        *,
        factors: _Path = ...,
        regressors: _Path | Sequence[_Path | None] | None = ...,
        subject_split: _Path = ...,
        model: str = "",
        beta: float | None = ...,
        seed: int = 0,
        n_permutations: int = 1000,
    ) -> None: ...

class Ica(StepInterface):
    """Unmix the training recordings into independent components and project every recording on them.

    Outputs: factors, maps, stability
    """

    def __init__(
        self,
        *,
        series: _Path | Sequence[_Path] = ...,
        subject_split: _Path = ...,
        pca: _Path = ...,
        method: Literal["infomax-extended", "infomax", "fastica", "pca"] = "infomax-extended",
        independence: Literal["temporal", "spatial"] = "temporal",
        data: Literal["concatenated", "mean"] = "concatenated",
        n_components: int = 8,
        n_restarts: int = 3,
        regressors: _Path | Sequence[_Path | None] | None = ...,
        model: str = "",
        seed: int = 0,
    ) -> None: ...

class Identify(StepInterface):
    """Find each subject's second half among all subjects by its parcel × parcel matrix of the first half.

    Outputs: identification, matrix
    """

    def __init__(
        self,
        *,
        labels: str | Sequence[str] = ...,
        first: _Path | Sequence[_Path] = ...,
        second: _Path | Sequence[_Path] = ...,
        parcels: _Path | Sequence[_Path] = ...,
        control_first: _Path | Sequence[_Path] | None = ...,
        control_second: _Path | Sequence[_Path] | None = ...,
        control: str = "connectivity",
        persons: str | Sequence[str] | None = ...,
        n_permutations: int = 1000,
        seed: int = 0,
    ) -> None: ...

class InterpolateVolumes(StepInterface):
    """Decode straight lines between the latents of the test persons who differ most.

    Outputs: volumes, table
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        latents: _Path = ...,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        n_pairs: int = 2,
        n_steps: int = 5,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class IntersubjectCorrelation(StepInterface):
    """Correlate each subject with the mean of all others, voxel by voxel, in the data and in the reconstructions.

    Outputs: isc
    """

    def __init__(
        self,
        *,
        labels: str | Sequence[str] = ...,
        series: _Path | Sequence[_Path] = ...,
        reconstructions: _Path | Sequence[_Path] = ...,
        frames: _Path | Sequence[_Path] = ...,
        voxels: _Path | Sequence[_Path] = ...,
        scalings: _Path | Sequence[_Path] = ...,
        masks: _Path | Sequence[_Path] = ...,
        controls: _Path | Sequence[_Path] | None = ...,
        persons: str | Sequence[str] | None = ...,
    ) -> None: ...

class JoinHemispheres(StepInterface):
    """Join the series of the left and the right hemisphere, so that every step reads one file a run.

    Outputs: bold
    """

    def __init__(
        self,
        *,
        left: _Path = ...,
        right: _Path = ...,
        sidecar: _Path | None = ...,
        t_r: float | None = ...,
    ) -> None: ...

class JoinShared(StepInterface):
    """Fit a new subject's own part to its training voxels; what the subjects share does not move.

    Outputs: part, config, history
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        scaled: _Path = ...,
        frames: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        label: str = ...,
        max_steps: int | None = ...,
        batch_size: int | None = ...,
        learning_rate: float | None = ...,
        seed: int = 0,
        threads: int = 1,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class JudgeFit(StepInterface):
    """Run the collapse detector on held-out voxels, and look at the learning curve.

    Outputs: verdict
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        voxel_split: _Path = ...,
        model: _Path = ...,
        config: _Path = ...,
        controls: _Path = ...,
        frames: _Path | None = ...,
        history: _Path | None = ...,
        seed: int = 0,
    ) -> None: ...

class LatentRecovery(StepInterface):
    """Regress each planted latent on the found ones, in parcels that had no part in the regression.

    Outputs: recovery
    """

    def __init__(
        self,
        *,
        truth: _Path = ...,
        scaled: _Path = ...,
        latents: _Path = ...,
        controls: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        gradients: _Path | None = ...,
        seed: int = 0,
    ) -> None: ...

class LatentRegression(StepInterface):
    """Predict a covariate of persons from the latents of their first image, by nested cross-validation.

    Outputs: scores, predictions, importance, info
    """

    def __init__(
        self,
        *,
        features: _Path | Sequence[_Path] = ...,
        names: str | Sequence[str] = ...,
        covariates: _Path = ...,
        volume_split: _Path = ...,
        target: str = ...,
        confounds: str | Sequence[str] = [],
        models: str | Sequence[str] = ["mean", "glm", "svr", "polynomial", "spline"],
        link: Literal["auto", "identity", "logit", "log"] = "auto",
        n_folds: int = 5,
        inner_folds: int = 4,
        n_permutations: int = 100,
        seed: int = 0,
        brain_age: bool | None = ...,
    ) -> None: ...

class LatentStructure(StepInterface):
    """Describe the latent space, beside PCA, diffusion gradients, the raw series and surrogates.

    Outputs: structure, correlations, dimensions
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        scaled: _Path | None = ...,
        frames: _Path | None = ...,
        pca: _Path | None = ...,
        gradients: _Path | None = ...,
        n_points: int = 4000,
        n_null: int = 199,
        seed: int = 0,
        surfaces: _Path | Sequence[_Path] | None = ...,
    ) -> None: ...

class LatentViews(StepInterface):
    """See the latent space from the side of its PCA and its ICA, and as t-SNE or UMAP if asked.

    Outputs: views
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        tsne: bool = False,
        umap: bool = False,
        n_voxels: int = 3000,
        seed: int = 0,
    ) -> None: ...

class LongitudinalModel(StepInterface):
    """Fit a mixed model of each latent over time, and predict the later visits of validation and test persons.

    Outputs: coefficients, predictions, scores, frozen, progression, progression_steps, info
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        latents: _Path = ...,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        covariates: _Path = ...,
        time: Literal["age", "time"] = "age",
        covariates_used: str | Sequence[str] = [],
        pca: _Path | None = ...,
        n_ages: int = 7,
        seed: int = 0,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class MakeMask(StepInterface):
    """Choose the voxels: all of an atlas, or of a mask, or those inside every run's brain mask.

    Outputs: mask, voxels, info
    """

    def __init__(
        self,
        *,
        bolds: _Path | Sequence[_Path] = ...,
        brain_masks: _Path | Sequence[_Path] | None = ...,
        atlas: _Path | None = ...,
        atlas_labels: _Path | None = ...,
        mask_file: _Path | None = ...,
        atlas_right: _Path | None = ...,
        surfaces: _Path | Sequence[_Path] | None = ...,
    ) -> None: ...

class MakeRegion(StepInterface):
    """Choose the vertices that have a label and, in every recording given, data.

    Outputs: vertices, info
    """

    def __init__(
        self,
        *,
        data: _Path | Sequence[_Path] = ...,
        labels: _Path | Sequence[_Path] | None = ...,
        region: str | Sequence[str] = ["7Networks_2"],
        map_name: str | None = ...,
        medial_wall: _Path | Sequence[_Path] | None = ...,
        space: str | None = ...,
    ) -> None: ...

class MakeVolumeMask(StepInterface):
    """Choose the voxels from the training images alone.

    Outputs: mask, mean, info
    """

    def __init__(
        self,
        *,
        volumes: _Path | Sequence[_Path] = ...,
        volume_split: _Path = ...,
        mask_file: _Path | None = ...,
        threshold: float = 0.08,
        brain_masks: _Path | Sequence[_Path] | None = ...,
        unit: Literal["probability", "intensity"] | None = ...,
    ) -> None: ...

class MaskBold(StepInterface):
    """Read a run's voxel series inside a mask; smooth, clean and censor them if asked.

    Outputs: series, frames, info
    """

    def __init__(
        self,
        *,
        bold: _Path = ...,
        mask: _Path = ...,
        confounds: _Path | None = ...,
        confounds_json: _Path | None = ...,
        sidecar: _Path | None = ...,
        t_r: float | None = ...,
        strategy: Literal["none", "simple", "scrubbing", "compcor", "ica_aroma"] = "none",
        motion: Literal["basic", "power2", "derivatives", "full"] | None = ...,
        wm_csf: Literal["basic", "power2", "derivatives", "full"] | None = ...,
        global_signal: Literal["basic", "power2", "derivatives", "full"] | None = ...,
        compcor: Literal["anat_combined", "anat_separated", "temporal", "temporal_anat_combined", "temporal_anat_separated"] | None = ...,
        n_compcor: int | None = ...,
        scrub: int | None = ...,
        fd_threshold: float | None = ...,
        std_dvars_threshold: float | None = ...,
        dummy_scans: int = 0,
        high_pass: float | None = ...,
        smoothing_fwhm: float | None = ...,
    ) -> None: ...

class MotorReport(StepInterface):
    """Write the motor page: the TI-VAE paper beside these data, its figures again, every claim with its control.

    Outputs: report, claims
    """

    def __init__(
        self,
        *,
        comparison: _Path | None = ...,
        scores: _Path | None = ...,
        fits: _Path | None = ...,
        subjects: _Path | None = ...,
        courses: _Path | None = ...,
        glm: _Path | None = ...,
        sweep: _Path | None = ...,
        map_scores: _Path | None = ...,
        maps: _Path | Sequence[_Path] | None = ...,
        map_models: str | Sequence[str] | None = ...,
        vertices: _Path | None = ...,
        region: _Path | None = ...,
        surfaces: _Path | Sequence[_Path] | None = ...,
        folded: _Path | Sequence[_Path] | None = ...,
        clusters: _Path | Sequence[_Path] | None = ...,
        clusters_quality: _Path | Sequence[_Path] | None = ...,
        clusters_info: _Path | Sequence[_Path] | None = ...,
        cluster_names: str | Sequence[str] | None = ...,
        geodesics_info: _Path | None = ...,
        embedding: _Path | Sequence[_Path] | None = ...,
        embedding_models: str | Sequence[str] | None = ...,
        distances: _Path | Sequence[_Path] | None = ...,
        silhouette: _Path | Sequence[_Path] | None = ...,
        consistency: _Path | None = ...,
        clock: _Path | None = ...,
        stability: _Path | None = ...,
        truth: _Path | None = ...,
        truth_names: _Path | None = ...,
        reference: _Path | None = ...,
        reference_names: _Path | None = ...,
        configs: _Path | Sequence[_Path] | None = ...,
        histories: _Path | Sequence[_Path] | None = ...,
        config_names: str | Sequence[str] | None = ...,
        subject_split: _Path | None = ...,
        series_info: _Path | None = ...,
        parameters: str = "{}",
        skipped: str = "{}",
        failures: str = "[]",
        dataset: str = "",
        title: str = "",
        simulated: bool = False,
    ) -> None: ...

class NetworkMaps(StepInterface):
    """Regress the frames on the latents' courses, and correlate the courses with the task.

    Outputs: maps, courses, task
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        latents: _Path = ...,
        frame_split: _Path = ...,
        regressors: _Path | Sequence[_Path] | None = ...,
        regression: Literal["each", "joint"] = "each",
        model: str = "VAE",
        n_permutations: int = 1000,
        seed: int = 0,
    ) -> None: ...

class Normalize(StepInterface):
    """Scale voxel series and join the runs along time.

    Outputs: scaled, scaling, frames, info
    """

    def __init__(
        self,
        *,
        series: _Path | Sequence[_Path] = ...,
        frames: _Path | Sequence[_Path] = ...,
        method: Literal["minmax", "minmax_timepoint", "global", "zscore"] = "minmax",
        match_baselines: bool = True,
        mean_image: _Path | None = ...,
        mask: _Path | None = ...,
        tsnr_units: Literal["auto", "scanner", "scaled"] = "auto",
    ) -> None: ...

class ParcelConnectivity(StepInterface):
    """Correlate the mean series of parcels, those of ParcelDistances in the same order.

    Outputs: connectivity
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        frames: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
    ) -> None: ...

class ParcelDistances(StepInterface):
    """Euclidean distances between the parcels' mean latents: no rotation of the space changes them.

    Outputs: distances, parcels
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
    ) -> None: ...

class PcaScores(StepInterface):
    """Project every voxel on the first principal components of the training voxels.

    Outputs: latents
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        controls: _Path = ...,
        frames: _Path = ...,
        latent_dim: int = ...,
        whiten: bool = True,
    ) -> None: ...

class PrepareSurface(StepInterface):
    """Read the region's series of one recording, filter and detrend them, and z-score each vertex.

    Outputs: series, info
    """

    def __init__(
        self,
        *,
        data: _Path | Sequence[_Path] = ...,
        vertices: _Path = ...,
        region: _Path = ...,
        sidecar: _Path | None = ...,
        t_r: float | None = ...,
        high_pass: float | None = 0.01,
        low_pass: float | None = 0.15,
        detrend: bool = True,
        standardize: Literal["zscore", "none"] = "zscore",
        confounds: _Path | None = ...,
        confounds_json: _Path | None = ...,
        strategy: Literal["none", "simple", "scrubbing", "compcor", "ica_aroma"] = "none",
        dummy_scans: int = 0,
    ) -> None: ...

class PrepareVolume(StepInterface):
    """Normalise and smooth one map, and resample it to the common grid.

    Outputs: volume, info
    """

    def __init__(
        self,
        *,
        image: _Path = ...,
        grid: _Path | None = ...,
        resolution: float | None = ...,
        smoothing_fwhm: float | None = ...,
        normalization: Literal["none", "zscore", "minmax", "mean"] = "none",
        brain_mask: _Path | None = ...,
        interpolation: Literal["continuous", "linear", "nearest"] = "continuous",
    ) -> None: ...

class ProjectReference(StepInterface):
    """Bring maps of what is known (group effects of the sub-tasks, say) to the vertices of the region.

    Outputs: maps, names
    """

    def __init__(
        self,
        *,
        reference: _Path | Sequence[_Path] = ...,
        vertices: _Path = ...,
        region: _Path = ...,
        surfaces: _Path | Sequence[_Path] | None = ...,
        names: str | Sequence[str] | None = ...,
    ) -> None: ...

class Reconstruct(StepInterface):
    """Decode latents to series in scaled units.

    Outputs: reconstruction
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        model: _Path = ...,
        config: _Path = ...,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class ReconstructionError(StepInterface):
    """Measure MSE, EMSE, R² and the variance ratio of the model and of its controls.

    Outputs: metrics, mse_map, emse, warnings
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        reconstruction: _Path = ...,
        scaling: _Path = ...,
        voxel_split: _Path = ...,
        frames: _Path = ...,
        controls: _Path = ...,
        mask: _Path = ...,
        scheme: str = "random",
        emse_frame: int | None = ...,
        seed: int = 0,
    ) -> None: ...

class RecoverFactors(StepInterface):
    """Predict each target from all features together, on test persons.

    Outputs: recovery
    """

    def __init__(
        self,
        *,
        features: _Path | Sequence[_Path] = ...,
        names: str | Sequence[str] = ...,
        targets: _Path = ...,
        volume_split: _Path = ...,
        n_shuffles: int = 100,
        seed: int = 0,
    ) -> None: ...

class Recovery(StepInterface):
    """Correlate input, model and PCA with the planted clean signal, voxel by voxel.

    Outputs: recovery, recovery_map
    """

    def __init__(
        self,
        *,
        truth: _Path | Sequence[_Path] = ...,
        scaled: _Path = ...,
        reconstruction: _Path = ...,
        scaling: _Path = ...,
        frames: _Path = ...,
        controls: _Path = ...,
        mask: _Path = ...,
    ) -> None: ...

class RegionalVolumes(StepInterface):
    """Sum each image over the regions of an atlas.

    Outputs: regions, info
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        mask: _Path = ...,
        volumes_info: _Path = ...,
        atlas: _Path = ...,
        labels: _Path | None = ...,
        min_voxels: int = 5,
    ) -> None: ...

class Reliability(StepInterface):
    """Compare maps of the denoised first half with those of the raw second half.

    Outputs: reliability
    """

    def __init__(
        self,
        *,
        first: _Path = ...,
        second: _Path = ...,
        reconstruction: _Path = ...,
        controls: _Path = ...,
        first_frames: _Path = ...,
        second_frames: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        events: _Path | Sequence[_Path | None] | None = ...,
        lengths: int | Sequence[int] | None = ...,
        t_r: float | None = ...,
        smoothing_fwhm: float | None = ...,
        n_voxels: int = 1000,
        seed: int = 0,
    ) -> None: ...

class RotateFactors(StepInterface):
    """Change factors linearly so that maps or courses are independent, or maps simple; information stays the same.

    Outputs: factors, maps, rotation
    """

    def __init__(
        self,
        *,
        factors: _Path = ...,
        subject_split: _Path = ...,
        maps: _Path | None = ...,
        series: _Path | Sequence[_Path] | None = ...,
        method: Literal["spatial-infomax", "temporal-infomax", "varimax"] = "spatial-infomax",
        n_restarts: int = 3,
        seed: int = 0,
    ) -> None: ...

class SampleSeries(StepInterface):
    """Draw codes from a density fitted to the latents, decode them, and compare the series with the data's.

    Outputs: samples, series, info
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        latents: _Path = ...,
        controls: _Path = ...,
        scaled: _Path = ...,
        reconstruction: _Path = ...,
        frames: _Path = ...,
        scaling: _Path = ...,
        t_r: float | None = ...,
        n_samples: int = 2000,
        density: Literal["gmm", "gaussian"] = "gmm",
        seed: int = 0,
    ) -> None: ...

class ScoreFit(StepInterface):
    """Score a fitted CVAE on held-out voxels, PCA of the same size beside it.

    Outputs: score
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        scaled: _Path = ...,
        frames: _Path = ...,
        voxel_split: _Path = ...,
        scaling: _Path | None = ...,
        mask: _Path | None = ...,
        voxels: _Path | None = ...,
        controls: _Path | None = ...,
        setting: str = "",
        seed: int = 0,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class ScoreJoint(StepInterface):
    """Score a joint model on the first visit of each test person; everything else is learnt from training persons.

    Outputs: scores, predictions, decoded, table
    """

    def __init__(
        self,
        *,
        joint: _Path = ...,
        joint_config: _Path = ...,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        mask: _Path = ...,
        model: _Path = ...,
        config: _Path = ...,
        covariates: _Path = ...,
        pca: _Path | None = ...,
        second: _Path | None = ...,
        second_model: _Path | None = ...,
        second_config: _Path | None = ...,
        second_mask: _Path | None = ...,
        region: _Path | None = ...,
        truth: _Path | None = ...,
        seed: int = 0,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class ScoreMantel(StepInterface):
    """Test whether subjects whose latent distances resemble each other have similar scores (Mantel).

    Outputs: mantel
    """

    def __init__(
        self,
        *,
        labels: str | Sequence[str] = ...,
        distances: _Path | Sequence[_Path] = ...,
        parcels: _Path | Sequence[_Path] = ...,
        participants: _Path = ...,
        score: str = ...,
        controls: _Path | Sequence[_Path] | None = ...,
        control: str = "pca distances",
        n_permutations: int = 10000,
        seed: int = 0,
    ) -> None: ...

class ScoreShared(StepInterface):
    """Score a shared model on the held-out places of one subject, and encode all its voxels.

    Outputs: score, latents, held_out
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        scaled: _Path = ...,
        frames: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        label: str = ...,
        part: _Path | None = ...,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class ScoreTiVae(StepInterface):
    """Score a fitted model on training, validation and test recordings, PCA of the same size beside it.

    Outputs: score, verdict
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        series: _Path | Sequence[_Path] = ...,
        subject_split: _Path = ...,
        pca: _Path | None = ...,
        regressors: _Path | Sequence[_Path | None] | None = ...,
        name: str = "",
        setting: str = "",
        n_permutations: int = 1000,
        seed: int = 0,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class ScoreVolumeVae(StepInterface):
    """Score a fitted model on training, validation and test images, with PCA of one and two times its size beside it.

    Outputs: score, verdict, examples, examples_table
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        mask: _Path = ...,
        pca: _Path = ...,
        history: _Path | None = ...,
        name: str = "VAE",
        setting: str = "",
        n_examples: int = 6,
        seed: int = 0,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class SeedConsistency(StepInterface):
    """Match the factors of every two seeds of a model, and correlate them.

    Outputs: consistency
    """

    def __init__(
        self,
        *,
        factors: _Path | Sequence[_Path] = ...,
        models: str | Sequence[str] = ...,
        seeds: int | Sequence[int] = ...,
        subject_split: _Path = ...,
        n_shifts: int = 200,
        seed: int = 0,
    ) -> None: ...

class SelectRows(StepInterface):
    """Take the rows of some labels, in their order.

    Outputs: table
    """

    def __init__(
        self,
        *,
        table: _Path = ...,
        labels: str | Sequence[str] = ...,
    ) -> None: ...

class Separability(StepInterface):
    """Measure network separability in the raw series, PCA, ICA, diffusion and the model's latents.

    Outputs: separability
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        latents: _Path = ...,
        controls: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
        frames: _Path = ...,
        gradients: _Path | None = ...,
        seed: int = 0,
        n_voxels: int = 4000,
        n_shuffles: int = 20,
    ) -> None: ...

class SharedTable(StepInterface):
    """Price in error and gain in alignment of shared models, beside independent models and PCA.

    Outputs: table
    """

    def __init__(
        self,
        *,
        kinds: str | Sequence[str] = ...,
        scores: _Path | Sequence[_Path] = ...,
        alignments: _Path | Sequence[_Path] = ...,
        independent: _Path | Sequence[_Path] = ...,
        independent_alignments: _Path | Sequence[_Path] | None = ...,
    ) -> None: ...

class SimulateFinn(StepInterface):
    """Simulate subjects that listen to a story, with planted networks, latents and artefacts.

    Outputs: derivatives, atlas, atlas_labels
    """

    def __init__(
        self,
        *,
        size: Literal["default", "tiny"] = "default",
        seed: int = 0,
        n_subjects: int = 3,
    ) -> None: ...

class SimulateMotor(StepInterface):
    """Simulate subjects who move hands, feet and tongue, with planted patches on the real S1200 surface.

    Outputs: data, truth, truth_names, truth_vertices, truth_courses
    """

    def __init__(
        self,
        *,
        size: Literal["default", "half", "tiny"] = "default",
        n_subjects: int | None = ...,
        seed: int = 0,
        layout: Literal["hcp", "fmriprep", "gifti"] = "hcp",
        directions: str | Sequence[str] | None = ...,
        nonlinearity: float = 0.0,
    ) -> None: ...

class SimulateStructural(StepInterface):
    """Simulate persons whose images differ along shared modes, three planted effects of disease, sex, age and site.

    Outputs: data, truth, networks_truth, networks_names, regions_truth, atlas, atlas_labels
    """

    def __init__(
        self,
        *,
        size: Literal["default", "tiny"] = "default",
        n_subjects: int | None = ...,
        seed: int = 0,
    ) -> None: ...

class SpatialIca(StepInterface):
    """Unmix the maps that a few components span, so that they are independent over the voxels.

    Outputs: maps, latents, stability
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        frame_split: _Path = ...,
        pca: _Path | None = ...,
        latents: _Path | None = ...,
        n_components: int | None = ...,
        method: Literal["infomax", "infomax-extended", "fastica"] = "infomax",
        n_restarts: int = 3,
        model: str = "",
        seed: int = 0,
    ) -> None: ...

class SpatialMaps(StepInterface):
    """Move one factor from its minimum to its maximum, the others at their mean; where does the surface vary?

    Outputs: maps
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        factors: _Path = ...,
        subject_split: _Path = ...,
        n_steps: int = 50,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class SpectralClusters(StepInterface):
    """Cluster the vertices of each hemisphere by their distances, by their time courses, or at random.

    Outputs: clusters, quality, info
    """

    def __init__(
        self,
        *,
        vertices: _Path = ...,
        distances: _Path | Sequence[_Path] | None = ...,
        method: Literal["structural", "functional", "paper_literal", "paper_similarity", "random"] = "structural",
        n_clusters: int = 64,
        n_neighbors: int = 30,
        series: _Path | Sequence[_Path] | None = ...,
        subject_split: _Path | None = ...,
        like: _Path | None = ...,
        surfaces: _Path | Sequence[_Path] | None = ...,
        seed: int = 0,
    ) -> None: ...

class SplitHemispheres(StepInterface):
    """Write the vertices of a CIFTI file as GIFTI, one file a hemisphere.

    Outputs: left, right
    """

    def __init__(
        self,
        *,
        dense: _Path = ...,
    ) -> None: ...

class SplitSubjects(StepInterface):
    """Divide the persons 70/10/20 in training, validation and test; all recordings of a person lie in one part.

    Outputs: subject_split
    """

    def __init__(
        self,
        *,
        labels: str | Sequence[str] = ...,
        persons: str | Sequence[str] = ...,
        seed: int = 42,
        fractions: float | Sequence[float] = [0.7, 0.1, 0.2],
    ) -> None: ...

class SplitVoxels(StepInterface):
    """Split the usable voxels 70/10/20 in training, validation and test voxels.

    Outputs: voxel_split, why_not
    """

    def __init__(
        self,
        *,
        mask: _Path = ...,
        voxels: _Path = ...,
        scaling: _Path = ...,
        scheme: Literal["random", "blocked", "parcel"] = "random",
        seed: int = 0,
        if_impossible: Literal["error", "skip"] = "error",
    ) -> None: ...

class StackFrames(StepInterface):
    """Turn voxel series into rows of frames, and divide each run's time in blocks for training, validation and test.

    Outputs: volumes, frame_split, info
    """

    def __init__(
        self,
        *,
        series: _Path | Sequence[_Path] = ...,
        frames: _Path | Sequence[_Path] = ...,
        series_info: _Path | Sequence[_Path] = ...,
        mask: _Path | None = ...,
        standardize: Literal["zscore", "center", "none"] = "zscore",
        block_seconds: float = 20.0,
        fractions: float | Sequence[float] = [0.7, 0.1, 0.2],
        seed: int = 0,
    ) -> None: ...

class StackVolumes(StepInterface):
    """Read the images' values at the mask's voxels, one image at a time.

    Outputs: volumes, info
    """

    def __init__(
        self,
        *,
        volumes: _Path | Sequence[_Path] = ...,
        labels: str | Sequence[str] = ...,
        mask: _Path = ...,
        mask_info: _Path | None = ...,
    ) -> None: ...

class StructuralReport(StepInterface):
    """Write the structural page: the tutorial beside these data, then every analysis with its controls.

    Outputs: report, claims
    """

    def __init__(
        self,
        *,
        subject_split: _Path | None = ...,
        covariates: _Path | None = ...,
        mask: _Path | None = ...,
        mean: _Path | None = ...,
        mask_info: _Path | None = ...,
        volumes_info: _Path | None = ...,
        scores: _Path | None = ...,
        verdicts: _Path | Sequence[_Path] | None = ...,
        histories: _Path | Sequence[_Path] | None = ...,
        configs: _Path | Sequence[_Path] | None = ...,
        fit_names: str | Sequence[str] | None = ...,
        examples: _Path | Sequence[_Path] | None = ...,
        examples_tables: _Path | Sequence[_Path] | None = ...,
        example_names: str | Sequence[str] | None = ...,
        trials: _Path | None = ...,
        chosen: _Path | None = ...,
        latents: _Path | None = ...,
        traversals: _Path | None = ...,
        effects: _Path | None = ...,
        traversal_steps: _Path | None = ...,
        traversal_table: _Path | None = ...,
        correlations: _Path | Sequence[_Path] | None = ...,
        draws: _Path | None = ...,
        drawn: _Path | None = ...,
        drawn_table: _Path | None = ...,
        interpolation: _Path | None = ...,
        interpolation_table: _Path | None = ...,
        embeddings: _Path | None = ...,
        embedding_table: _Path | None = ...,
        dimension: _Path | None = ...,
        shells: _Path | None = ...,
        regression: _Path | Sequence[_Path] | None = ...,
        regression_predictions: _Path | Sequence[_Path] | None = ...,
        regression_importance: _Path | Sequence[_Path] | None = ...,
        joint: _Path | Sequence[_Path] | None = ...,
        joint_predictions: _Path | Sequence[_Path] | None = ...,
        joint_decoded: _Path | Sequence[_Path] | None = ...,
        joint_tables: _Path | Sequence[_Path] | None = ...,
        joint_configs: _Path | Sequence[_Path] | None = ...,
        longitudinal_coefficients: _Path | None = ...,
        longitudinal_predictions: _Path | None = ...,
        longitudinal_scores: _Path | None = ...,
        longitudinal_frozen: _Path | None = ...,
        progression: _Path | None = ...,
        progression_table: _Path | None = ...,
        network_names: str | Sequence[str] | None = ...,
        network_maps: _Path | Sequence[_Path] | None = ...,
        network_courses: _Path | Sequence[_Path] | None = ...,
        network_task: _Path | Sequence[_Path] | None = ...,
        network_overlap: _Path | None = ...,
        network_best: _Path | None = ...,
        network_mask: _Path | None = ...,
        network_mean: _Path | None = ...,
        network_scores: _Path | None = ...,
        recovery: _Path | None = ...,
        parameters: str = "{}",
        skipped: str = "{}",
        failures: str = "[]",
        dataset: str = "",
        title: str = "",
        simulated: bool = False,
    ) -> None: ...

class SubjectMaps(StepInterface):
    """Two maps of a factor in one recording: what the model draws over its range, and where its data follow it.

    Outputs: maps, regression, names
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        factors: _Path = ...,
        series: _Path | Sequence[_Path] = ...,
        subject_split: _Path = ...,
        factor: int | Sequence[int] | None = ...,
        labels: str | Sequence[str] | None = ...,
        n_recordings: int = 4,
        n_steps: int = 50,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class SubjectMetrics(StepInterface):
    """Join the reconstruction errors of all splits with the tSNR and, where known, the planted truth.

    Outputs: metrics
    """

    def __init__(
        self,
        *,
        label: str = ...,
        errors: _Path = ...,
        tsnr: _Path = ...,
        blocked_errors: _Path | None = ...,
        recovery: _Path | None = ...,
    ) -> None: ...

class SubjectReport(StepInterface):
    """Write one self-contained HTML page of a subject.

    Outputs: report
    """

    def __init__(
        self,
        *,
        label: str = ...,
        scaled: _Path = ...,
        reconstruction: _Path = ...,
        scaling: _Path = ...,
        frames: _Path = ...,
        voxel_split: _Path = ...,
        mask: _Path = ...,
        voxels: _Path = ...,
        latents: _Path = ...,
        config: _Path = ...,
        metrics: _Path = ...,
        tsnr: _Path = ...,
        tsnr_parcels: _Path = ...,
        tsnr_before: _Path = ...,
        tsnr_after: _Path = ...,
        tsnr_change: _Path = ...,
        mse_map: _Path = ...,
        history: _Path | None = ...,
        verdict: _Path | None = ...,
        blocked_metrics: _Path | None = ...,
        blocked_verdict: _Path | None = ...,
        error_warnings: _Path | None = ...,
        blocked_warnings: _Path | None = ...,
        tsnr_warnings: _Path | None = ...,
        normalization: _Path | None = ...,
        mask_info: _Path | None = ...,
        run_infos: _Path | Sequence[_Path] | None = ...,
        background: _Path | None = ...,
        background_name: str = "background image",
        recovery: _Path | None = ...,
        dataset: str = "",
        generated_by: str = "",
        simulated: bool = False,
        emse_frame: int | None = ...,
        why_not_blocked: str = "",
        parameters: str = "{}",
        surfaces: _Path | Sequence[_Path] | None = ...,
        folded: _Path | Sequence[_Path] | None = ...,
    ) -> None: ...

class SubjectVerdict(StepInterface):
    """Join the fit's verdict with the warnings of a second fit and of the steps after both.

    Outputs: verdict
    """

    def __init__(
        self,
        *,
        verdict: _Path | None = ...,
        error_warnings: _Path | None = ...,
        blocked_warnings: _Path | None = ...,
        blocked_verdict: _Path | None = ...,
        tsnr_warnings: _Path | None = ...,
    ) -> None: ...

class TakeModel(StepInterface):
    """Take what a fit wrote out of a delivered model, so that steps which were done with it are found again.

    Outputs: model, config
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
    ) -> None: ...

class TaskMaps(StepInterface):
    """Regress the frames on the task: once on all conditions as one, once on the conditions together.

    Outputs: maps, names
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        frame_split: _Path = ...,
        regressors: _Path | Sequence[_Path] = ...,
    ) -> None: ...

class TaskRegressors(StepInterface):
    """Convolve each sub-task's blocks with a haemodynamic response, and filter the regressors like the data.

    Outputs: regressors
    """

    def __init__(
        self,
        *,
        events: _Path | Sequence[_Path] = ...,
        n_frames: int = ...,
        t_r: float = ...,
        layout: Literal["auto", "hcp", "bids", "paper"] = "auto",
        hrf: Literal["spm", "glover"] = "spm",
        high_pass: float = 0.01,
        low_pass: float = 0.15,
        detrend: bool = True,
        dummy_scans: int = 0,
        start_time: float = 0.0,
        subtasks: str | Sequence[str] | None = ...,
    ) -> None: ...

class TransferError(StepInterface):
    """Measure one cell of the matrix of transfer: the source's model and PCA on the target's voxels.

    Outputs: row
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        controls: _Path = ...,
        scaled: _Path = ...,
        frames: _Path = ...,
        scaling: _Path = ...,
        voxel_split: _Path = ...,
        source: str = ...,
        target: str = ...,
        n_voxels: int = 2000,
        seed: int = 0,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class TraverseVolumes(StepInterface):
    """Decode walks along each latent, and measure what each one carries.

    Outputs: traversals, effects, steps, table
    """

    def __init__(
        self,
        *,
        model: _Path = ...,
        config: _Path = ...,
        latents: _Path = ...,
        log_variance: _Path = ...,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        n_steps: int = 7,
        span: float = 2.0,
        device: str = "auto",
        use_gpu: bool = ...,
    ) -> None: ...

class Tsnr(StepInterface):
    """Measure tSNR of the input and of each reconstruction, run by run, then averaged.

    Outputs: tsnr, parcels, before, after, change, warnings
    """

    def __init__(
        self,
        *,
        scaled: _Path = ...,
        reconstruction: _Path = ...,
        scaling: _Path = ...,
        frames: _Path = ...,
        controls: _Path = ...,
        mask: _Path = ...,
        voxels: _Path = ...,
        units: Literal["auto", "scanner", "scaled"] = "auto",
    ) -> None: ...

class VolumeDimension(StepInterface):
    """Estimate the intrinsic dimension of images and latents, and their concentration in shells, beside controls.

    Outputs: dimension, shells
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        volumes: _Path = ...,
        volume_split: _Path = ...,
        pca: _Path = ...,
        parts: Literal["all", "test"] = "all",
        n_draws: int = 5,
        seed: int = 0,
    ) -> None: ...

class VolumePcaScores(StepInterface):
    """Project every image on the first principal components of the training images.

    Outputs: scores
    """

    def __init__(
        self,
        *,
        volumes: _Path = ...,
        pca: _Path = ...,
        n_components: int = 12,
    ) -> None: ...

class VoxelTable(StepInterface):
    """One row a voxel of the mask: position, parcel, network, and its part in the split.

    Outputs: table
    """

    def __init__(
        self,
        *,
        voxels: _Path = ...,
        scaling: _Path = ...,
        voxel_split: _Path = ...,
    ) -> None: ...

class WriteDenoised(StepInterface):
    """Write the reconstruction of one run as a BOLD image in the units of its input.

    Outputs: denoised
    """

    def __init__(
        self,
        *,
        reconstruction: _Path = ...,
        scaled: _Path = ...,
        scaling: _Path = ...,
        frames: _Path = ...,
        series: _Path = ...,
        mask: _Path = ...,
        bold: _Path = ...,
        run_index: int = ...,
        restore_mean: bool = True,
        t_r: float | None = ...,
    ) -> None: ...

class WriteFactors(StepInterface):
    """Write every recording's factors as a table, one row a frame.

    Outputs: tables
    """

    def __init__(
        self,
        *,
        factors: _Path = ...,
        t_r: float = ...,
        subject_split: _Path | None = ...,
        labels: str | Sequence[str] | None = ...,
        start: float = 0.0,
    ) -> None: ...

class WriteLatentMaps(StepInterface):
    """Write each latent dimension as a map.

    Outputs: maps
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        scaling: _Path = ...,
        mask: _Path = ...,
    ) -> None: ...

class WriteLatents(StepInterface):
    """Write each image's latents, and how sure the model is of them.

    Outputs: table
    """

    def __init__(
        self,
        *,
        latents: _Path = ...,
        volume_split: _Path = ...,
        log_variance: _Path | None = ...,
        name: str = "z",
    ) -> None: ...

class WriteSurfaceMaps(StepInterface):
    """Write maps as CIFTI and GIFTI.

    Outputs: cifti, left, right
    """

    def __init__(
        self,
        *,
        maps: _Path = ...,
        vertices: _Path = ...,
        region: _Path = ...,
        names: str | Sequence[str] = ...,
    ) -> None: ...

class WriteVolumes(StepInterface):
    """Write rows of values at the mask's voxels as a 4-D image, one volume a row.

    Outputs: image, table
    """

    def __init__(
        self,
        *,
        values: _Path = ...,
        mask: _Path = ...,
        names: str | Sequence[str] | None = ...,
        fill: float = 0.0,
        intent: Literal["none", "estimate", "z score"] = "none",
    ) -> None: ...
