"""What is not on the structural page: why, where that is known."""

from pydra_vae.reports.group_findings import sentence
from pydra_vae.reports.group_missing import FAILED, NOT_MADE, Analysis
from pydra_vae.reports.pages import render
from pydra_vae.reports.structural_tables import StructuralTables

ANALYSES = (
    Analysis("reconstruction", "Reconstruction beside PCA and the mean image", ("scores",), "group", "reconstruction"),
    Analysis("examples", "Images over reconstructions (figure 2)", ("examples",), "group", "reconstruction"),
    Analysis("training", "Training and validation curves", ("histories",), "group", "training"),
    Analysis("search", "Search of hyper-parameters", ("trials",), "group", "search"),
    Analysis("explained", "Latent traversals", ("traversal_table", "effects"), "group", "latents"),
    Analysis("correlations", "Correlations of latents with covariates and regions", ("correlations",), "group",
             "latents"),
    Analysis("draws", "Images drawn from the model", ("draws",), "group", "draws"),
    Analysis("interpolation", "Images between persons", ("interpolation",), "group", "draws"),
    Analysis("embeddings", "MDS, LLE and Isomap beside PCA", ("embeddings",), "group", "maps"),
    Analysis("dimension", "Intrinsic dimension and shells", ("dimension", "shells"), "group", "dimension"),
    Analysis("regression", "Regression of covariates on the latents", ("regression",), "group", "regression"),
    Analysis("joint", "Joint models of images, scores and a second modality", ("joint",), "group", "joint"),
    Analysis("longitudinal", "Prediction of the next visit", ("longitudinal_scores",), "group", "longitudinal"),
    Analysis("networks", "Functional networks of fMRI frames", ("network_maps",), "group", "networks"),
    Analysis("overlap", "Overlap with known networks", ("network_overlap",), "group", "networks"),
)  # fmt: skip
HOW = {
    "search": "It needs further fits (--search).",
    "regression": "It needs a covariate to predict (--targets).",
    "joint": "It needs clinical scores (--scores) or a second modality (--second).",
    "longitudinal": "It needs persons with repeated visits, and their ages.",
    "networks": "It needs BOLD runs (--analyses networks, --bold).",
    "overlap": "It needs networks in the space of the BOLD runs (--networks-atlas) or events.",
}


def missing(tables: StructuralTables) -> str:
    """A row for each analysis that the page does not have; "" where it has all."""
    skipped, items = tables.files.skipped, []
    networks_only = bool(tables.files.network_maps) and tables("subject_split") is None
    if networks_only:
        items.append(("All that is of persons' images", "Only functional networks were asked for (--analyses).", ""))
    for analysis in ANALYSES:
        if networks_only and analysis.section != "networks":
            continue
        reason = skipped.get(analysis.name, "")
        if any(_given(tables, name) for name in analysis.tables) or FAILED in reason:
            continue
        items.append((analysis.what, sentence(reason) or f"{NOT_MADE} {HOW.get(analysis.name, '')}".strip(), ""))
    if tables.files.mask is None and _given(tables, "examples"):
        items.append(("Maps on brain slices", "They need the mask of the images.", ""))
    known = {analysis.name for analysis in ANALYSES}
    items += [(name, sentence(why), "") for name, why in skipped.items() if name not in known and FAILED not in why]
    return render("missing.html", items=items) if items else ""


def _given(tables: StructuralTables, name: str) -> bool:
    found = getattr(tables.files, name)
    if name in ("examples", "histories", "network_maps"):
        return bool(found)
    if name in ("effects", "interpolation"):
        return tables.array(name) is not None
    return tables(name) is not None
