"""The methods text of the motor page: a paragraph for each analysis that the page has, with citations."""

from collections.abc import Iterator

from pydra_vae.reports.formats import count, listed, number
from pydra_vae.reports.group_methods import Paragraph
from pydra_vae.reports.group_tables import in_order
from pydra_vae.reports.loaded import read_json
from pydra_vae.reports.motor_tables import BETA, ICA, OURS, Key, MotorTables, kind_of
from pydra_vae.reports.pages import render
from pydra_vae.reports.references import REFERENCES

DISTANCES = {
    "structural": "distances along the surface",
    "functional": "correlations of training recordings' courses",
    "paper_literal": "the paper's appendix B to the letter",
}


def methods(tables: MotorTables) -> str:
    """Paragraphs and references; "" where nothing was made."""
    written = [paragraph for make in (_data, _space, _models, _linear, _scores, _others) for paragraph in make(tables)]
    if not written:
        return ""
    keys = in_order(["tivae", *(key for _, cited in written for key in cited)])
    references = sorted((REFERENCES[key] for key in keys), key=lambda reference: reference.text)
    return render("methods.html", paragraphs=[text for text, _ in written], references=references)


def _data(tables: MotorTables) -> Iterator[Paragraph]:
    info, region = read_json(tables.files.series_info), read_json(tables.files.region)
    split = tables("subject_split")
    yeo, parts = "7Networks" in str(region.get("label", "")), []
    if split is not None:
        n = [f"{int((split['part'] == part).sum())} for {name}" for part, name in
             (("train", "training"), ("validation", "validation"), ("test", "test"))]  # fmt: skip
        parts.append(f"{count(len(split), 'recording')}: {listed(n)}; all recordings of a person lie in one part.")
    if info.get("n_frames"):
        t_r = f", TR {info['t_r']:g} s" if info.get("t_r") else ""
        parts.append(f"{count(int(info['n_frames']), 'frame')} each{t_r}.")
    if region.get("n_left") is not None:
        n_left, n_right = int(region["n_left"]), int(region["n_right"])
        label = f" of {region['label']}" if region.get("label") else ""
        label += " (Yeo et al., 2011)" if yeo else ""
        parts.append(
            f"{number(n_left + n_right)} vertices{label} ({number(n_left)} left, {number(n_right)} right) of "
            f"{region.get('space') or 'a mesh'}."
        )
    band = tables.files.parameters.get("PrepareSurface", {})
    low, high = (band.get(name) for name in ("high_pass", "low_pass")) if isinstance(band, dict) else (None, None)
    if low is not None and high is not None:
        what = (
            "Series and regressors were band-passed alike" if tables.given("comparison") else "Series were band-passed"
        )
        parts.append(f"{what}, {low:g} to {high:g} Hz.")
    if parts:
        yield " ".join(parts), ("yeo",) if yeo else ()


def _space(tables: MotorTables) -> Iterator[Paragraph]:
    infos = [read_json(path) for path in tables.files.clusters_info]
    if not infos:
        return
    found = [str(info.get("method")) for info in infos]
    by = listed(dict.fromkeys(DISTANCES.get(name, name) for name in found if name != "random"))
    control = " Random clusters of the same sizes are their control." if "random" in found else ""
    geodesics = read_json(tables.files.geodesics_info)
    limit = f", up to {geodesics['limit_mm']:g} mm" if geodesics.get("limit_mm") else ""
    yield (
        f"Clusters: spectral clustering of each hemisphere by itself, by {by}. Distances are shortest paths over the "
        f"mesh's edges and the diagonals of unfolded pairs of triangles{limit}, over the whole hemisphere.{control}",
        (),
    )


def _models(tables: MotorTables) -> Iterator[Paragraph]:
    families = tables.families(OURS, BETA) or (
        [m for m in tables("fits")["model"].unique() if kind_of(m) in (OURS, BETA)] if tables.given("fits") else []
    )
    if not families:
        return
    config = next((read_json(path) for path in tables.files.configs), {})
    recipe = config.get("recipe", {})
    name = recipe.get("name") if isinstance(recipe, dict) else recipe
    how = f" Recipe: {name}" + (f", initialised by {str(config['initialisation']).upper()}." if
                                config.get("initialisation") == "lsuv" else ".") if name else ""  # fmt: skip
    how += _schedule(config) if name else ""
    yield (
        f"{listed(dict.fromkeys(families))}: each frame is gathered by clusters, mixed within and across them "
        "(Tolstikhin et al., 2021) with weights that clusters and hemispheres share, and passed to a causal gated "
        "recurrent unit (Cho et al., 2014) whose states give the mean and variance of each factor at each frame. "
        "The loss is the negative evidence lower bound, its KL averaged over factors and frames, plus β times the "
        "total correlation of the factors over the frames of a recording (after Chen et al., 2018); in a β-VAE "
        "(Higgins et al., 2017) β weighs the whole KL instead."
        f"{how}",
        ("tolstikhin", "cho", "chen", "higgins", *(("lsuv",) if config.get("initialisation") == "lsuv" else ())),
    )


def _schedule(config: dict) -> str:
    """Steps and batches of a fit, and its clusters; "" where they are not known."""
    recipe = config["recipe"] if isinstance(config.get("recipe"), dict) else {}
    batch = recipe.get("batch_size")
    parts = [f"{number(config['steps'])} steps"] if config.get("steps") else []
    parts += [f"{count(int(batch), 'recording')} a step" if batch else ""]
    parts += [f"{config['crop']} frames of each" if config.get("crop") else ""]
    found = [part for part in parts if part]
    return (
        f" {', '.join(found)}; {config['n_clusters']} clusters a hemisphere."
        if found and "n_clusters" in config
        else ""
    )


def _linear(tables: MotorTables) -> Iterator[Paragraph]:
    shown = [Key.parse(label).model for label in tables.files.map_models]
    if ica := tables.families(ICA) or in_order(model for model in shown if kind_of(model) == ICA):
        yield (
            f"ICA, in {count(len(ica), 'variant')} since the paper names one word only: on components of training "
            "recordings, concatenated or averaged, with independence over time or over vertices; Infomax (Lee et al., "
            "1999; Ablin et al., 2018) from a fixed start and several random ones, of which the best is kept.",
            ("lee", "picard"),
        )


def _scores(tables: MotorTables) -> Iterator[Paragraph]:
    if tables.given("comparison"):
        yield (
            "Scores: sub-tasks were convolved with a haemodynamic response and filtered as the data; averages are over "
            "recordings of the same timing. For each sub-task the factor with the largest |r| on the validation "
            "average is scored on the test average. Null: regressors shifted in time round the end. Read-out: ridge "
            "regression from all factors, fitted on single training recordings, its penalty chosen on the validation "
            "average.",
            (),
        )
    if tables.given("map_scores"):
        yield (
            "Maps: of a VAE, the variance of what is decoded while one factor goes from its smallest to its largest "
            "value in training and validation recordings, the others at their mean; of ICA and PCA their "
            "weights. Agreement with a reference is Pearson's r over vertices, and over those where the reference is "
            "largest; spread is the mean distance along the surface of a map's energy from the peak of its hemisphere.",
            (),
        )


def _others(tables: MotorTables) -> Iterator[Paragraph]:
    if tables.files.embedding:
        text, cited = "Trajectories: t-SNE (van der Maaten & Hinton, 2008)", ("tsne",)
        if tables.given("comparison"):
            text += (
                " of the test average, and silhouettes (Rousseeuw, 1987) of sub-tasks, against labels that were "
                "shifted in time"
            )
            cited = ("tsne", "rousseeuw")
        yield f"{text}.", cited
    if tables.given("consistency"):
        yield (
            "Agreement of seeds: factors were matched by |r| of their test averages (Hungarian method); the null "
            "matches factors that were shifted in time.",
            (),
        )
