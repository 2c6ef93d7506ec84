"""The report of a group: the paper beside these data, then every analysis with its controls, in the order of the paper.

One page for one subject or for many: what was not made is named at the end, with how to get it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydra_vae.bids.sidecars import versions
from pydra_vae.images.geometry import load_geometry
from pydra_vae.reports.formats import count, listed
from pydra_vae.reports.group_missing import failed_names
from pydra_vae.reports.group_sections import sections
from pydra_vae.reports.group_tables import Tables
from pydra_vae.reports.loaded import LIBRARIES
from pydra_vae.reports.pages import Section, render
from pydra_vae.reports.row_words import in_words_of


@dataclass(frozen=True)
class Failure:
    """A subject that could not be analysed.

    Attributes
    ----------
    label, step, message : str
    """

    label: str
    step: str
    message: str


@dataclass(frozen=True, kw_only=True)
class GroupReport:
    """Everything that the index shows.

    Attributes
    ----------
    metrics : sequence of Path
        Tables of SubjectMetrics (or one table of all), with the column participant_id.
    links : dict
        Label to the subject's page, relative to the index.
    warnings : dict
        Label to the list of its warnings.
    failures : sequence of Failure
    dataset : str
    simulated : bool
    parameters : dict
    skipped : dict
        Analysis to the reason why it was not made.
    sweep, divergence, structure, correlations, dimensions, views, matches, separability, geometry, outliers, samples,
    reliability, surrogate, latent_recovery : Path or None
        Tables of the subjects' analyses, gathered, with the column participant_id.
    curve : Path or None
        Error against latent size (ChooseSize).
    transfer, pairs, nulls, template, shared, isc, tests, mantel, identification, identification_matrix : Path or None
        Tables of analyses across subjects.
    choice, stimulus : Path or None
        JSON: the chosen latent size; the planted share of the stimulus by network.
    example : str
        Label of the subject that maps and views are shown of; the first by default.
    latents, gradients : Path or None
        Of the example subject: 4-D images in the grid of the mask, or (K, D) matrices.
    mask, scaling : Path or None
        Of the example subject.
    background : Path or None
        Image behind the maps.
    background_name : str
    matrices : Path or None
        safetensors with fc, cvae, pca: parcel × parcel matrices of the example subject (ConnectivityGeometry).
    parcels : Path or None
        One row a parcel of these matrices, with its network.
    linear_skip : str
        "pca" where the fits have a linear path that starts as PCA: two fits of one subject are then alike by making.
    gradients_info : Path or None
        JSON of DiffusionEmbedding of a subject: level, affinity, sparsity, alpha.
    frequency_unit : str
        Of the spectra of new series, such as "Hz"; "" where it is not known.
    """

    metrics: tuple[Path, ...]
    links: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[dict]] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    dataset: str = ""
    simulated: bool = False
    parameters: dict = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    sweep: Path | None = None
    curve: Path | None = None
    choice: Path | None = None
    transfer: Path | None = None
    structure: Path | None = None
    correlations: Path | None = None
    dimensions: Path | None = None
    views: Path | None = None
    matches: Path | None = None
    separability: Path | None = None
    pairs: Path | None = None
    nulls: Path | None = None
    template: Path | None = None
    shared: Path | None = None
    divergence: Path | None = None
    outliers: Path | None = None
    samples: Path | None = None
    isc: Path | None = None
    geometry: Path | None = None
    tests: Path | None = None
    mantel: Path | None = None
    identification: Path | None = None
    identification_matrix: Path | None = None
    reliability: Path | None = None
    surrogate: Path | None = None
    latent_recovery: Path | None = None
    stimulus: Path | None = None
    example: str = ""
    latents: Path | None = None
    gradients: Path | None = None
    mask: Path | None = None
    scaling: Path | None = None
    background: Path | None = None
    background_name: str = "background image"
    matrices: Path | None = None
    parcels: Path | None = None
    linear_skip: str = ""
    gradients_info: Path | None = None
    frequency_unit: str = ""

    def write(self, path: Path) -> Path:
        """Write the page; the same inputs give the same bytes.

        Raises
        ------
        ValueError
            If a table lacks a column, or maps and mask do not belong together; the message names the file.
        """
        tables = Tables(self)
        html = render(
            "index.html",
            title=self.dataset or "Subjects",
            lead=_lead(tables.metrics, self.failures, tables),
            simulated=self.simulated,
            failures=self.failures,
            sections=[*in_words_of(self._row(), filled(sections(tables))), parameters_section(self.parameters)],
        )
        path = Path(path).absolute()
        path.write_text(html, encoding="utf-8")
        return path

    def _row(self) -> str:
        """What the rows are, as the example's mask says; voxels without one."""
        return "voxel" if self.mask is None else load_geometry(Path(self.mask)).row


def filled(found: Sequence[Section]) -> list[Section]:
    """Sections that show something."""
    return [section for section in found if any(fragment.strip() for fragment in section.fragments)]


def _lead(table, failures, tables) -> str:
    text = count(table["participant_id"].nunique(), "subject")
    text = f"{text} analysed" + (f", {len(failures)} failed" if failures else "")
    return text + (f"; of the group's analyses, {listed(failed_names(tables))} failed" if failed_names(tables) else "")


def parameters_section(parameters) -> Section:
    """The options that were given, and the versions of the libraries."""
    from pydra_vae.reports.sections import pretty

    blocks = [("Options given", parameters), ("Versions", versions(LIBRARIES))]
    details = render("details.html", blocks=[(title, pretty(content)) for title, content in blocks if content])
    return Section("parameters", "Parameters", [details])
