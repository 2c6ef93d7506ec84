"""Claims of the tutorial on latents: what they tell of covariates, which regression it takes, how they lie."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pydra_vae.reports.formats import MISSING, fixed, listed, p_value
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, OPEN, Finding, sentence
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.structural_figures_latents import latent_name
from pydra_vae.reports.structural_rules import ALPHA, COUNTS, FLOOR, Difference, Judged, compared, paired
from pydra_vae.reports.structural_tables import MAIN, StructuralTables, numbers, true, value

FLOORS = ("random", "images")  # of EmbedVolumes: what maps are held against
SHELL = 0.1  # relative difference of radii that counts
GLM, SVR = "glm", "svr"
CONTROLS = {"gaussian": "Gaussian draws", "shuffled": "columns shuffled"}  # of VolumeDimension


def latent_claims(tables: StructuralTables) -> list[Judged]:
    """Every claim on latents that these tables can decide."""
    made = (_single, _combination, _predict, _svr, _maps, _manifold, _shell)
    return [claim for make in made for claim in make(tables)]


def is_ours(name) -> bool:
    """Whether a set of features is a VAE's.

    >>> is_ours("VAE KL β 10"), is_ours("PCA-12")
    (True, False)
    """
    return str(name).upper().startswith(MAIN)


def ours_of(tables: StructuralTables, models) -> str:
    """The main fit among models that are known by their setting or as a VAE; "" where there is none."""
    names = [str(name) for name in in_order(models)]
    main = () if tables.main is None else (str(tables.main["name"]), str(tables.main["setting"]))
    return next((n for n in names if n in main), next((n for n in names if is_ours(n)), ""))


def is_pca(name) -> bool:
    """Whether a set of features is a PCA's."""
    return str(name).upper().startswith("PCA")


def pca_of(names, k: int | None = None) -> str:
    """The PCA of the model's size, else the first; "" without any.

    >>> pca_of(["VAE", "PCA-24", "PCA-12"], 12), pca_of(["VAE"])
    ('PCA-12', '')
    """
    found = [str(name) for name in names if is_pca(name)]
    same = [name for name in found if k is not None and name.upper() == f"PCA-{k}"]
    return next(iter(same or found), "")


def size_of(tables: StructuralTables) -> int | None:
    """Latents of the main fit."""
    k = value(tables.main, "k")
    return int(k) if np.isfinite(k) else None


def _strongest(table: pd.DataFrame) -> dict:
    """The row of the largest |r|, or nothing."""
    r = np.abs(numbers(table, "r"))
    return table.iloc[int(np.nanargmax(r))].to_dict() if np.isfinite(r).any() else {}


def _single(tables: StructuralTables) -> Iterator[Judged]:
    """Figure 3: certain latents correlate with the score."""
    table = tables("correlations")
    if table is None:
        return
    covariates = rows(table, kind="covariate") if "kind" in table else table
    ours = covariates[[is_ours(m) for m in covariates["model"]]]
    best = _strongest(ours)
    if not best:
        return
    significant = [true(v) for v in ours.get("significant", [])]
    names = in_order(ours["with"][np.array(significant, dtype=bool)]) if any(significant) else []
    control = _strongest(rows(covariates[[is_pca(m) for m in covariates["model"]]], **{"with": best["with"]}))
    r, other = abs(value(best, "r")), abs(value(control, "r")) if control else np.nan
    n = value(best, "n")
    error = (1 - r**2) / np.sqrt(n - 2) if n > 3 else np.nan
    gap = Difference(r - other, error)
    verdict = DIFFERS if not names else ALSO if gap.known and not gap.above else AGREES
    told = (
        f"{listed(names)} {'goes' if len(names) == 1 else 'go'} with some latent (FDR 5 %)"
        if names
        else "No covariate goes with a latent"
    )
    text = f"{sentence(told)[:-1]}; the strongest is {best['with']}"
    text += f", {gap.text} against {control['model']}." if control else "."
    yield Judged(
        "single", "Certain latents correlate with a score", "Fig. 3, no number",
        f"|r| {fixed(r)} ({latent_name(best['latent'])}, {best['with']})",
        f"{control['model']}: |r| {fixed(other)}" if control else MISSING,
        Finding(text, verdict),
        "Some latent correlates with a covariate at q < 0.05 (Benjamini-Hochberg over all latents, covariates and "
        "regions); “its control does as well” where PCA's strongest score correlates with the same covariate within "
        f"two standard errors or {FLOOR:g}. The strongest of many is optimistic for both.",
    )  # fmt: skip


def _combination(tables: StructuralTables) -> Iterator[Judged]:
    """No single latent codes a quantity, all together do."""
    table = tables("recovery")
    if table is None:
        return
    ours = rows(table, model=ours_of(tables, table["model"]))
    found = []
    for target in in_order(ours["target"]):
        part = rows(ours, target=target)
        r, single = np.nanmax([*numbers(part, "r"), -1]), np.nanmax([*np.abs(numbers(part, "best_single_r")), -1])
        if r > -1 and single > -1:
            found.append((str(target), float(r), float(single), float(np.nanmax([*numbers(part, "n_test"), 0]))))
    if not found:
        return
    better = [
        t for t, r, single, n in found
        if r - single > max(FLOOR, 2 * (1 - r**2) / np.sqrt(n - 2) if n > 3 else FLOOR)
    ]  # fmt: skip
    verdict = AGREES if len(better) > len(found) / 2 else DIFFERS if not better else OPEN
    text = f"All latents together tell more than the best single one of {len(better)} of {len(found)} quantities."
    yield Judged(
        "combination", "A property lies in a combination of latents rather than in one", "§2.3, no number",
        "; ".join(f"{t}: r {fixed(r)}" for t, r, _, _ in found[:4]),
        "; ".join(f"best single: |r| {fixed(s)}" for _, _, s, _ in found[:4]), Finding(text, verdict),
        "r on test persons of a regression on all latents, above the |r| of the single latent that was best on the "
        f"fitted persons by {COUNTS}, for more than half of the quantities; “otherwise” where there is not one.",
    )  # fmt: skip


def best_model(table: pd.DataFrame, column: str) -> dict:
    """The row with the highest value; {} where none is known."""
    values = numbers(table, column)
    return table.iloc[int(np.nanargmax(values))].to_dict() if np.isfinite(values).any() else {}


def measure_of(table: pd.DataFrame) -> str:
    """Which column tells of a target: auc of classes, else r2."""
    metric = str(table["metric"].iloc[0]) if "metric" in table else "r2"
    return metric if metric in table and np.isfinite(numbers(table, metric)).any() else "r2"


def _features(tables: StructuralTables, table: pd.DataFrame) -> tuple[str, str]:
    """The VAE's features and their control."""
    names = in_order(table["features"])
    return next((n for n in names if is_ours(n)), ""), pca_of(names, size_of(tables))


def cross_validated(table: pd.DataFrame | None) -> pd.DataFrame:
    """Predictions of the folds, without those of the test persons."""
    if table is None:
        return pd.DataFrame(columns=["label", "target", "features", "model", "observed", "predicted"])
    return table[table["fold"].astype(str) != "test"] if "fold" in table else table


def _predict(tables: StructuralTables) -> Iterator[Judged]:
    table = tables("regression")
    if table is None:
        return
    predictions = cross_validated(tables("regression_predictions"))
    for target in in_order(table["target"]):
        of = rows(table, target=target)
        measure = measure_of(of)
        ours, _ = _features(tables, of)
        best, n_models = best_model(rows(of, features=ours), measure), len(rows(of, features=ours))
        other = best_model(of[[is_pca(name) for name in of["features"]]], measure)
        if not best:
            continue
        linear = str(other.get("features", ""))
        # the best of several models was looked for; few permutations cannot tell it from chance
        p, chance = float(np.minimum(1, n_models * value(best, "p_permutation"))), value(best, "chance")
        too_few = n_models / (1 + value(best, "n_permutations")) >= ALPHA
        told = rows(predictions, target=target)
        keys = [{"features": row["features"], "model": row["model"]} for row in (best, other) if row]
        gap = paired(told, *keys) if len(keys) == 2 else Difference(np.nan)
        beaten = np.isfinite(p) and p < ALPHA and value(best, "r2") > 0
        verdict = (
            OPEN
            if not np.isfinite(p) or (too_few and not beaten)
            else DIFFERS
            if not beaten
            else ALSO
            if gap.known and not gap.above
            else AGREES
        )
        name = "AUC" if measure == "auc" else "R²"
        text = f"{sentence(str(target))[:-1]} by {best['model'].upper()}: {p_value(p)}"
        text += f" (corrected for the {n_models} models tried)" if n_models > 1 else ""
        text += f"; R² against {linear}: {gap.text}." if gap.known else "."
        tested = value(best, f"{measure}_test")
        yield Judged(
            f"predict {target}", f"Latents tell {target}", "§2.3, no number",
            f"{name} "
            f"{fixed(value(best, measure))}" + (f"; test persons: {fixed(tested)}" if np.isfinite(tested) else ""),
            (f"{linear}: {fixed(value(other, measure))}; " if other else "") + f"chance: {fixed(chance)}",
            Finding(text, verdict),
            "The best model on the latents, nested cross-validation by person, beats permuted targets (p, times the "
            f"models tried, < {ALPHA:g}) and the mean (R² > 0); “its control does as well” where the best model on "
            f"PCA, of as many components or twice as many, is not worse by {COUNTS} (paired over persons).",
        )  # fmt: skip


def _svr(tables: StructuralTables) -> Iterator[Judged]:
    table = tables("regression")
    if table is None:
        return
    predictions = cross_validated(tables("regression_predictions"))
    gaps, shown, linear_gaps = {}, [], []
    for target in in_order(table["target"]):
        of = rows(table, target=target)
        ours, linear = _features(tables, of)
        told = rows(predictions, target=target)
        gap = paired(told, *({"features": ours, "model": model} for model in (SVR, GLM)))
        if gap.known:
            gaps[str(target)] = gap
            r2 = [best_model(rows(of, features=ours, model=model), "r2") for model in (SVR, GLM)]
            shown.append((str(target), *(value(row, "r2") for row in r2)))
            other = paired(told, *({"features": linear, "model": model} for model in (SVR, GLM)))
            linear_gaps += [f"{target} {other.text}"] if other.known else []
    if not gaps:
        return
    verdicts = [compared(gap) for gap in gaps.values()]
    # that there are relations which a linear predictor misses, not that every target has them
    verdict = AGREES if AGREES in verdicts else OPEN if OPEN in verdicts else DIFFERS
    better = [target for target, gap in gaps.items() if gap.above]
    worse = [target for target, gap in gaps.items() if gap.below]
    text = f"SVR is better for {listed(better)}" if better else "SVR is better for no target"
    text += f" and worse for {listed(worse)}" if worse else ""
    text += f". R² of SVR less that of the GLM: {', '.join(f'{t} {gap.text}' for t, gap in gaps.items())}"
    yield Judged(
        "svr", "SVR finds relations that a GLM misses", "§2.3, no number",
        "; ".join(f"{t}: SVR R² {fixed(a)}" for t, a, _ in shown), "; ".join(f"GLM {fixed(b)}" for _, _, b in shown),
        Finding(text + (f"; on {linear}: {', '.join(linear_gaps)}." if linear_gaps else "."), verdict),
        f"R² of SVR on the latents above GLM's by {COUNTS} (paired over persons) for at least one target.",
    )  # fmt: skip


def _maps(tables: StructuralTables) -> Iterator[Judged]:
    """Neighbours, which maps into few dimensions are for, in non-linear maps and in linear ones."""
    table = tables("embeddings")
    if table is None or "trustworthiness" not in table:
        return
    table = rows(table, part="test") if "part" in table and (table["part"] == "test").any() else table
    kept = {
        str(m): float(np.nanmean(numbers(rows(table, method=m), "trustworthiness")))
        for m in in_order(table["method"])
        if np.isfinite(numbers(rows(table, method=m), "trustworthiness")).any()
    }
    linear = [m for m in kept if is_pca(m) or m == "MDS"]
    bent = [m for m in kept if m not in (*linear, *FLOORS)]
    if not linear or not bent:
        return
    first, second = (max(names, key=kept.__getitem__) for names in (bent, linear))
    gap = Difference(kept[first] - kept[second])
    text = (
        f"The best non-linear map of as many dimensions is {first}: trustworthiness {gap.text} against {second} (no "
        "standard error)."
    )
    floor = f"; random directions: {fixed(kept['random'], 3)}" if "random" in kept else ""
    yield Judged(
        "maps", "PCA and MDS miss non-linear structure that other maps keep", "§1.1, no number",
        "; ".join(f"{m}: "
                  f"{fixed(kept[m], 3)}" for m in bent), "; ".join(f"{m}: {fixed(kept[m], 3)}" for m in linear) + floor,
        # where the linear map keeps all neighbours, none could be better
        Finding(text, OPEN if kept[second] > 1 - FLOOR and not gap.below else compared(gap)),
        "Trustworthiness of unseen persons' neighbours: the best of LLE, Isomap and the VAE above the better of PCA "
        f"and MDS, of as many dimensions, by more than {FLOOR:g}; open where the linear map is within that of 1.",
    )  # fmt: skip


def space_rows(table: pd.DataFrame) -> list[dict]:
    """Rows of VolumeDimension with a name, and whether each is a control."""
    found = []
    for row in table.to_dict("records"):
        kind = str(row.get("control") or "none")
        control = kind not in ("none", "nan")
        cells = {c: value(row, c) for c in ("twonn", "lower", "upper", "participation_ratio", "dims")}
        name = f"{row['space']}, {CONTROLS.get(kind, kind)}" if control else str(row["space"])
        found.append(
            {"name": name, "space": str(row["space"]), "kind": kind if control else "", "control": control, **cells}
        )
    return found


def _interval(row: dict) -> str:
    return f"{fixed(row['twonn'], 1)} [{fixed(row['lower'], 1)}, {fixed(row['upper'], 1)}]"


def _manifold(tables: StructuralTables) -> Iterator[Judged]:
    table = tables("dimension")
    if table is None:
        return
    found = {(row["space"], row["kind"]): row for row in space_rows(table)}
    data = found.get(("images", ""), next((row for row in found.values() if not row["control"]), None))
    gaussian = found.get((data["space"], "gaussian")) if data else None
    if data is None or gaussian is None or not np.isfinite([data["twonn"], gaussian["twonn"]]).all():
        return
    low = data["upper"] < gaussian["lower"]
    text = (
        f"The {data['space']} have about {fixed(data['twonn'], 1)} dimensions by their neighbours; draws of a "
        f"Gaussian of the same covariance, which has no bent manifold, {fixed(gaussian['twonn'], 1)}."
    )
    yield Judged(
        "manifold", "Images concentrate near a low-dimensional manifold", "§1.1 and appendix A, no number",
        f"TwoNN {_interval(data)}", f"Gaussian: {_interval(gaussian)}", Finding(text, AGREES if low else ALSO),
        "The interval of the images' intrinsic dimension (TwoNN) lies below those of draws of a Gaussian of the same "
        "covariance; else its control does as well.",
    )  # fmt: skip


def _shell(tables: StructuralTables) -> Iterator[Judged]:
    table = tables("shells")
    if table is None or "expected_mean" not in table:
        return
    own = table[[is_ours(space) for space in table["space"]]]
    own = own[own["control"] == "none"] if "control" in own else own
    white = own[own["space"].str.contains("whitened")]
    row = (white if len(white) else own).iloc[0].to_dict() if len(own) else {}
    mean, sd, expected, expected_sd = (
        value(row, c) for c in ("radius_mean", "radius_sd", "expected_mean", "expected_sd")
    )
    if not np.isfinite([mean, sd, expected, expected_sd]).all():
        return
    near, thinner = abs(mean / expected - 1) < SHELL, sd < expected_sd * (1 - SHELL)
    verdict = DIFFERS if not near else AGREES if thinner else ALSO
    text = (
        f"Radii ({row['space']}) spread by {fixed(100 * sd / mean, 0)} % of their mean, those of a Gaussian "
        f"without any structure by {fixed(100 * expected_sd / expected, 0)} %."
    )
    yield Judged(
        "shell", "In many dimensions points gather in a thin shell, near a manifold", "appendix A",
        f"radius {fixed(mean)} ± {fixed(sd)}", f"Gaussian: {fixed(expected)} ± "
                                               f"{fixed(expected_sd)}", Finding(text, verdict),
        f"The mean radius of the latents is within {fixed(100 * SHELL, 0)} % of that of a Gaussian of as many "
        "dimensions; it counts beyond the control only where the radii spread less than the Gaussian's by "
        f"{fixed(100 * SHELL, 0)} %.",
    )  # fmt: skip
