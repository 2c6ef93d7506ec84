"""The report of one subject: a dataclass of paths, and `write`, which makes one self-contained page of them."""

from dataclasses import dataclass, field
from pathlib import Path

from pydra_vae.reports import figures, sections
from pydra_vae.reports.loaded import Loaded
from pydra_vae.reports.pages import Section, assemble
from pydra_vae.reports.row_words import in_words_of


@dataclass(frozen=True, kw_only=True)
class SubjectReport:
    """Everything that the page of a subject shows.

    Attributes
    ----------
    label : str
        Subject (and session) label, such as ``sub-01``.
    scaled, reconstruction : Path
        (K, T) float32 matrices in scaled units: input, and output as decoded.
    scaling, frames, voxel_split : Path
        Of Normalize and SplitVoxels; the split is that of the delivered model.
    mask, voxels : Path
        Mask, and one row a voxel with parcel and network.
    latents : Path
        (K, D) float32 matrix.
    config : Path
        model.json.
    history : Path or None
        Of FitCvae; None for a model that was given.
    verdict, blocked_verdict : Path or None
        Of JudgeFit: on the delivered model, and on a second fit on blocks of voxels.
    metrics : sequence of Path
        Tables of ReconstructionError, one a split, that of the delivered model first.
    tsnr, tsnr_parcels, tsnr_before, tsnr_after, tsnr_change : Path
        Tables and maps of Tsnr.
    mse_map : Path
        Of ReconstructionError.
    warnings : sequence of Path
        JSON lists of warnings, of any step.
    normalization, mask_info : Path or None
        JSON of Normalize and of MakeMask.
    run_infos : sequence of Path
        JSON of MaskBold, one a run.
    background : Path or None
        Image behind the maps, in the space of the BOLD; None for the mean BOLD.
    background_name : str
        What it is, for the caption, such as "T1w".
    surfaces, folded : sequences of Path
        Left and right surface, inflated and folded, on which vertices are drawn; none for volumes.
    recovery : Path or None
        How well planted signals were found, for simulated data.
    dataset : str
        Name of the dataset.
    generated_by : str
        What preprocessed it, comma separated, as its GeneratedBy says.
    simulated : bool
        Whether the data were made by a program.
    emse_frame : int or None
        As in ReconstructionError.
    why_not_blocked : str
        Why a second fit on blocks was asked for but not possible.
    parameters : dict
        What the user chose, for the record.
    """

    label: str
    scaled: Path
    reconstruction: Path
    scaling: Path
    frames: Path
    voxel_split: Path
    mask: Path
    voxels: Path
    latents: Path
    config: Path
    metrics: tuple[Path, ...]
    tsnr: Path
    tsnr_parcels: Path
    tsnr_before: Path
    tsnr_after: Path
    tsnr_change: Path
    mse_map: Path
    history: Path | None = None
    verdict: Path | None = None
    blocked_verdict: Path | None = None
    warnings: tuple[Path, ...] = ()
    normalization: Path | None = None
    mask_info: Path | None = None
    run_infos: tuple[Path, ...] = ()
    background: Path | None = None
    background_name: str = "background image"
    surfaces: tuple[Path, ...] = ()
    folded: tuple[Path, ...] = ()
    recovery: Path | None = None
    dataset: str = ""
    generated_by: str = ""
    simulated: bool = False
    emse_frame: int | None = None
    why_not_blocked: str = ""
    parameters: dict = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Write the page; the same inputs give the same bytes.

        Parameters
        ----------
        path : Path
            The HTML file.

        Raises
        ------
        ValueError
            If the files do not belong together; the message names them.
        """
        data = Loaded(self)
        data.check()
        return assemble(path, f"{self.label} · pydra_vae", in_words_of(data.geometry.row, _sections(data)))


def _sections(data: Loaded) -> list[Section]:
    return [
        Section("top", "", [sections.top(data)]),
        Section("summary", "Summary", [sections.facts(data)]),
        Section("learning", "Learning", [figures.learning_curve(data)]),
        Section("examples", "Example voxels", [figures.example_voxels(data)]),
        Section("volumes", "Volumes", [figures.emse_volumes(data)]),
        Section("tsnr", "tSNR", [figures.tsnr_maps(data), figures.gain(data)]),
        Section("latents", "Latent maps", [figures.latent_maps(data), figures.latent_structure(data)]),
        Section("error", "Error map", [figures.mse_map(data)]),
        Section(
            "metrics", "Metrics and controls", [sections.recovery(data), sections.metrics(data), sections.tsnr(data)]
        ),
        Section("methods", "Methods", [sections.methods(data)]),
        Section("parameters", "Parameters", [sections.details(data)]),
    ]
