"""The page of VAEs of brain volumes: the tutorial beside these data, then every analysis with its controls.

Every table may be absent or empty: a single fit, no repeated visits, no second modality, no planted truth. What was
not made is named at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydra_vae.reports.formats import count, listed
from pydra_vae.reports.group import Failure, filled, parameters_section
from pydra_vae.reports.group_missing import failed_names
from pydra_vae.reports.pages import render
from pydra_vae.reports.structural_claims import claims_of
from pydra_vae.reports.structural_rules import Judged
from pydra_vae.reports.structural_sections import sections
from pydra_vae.reports.structural_short import in_short
from pydra_vae.reports.structural_tables import StructuralTables

CLAIMS = ("claim", "paper_says", "paper", "ours", "control", "verdict", "finding", "rule")
LISTS = (
    "verdicts", "histories", "configs", "examples", "examples_tables", "correlations", "regression",
    "regression_predictions", "regression_importance", "joint", "joint_predictions",
    "joint_decoded", "joint_tables", "joint_configs", "network_maps", "network_courses", "network_task",
)  # fmt: skip
LABELS = ("fit_names", "example_names", "network_names")


@dataclass(frozen=True, kw_only=True)
class StructuralReport:
    """Everything that the page shows; `tasks.structural_report` says what each file is.

    Attributes
    ----------
    subject_split, covariates, mask, mean, mask_info, volumes_info : Path or None
        The images: who is in which part, what is known of them, where their voxels lie.
    scores : Path or None
        ScoreVolumeVae of all fits, gathered; the first row of model VAE is the main fit.
    verdicts, histories, configs, fit_names : sequences
        Of the fits that are shown, with their labels; the middle two may be empty.
    examples, examples_tables, example_names : sequences
        (2 n, V) images and reconstructions, one array a fit.
    trials, chosen : Path or None
        Of ChooseModel.
    latents, traversals, effects, traversal_steps, traversal_table : Path or None
        Latents of the main model, and its traversals.
    correlations : sequence of Path
    draws, drawn, drawn_table, interpolation, interpolation_table : Path or None
    embeddings, embedding_table, dimension, shells : Path or None
    regression, regression_predictions, regression_importance : sequences of Path
    joint, joint_predictions, joint_decoded, joint_tables, joint_configs : sequences of Path
    longitudinal_coefficients, longitudinal_predictions, longitudinal_scores, longitudinal_frozen : Path or None
    progression, progression_table : Path or None
    network_names, network_maps, network_courses, network_task : sequences
    network_overlap, network_best, network_mask, network_mean, network_scores : Path or None
    recovery : Path or None
    parameters, skipped : dict
        Options; analysis to the reason why it was not made.
    failures : sequence of Failure
        Images that could not be read.
    dataset, title : str
    simulated : bool
    """

    subject_split: Path | None = None
    covariates: Path | None = None
    mask: Path | None = None
    mean: Path | None = None
    mask_info: Path | None = None
    volumes_info: Path | None = None
    scores: Path | None = None
    verdicts: Sequence[Path] = ()
    histories: Sequence[Path] = ()
    configs: Sequence[Path] = ()
    fit_names: Sequence[str] = ()
    examples: Sequence[Path] = ()
    examples_tables: Sequence[Path] = ()
    example_names: Sequence[str] = ()
    trials: Path | None = None
    chosen: Path | None = None
    latents: Path | None = None
    traversals: Path | None = None
    effects: Path | None = None
    traversal_steps: Path | None = None
    traversal_table: Path | None = None
    correlations: Sequence[Path] = ()
    draws: Path | None = None
    drawn: Path | None = None
    drawn_table: Path | None = None
    interpolation: Path | None = None
    interpolation_table: Path | None = None
    embeddings: Path | None = None
    embedding_table: Path | None = None
    dimension: Path | None = None
    shells: Path | None = None
    regression: Sequence[Path] = ()
    regression_predictions: Sequence[Path] = ()
    regression_importance: Sequence[Path] = ()
    joint: Sequence[Path] = ()
    joint_predictions: Sequence[Path] = ()
    joint_decoded: Sequence[Path] = ()
    joint_tables: Sequence[Path] = ()
    joint_configs: Sequence[Path] = ()
    longitudinal_coefficients: Path | None = None
    longitudinal_predictions: Path | None = None
    longitudinal_scores: Path | None = None
    longitudinal_frozen: Path | None = None
    progression: Path | None = None
    progression_table: Path | None = None
    network_names: Sequence[str] = ()
    network_maps: Sequence[Path] = ()
    network_courses: Sequence[Path] = ()
    network_task: Sequence[Path] = ()
    network_overlap: Path | None = None
    network_best: Path | None = None
    network_mask: Path | None = None
    network_mean: Path | None = None
    network_scores: Path | None = None
    recovery: Path | None = None
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
            If a table lacks a column, lists of files and labels differ in length, or arrays and mask do not belong
            together; the message names the file.
        """
        tables, found = self._judged
        html = render(
            "index.html",
            title=self.title or self.dataset or "Brain volumes",
            lead=_lead(self, tables),
            simulated=self.simulated,
            failures=self.failures,
            sections=[*filled(sections(tables, found)), parameters_section(self.parameters)],
            alone=True,
            of="images",
        )
        path = Path(path).absolute()
        path.write_text(html, encoding="utf-8")
        return path

    def claims(self) -> list[dict[str, str]]:
        """The tutorial's claims beside these data; the first row, `short`, counts what holds against its control."""
        tables, found = self._judged
        rows = [
            {
                "claim": claim.name,
                "paper_says": claim.claim,
                "paper": claim.paper,
                "ours": claim.ours,
                "control": claim.control,
                "verdict": claim.finding.verdict or "open",
                "finding": claim.finding.text,
                "rule": claim.rule,
            }
            for claim in found
        ]
        short = in_short(found, tables)
        return [dict.fromkeys(CLAIMS, "n/a") | {"claim": "short", "finding": short}, *rows] if short else rows

    @cached_property
    def _judged(self) -> tuple[StructuralTables, list[Judged]]:
        """The tables, read once for page and claims, and the claims."""
        self._check()
        tables = StructuralTables(self)
        return tables, claims_of(tables)

    def _check(self) -> None:
        """Raise ValueError unless files and labels are as many."""
        for labels, *lists in (
            ("fit_names", "verdicts", "histories", "configs"),
            ("example_names", "examples", "examples_tables"),
            ("network_names", "network_maps", "network_courses", "network_task"),
        ):
            n = len(getattr(self, labels))
            for name in lists:
                given = len(getattr(self, name))
                if given and given != n:
                    raise ValueError(f"{name} has {given} files but {labels} {n} labels: give one label for each file")


def _lead(files: StructuralReport, tables: StructuralTables) -> str:
    parts = []
    if (split := tables("subject_split")) is not None:
        n = [
            f"{split.loc[split['part'] == part, 'person'].nunique()} {name}"
            for part, name in (("train", "training"), ("validation", "validation"), ("test", "test"))
        ]
        parts += [f"{count(split['person'].nunique(), 'person')} ({', '.join(n)})", count(len(split), "image")]
    if n := tables.n_voxels:
        parts.append(count(n, "voxel"))
    parts += [count(len(tables.fits), "fit")] if len(tables.fits) else []
    parts += ["functional networks"] if files.network_names else []
    if files.title and files.dataset:
        parts.append(files.dataset)
    if names := failed_names(tables):
        parts.append(f"{listed(names)} failed")
    return " · ".join(parts) or "Nothing was analysed"
