"""Write the page of the motor task."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"report": File, "claims": File})
def MotorReport(
    comparison: File | None = None,
    scores: File | None = None,
    fits: File | None = None,
    subjects: File | None = None,
    courses: File | None = None,
    glm: File | None = None,
    sweep: File | None = None,
    map_scores: File | None = None,
    maps: list[File] | None = None,
    map_models: list[str] | None = None,
    vertices: File | None = None,
    region: File | None = None,
    surfaces: list[File] | None = None,
    folded: list[File] | None = None,
    clusters: list[File] | None = None,
    clusters_quality: list[File] | None = None,
    clusters_info: list[File] | None = None,
    cluster_names: list[str] | None = None,
    geodesics_info: File | None = None,
    embedding: list[File] | None = None,
    embedding_models: list[str] | None = None,
    distances: list[File] | None = None,
    silhouette: list[File] | None = None,
    consistency: File | None = None,
    clock: File | None = None,
    stability: File | None = None,
    truth: File | None = None,
    truth_names: File | None = None,
    reference: File | None = None,
    reference_names: File | None = None,
    configs: list[File] | None = None,
    histories: list[File] | None = None,
    config_names: list[str] | None = None,
    subject_split: File | None = None,
    series_info: File | None = None,
    parameters: str = "{}",
    skipped: str = "{}",
    failures: str = "[]",
    dataset: str = "",
    title: str = "",
    simulated: bool = False,
):
    """Write the motor page: the TI-VAE paper beside these data, its figures again, every claim with its control.

    Parameters
    ----------
    comparison : file, optional
        Summaries of HrfRegression of all models, gathered.
    scores : file, optional
        Scores of HrfRegression, gathered: sub-task by model.
    fits : file, optional
        ScoreTiVae of all models, gathered.
    subjects : file, optional
        Scores of single recordings (HrfRegression), gathered.
    courses : file, optional
        Time courses beside the regressors (HrfRegression), gathered.
    glm : file, optional
        Factors on all regressors together (HrfRegression), gathered.
    sweep : file, optional
        ScoreTiVae of the fits over β and seeds, gathered.
    map_scores : file, optional
        CompareMaps of all models and readings, gathered.
    maps : list of file, optional
        (k, V) maps of the models whose maps are shown.
    map_models : list of str, optional
        A label for each: "TI-VAE-S k=8 beta=1 seed=0"; model, k, beta and seed as in the tables, and what is not named
        is not asked for.
    vertices : file, optional
        Table of MakeRegion.
    region : file, optional
        JSON of MakeRegion.
    surfaces : list of file, optional
        Inflated left and right surface.
    folded : list of file, optional
        The same meshes, folded (midthickness or pial), from which gyri and sulci are shaded; plain grey without.
    clusters : list of file, optional
        Clusters of SpectralClusters, one a clustering.
    clusters_quality : list of file, optional
        Quality tables of these, in the same order.
    clusters_info : list of file, optional
        JSON files of these, in the same order.
    cluster_names : list of str, optional
        Names of the clusterings, such as structural and functional.
    geodesics_info : file, optional
        JSON of GeodesicDistances.
    embedding : list of file, optional
        FactorEmbedding, one a model that is shown.
    embedding_models : list of str, optional
        Labels of these, as of maps.
    distances : list of file, optional
        Distances between sub-tasks (FactorEmbedding), in the same order.
    silhouette : list of file, optional
        Silhouettes (FactorEmbedding), in the same order.
    consistency : file, optional
        SeedConsistency, gathered.
    clock : file, optional
        ClockControl, gathered.
    stability : file, optional
        Stability of Ica, gathered with the variant's name.
    truth : file, optional
        Planted maps (n, V) of simulated data.
    truth_names : file, optional
        Their names, in the column name.
    reference : file, optional
        Maps (n, V) of ProjectReference.
    reference_names : file, optional
        Their names, in the column name.
    configs : list of file, optional
        model.json of the fits whose parameters are counted by part.
    histories : list of file, optional
        history.tsv of the same fits, in the same order.
    config_names : list of str, optional
        Labels of these.
    subject_split : file, optional
        Table of SplitSubjects.
    series_info : file, optional
        series.json of one recording.
    parameters : str
        JSON of the options that the user gave, for the record.
    skipped : str
        JSON object: analysis → why it was not made; "… failed: message" is shown as a failure in its section.
    failures : str
        JSON list of {"label", "step", "message"}: recordings that could not be read.
    dataset : str
        Name of the dataset.
    title : str
        Of the page; the dataset's name by default.
    simulated : bool
        Whether the dataset says that it is simulated.

    Returns
    -------
    report : file
        The page, ``motor.html``.
    claims : file
        TSV, one row a claim of the paper: claim, paper_says, paper, ours, control, verdict (as in the paper; its
        control does as well; otherwise; open), finding. The first row, short, says which holds against which null.
    """
    inputs = dict(locals())  # every input by its name, nothing else yet

    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.reports.motor import MotorReport as Report
    from pydra_vae.tasks._pages import page_of

    page = page_of(Report, inputs, LISTS, LABELS)
    claims = pd.DataFrame(page.claims(), columns=CLAIMS)
    return page.write(Path.cwd() / "motor.html"), write_table(Path("claims.tsv"), claims)


CLAIMS = ("claim", "paper_says", "paper", "ours", "control", "verdict", "finding")


LISTS = (
    "maps", "surfaces", "folded", "clusters", "clusters_quality", "clusters_info", "embedding", "distances",
    "silhouette", "configs", "histories",
)  # fmt: skip
LABELS = ("map_models", "cluster_names", "embedding_models", "config_names")
