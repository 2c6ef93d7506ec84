"""The motor page: the TI-VAE paper beside these data, then its figures again, each with its controls.

Every table may be absent or empty: data without events, a single seed, no functional clusters, no planted truth. What
was not made is named at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydra_vae.reports.formats import count, listed
from pydra_vae.reports.group import Failure, filled, parameters_section
from pydra_vae.reports.group_missing import failed_names
from pydra_vae.reports.motor_claims import claims_of
from pydra_vae.reports.motor_sections import sections
from pydra_vae.reports.motor_short import in_short
from pydra_vae.reports.motor_tables import MotorTables
from pydra_vae.reports.pages import render


@dataclass(frozen=True, kw_only=True)
class MotorReport:
    """Everything that the page shows.

    Attributes
    ----------
    comparison, scores, subjects, courses, glm : Path or None
        HrfRegression of all models, gathered: summary, scores, subjects, courses, glm.
    fits, sweep : Path or None
        ScoreTiVae of all models; of the fits over β and seeds.
    map_scores : Path or None
        CompareMaps of all models and readings, gathered.
    maps : sequence of Path
        (k, V) maps of some models.
    map_models : sequence of str
        Their labels: "TI-VAE-S k=8 beta=1 seed=0" (what is not named is not asked for).
    vertices, region : Path or None
        Of MakeRegion.
    surfaces : sequence of Path
        Inflated left and right surfaces.
    folded : sequence of Path
        The same meshes, folded (midthickness or pial), for gyri and sulci; may be empty.
    clusters, clusters_quality, clusters_info : sequences of Path
        SpectralClusters, one a clustering.
    cluster_names : sequence of str
        Of the clusterings: "structural", "functional", "random".
    geodesics_info : Path or None
        JSON of GeodesicDistances.
    embedding, distances, silhouette : sequences of Path
        FactorEmbedding, one a model; the latter two may be empty.
    embedding_models : sequence of str
        Labels, as those of maps.
    consistency, clock, stability : Path or None
        SeedConsistency, ClockControl and Ica.stability, gathered (with a column model or participant_id).
    truth : Path or None
        (n, V) planted maps.
    truth_names : Path or None
        Table with a column name.
    reference, reference_names : Path or None
        ProjectReference: (n, V) maps and their names.
    configs : sequence of Path
        model.json of some fits, for parameters by part.
    histories : sequence of Path
        history.tsv of the same fits; may be empty.
    config_names : sequence of str
        Labels of these.
    subject_split : Path or None
    series_info : Path or None
        series.json of one recording.
    parameters, skipped : dict
        Options; analysis to the reason why it was not made.
    failures : sequence of Failure
        Recordings that could not be read.
    dataset, title : str
    simulated : bool
    """

    comparison: Path | None = None
    scores: Path | None = None
    fits: Path | None = None
    subjects: Path | None = None
    courses: Path | None = None
    glm: Path | None = None
    sweep: Path | None = None
    map_scores: Path | None = None
    maps: Sequence[Path] = ()
    map_models: Sequence[str] = ()
    vertices: Path | None = None
    region: Path | None = None
    surfaces: Sequence[Path] = ()
    folded: Sequence[Path] = ()
    clusters: Sequence[Path] = ()
    clusters_quality: Sequence[Path] = ()
    clusters_info: Sequence[Path] = ()
    cluster_names: Sequence[str] = ()
    geodesics_info: Path | None = None
    embedding: Sequence[Path] = ()
    embedding_models: Sequence[str] = ()
    distances: Sequence[Path] = ()
    silhouette: Sequence[Path] = ()
    consistency: Path | None = None
    clock: Path | None = None
    stability: Path | None = None
    truth: Path | None = None
    truth_names: Path | None = None
    reference: Path | None = None
    reference_names: Path | None = None
    configs: Sequence[Path] = ()
    histories: Sequence[Path] = ()
    config_names: Sequence[str] = ()
    subject_split: Path | None = None
    series_info: Path | None = None
    parameters: dict = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    dataset: str = ""
    title: str = ""
    simulated: bool = False

    def write(self, path: Path) -> Path:
        """Write the page; the same inputs give the same bytes.

        Raises
        ------
        ValueError
            If a table lacks a column, lists of files and labels differ in length, or maps, vertices and surfaces do
            not belong together; the message names the file.
        """
        self._check()
        tables = MotorTables(self)
        html = render(
            "index.html",
            title=self.title or self.dataset or "Motor task",
            lead=_lead(self, tables),
            simulated=self.simulated,
            failures=self.failures,
            sections=[*filled(sections(tables)), parameters_section(self.parameters)],
            alone=True,
        )
        path = Path(path).absolute()
        path.write_text(html, encoding="utf-8")
        return path

    def claims(self) -> list[dict[str, str]]:
        """The paper's claims beside these data; the first row, `short`, says which claim holds against which null."""
        tables = MotorTables(self)
        found = claims_of(tables)
        rows = [
            {
                "claim": claim.name,
                "paper_says": claim.claim,
                "paper": claim.paper,
                "ours": claim.ours,
                "control": claim.control,
                "verdict": claim.finding.verdict or "open",
                "finding": claim.finding.text,
            }
            for claim in found
        ]
        short = in_short(found, tables)
        return [dict.fromkeys(rows[0], "n/a") | {"claim": "short", "finding": short}, *rows] if short else rows

    def _check(self) -> None:
        """Raise ValueError unless files and labels are as many."""
        for labels, *lists in (
            ("map_models", "maps"),
            ("cluster_names", "clusters", "clusters_quality", "clusters_info"),
            ("embedding_models", "embedding", "distances", "silhouette"),
            ("config_names", "configs", "histories"),
        ):
            n = len(getattr(self, labels))
            for name in lists:
                given = len(getattr(self, name))
                if given != n and (given or name == lists[0]):
                    raise ValueError(f"{name} has {given} files but {labels} {n} labels: give one label for each file")


def _lead(files: MotorReport, tables: MotorTables) -> str:
    parts = []
    if (split := tables("subject_split")) is not None:
        n = [
            f"{split.loc[split['part'] == part, 'person'].nunique()} {name}"
            for part, name in (("train", "training"), ("validation", "validation"), ("test", "test"))
        ]
        parts.append(f"{count(split['person'].nunique(), 'person', 'persons')} ({', '.join(n)})")
    models = tables.families()
    parts += [count(len(models), "kind of model", "kinds of models")] if models else []
    parts += [count(len(tables.results), "set of factors", "sets of factors")] if models else []
    if files.title and files.dataset:
        parts.append(files.dataset)
    if names := failed_names(tables):
        parts.append(f"{listed(names)} failed")
    return " · ".join(parts) or "Nothing was analysed"
