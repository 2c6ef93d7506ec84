"""Sections of the structural page on what latents predict: regression and joint models."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import escape

from pydra_vae.reports import structural_figures_models as draw
from pydra_vae.reports.brains import robust_limit
from pydra_vae.reports.formats import fixed, listed, number
from pydra_vae.reports.group_findings import Claim
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.pages import figure
from pydra_vae.reports.structural_claims_latents import best_model, is_ours, measure_of, pca_of, size_of
from pydra_vae.reports.structural_claims_models import (
    WHOLE,
    is_joint,
    joint_rows,
)
from pydra_vae.reports.structural_figures_latents import latent_name
from pydra_vae.reports.structural_slices import Scale, picture
from pydra_vae.reports.structural_tables import StructuralTables, numbers, text_column, value

PANELS = 4


def starting(found: dict[str, Claim], *starts: str) -> list[str]:
    """Names of claims that start with these."""
    return [name for name in found if name.startswith(starts)]


def regression(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Every model on every set of features, predicted against observed, the bias of brain age, importance."""
    table = tables("regression")
    if table is None:
        return []
    targets = in_order(table["target"])
    measures = {target: measure_of(rows(table, target=target)) for target in targets}
    caption = (
        "Nested cross-validation by person over the training and validation persons, first visits; hyper-parameters "
        "are chosen, and confounds removed, inside folds. Line: the mean of the target (R² 0), or chance (AUC 0.5)."
    )
    fragments = [findings(found, *starting(found, "predict"), "svr")]
    for i in range(0, len(targets), 3):
        part = table[table["target"].isin(targets[i : i + 3])]
        fragments.append(figure(draw.regression(part, measures), caption if i + 3 >= len(targets) else ""))
    fragments += [regression_table(rows(table, target=target), measures[target]) for target in targets]
    return [*fragments, *_predicted(tables, table, targets), *_gap(tables, table), *_importance(tables, table, targets)]


def regression_table(table: pd.DataFrame, measure: str) -> str:
    """A row a set of features and model, cross-validated and on test persons."""
    classes = measure == "auc"
    columns = ["auc", "balanced_accuracy", "r2"] if classes else ["r2", "r2_se", "r", "mae"]
    columns += ["p_permutation", f"{measure}_test", "p_test"]
    heads = {"auc": "AUC", "balanced_accuracy": "Balanced|accuracy", "r2": "R²|Brier" if classes else "R²",
             "r2_se": "±", "r": "r", "mae": "MAE|years" if _is_age(table) else "MAE", "p_permutation": "p|permuted",
             "auc_test": "AUC|test persons", "r2_test": "R²|test persons", "p_test": "p|test persons"}  # fmt: skip
    known = [c for c in columns if c in table and np.isfinite(numbers(table, c)).any()]
    values = {c: numbers(table, c) for c in known}
    ours = table[[is_ours(f) for f in table["features"]]]
    best = best_model(ours, measure)
    shown, marked = [], None
    for i, row in enumerate(table.to_dict("records")):
        features = "Mean only" if str(row["model"]) == "mean" else str(row["features"])
        marked = i if best and row["features"] == best["features"] and row["model"] == best["model"] else marked
        cells = [number(values[c][i], 2) if c.startswith("p_") else fixed(values[c][i], 2) for c in known]
        shown.append(
            [features, str(row["model"]).upper() if row["model"] in ("glm", "svr") else str(row["model"]), *cells]
        )
    n = [
        int(np.nanmax(numbers(table, c)))
        for c in ("n", "n_test")
        if c in table and np.isfinite(numbers(table, c)).any()
    ]
    who = ("persons in cross-validation", "test persons")
    people = f" ({', '.join(f'{m} {w}' for m, w in zip(n, who, strict=False))})" if n else ""
    confounds = in_order(c for cell in text_column(table, "confounds") for c in cell.split())
    title = f"{str(table['target'].iloc[0]).replace('_', ' ')}{people}" + (
        f", {listed(confounds)} removed" if confounds else ""
    )
    made = table_of(["Features", "Model", *(heads[c] for c in known)], shown, marked=marked, text=(0, 1))
    return folded(f"Predicting {title}: every model", made)


def _is_age(table: pd.DataFrame) -> bool:
    return str(table["target"].iloc[0]) in ("age", "age_years")


def _predicted(tables: StructuralTables, table: pd.DataFrame, targets: Sequence[str]) -> list[str]:
    predictions = tables("regression_predictions")
    if predictions is None:
        return []
    panels = []
    for target in targets:
        of = rows(table, target=target)
        if measure_of(of) == "auc":
            continue
        features = in_order(of["features"])
        ours, linear = next((f for f in features if is_ours(f)), ""), pca_of(features, size_of(tables))
        for name in (ours, linear):
            best = best_model(rows(of, features=name), "r2")
            told = rows(predictions, target=target, features=name, model=best["model"]) if best else []
            if len(told):
                title = (
                    f"{str(target).replace('_', ' ')}: {name}, "
                    f"{best['model'].upper() if len(best['model']) < 4 else best['model']}"
                )
                panels.append((title, numbers(told, "observed"), numbers(told, "predicted")))
    caption = (
        "A dot a person, predicted by a fit without that person: the best model on the VAE's latents beside the best "
        "on PCA's scores."
    )
    return [figure(draw.predicted(panels[:PANELS]), caption)]


def _gap(tables: StructuralTables, table: pd.DataFrame) -> list[str]:
    """Brain age: the gap against age, before and after the correction of its bias."""
    predictions = tables("regression_predictions")
    if predictions is None or "corrected" not in predictions:
        return []
    aged = predictions[np.isfinite(numbers(predictions, "corrected"))]
    for target in in_order(aged["target"]):
        of = rows(table, target=target)
        ours = next((f for f in in_order(of["features"]) if is_ours(f)), "")
        best = best_model(rows(of, features=ours), "r2")
        if not best:
            continue
        told = rows(aged, target=target, features=ours, model=best["model"])
        age, predicted, corrected = (numbers(told, c) for c in ("observed", "predicted", "corrected"))
        errors = [f"{name} "
                  f"{fixed(value(best, c))} years" for name, c in (("mean absolute "
                                                                    "error", "mae"), ("corrected", "mae_corrected"))
                  if np.isfinite(value(best, c))]  # fmt: skip
        caption = (
            f"{escape(ours)}, {escape(best['model'].upper())}: {', '.join(errors)}. Young brains are predicted too "
            "old and old ones too young, for any regression; the correction takes off the gap that is expected at an "
            "age. As it knows the age, its error is no accuracy."
        )
        return [figure(draw.age_gap(age, predicted - age, corrected - age), caption)]
    return []


def _importance(tables: StructuralTables, table: pd.DataFrame, targets: Sequence[str]) -> list[str]:
    found = tables("regression_importance")
    if found is None:
        return []
    panels, coefficients = {}, {}
    for target in targets:
        of = rows(table, target=target)
        ours = next((f for f in in_order(of["features"]) if is_ours(f)), "")
        best = best_model(rows(of, features=ours), measure_of(of))
        part = rows(found, features=ours, target=target) if "target" in found else rows(found, features=ours)
        if not best or not len(part):
            continue
        shown = rows(part, model=best["model"]) if "model" in part else part
        title = f"{str(target).replace('_', ' ')}: {str(best['model']).upper()}"
        panels[title] = (shown["latent"].tolist(), numbers(shown, "importance"), numbers(shown, "sd"))
        glm = rows(part, model="glm") if "model" in part else part
        if np.isfinite(numbers(glm, "coefficient")).any():
            coefficients[str(target)] = glm.set_index("latent")["coefficient"]
    caption = (
        "What the best model on the latents loses in R² (or AUC) when a latent is shuffled among persons; mean and SD "
        "over folds."
    )
    made = [figure(draw.importance(panels), caption)]
    if coefficients:
        both = pd.DataFrame(coefficients)
        shown = [
            [latent_name(z), *(fixed(v, 3) for v in line)] for z, line in zip(both.index, both.to_numpy(), strict=True)
        ]
        heads = ["Latent", *(name.replace("_", " ") for name in both)]
        made.append(folded("Coefficients of the GLM, per SD of a latent", table_of(heads, shown)))
    return made


def joint(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Each direction of the joint models beside its controls, and images decoded from scores."""
    table = joint_rows(tables)
    if not len(table):
        return []
    whole = table[table["region"].isin(WHOLE)]
    order = in_order(table["direction"])
    shown = {str(d): {_method(m): max(r2, -1.0) for m, r2 in _methods(rows(whole, direction=d))} for d in order}
    caption = (
        "R² on the first visits of unseen persons, over the whole brain where an image is predicted. The joint model "
        "beside simpler ones that see the same: a network of the same size (head) or ridge regression, on the VAE's "
        "latents or on PCA's scores, trained for that direction alone. The ceiling is given the target itself."
    )
    drawn = draw.beside("structural-joint", shown, "R², unseen persons")
    names = starting(found, "score ", "image from", "fusion")
    return [findings(found, *names), figure(drawn, caption), _joint_table(table), *_decoded(tables), _weights(tables)]


def _method(name: str) -> str:
    return f"VAE: joint model, {name}" if is_joint(name) else str(name).replace("same head", "head alone")


def _methods(table: pd.DataFrame) -> list[tuple[str, float]]:
    values = numbers(table, "r2")
    return [(str(m), r2) for m, r2 in zip(table["method"], values, strict=True) if np.isfinite(r2) and m != "mean"]


def _joint_table(table: pd.DataFrame) -> str:
    shown = []
    for row in table.to_dict("records"):
        region = "" if row["region"] in WHOLE else str(row["region"])
        name = _method(row["method"]).removeprefix("VAE: ").capitalize().replace("pca", "PCA")
        shown.append([str(row["direction"]), name, region, *(fixed(value(row, c), d) for c, d in (("r2", 3), ("r", 2),
        ("mae", 3))),
                      number(value(row, "n"))])  # fmt: skip
    heads = ["Direction", "Method", "Voxels", "R²", "r", "MAE", "n"]
    note = (
        '<p class="note">MAE: mean absolute error, in the units of the score or of the image. Related: the voxels that '
        "follow the scores most in the training persons.</p>"
    )
    return folded("Every direction and method", table_of(heads, shown, text=(0, 1, 2)) + note)


def _decoded(tables: StructuralTables) -> list[str]:
    """Images decoded from a low and a high score, as differences from the mean image."""
    if tables.space is None or tables.mean is None:
        return []
    slicer, maps, names = tables.slicer, [], []
    for path, table_path in zip(tables.files.joint_decoded, tables.files.joint_tables, strict=False):
        images, table = tables.images(path), tables.checked(table_path, "joint_tables")
        if images is None or not {"score", "level"} <= set(table):
            continue
        for score in in_order(table["score"]):
            part = rows(table, score=score)
            ends = [part[part["level"].astype(str) == level] for level in ("low", "high")]
            if all(len(end) for end in ends):
                low, high = (np.asarray(images[int(end["row"].iloc[0])], dtype=float) for end in ends)
                maps.append(high - low)
                names.append(f"{score}\nhigh − low")
    if not maps:
        return []
    lines = []
    for image, name in zip(maps[:4], names, strict=False):
        limit = robust_limit(image, quantile=0.99)
        lines.append(
            slicer.row(image, name.replace("_", " "), Scale((-limit, limit), "RdBu_r", tables.unit, over=True))
        )
    caption = (
        "Images decoded from one score alone: high less low, on the mean training image. Each row has its own scale."
    )
    return [figure(picture(lines, slicer.titles(), "Images decoded from scores"), caption)]


def _weights(tables: StructuralTables) -> str:
    """Scaling and likelihood weight of each modality, as the configuration has them."""
    from pydra_vae.reports.loaded import read_json
    from pydra_vae.reports.sections import pretty

    made = []
    for path in tables.files.joint_configs:
        config = read_json(path)
        keys = (
            "stages",
            "fusion",
            "cross_weight",
            "score_weight",
            "weights",
            "likelihood_weights",
            "scaling",
            "modalities",
            "scores",
        )
        kept = {key: config[key] for key in keys if key in config}
        made += [f"<pre>{escape(pretty(kept))}</pre>"] if kept else []
    return folded("Scaling and weight of each modality", "".join(made))
