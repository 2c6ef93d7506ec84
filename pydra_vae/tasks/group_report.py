"""Write the report of a group."""

import json
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"index": File})
def GroupReport(
    metrics: list[File],
    links: str = "{}",
    warnings: str = "{}",
    failures: str = "[]",
    dataset: str = "",
    simulated: bool = False,
    parameters: str = "{}",
    skipped: str = "{}",
    sweep: File | None = None,
    curve: File | None = None,
    choice: File | None = None,
    transfer: File | None = None,
    structure: File | None = None,
    correlations: File | None = None,
    dimensions: File | None = None,
    views: File | None = None,
    matches: File | None = None,
    separability: File | None = None,
    pairs: File | None = None,
    nulls: File | None = None,
    template: File | None = None,
    shared: File | None = None,
    divergence: File | None = None,
    outliers: File | None = None,
    samples: File | None = None,
    isc: File | None = None,
    geometry: File | None = None,
    tests: File | None = None,
    mantel: File | None = None,
    identification: File | None = None,
    identification_matrix: File | None = None,
    reliability: File | None = None,
    surrogate: File | None = None,
    latent_recovery: File | None = None,
    stimulus: File | None = None,
    example: str = "",
    latents: File | None = None,
    gradients: File | None = None,
    mask: File | None = None,
    scaling: File | None = None,
    background: File | None = None,
    background_name: str = "background image",
    matrices: File | None = None,
    parcels: File | None = None,
    linear_skip: str = "",
    gradients_info: File | None = None,
    frequency_unit: str = "",
):
    """Write the index of all subjects: the paper beside these data, and every analysis with its controls.

    Parameters
    ----------
    metrics : list of file
        Tables of SubjectMetrics, one a subject, or one table of all.
    links : str
        JSON object: label → the subject's page, relative to the index.
    warnings : str
        JSON object: label → list of its warnings.
    failures : str
        JSON list of {"label", "step", "message"}.
    dataset : str
        Name of the dataset; the page's title.
    simulated : bool
        Whether the dataset says that it is simulated; what was planted is then shown beside what was found.
    parameters : str
        JSON of the options that the user gave, for the record.
    skipped : str
        JSON object: analysis → why it was not made; "… failed: message" is shown as a failure in its section.
    sweep : file, optional
        ScoreFit of all latent sizes, gathered with participant_id.
    curve : file, optional
        Error against latent size (ChooseSize).
    choice : file, optional
        JSON of ChooseSize.
    transfer : file, optional
        TransferError of all pairs, gathered.
    structure : file, optional
        LatentStructure, gathered with participant_id.
    correlations : file, optional
        LatentStructure, gathered with participant_id.
    dimensions : file, optional
        LatentStructure, gathered with participant_id.
    views : file, optional
        LatentViews, gathered with participant_id; shown of the example subject.
    matches : file, optional
        CompareGradients, gathered with participant_id.
    separability : file, optional
        Separability, gathered with participant_id.
    pairs : file, optional
        Align.
    nulls : file, optional
        Align.
    template : file, optional
        Align.
    shared : file, optional
        SharedTable.
    divergence : file, optional
        ScoreFit of all settings of the KL term, gathered with participant_id.
    outliers : file, optional
        FindOutliers, gathered with participant_id.
    samples : file, optional
        SampleSeries, gathered with participant_id.
    isc : file, optional
        IntersubjectCorrelation.
    geometry : file, optional
        ConnectivityGeometry, gathered with participant_id.
    tests : file, optional
        GroupStatistics.
    mantel : file, optional
        ScoreMantel.
    identification : file, optional
        Identify: one row a method.
    identification_matrix : file, optional
        Identify: r of each first half with each second half.
    reliability : file, optional
        Reliability, gathered with participant_id.
    surrogate : file, optional
        ScoreFit on Gaussian surrogates, gathered with participant_id.
    latent_recovery : file, optional
        LatentRecovery, gathered with participant_id.
    stimulus : file, optional
        JSON with ShareOfNeuralVariance: what was planted, by network.
    example : str
        Label of the subject that maps and views are shown of; the first by default.
    latents : file, optional
        Latent maps of the example subject: 4-D image or (K, D) matrix.
    gradients : file, optional
        Diffusion gradients of the example subject, likewise.
    mask : file, optional
        Mask of the example subject.
    scaling : file, optional
        Scaling of the example subject.
    background : file, optional
        3-D image behind its maps.
    background_name : str
        What it is, for the caption.
    matrices : file, optional
        safetensors of ConnectivityGeometry of the example subject: fc, cvae, pca.
    parcels : file, optional
        Table of these matrices' parcels, with their network.
    linear_skip : str
        That of the models: "pca" where two fits of one subject start from the same components, which makes the floor of
        the alignment small by construction; the page then says so.
    gradients_info : file, optional
        JSON of DiffusionEmbedding of the example subject: how the gradients were made, for the methods.
    frequency_unit : str
        Unit of the frequencies in `samples` (frequency_unit in SampleSeries' JSON): Hz, or cycles a frame.

    Returns
    -------
    index : file
        The page, ``index.html``.
    """
    from pydra_vae.reports.group import Failure
    from pydra_vae.reports.group import GroupReport as Report

    given = locals()
    files = {
        name: Path(given[name]) for name in Report.__dataclass_fields__ if name in FILES and given[name] is not None
    }
    report = Report(
        metrics=tuple(Path(path) for path in metrics),
        links=parsed("links", links),
        warnings=parsed("warnings", warnings),
        failures=[Failure(**failure) for failure in parsed("failures", failures)],
        dataset=dataset,
        simulated=simulated,
        parameters=parsed("parameters", parameters),
        skipped=parsed("skipped", skipped),
        example=example,
        background_name=background_name,
        linear_skip=linear_skip,
        frequency_unit=frequency_unit,
        **files,
    )
    return report.write(Path.cwd() / "index.html")


FILES = (
    "sweep", "curve", "choice", "transfer", "structure", "correlations", "dimensions", "views", "matches",
    "separability", "pairs", "nulls", "template", "shared", "divergence", "outliers", "samples", "isc", "geometry",
    "tests", "mantel", "identification", "identification_matrix", "reliability", "surrogate", "latent_recovery",
    "stimulus", "latents", "gradients", "mask", "scaling", "background", "matrices", "parcels", "gradients_info",
)  # fmt: skip


def parsed(name: str, text: str):
    """A JSON input; the error names it."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is no JSON: {error} in {text[:80]!r}") from error
