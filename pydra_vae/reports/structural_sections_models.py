"""Sections of the structural page on what latents predict: regression, joint models, visits, networks, truth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import escape

from pydra_vae.bids.tables import read_table
from pydra_vae.reports import structural_figures_models as draw
from pydra_vae.reports.brains import robust_limit
from pydra_vae.reports.formats import count, fixed, number
from pydra_vae.reports.group_findings import Claim
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.pages import figure
from pydra_vae.reports.structural_claims_latents import best_model, is_ours, measure_of, pca_of, size_of
from pydra_vae.reports.structural_claims_models import (
    WHOLE,
    difference,
    is_joint,
    joint_rows,
    longitudinal_rows,
    main_part,
)
from pydra_vae.reports.structural_figures_latents import latent_name
from pydra_vae.reports.structural_slices import Scale, Slicer, picture
from pydra_vae.reports.structural_tables import StructuralTables, numbers, text_column, value

NETWORKS = 6  # components of a model that are drawn
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
    heads = {"auc": "AUC", "balanced_accuracy": "Balanced|accuracy", "r2": "R²|Brier" if classes else "R²", "r2_se": "±",
             "r": "r", "mae": "MAE", "p_permutation": "p|permuted", "auc_test": "AUC|test persons",
             "r2_test": "R²|test persons", "p_test": "p|test persons"}  # fmt: skip
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
    people = f" ({', '.join(f'{m} {w}' for m, w in zip(n, ('persons', 'test persons'), strict=False))})" if n else ""
    confounds = [c for c in dict.fromkeys(text_column(table, "confounds")) if c]
    title = f"{str(table['target'].iloc[0]).replace('_', ' ')}{people}" + (
        f", without {', '.join(confounds)}" if confounds else ""
    )
    made = table_of(["Features", "Model", *(heads[c] for c in known)], shown, marked=marked, text=(0, 1))
    return folded(f"Predicting {title}: every model", made)


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
                title = f"{str(target).replace('_', ' ')}: {name}, {best['model'].upper() if len(best['model']) < 4 else best['model']}"
                panels.append((title, numbers(told, "observed"), numbers(told, "predicted")))
    caption = (
        "Persons by the best model on the VAE's latents and on PCA's scores: each predicted by a fit without them."
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
        errors = [f"{name} {fixed(value(best, c))} years" for name, c in (("mean absolute error", "mae"), ("corrected", "mae_corrected"))
                  if np.isfinite(value(best, c))]  # fmt: skip
        caption = (
            f"{escape(ours)}, {escape(best['model'].upper())}: {', '.join(errors)}. Young brains are predicted too old and old ones too young, for "
            "any regression; the correction takes off the gap that is expected at an age. As it knows the age, its error "
            "is no accuracy."
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
    caption = "What the best model on the latents loses in R² (or AUC) when a latent is shuffled among persons; mean and SD over folds."
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
    shown = [(f"{d}: {_method(m)}", float(r2)) for d in order for m, r2 in _methods(rows(whole, direction=d))]
    caption = (
        "R² on the first visits of unseen persons, over the whole brain where an image is predicted: the joint model, each "
        "modality through simpler models, and the ceiling, which is given the target itself."
    )
    drawn = draw.strips_of("structural-joint", [(name, max(r2, -1.0)) for name, r2 in shown], "R², unseen persons")
    names = starting(found, "score ", "image from", "fusion")
    return [findings(found, *names), figure(drawn, caption), _joint_table(table), *_decoded(tables), _weights(tables)]


def _method(name: str) -> str:
    return f"VAE, {name}" if is_joint(name) else str(name)


def _methods(table: pd.DataFrame) -> list[tuple[str, float]]:
    values = numbers(table, "r2")
    return [(str(m), r2) for m, r2 in zip(table["method"], values, strict=True) if np.isfinite(r2) and m != "mean"]


def _joint_table(table: pd.DataFrame) -> str:
    shown = []
    for row in table.to_dict("records"):
        region = "" if row["region"] in WHOLE else str(row["region"])
        name = f"The {row['method']} model" if is_joint(row["method"]) else str(row["method"])
        shown.append([str(row["direction"]), name, region, *(fixed(value(row, c), d) for c, d in (("r2", 3), ("r", 2), ("mae", 3))),
                      number(value(row, "n"))])  # fmt: skip
    heads = ["Direction", "Method", "Voxels", "R²", "r", "MAE", "n"]
    return folded("Every direction and method", table_of(heads, shown, text=(0, 1, 2)))


def _decoded(tables: StructuralTables) -> list[str]:
    """Images decoded from a low and a high score, as differences from the mean image."""
    if tables.space is None or tables.mean is None:
        return []
    slicer, maps, names = Slicer(tables.space), [], []
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


def longitudinal(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Errors on the next visit, what each latent's slope is worth, and images along age."""
    scores = longitudinal_rows(tables)
    if not scores and tables("longitudinal_coefficients") is None:
        return []
    shown = [(_place(row), row["ratio"], row["low"], row["high"]) for row in main_part(scores)]
    rest = [row for row in scores if row["where"] and row not in main_part(scores)]
    shown += [(_place(row), row["ratio"], row["low"], row["high"]) for row in rest]
    caption = (
        "Error on the next visit of persons who had no part in the fit, over that of carrying their last visit forward "
        "(1), with its interval over persons. A decoder loses detail that the last visit has, so that adding the decoded "
        "difference to that visit differs from decoding."
    )
    ratio = draw.intervals("structural-visits", shown, "Error, over that of the last visit", 1.0)
    return [
        findings(found, "trajectory"),
        figure(ratio, caption),
        _visit_table(scores),
        *_frozen(tables),
        *_progression(tables),
        _slopes(tables),
    ]


def _place(row: dict) -> str:
    where = row["where"].lower()
    place = "" if where in ("", "all", "whole", "nan", "n/a") else f", {row['where']}"
    name = f"VAE, {row['method']}" if difference(row["method"]) else str(row["method"])
    return name + place + (f" ({row['part']})" if row["part"] else "")


def _visit_table(scores: list[dict]) -> str:
    shown = [
        [_place(row), number(value(row, "mse")), fixed(row["ratio"]), f"{fixed(row['low'])} to {fixed(row['high'])}",
         number(value(row, "p"), 2), number(value(row, "n"))]
        for row in scores
    ]  # fmt: skip
    return table_of(["Prediction", "MSE", "Ratio|to the last visit", "Interval", "p|signs flipped", "n"], shown)


def _frozen(tables: StructuralTables) -> list[str]:
    table = tables("longitudinal_frozen")
    if table is None:
        return []
    column = next(
        (c for c in table if c != "latent" and any(w in c for w in ("loss", "change", "ratio", "increase"))), ""
    )
    if not column or not np.isfinite(numbers(table, column)).any():
        return []
    found = {"Slope of one latent frozen": (table["latent"].tolist(), numbers(table, column), numbers(table, "se"))}
    caption = f"What the prediction loses when a latent is held at its last value ({escape(column.replace('_', ' '))}): the impact of each."
    return [figure(draw.importance(found), caption).replace("structural-importance", "structural-frozen")]


def _progression(tables: StructuralTables) -> list[str]:
    images, table = tables.array("progression"), tables("progression_table")
    if images is None or table is None or tables.space is None:
        return []
    slicer = Slicer(tables.space)
    at = table["row"].to_numpy(dtype=int)
    ages = numbers(table, "age")
    first = np.asarray(images[at[0]], dtype=float)
    change = [np.asarray(images[i], dtype=float) - first for i in at]
    limit = robust_limit(*change[1:], quantile=0.99) if len(change) > 1 else 1.0
    scale = Scale((-limit, limit), "RdBu_r", tables.unit, over=True)
    chosen = np.unique(np.linspace(1, len(at) - 1, min(5, len(at) - 1)).round().astype(int)) if len(at) > 1 else []
    lines = [slicer.row(change[i], f"{fixed(ages[i], 0)} −\n{fixed(ages[0], 0)} years", scale) for i in chosen]
    caption = "Decoded images along age, as the population's slopes have them: change against the youngest age, on the mean training image."
    return [figure(picture(lines, slicer.titles(), "Progression along age"), caption)]


def _slopes(tables: StructuralTables) -> str:
    table = tables("longitudinal_coefficients")
    if table is None:
        return ""
    columns = {"slope_per_year": ("Slope|a year", 4), "se": ("±", 4), "p": ("p", -1), "q": ("q", -1),
               "sd_intercept": ("SD|of persons", 2), "sd_slope": ("SD|of their slopes", 4)}  # fmt: skip
    known = {c: v for c, v in columns.items() if c in table and np.isfinite(numbers(table, c)).any()}
    values = {c: numbers(table, c) for c in known}
    shown = [
        [latent_name(z), *(number(values[c][i], 2) if d < 0 else fixed(values[c][i], d) for c, (_, d) in known.items())]
        for i, z in enumerate(table["latent"])
    ]  # fmt: skip
    return folded(
        "Mixed model of each latent on age", table_of(["Latent", *(head for head, _ in known.values())], shown)
    )


def networks(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Maps, courses and overlap of the components of each model."""
    files = tables.files
    overlap, best = tables("network_overlap"), tables("network_best")
    if not files.network_names and overlap is None:
        return []
    maps = [part for name, path in zip(files.network_names, files.network_maps, strict=False)
            for part in _network_maps(tables, str(name), np.load(path, mmap_mode="r"), best)]  # fmt: skip
    return [
        findings(found, "networks"),
        _fit_of_frames(tables),
        *maps,
        _overlap(best),
        *_courses(tables, best),
        _task(tables),
    ]


def _fit_of_frames(tables: StructuralTables) -> str:
    table = tables("network_scores")
    if table is None:
        return ""
    row = table.iloc[0]
    k = int(value(row, "k"))
    beside = [f"PCA-{size} {fixed(value(row, c), 3)}" for size, c in ((k, "pca_r2_test"), (2 * k, "pca2_r2_test"))
              if np.isfinite(value(row, c))]  # fmt: skip
    text = f"Frames of unseen blocks: R² {fixed(value(row, 'r2_test'), 3)} with {count(k, 'latent')}" + (
        f"; {', '.join(beside)}" if beside else ""
    )
    return f"<p>{escape(text)}.</p>"


def _served(best: pd.DataFrame | None, name: str) -> dict[int, str]:
    """Component (from 0) to the network that it serves best."""
    if best is None or "component" not in best:
        return {}
    part = rows(best, model=name)
    part = part.assign(size=np.abs(numbers(part, "r"))).sort_values("size", ascending=False, kind="stable")
    served: dict[int, str] = {}
    for row in part.to_dict("records"):
        at = value(row, "component")
        if np.isfinite(at):
            served.setdefault(int(at) - 1, f"{row['network']}, r {fixed(row['r'])}")
    return served


def _network_maps(tables: StructuralTables, name: str, maps: np.ndarray, best: pd.DataFrame | None) -> list[str]:
    space = tables.network_space
    if space is None or not len(maps):
        return []
    if maps.shape[1] != int(np.count_nonzero(space.mask)):
        raise ValueError(
            f"the maps of {name} have {maps.shape[1]} voxels but the mask {int(np.count_nonzero(space.mask))}: "
            "give the mask of the recording (network_mask)"
        )
    slicer, served = Slicer(space), _served(best, name)
    chosen = [*served, *(i for i in range(len(maps)) if i not in served)][:NETWORKS]
    lines = []
    for i in chosen:
        limit = robust_limit(np.asarray(maps[i]), quantile=0.995)
        scale = Scale((-limit, limit), "RdBu_r", "z", over=True)
        label = f"{i + 1}" + (f"\n{served[i].replace('_', ' ').replace(', ', chr(10))}" if i in served else "")
        lines.append(slicer.row(maps[i], label, scale))
    caption = (
        f"{escape(name)}: components"
        + (", those first that serve a network best" if served else "")
        + ", on the mean image; each with its own scale. The sign of a component means nothing."
    )
    return [figure(picture(lines, slicer.titles(), f"Components of {name}"), caption)]


def _overlap(best: pd.DataFrame | None) -> str:
    if best is None:
        return ""
    shown = []
    for network in in_order(best["network"]):
        for row in rows(best, network=network).to_dict("records"):
            shown.append([str(network).replace("_", " "), str(row["model"]), number(value(row, "component")), fixed(value(row, "r")),
                          fixed(value(row, "dice")), number(value(row, "p_best"), 2), fixed(value(row, "r_all")),
                          fixed(value(row, "r_all_null"))])  # fmt: skip
    heads = ["Network", "Model", "Component", "r", "Dice", "p|random maps", "r|all components", "Random maps|r, all"]
    note = (
        "The component of each model that agrees most with a network; p against the largest |r| of random maps of the "
        "same smoothness with all components."
    )
    return table_of(heads, shown, text=(0, 1), caption="Overlap with known networks") + f'<p class="note">{note}</p>'


def _courses(tables: StructuralTables, best: pd.DataFrame | None) -> list[str]:
    panels = []
    for name, path in zip(tables.files.network_names, tables.files.network_courses, strict=False):
        table = read_table(path)
        if not {"component", "frame", "value"} <= set(table) or not len(table):
            continue
        if "run" in table:
            table = rows(table, run=table["run"].iloc[0])
        served = _served(best, str(name))
        for i in [*served, *range(3)][:2]:
            course = table[numbers(table, "component") == i + 1].sort_values("frame")
            if len(course):
                panels.append(
                    (
                        f"{name}: component {i + 1}" + (f" ({served[i]})" if i in served else ""),
                        numbers(course, "value"),
                    )
                )
    caption = "Time courses of some components, the first run; the first 200 frames."
    return [figure(draw.courses(panels[:6]), caption)]


def _task(tables: StructuralTables) -> str:
    table = tables("network_task")
    if table is None:
        return ""
    shown = []
    for condition in in_order(table["condition"]):
        for model in in_order(text_column(table, "model")):
            part = table[(table["condition"] == condition) & (text_column(table, "model") == model)]
            best = best_model(part.assign(size=np.abs(numbers(part, "r"))), "size")
            if best:
                shown.append([str(condition), model, number(value(best, "component")), fixed(value(best, "r")),
                              fixed(value(best, "chance")), number(value(best, "p_any"), 2)])  # fmt: skip
    heads = ["Condition", "Model", "Component", "r", "Chance|best of all", "p|shifts, of all"]
    return table_of(heads, shown, text=(0, 1), caption="Components and the task")


def planted(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """How much of the planted factors the features tell."""
    table = tables("recovery")
    if table is None:
        return []
    kinds = in_order(text_column(table, "kind"))
    shown = []
    for target in in_order(table["target"]):
        for model in in_order(table["model"]):
            part = rows(table, target=target, model=model)
            by = {kind: part[text_column(part, "kind") == kind] for kind in kinds}
            first = part.iloc[0] if len(part) else None
            r = [fixed(value(by[kind].iloc[0], "r")) if len(by[kind]) else fixed(None) for kind in kinds]
            shown.append(
                [
                    str(target).replace("_", " "),
                    str(model),
                    *r,
                    fixed(value(first, "best_single_r")),
                    fixed(value(first, "control_r")),
                ]
            )
    heads = [
        "Planted",
        "Features",
        *(f"r|{kind or 'all features'}" for kind in kinds),
        "|r||best single".replace("|r||", "Best single||r| "),
        "Shuffled|95 %",
    ]
    heads[-2] = "Best single|latent"
    strips = [(f"{t}: {m}", float(np.nanmax([*numbers(rows(table, target=t, model=m), "r"), np.nan])))
              for t in in_order(table["target"]) for m in in_order(table["model"])
              if np.isfinite(numbers(rows(table, target=t, model=m), "r")).any()]  # fmt: skip
    caption = "r between a planted factor and its prediction from all features together, on unseen persons; the better of both regressions."
    drawn = (
        draw.strips_of("structural-planted", [(n.replace("_", " "), v) for n, v in strips], "r, unseen persons")
        if len(strips) <= 24
        else ""
    )
    return [findings(found, "combination"), figure(drawn, caption), table_of(heads, shown, text=(0, 1))]
