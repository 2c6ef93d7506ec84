"""Write the page of VAEs of brain volumes."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"report": File, "claims": File})
def StructuralReport(
    subject_split: File | None = None,
    covariates: File | None = None,
    mask: File | None = None,
    mean: File | None = None,
    mask_info: File | None = None,
    volumes_info: File | None = None,
    scores: File | None = None,
    verdicts: list[File] | None = None,
    histories: list[File] | None = None,
    configs: list[File] | None = None,
    fit_names: list[str] | None = None,
    examples: list[File] | None = None,
    examples_tables: list[File] | None = None,
    example_names: list[str] | None = None,
    trials: File | None = None,
    chosen: File | None = None,
    latents: File | None = None,
    traversals: File | None = None,
    effects: File | None = None,
    traversal_steps: File | None = None,
    traversal_table: File | None = None,
    correlations: list[File] | None = None,
    draws: File | None = None,
    drawn: File | None = None,
    drawn_table: File | None = None,
    interpolation: File | None = None,
    interpolation_table: File | None = None,
    embeddings: File | None = None,
    embedding_table: File | None = None,
    dimension: File | None = None,
    shells: File | None = None,
    regression: list[File] | None = None,
    regression_predictions: list[File] | None = None,
    regression_importance: list[File] | None = None,
    joint: list[File] | None = None,
    joint_predictions: list[File] | None = None,
    joint_decoded: list[File] | None = None,
    joint_tables: list[File] | None = None,
    joint_configs: list[File] | None = None,
    longitudinal_coefficients: File | None = None,
    longitudinal_predictions: File | None = None,
    longitudinal_scores: File | None = None,
    longitudinal_frozen: File | None = None,
    progression: File | None = None,
    progression_table: File | None = None,
    network_names: list[str] | None = None,
    network_maps: list[File] | None = None,
    network_courses: list[File] | None = None,
    network_task: list[File] | None = None,
    network_overlap: File | None = None,
    network_best: File | None = None,
    network_mask: File | None = None,
    network_mean: File | None = None,
    network_scores: File | None = None,
    recovery: File | None = None,
    parameters: str = "{}",
    skipped: str = "{}",
    failures: str = "[]",
    dataset: str = "",
    title: str = "",
    simulated: bool = False,
):
    """Write the structural page: the tutorial beside these data, then every analysis with its controls.

    Every input may be absent, and every table may hold a header only: what was not made is named at the end.

    Parameters
    ----------
    subject_split : file, optional
        Table of SplitSubjects, one row an image.
    covariates : file, optional
        Table of Covariates, one row an image, in the same order.
    mask : file, optional
        Mask of MakeVolumeMask; maps are drawn only with it.
    mean : file, optional
        Mean training image of MakeVolumeMask, behind the maps.
    mask_info : file, optional
        JSON of MakeVolumeMask.
    volumes_info : file, optional
        JSON of StackVolumes.
    scores : file, optional
        ScoreVolumeVae of all fits, gathered: one row a fit, told apart by model, setting and seed. The first row of
        model VAE is the main fit.
    verdicts : list of file, optional
        verdict.json of ScoreVolumeVae, one a fit that is shown.
    histories : list of file, optional
        history.tsv of the same fits, in the same order; may be left out.
    configs : list of file, optional
        model.json of the same fits, in the same order; may be left out.
    fit_names : list of str, optional
        Labels of these fits, as in the column setting; the main fit first.
    examples : list of file, optional
        Test images and their reconstructions (ScoreVolumeVae), one array a fit that is drawn as in figure 2.
    examples_tables : list of file, optional
        Their tables (label, kind), in the same order.
    example_names : list of str, optional
        Labels of these fits.
    trials : file, optional
        Table of ChooseModel: every trial of the search.
    chosen : file, optional
        The row that ChooseModel chose.
    latents : file, optional
        (N, k) latents of the main model (EncodeVolumes), for scatter plots.
    traversals : file, optional
        Decoded steps of every latent (TraverseVolumes).
    effects : file, optional
        Change per standard deviation of every latent (TraverseVolumes).
    traversal_steps : file, optional
        Table of the steps (TraverseVolumes).
    traversal_table : file, optional
        Table of the latents (TraverseVolumes).
    correlations : list of file, optional
        CorrelateLatents of the VAE and of controls such as PCA.
    draws : file, optional
        Statistics of DrawVolumes.
    drawn : file, optional
        Some drawn images (DrawVolumes).
    drawn_table : file, optional
        Their table (DrawVolumes).
    interpolation : file, optional
        Images between two subjects (InterpolateVolumes).
    interpolation_table : file, optional
        Their table (InterpolateVolumes).
    embeddings : file, optional
        Scores of EmbedVolumes.
    embedding_table : file, optional
        Table of these coordinates.
    dimension : file, optional
        Intrinsic dimensions (VolumeDimension).
    shells : file, optional
        Concentration in shells (VolumeDimension).
    regression : list of file, optional
        Scores of LatentRegression, one a target.
    regression_predictions : list of file, optional
        Predictions of LatentRegression.
    regression_importance : list of file, optional
        Importance of latents (LatentRegression).
    joint : list of file, optional
        Scores of ScoreJoint, one a joint model.
    joint_predictions : list of file, optional
        Predictions of ScoreJoint.
    joint_decoded : list of file, optional
        Images decoded from scores (ScoreJoint).
    joint_tables : list of file, optional
        Tables of these images, in the same order.
    joint_configs : list of file, optional
        model.json of FitJoint, with the scaling and weight of each modality.
    longitudinal_coefficients : file, optional
        Coefficients of LongitudinalModel.
    longitudinal_predictions : file, optional
        Predictions of LongitudinalModel.
    longitudinal_scores : file, optional
        Scores of LongitudinalModel.
    longitudinal_frozen : file, optional
        Losses of accuracy with a latent's slope frozen (LongitudinalModel).
    progression : file, optional
        Images along age (LongitudinalModel).
    progression_table : file, optional
        Their ages.
    network_names : list of str, optional
        Models whose functional networks are shown, such as VAE and spatial ICA.
    network_maps : list of file, optional
        Their maps (NetworkMaps or SpatialIca), in the same order.
    network_courses : list of file, optional
        Their time courses, in the same order; may be left out.
    network_task : list of file, optional
        Tables of components against conditions (NetworkMaps); may be left out.
    network_overlap : file, optional
        Overlap with reference networks (CompareNetworks).
    network_best : file, optional
        The best component of each network (CompareNetworks).
    network_mask : file, optional
        Mask of the functional recording.
    network_mean : file, optional
        Its mean image.
    network_scores : file, optional
        ScoreVolumeVae of the frames.
    recovery : file, optional
        Planted factors found again (RecoverFactors).
    parameters : str
        JSON of the options that the user gave, for the record.
    skipped : str
        JSON object: analysis → why it was not made; "… failed: message" is shown as a failure in its section.
    failures : str
        JSON list of {"label", "step", "message"}: images that could not be read.
    dataset : str
        Name of the dataset.
    title : str
        Of the page; the dataset's name by default.
    simulated : bool
        Whether the dataset says that it is simulated.

    Returns
    -------
    report : file
        The page, ``structural.html``.
    claims : file
        TSV, one row a claim of the tutorial: claim, paper_says, paper, ours, control, verdict (as in the paper; its
        control does as well; otherwise; open), finding, rule (by which the verdict was given). The first row is short.
    """
    inputs = dict(locals())  # every input by its name, nothing else yet

    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.reports.structural import CLAIMS, LABELS, LISTS
    from pydra_vae.reports.structural import StructuralReport as Report
    from pydra_vae.tasks._pages import page_of

    page = page_of(Report, inputs, LISTS, LABELS)
    claims = pd.DataFrame(page.claims(), columns=CLAIMS)
    return page.write(Path.cwd() / "structural.html"), write_table(Path("claims.tsv"), claims)
