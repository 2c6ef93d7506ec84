"""Claims of the tutorial on joint models, repeated visits and functional networks."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pydra_vae.reports.formats import MISSING, fixed, listed, p_value
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, OPEN, Finding, sentence
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.structural_claims_latents import is_ours, is_pca
from pydra_vae.reports.structural_rules import ALPHA, COUNTS, FLOOR, Difference, Judged, compared, paired
from pydra_vae.reports.structural_tables import StructuralTables, numbers, text_column, value

JOINT = ("two-stage", "joint")  # ScoreJoint's own method; the others are its controls
CONTROLS = (
    "same head on PCA", "same head on latents", "ridge on latents", "ridge", "ridge on products", "ridge on PCA",
)  # fmt: skip
METHODS = {  # of LongitudinalModel
    "carry_forward": "the last visit",
    "decoded_difference": "VAE: last + decoded difference",
    "population_difference": "VAE: difference, average slope",
    "average_change": "VAE: difference, average slope",
    "decoded_prediction": "VAE: decoded prediction",
    "decoded_last": "VAE: last visit decoded",
    "pca_difference": "PCA: last + difference",
    "pca_change": "PCA: last + difference",
    "voxel_slope": "average slope of each voxel",
    "own_voxel_slope": "the person's own voxel slopes",
    "true_latents": "ceiling: its own latents",
}
WHOLE = ("", "whole", "n/a", "nan")
ARTICLES = {"image": "the image", "scores": "the scores", "functional": "the functional map"}


def model_claims(tables: StructuralTables) -> list[Judged]:
    """Every claim on these models that the tables can decide."""
    made = (_scores_from_images, _images_from_scores, _fusion, _trajectory, _networks)
    return [claim for make in made for claim in make(tables)]


def joint_rows(tables: StructuralTables) -> pd.DataFrame:
    """Rows of ScoreJoint with columns source, target and region."""
    table = tables("joint")
    if table is None:
        return pd.DataFrame(columns=["direction", "source", "target", "method", "region", "r2"])
    parts = table["direction"].astype(str).str.partition(" → ")
    found = table.assign(region=text_column(table, "region"))
    for i, name in ((0, "source"), (2, "target")):
        found[name] = text_column(table, name) if name in table else parts[i]
    return found


def is_joint(method) -> bool:
    """Whether a method of ScoreJoint is the joint model.

    >>> is_joint("two-stage"), is_joint("same head on PCA"), is_joint("joint two-stage")
    (True, False, True)
    """
    return str(method).startswith(JOINT)


def _best(table: pd.DataFrame, joint: bool) -> dict:
    """The row of the joint model, or of the best control."""
    kept = [is_joint(m) if joint else str(m) in CONTROLS for m in table["method"]]
    values = numbers(table[kept], "r2")
    return table[kept].iloc[int(np.nanargmax(values))].to_dict() if np.isfinite(values).any() else {}


def _is_score(tables: StructuralTables, target: str) -> bool:
    """Whether a target of a joint model is a clinical score, and not an image."""
    predictions = tables("joint_predictions")
    return predictions is not None and "score" in predictions and target in set(predictions["score"].astype(str))


def _scores_from_images(tables: StructuralTables) -> Iterator[Judged]:
    table, predictions = joint_rows(tables), tables("joint_predictions")
    for target in in_order(table["target"]):
        of = rows(table, source="image", target=target)
        ours, control = _best(of, True), _best(of, False)
        if not ours or not _is_score(tables, str(target)):
            continue
        told = rows(predictions, score=target, source="image") if "source" in predictions else predictions
        told = _with_baseline(told)
        gap = Difference(np.nan)
        if control and {"method", "observed", "predicted"} <= set(told):
            gap = paired(told, {"method": ours["method"]}, {"method": control["method"]})
        r2 = value(ours, "r2")
        above = compared(Difference(r2, _r2_error(told, ours)))
        gap = gap if gap.known else Difference(r2 - value(control, "r2"))
        verdict = (
            DIFFERS if above == DIFFERS else OPEN if above == OPEN else ALSO if gap.known and not gap.above else AGREES
        )
        text = f"The joint model predicts {target} of unseen persons from the image at R² {fixed(r2)}"
        text += f"; {control['method']}, {fixed(value(control, 'r2'))}: {gap.text}." if control else "."
        yield Judged(
            f"score {target}", f"A joint model predicts {target} from images alone", "[42], no number",
            f"R² {fixed(r2)}", f"{control['method']}: {fixed(value(control, 'r2'))}" if control else MISSING,
            Finding(text, verdict),
            f"R² on test persons above 0 by {COUNTS}; “its control does as well” where the best of a head or ridge on "
            "the image alone, through latents or PCA, is not worse by that (paired over persons).",
        )  # fmt: skip


def _with_baseline(table: pd.DataFrame) -> pd.DataFrame:
    """Predictions with what the training mean predicts, about which the tables' R² is."""
    if not {"method", "label", "predicted"} <= set(table) or "baseline" in table:
        return table
    mean = rows(table, method="mean").drop_duplicates("label").set_index("label")["predicted"]
    return table.assign(baseline=table["label"].map(pd.to_numeric(mean, errors="coerce"))) if len(mean) else table


def _r2_error(table: pd.DataFrame, ours: dict) -> float:
    """Standard error over persons of the joint model's R²."""
    if not {"method", "observed", "predicted"} <= set(table):
        return np.nan
    told = rows(table, method=ours["method"])
    baseline = told["baseline"] if "baseline" in told else pd.to_numeric(told["observed"], errors="coerce").mean()
    mean = told.assign(method="mean", predicted=baseline)
    both = pd.concat([told, mean], ignore_index=True)
    return paired(both, {"method": ours["method"]}, {"method": "mean"}).se


def _images_from_scores(tables: StructuralTables) -> Iterator[Judged]:
    table = joint_rows(tables)
    of = table[(table["target"] == "image") & ~table["source"].isin(["both", "all", "image"])]
    of = of[~of["source"].astype(str).str.contains(" + ", regex=False)]
    for source in in_order(of["source"]):
        part = rows(of, source=source)
        whole, inner = part[part["region"].isin(WHOLE)], part[~part["region"].isin(WHOLE)]
        ours, control = _best(whole, True), _best(whole, False)
        if not ours:
            continue
        r2, gap = value(ours, "r2"), Difference(value(ours, "r2") - value(control, "r2"))
        regions = [
            (str(region), found) for region in in_order(inner["region"]) if (found := _best(rows(inner,
            region=region), True))
        ]  # fmt: skip
        ceiling = _of(whole, "ceiling")
        verdict = DIFFERS if not r2 > FLOOR else ALSO if gap.known and not gap.value > FLOOR else AGREES
        text = f"From {_the(source)} alone, images are decoded at R² {fixed(r2, 3)} over the brain"
        text += f" (ceiling, given the image itself: {fixed(value(ceiling, 'r2'), 3)})" if ceiling else ""
        text += "".join(f"; {fixed(value(found, 'r2'), 3)} in the {region} voxels" for region, found in regions)
        yield Judged(
            f"image from {source}", f"Images can be decoded from {_the(source)} alone", "[41, 42], no number",
            f"R² {fixed(r2, 3)}",
            (f"{control['method']}: {fixed(value(control, 'r2'), 3)}; " if control else "") + "mean image: 0",
            Finding(f"{text}.", verdict),
            f"R² on test persons over the whole brain above 0 by more than {FLOOR:g}; “its control does as well” "
            "where ridge regression, on the values or on their squares and products too, is not worse by more than "
            f"{FLOOR:g}. No standard error is at hand.",
        )  # fmt: skip


def _of(table: pd.DataFrame, method: str) -> dict:
    found = table[table["method"] == method]
    return found.iloc[0].to_dict() if len(found) else {}


def _fusion(tables: StructuralTables) -> Iterator[Judged]:
    """Together the modalities tell more than each alone."""
    table = joint_rows(tables)
    for target in in_order(table["target"]):
        of = table[(table["target"] == target) & table["region"].isin(WHOLE)]
        together = of[[s in ("both", "all") or " + " in s for s in of["source"].astype(str)]]
        alone = of[~of.index.isin(together.index) & (of["source"] != target)]
        ours, single = _best(together, True), _best(alone, True)
        if not ours or not single:
            continue
        gap = _paired_sources(tables, str(target), ours, single)
        text = f"{sentence(_the(target))[:-1]}: R² {fixed(value(ours, 'r2'), 3)} from {_all(ours['source'])}, "
        text += f"{fixed(value(single, 'r2'), 3)} from {_the(single['source'])} alone: {gap.text}"
        yield Judged(
            f"fusion {target}", f"Modalities together tell more of {_the(target)} than each alone", "[41], no number",
            f"R² {fixed(value(ours, 'r2'), 3)}", f"{_the(single['source'])} alone: {fixed(value(single, 'r2'), 3)}",
            Finding(text + ("." if np.isfinite(gap.se) else " (no standard error)."), compared(gap)),
            f"R² on test persons from all modalities above that from the best one alone by {COUNTS} (paired over "
            f"persons; of images there is no standard error, and {FLOOR:g} alone decides).",
        )  # fmt: skip


def _the(name) -> str:
    """A modality within a sentence; a score by its own name."""
    return ARTICLES.get(str(name), str(name))


def _all(source) -> str:
    return "all modalities" if str(source) in ("both", "all") else listed([_the(n) for n in str(source).split(" + ")])


def _paired_sources(tables: StructuralTables, target: str, first: dict, second: dict) -> Difference:
    """R² of the joint model from one source less that from another, over the persons who have both."""
    predictions, gap = tables("joint_predictions"), Difference(np.nan)
    if predictions is not None and {"source", "method", "observed", "predicted"} <= set(predictions):
        told = _with_baseline(rows(predictions, score=target))
        gap = paired(told, *({"source": row["source"], "method": row["method"]} for row in (first, second)))
    return gap if gap.known else Difference(value(first, "r2") - value(second, "r2"))


def difference(method) -> bool:
    """Whether a method of LongitudinalModel is its own: the last visit plus the decoded difference.

    >>> difference("decoded_difference"), difference("pca_difference")
    (True, False)
    """
    return str(method) == "decoded_difference"


def linear_slope(method) -> bool:
    """Whether a method needs no VAE: a slope of each voxel, or of PCA's scores."""
    return "voxel" in str(method) or str(method).startswith("pca")


def longitudinal_rows(tables: StructuralTables) -> list[dict]:
    """Rows of LongitudinalModel's scores over the whole brain: method, ratio and its interval."""
    table = tables("longitudinal_scores")
    if table is None:
        return []
    found = []
    for row in table.to_dict("records"):
        figures = {
            name: value(row, c)
            for name, c in (("ratio", "ratio_to_carry_forward"), ("low", "ratio_low"), ("high", "ratio_high"))
        }
        region = str(row.get("region", ""))
        found.append({**row, **figures, "region": "" if region in WHOLE else region})
    return found


def _trajectory(tables: StructuralTables) -> Iterator[Judged]:
    found = [row for row in longitudinal_rows(tables) if not row["region"] and np.isfinite(row["ratio"])]
    ours = next((row for row in found if difference(row["method"])), None)
    if ours is None:
        return
    linear = min((row for row in found if linear_slope(row["method"])), key=lambda row: row["ratio"], default=None)
    plain = next((row for row in found if row["method"] == "decoded_prediction"), None)
    p = value(ours, "p")
    sure = not p >= ALPHA  # unknown is no doubt
    below = ours["ratio"] < 1 and not ours["high"] >= 1 and sure
    above = ours["ratio"] > 1 and not ours["low"] <= 1 and sure
    gain = _paired_ratio(tables, ours, linear) if linear else Difference(np.nan)
    matched = gain.known and not gain.above
    verdict = (ALSO if matched else AGREES) if below else DIFFERS if above else OPEN
    text = (
        f"The last visit plus the decoded difference errs {fixed(ours['ratio'])} times as much as the last visit itself"
    )
    text += f" ({p_value(p)})" if np.isfinite(p) else ""
    text += f"; decoding the predicted latents, {fixed(plain['ratio'])} times" if plain else ""
    text += f"; the best without a VAE, {fixed(linear['ratio'])} times: {gain.text}" if linear and gain.known else ""
    interval = f" [{fixed(ours['low'])}, {fixed(ours['high'])}]" if np.isfinite(ours["low"]) else ""
    yield Judged(
        "trajectory", "Linear models of latents predict how a brain ages", "[44], no number",
        f"error ratio {fixed(ours['ratio'])}{interval}",
        "last visit: 1" + (f"; {METHODS.get(linear['method'], linear['method'])}: "
                           f"{fixed(linear['ratio'])}" if linear else ""),
        Finding(f"{text}.", verdict),
        "The error on the next visit, over that of carrying the last one forward, has an interval below 1, and signs "
        f"flipped over persons give p < {ALPHA:g}; “its control does as well” where slopes of voxels or of PCA's "
        f"scores have no ratio that is higher by {COUNTS} (paired over persons).",
    )  # fmt: skip


def _paired_ratio(tables: StructuralTables, ours: dict, other: dict) -> Difference:
    """How much higher another method's ratio is than ours: the difference of the errors, over carrying forward.

    Its standard error is over persons, of the ratio of two means (the jackknife that leaves one out).
    """
    plain, table = Difference(other["ratio"] - ours["ratio"]), tables("longitudinal_predictions")
    if table is None or not {"method", "mse", "person"} <= set(table):
        return plain
    if "region" in table:
        table = table[text_column(table, "region").isin(WHOLE)]
    table = table.assign(mse=pd.to_numeric(table["mse"], errors="coerce"))
    visits = table.pivot_table(index=["person", "label"], columns="method", values="mse")
    needed = [ours["method"], other["method"], "carry_forward"]
    if not set(needed) <= set(visits):
        return plain
    means = visits[needed].dropna().groupby(level="person").mean()
    if len(means) < 3:
        return plain
    gain, carried = (means[needed[1]] - means[needed[0]]).to_numpy(), means["carry_forward"].to_numpy()
    left_out = (gain.sum() - gain) / (carried.sum() - carried)
    error = float(np.sqrt((len(gain) - 1) * left_out.var()))
    return Difference(float(gain.sum() / carried.sum()), error)


def _networks(tables: StructuralTables) -> Iterator[Judged]:
    table = tables("network_best")
    if table is None or "r" not in table:
        return
    mean = {}
    for model in in_order(table["model"]):
        part = rows(table, model=model).drop_duplicates("network").set_index("network")
        mean[str(model)] = pd.to_numeric(part["r"], errors="coerce").abs()
    ours = [model for model in mean if is_ours(model)]
    unmixed = [model for model in mean if "latent" in model.lower()]  # ICA of what the VAE kept: no control
    others = [model for model in mean if not is_ours(model) and model not in unmixed]
    if not ours:
        return
    first = max(ours, key=lambda m: mean[m].mean())
    second = max(others, key=lambda m: mean[m].mean()) if others else ""
    p, beyond = numbers(rows(table, model=first), "p_best"), "networks beyond maps of the same smoothness"
    if not np.isfinite(p).any():  # maps of the task in the same frames: its shifts in time are the test
        p, beyond = _shifted(tables, first, in_order(table["network"])), "conditions followed beyond shifts in time"
    told = np.isfinite(p).any() and (p < ALPHA).mean() > 0.5
    gap = Difference(np.nan)
    if second:
        both = (mean[first] - mean[second]).dropna()
        error = float(both.std(ddof=1) / np.sqrt(len(both))) if len(both) > 1 else np.nan
        gap = Difference(float(both.mean()), error)
    verdict = (
        OPEN if not np.isfinite(p).any() else DIFFERS if not told else ALSO if gap.known and not gap.above else AGREES
    )
    text = f"{first}: {int((p < ALPHA).sum())} of {len(p)} {beyond}"
    text += f"; mean |r| against {second}: {gap.text}" if gap.known else ""
    text += "".join(f"; {name}: {fixed(mean[name].mean())}" for name in unmixed)
    pca = [m for m in others if is_pca(m) and m != second]
    yield Judged(
        "networks", "A VAE of fMRI frames derives functional networks", "[43], no number",
        f"mean |r| {fixed(mean[first].mean())} ({first})",
        "; ".join(f"{m}: {fixed(mean[m].mean())}" for m in dict.fromkeys([second, *pca]) if m) or MISSING,
        Finding(f"{text}.", verdict),
        "For more than half of the networks, the best component agrees more than random maps of the same smoothness "
        f"do (p < {ALPHA:g}; of maps of the task in the same frames: where a course follows the task more than when it "
        f"is shifted in time); “its control does as well” where the best of ICA and PCA is not worse by {COUNTS} "
        "(paired over networks).",
    )  # fmt: skip


def _shifted(tables: StructuralTables, model: str, conditions: list) -> np.ndarray:
    """p of the component that follows each condition best, which has paid for the choice; NaN where it is not known."""
    table = tables("network_task")
    if table is None:
        return np.full(len(conditions), np.nan)
    found = [numbers(rows(table, model=model, condition=condition), "p_any") for condition in conditions]
    return np.array([np.nanmin(p) if np.isfinite(p).any() else np.nan for p in found])
