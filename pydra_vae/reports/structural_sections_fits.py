"""Sections of the structural page on fits: reconstruction, training, losses, collapse, the search."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import escape

from pydra_vae.bids.tables import read_table
from pydra_vae.reports import structural_figures_fits as draw
from pydra_vae.reports.brains import robust_range
from pydra_vae.reports.formats import count, fixed, listed, number
from pydra_vae.reports.group_findings import Claim
from pydra_vae.reports.group_tables import rows
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.loaded import read_json
from pydra_vae.reports.pages import figure, render
from pydra_vae.reports.structural_slices import Line, Scale, Slicer, picture
from pydra_vae.reports.structural_tables import StructuralTables, numbers, text_column, true, value

SHOWN = 6  # persons of figure 2
OTHERS = 4  # fits of it that are drawn beside the main one and those that fell
COLUMNS = {
    "r2_train": ("R²|training", 3), "r2_validation": ("R²|validation", 3), "r2_test": ("R²|test", 3),
    "r2_test_se": ("±|over persons", 3), "ssim_test": ("SSIM|test", 3), "kl": ("KL|nats", 1), "mi": ("MI|nats", 1),
    "mmd": ("MMD", 4), "variance_ratio": ("Variance|ratio", 2), "swap_ratio": ("Swap|ratio", 1),
    "informative_units": ("KL > 0.1|latents", 0), "seconds": ("Time|s", 0),
}  # fmt: skip


def reconstruction(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """The main fit beside the mean image and PCA, and figure 2's picture."""
    return [findings(found, "mean", "pca"), _beside(tables), *_figure2(tables)]


def _beside(tables: StructuralTables) -> str:
    """The main fit, the mean image, PCA-k and PCA-2k."""
    main = tables.main
    if main is None:
        return ""
    k = int(value(main, "k"))
    made = [
        (main["name"], k, "r2_train", "r2_validation", "r2_test", "ssim_test"),
        (f"PCA-{k}", k, "pca_r2_train", "pca_r2_validation", "pca_r2_test", "pca_ssim_test"),
        (f"PCA-{2 * k}", 2 * k, "", "", "pca2_r2_test", "pca2_ssim_test"),
    ]
    shown = [
        [name, number(size), *(fixed(value(main, c), 3) for c in columns)] for name, size, *columns in made
    ] + [["Mean image", "0", "0", "", "", fixed(value(main, "mean_ssim_test"), 3)]]  # fmt: skip
    shown[-1][2:5] = ["0.000"] * 3
    n = f" ({count(tables.n_test, 'image')})" if tables.n_test else ""
    note = (
        f"R² = 1 − SSE/SSE of the training images' mean, inside the mask; test: unseen persons{n}. SSIM: structural "
        "similarity over the places of an 11-voxel window, 1 for equal images."
    )
    heads = ["Model", "Numbers|an image", "R²|training", "R²|validation", "R²|test", "SSIM|test"]
    return table_of(heads, shown, marked=0) + f'<p class="note">{note}</p>'


def _figure2(tables: StructuralTables) -> list[str]:
    """Inputs over reconstructions: the main fit and those that fell, then the others folded."""
    if tables.space is None:
        return []
    slicer, files, main, beside, others = tables.slicer, tables.files, [], [], []
    fallen = {str(fit[key]): verdict for fit in tables.fits.to_dict("records") for key in ("name", "setting")
              if (verdict := _fallen(fit))}  # fmt: skip
    caption = (
        "Figure 2 of the tutorial again: unseen images above, their reconstructions below, from the best to the worst "
        "reconstructed; then how each differs from the training mean, where a model that has collapsed shows nothing. "
        f"Axial slice at {slicer.height(slicer.middle)} mm; left is left."
    )
    for i, name in enumerate(map(str, files.example_names[: len(files.examples)])):
        images = tables.images(files.examples[i])
        if images is None or len(images) < 2:
            continue
        if main and name not in fallen:
            others.append((name, np.asarray(images)))
            continue
        table = read_table(files.examples_tables[i]) if i < len(files.examples_tables) else None
        shown = _inputs_over(slicer, np.asarray(images), table, name, tables)
        (beside if main else main).append(figure(shown, caption if not main else f"{name}: {fallen[name]}."))
    return [*main, *beside, folded("The same of other fits", _others(slicer, others[:OTHERS], tables))]


def _fallen(fit: dict) -> str:
    """What a fit that has fallen to the prior does, in words; "" of a healthy one."""
    if true(fit.get("collapsed")):
        return "a fit that has collapsed, which gives everybody the same image or ignores whose code it gets"
    return "an over-regularised fit" if true(fit.get("over_regularised")) else ""


def _chosen(images: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Some of the images of figure 2, from the best to the worst, and their reconstructions."""
    n = len(images) // 2
    at = np.unique(np.linspace(0, n - 1, min(most, n)).round().astype(int))
    return images[at], images[n + at]


def _apart(inputs: np.ndarray, tables: StructuralTables) -> Scale:
    limit = float(np.quantile(np.abs(inputs - tables.mean), 0.98)) or 1.0
    return Scale((-limit, limit), "RdBu_r", tables.unit)


def _inputs_over(slicer: Slicer, images: np.ndarray, table: pd.DataFrame | None, name: str, tables) -> str:
    """One fit: images, reconstructions, and how both differ from the mean."""
    inputs, outputs = _chosen(images, SHOWN)
    plain = Scale((0.0, robust_range(inputs)[1]), "gray", tables.unit)
    lines = [
        Line([slicer.cut(x, slicer.middle, plain) for x in values], f"{what}", plain)
        for what, values in (("Images", inputs), ("Recon-\nstructions", outputs))
    ]
    if tables.mean is not None:
        bent = _apart(inputs, tables)
        lines += [
            Line([slicer.cut(x - tables.mean, slicer.middle, bent) for x in values], label, bent)
            for label, values in (("Image −\nmean", inputs), ("Reconstr. −\nmean", outputs))
        ]
    titles = [""] * len(inputs)
    if table is not None and {"label", "kind"} <= set(table):
        n = len(images) // 2
        first = table[table["kind"] == "input"].reset_index(drop=True).reindex(range(n))
        r2 = numbers(first, "r2")
        known = first["label"].notna()
        chosen = np.unique(np.linspace(0, n - 1, min(SHOWN, n)).round().astype(int))
        titles = [f"{first['label'][i]}\nR² {fixed(r2[i])}" if known[i] else "" for i in chosen]
    title = f"<h3>{escape(name)}</h3>"
    return title + picture(lines, titles, f"Images over reconstructions of {name}")


def _others(slicer: Slicer, fits: list[tuple[str, np.ndarray]], tables: StructuralTables) -> str:
    """Further fits in one picture: how images and reconstructions differ from the mean."""
    if not fits or tables.mean is None:
        return ""
    lines, scale = [], _apart(_chosen(fits[0][1], SHOWN)[0], tables)
    for name, images in fits:
        for what, values in zip(("images", "reconstructed"), _chosen(images, SHOWN), strict=True):
            cells = [slicer.cut(x - tables.mean, slicer.middle, scale) for x in values]
            lines.append(Line(cells, f"{name},\n{what}".replace(", KL", ",\nKL"), scale))
    caption = "Of each fit, unseen images and below them their reconstructions, less the training mean; from the best "
    return figure(
        picture(lines, [], "Images over reconstructions of other fits"), caption + "reconstructed to the worst."
    )


def training(tables: StructuralTables) -> list[str]:
    """Curves of training and validation, and the verdict on overfitting."""
    histories = {name: read_table(path) for name, path in tables.of_fits("histories").items()}
    main = tables.main
    levels = {}
    if main is not None:
        k = int(value(main, "k"))
        named = ((f"PCA-{k}, test", "pca_r2_test"), (f"PCA-{2 * k}, test", "pca2_r2_test"))
        levels = {name: value(main, column) for name, column in named if np.isfinite(value(main, column))}
    caption = (
        "R² of the training images (a fixed sample) and of the validation persons while models are fitted. The best "
        "step by the validation images is kept. PCA's lines are its R² on the test images."
    )
    drawn = figure(draw.learning_curves(histories, levels), caption)
    return [drawn, _overfitting(tables)] if drawn else [_overfitting(tables)]


def _overfitting(tables: StructuralTables) -> str:
    """R² lost from training to test images, of every fit, with its verdict."""
    shown = []
    for name, path in tables.of_fits("verdicts").items():
        found = read_json(path).get("overfitting")
        if found:
            told = "; ".join(found.get("reasons", [])) or "no overfitting"
            shown.append([name, fixed(found.get("gap"), 3), fixed(found.get("pca_gap"), 3), told,
                          found.get("advice") or fixed(None)])  # fmt: skip
    heads = ["Fit", "R² lost|training to test", "PCA's|of its size", "Verdict", "What to try"]
    return table_of(heads, shown, marked=0, text=(0, 3, 4), caption="Overfitting")


def losses(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Every fit beside every other, and what each loss is best at."""
    fits = tables.fits
    if not len(fits):
        return []
    mi, told = _information_column(fits)
    panels = [("r2_test", "R², test"), ("ssim_test", "SSIM, test"), (mi, told), ("kl", "KL (nats)")]
    shown = [
        {"name": name, **{column: numbers(rows(fits, name=name), column) for column, _ in panels}}
        for name in fits["name"].drop_duplicates()
    ]  # fmt: skip
    main, k = tables.main, int(value(tables.main, "k"))
    for size, prefix in ((k, "pca"), (2 * k, "pca2")):
        if np.isfinite(value(main, f"{prefix}_r2_test")):
            levels = {c: np.array([value(main, f"{prefix}_{c}")]) for c in ("r2_test", "ssim_test")}
            shown.append({"name": f"PCA-{size}", **levels})
    if np.isfinite(value(main, "mean_ssim_test")):
        shown.append(
            {"name": "Mean image", "r2_test": np.zeros(1), "ssim_test": np.array([value(main, "mean_ssim_test")])}
        )
    drawn = draw.fits_beside(shown, panels) if len(fits) > 1 else ""  # one fit is under Reconstruction
    caption = (
        "Every fit beside PCA and the mean image; a dot a seed. The KL and its part on mutual information are of "
        "training and validation images."
    )
    ceiling = value(main, "mi_ceiling")
    if mi == "mi_gaussian":
        caption += (
            " Mutual information is that of a Gaussian aggregate posterior, here and in the table: the plain estimate "
            f"cannot exceed {fixed(ceiling, 1)} nats, the log of the number of images."
        )
    return [findings(found, "dssim", "mmd", "lambda"), best_at(fits), figure(drawn, caption), fit_table(fits)]


def _information_column(fits: pd.DataFrame) -> tuple[str, str]:
    """The column of mutual information that has no ceiling, where it is known, and its title."""
    if np.isfinite(numbers(fits, "mi_gaussian")).any():
        return "mi_gaussian", "Mutual information,\nGaussian (nats)"
    return "mi", "Mutual information (nats)"


def best_at(fits: pd.DataFrame) -> str:
    """Which fit is best at what; "" of one fit."""
    if len(fits) < 2:
        return ""
    told, (mi, _) = [], _information_column(fits)
    for column, name in (("r2_test", "R²"), ("ssim_test", "SSIM"), (mi, "mutual information")):
        values = numbers(fits, column)
        if np.isfinite(values).any():
            best = int(np.nanargmax(values))
            told.append(
                f"{name}: {fits['name'][best]} ({fixed(values[best], 3 if column.endswith('_test') else 1)}"
                f"{_as_good(fits, column)})"
            )
    return f"<p>{escape('Best on these images: ' + '; '.join(told) + '.')}</p>" if told else ""


def _as_good(fits: pd.DataFrame, column: str) -> str:
    """How many other fits reach the best R² within its standard error."""
    values, error = numbers(fits, column), numbers(fits, f"{column}_se")
    best = int(np.nanargmax(values))
    n = int((values >= values[best] - error[best]).sum()) - 1 if np.isfinite(error[best]) else 0
    return f"; {count(n, 'other')} within its standard error" if n else ""


def fit_table(fits: pd.DataFrame) -> str:
    """All figures of all fits."""
    known = [c for c in COLUMNS if c in fits and np.isfinite(numbers(fits, c)).any()]
    values = {c: numbers(fits, _information_column(fits)[0] if c == "mi" else c) for c in known}
    shown = [[row["name"], number(row["k"]), *(fixed(values[c][i], COLUMNS[c][1]) for c in known)]
             for i, row in enumerate(fits.to_dict("records"))]  # fmt: skip
    return table_of(["Fit", "k", *(COLUMNS[c][0] for c in known)], shown, marked=0, caption="Every fit")


def collapse(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Both verdicts of every fit, with advice."""
    fits = tables.fits
    if not len(fits) or "variance_ratio" not in fits:
        return []
    cells = [{"name": n, "variance_ratio": v, "swap_ratio": s} for n, v, s in
             zip(fits["name"], numbers(fits, "variance_ratio"), numbers(fits, "swap_ratio"), strict=True)]  # fmt: skip
    caption = (
        "A collapsed decoder gives everybody the same image (variance ratio near 0), or ignores which code belongs to "
        "whom (with swapped codes, it errs no more). Red: collapsed; amber: over-regularised. Active units alone are "
        "not trusted: fully collapsed fits can have ten."
    )
    return [findings(found, "collapse"), _alarms(tables), figure(draw.collapse(cells), caption), _verdicts(tables)]


def _alarms(tables: StructuralTables) -> str:
    """A warning where the main fit itself has collapsed."""
    main = tables.main
    what = [n for n, c in (("collapsed", "collapsed"), ("over-regularised", "over_regularised")) if true(main.get(c))]
    if not what:
        return ""
    text = "Nothing that this page says of its latents can be trusted; see the advice below."
    return render("failed.html", items=[(f"The main fit is {what[0]}", text)])


def _verdicts(tables: StructuralTables) -> str:
    shown = []
    for name, path in tables.of_fits("verdicts").items():
        found = read_json(path)
        verdict = (
            "collapsed"
            if found.get("collapsed")
            else "over-regularised"
            if found.get("over_regularised")
            else "healthy"
        )
        why = "; ".join(str(reason) for reason in found.get("reasons", [])) or fixed(None)
        shown.append([name, verdict, number(found.get("active_units")), number(found.get("informative_units")), why,
                      found.get("advice") or fixed(None)])  # fmt: skip
    heads = ["Fit", "Verdict", "Active|units", "KL > 0.1|latents", "Why", "What to try"]
    warned = {
        w["text"]: name for name, path in tables.of_fits("verdicts").items() for w in read_json(path).get("warnings",
        [])
        if w.get("code") not in ("collapsed", "over_regularised", "overfitted")
    }  # fmt: skip
    notes = "".join(f'<p class="note">{escape(f"{name}: {text}.")}</p>' for text, name in warned.items())
    return table_of(heads, shown, marked=0, text=(0, 1, 4, 5), caption="Verdicts") + folded("Other warnings", notes)


def search(tables: StructuralTables) -> list[str]:
    """Reconstruction against information over all trials, and the chosen one."""
    trials = tables("trials")
    if trials is None:
        return []
    trials = trials.reset_index(drop=True)
    bad = np.array([true(a) or true(b) for a, b in
                    zip(trials.get("collapsed", [False] * len(trials)),
                        trials.get("over_regularised", [False] * len(trials)), strict=True)])  # fmt: skip
    chosen = chosen_row(trials, tables("chosen"))
    caption = (
        "Each dot is a trial, ± one standard error over validation persons. Right: what the latents hold of each "
        "trial, in its three parts, which sum to the KL; the triangle marks the chosen one. Mutual information is "
        "estimated over the images, so that it cannot exceed the log of their number."
    )
    rule = tables("chosen")
    caption += "" if rule is None or "rule" not in rule else f" Rule: {rule['rule'].iloc[0]}."
    drawn = draw.trade_off(trials.assign(name=np.where(bad, "bad", "")), chosen)
    return [_chosen_text(trials, chosen, int(bad.sum())), figure(drawn, caption), _trial_table(trials, chosen)]


def chosen_row(trials: pd.DataFrame, chosen: pd.DataFrame | None) -> int | None:
    """Which row of the trials was chosen."""
    if "chosen" in trials:
        here = [i for i, cell in enumerate(trials["chosen"]) if true(cell)]
        return here[0] if here else None
    if chosen is None:
        return None
    kl, r2 = value(chosen.iloc[0], "kl"), value(chosen.iloc[0], "r2_validation")
    near = np.flatnonzero(np.isclose(numbers(trials, "kl"), kl) & np.isclose(numbers(trials, "r2_validation"), r2))
    return int(near[0]) if len(near) else None


SEARCHED = {"k": "k", "latent_dim": "k", "beta": "β", "mmd_weight": "λ", "learning_rate": "Learning rate",
            "batch_size": "Batch", "width": "Width", "max_epochs": "Epochs", "epochs": "Epochs"}  # fmt: skip


def _varied(trials: pd.DataFrame) -> list[str]:
    return [c for c in SEARCHED if c in trials and trials[c].nunique(dropna=False) > 1]


def _chosen_text(trials: pd.DataFrame, chosen: int | None, n_bad: int) -> str:
    how = f"{n_bad} of them collapsed or over-regularised" if n_bad else "all healthy"
    text = f"{count(len(trials), 'trial')}, {how}."
    if chosen is not None:
        row = trials.iloc[chosen]
        settings = [f"{SEARCHED[c]} = {number(value(row, c))}" for c in _varied(trials)]
        text += (
            f" Chosen: {listed(settings)}, with R² {fixed(value(row, 'r2_validation'), 3)} on validation images at "
            if settings
            else " The chosen one has "
        )
        text += f"{fixed(value(row, 'kl'), 1)} nats."
    return f"<p>{escape(text)}</p>"


def _trial_table(trials: pd.DataFrame, chosen: int | None) -> str:
    varied = _varied(trials)
    figures = [
        c
        for c in ("r2_validation", "r2_validation_se", "kl", "mi", "tc", "dimension_wise", "variance_ratio")
        if c in trials
    ]
    names = {"r2_validation": "R²|validation", "r2_validation_se": "±", "kl": "KL|nats", "mi": "MI", "tc": "TC",
             "dimension_wise": "Dimension-wise", "variance_ratio": "Variance|ratio"}  # fmt: skip
    order: Sequence[int] = np.argsort(-np.nan_to_num(numbers(trials, "r2_validation"), nan=-9), kind="stable")
    shown, marked = [], None
    for place, i in enumerate(order):
        row = trials.iloc[int(i)]
        marked = place if chosen is not None and i == chosen else marked
        cells = [fixed(value(row, c), 3 if c.startswith("r2") else 2) for c in figures]
        shown.append([text_column(trials, "setting").iloc[int(i)] or f"Trial {int(i) + 1}",
                      *(number(value(row, c)) for c in varied), *cells])  # fmt: skip
    heads = ["Trial", *(SEARCHED[c] for c in varied), *(names[c] for c in figures)]
    return folded("Every trial", table_of(heads, shown, marked=marked))
