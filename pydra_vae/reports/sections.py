"""The texts and tables of a subject's report."""

import json

from pydra_vae.bids.tables import read_table
from pydra_vae.reports import methods as writing
from pydra_vae.reports.formats import count, fixed, listed, model_name, number, signed
from pydra_vae.reports.loaded import Loaded
from pydra_vae.reports.pages import render

TITLES = {
    "collapsed": "The model has collapsed",
    "over_regularised": "The model is over-regularised",
    "few_voxels": "Few training voxels",
    "overfitted": "Overfitting",
    "best_step_early": "The best step lies at the start",
    "no_gain_over_pca": "No gain over PCA",
    "tsnr_up_r2_low": "tSNR is up while R² is low",
    "tsnr_up_r2_below_pca": "tSNR gains more than PCA's while R² is lower",
}
SPLIT_NOTES = {
    "random": ": test voxels touch training voxels",
    "blocked": ": test voxels lie in other 24 mm cubes than training voxels",
    "parcel": ": test voxels lie in other parcels than training voxels",
}
REASONS = {"non_steady_state": "Non-steady", "dummy": "Dummy", "scrub": "Scrubbed"}
RECOVERY = {"r_clean_mean": "mean r", "r_clean_median": "median r", "n_voxels_planted": "voxels"}


def top(data: Loaded) -> str:
    """Title, what ran, warnings, and the four or five figures that matter."""
    parts = [
        f"CVAE of voxel time series, {count(data.latents.shape[1], 'latent dimension')}",
        f"{count(len(data.scaling.lengths), 'run')}, {count(data.x.shape[1], 'frame')}",
        data.files.dataset,
    ]
    return render(
        "top.html",
        label=data.files.label,
        lead=" · ".join(part for part in parts if part),
        simulated=data.files.simulated,
        warnings=[_titled(w) for w in data.warnings],
        tiles=_tiles(data),
    )


def _titled(warning: dict) -> dict:
    """A warning with a title, and its text as a sentence that does not repeat it."""
    title = TITLES.get(warning["code"], warning["code"].replace("_", " ").capitalize())
    start, colon, rest = warning["text"].partition(": ")
    text = rest if colon and start.lower() == title.lower() else warning["text"]
    text = text[:1].upper() + text[1:]
    return {**warning, "title": title, "text": text if text.endswith((".", "!", "?")) else f"{text}."}


def _tiles(data: Loaded) -> list[dict]:
    table, pca = data.delivered, _short(data.pca)
    cvae, control = table.loc["cvae"], table.loc[data.pca]
    gains = data.tsnr.set_index("model")["gain_mean"]
    beside = [f"{_short(m)} {signed(gains[m])} %" for m in (data.pca, "shrinkage") if m in gains]
    frames = count(int(data.used.sum()), "frame")
    tiles = [
        ("R² on test voxels", fixed(cvae["r2"], 3), f"{pca}: {fixed(control['r2'], 3)}"),
        ("MSE on test voxels", number(cvae["mse_test"]), f"{signed(_against(cvae, control))} % against {pca}"),
        ("tSNR gain", f"{signed(gains['cvae'])} %", ", ".join(beside)),
        ("Voxels", number(len(data.x)), f"{frames} used of {len(data.used):,}"),
    ]
    if data.files.recovery is not None:
        tiles[3] = _recovery_tile(data)
    return [dict(zip(("what", "figure", "beside"), tile, strict=True)) for tile in tiles]


def _short(model: str) -> str:
    """PCA-9, where there is no room for its twin."""
    return model_name(model).partition(" =")[0]


def _recovery_tile(data: Loaded) -> tuple[str, str, str]:
    r = read_table(data.files.recovery).set_index("model")["r_clean_mean"]
    beside = [f"{_short(m)} {fixed(r[m], 3)}" for m in ("input", data.pca) if m in r]
    return "r with the planted signal", fixed(r.get("cvae"), 3), ", ".join(beside)


def _against(row, control) -> float:
    return 100 * (row["mse_test"] / control["mse_test"] - 1)


def metrics(data: Loaded) -> str:
    """Every model beside its controls, for every split, and the paper's numbers."""
    splits = []
    for split, table in data.metrics.items():
        control = table.loc[data.pca]
        rows = [
            {"model": name, "against": _beside(name, row, data.pca, control), **row} for name, row in table.iterrows()
        ]
        splits.append((split.capitalize(), rows))
    return render(
        "metrics.html",
        splits=splits,
        note={split.capitalize(): SPLIT_NOTES.get(split, "") for split in data.metrics},
        reference=data.pca,
        frame=data.emse_frame,
        n_random=number(min(2000, len(data.x))),
        why_not_blocked=data.files.why_not_blocked,
        why=writing.why_the_paper_differs(data),
    )


def _beside(name, row, pca, control):
    return _against(row, control) if name != pca and name != "shrinkage" else None


def tsnr(data: Loaded) -> str:
    """The table of tSNR."""
    rows = data.tsnr.to_dict("records")
    gains = data.tsnr.set_index("model")["gain_mean"]
    return render(
        "tsnr.html",
        rows=rows,
        units=rows[0]["units"],
        n_voxels=int(rows[0]["n_voxels"]),
        n_parcels=int(rows[0].get("n_parcels") or 0),
        shrinkage=gains.get("shrinkage"),
    )


def recovery(data: Loaded) -> str:
    """How well the planted truth was found, for simulated data."""
    if data.files.recovery is None:
        return ""
    table = read_table(data.files.recovery)
    names = [name for name in table.columns if name not in ("model", "split", "participant_id")]
    rows = [
        {
            "marked": row["model"] == "cvae",
            "cells": [model_name(str(row["model"])), *(_recovered(name, row[name]) for name in names)],
        }
        for _, row in table.iterrows()
    ]
    return render(
        "table.html",
        caption="Recovery of the planted truth",
        columns=["Model", *(RECOVERY.get(name, name.replace("_", " ")) for name in names)],
        rows=rows,
        notes=[
            "The data are simulated, so the clean signal is known: r is the correlation of a voxel's series with its "
            "clean "
            "signal. The first row is the input itself; a model that denoises lies above it."
        ],
    )


def _recovered(name: str, value) -> str:
    return number(value) if name.startswith("n_") else fixed(value, 3)


def facts(data: Loaded) -> str:
    """What went in, and what was fitted."""
    return render(
        "facts.html",
        columns=[("Data", _data_facts(data)), ("Model", _model_facts(data))],
        runs=_runs(data),
        reasons=_reasons(data),
    )


def _data_facts(data: Loaded) -> list[tuple[str, str]]:
    scaling, kept = data.scaling, len(data.x)
    dropped = [
        count(n, f"{what} voxel")
        for n, what in ((scaling.n_constant, "constant"), (scaling.n_not_finite, "not finite"))
        if n
    ]
    parts = [
        f"{int((data.split == part).sum()):,} {name}" for part, name in enumerate(("training", "validation", "test"))
    ]
    found = [
        ("Runs", number(len(scaling.lengths))),
        ("Frames", f"{data.x.shape[1]:,}, of which {int(data.used.sum()):,} used"),
        ("TR", f"{data.t_r:g} s" if data.t_r else "unknown"),
        ("Mask", writing.mask_phrase(data)),
        ("Voxels", f"{kept:,} used" + (f"; dropped: {listed(dropped)}" if dropped else "")),
        ("Split", f"{next(iter(data.metrics))}: {', '.join(parts)}"),
        ("Scaling", writing.SCALINGS[scaling.method]),
        ("Units", _units(scaling)),
    ]
    return found


def _units(scaling) -> str:
    if scaling.mean is not None:
        return "residuals; a mean image was added for tSNR"
    return "residuals (mean about 0)" if scaling.residual else "scanner units"


def _model_facts(data: Loaded) -> list[tuple[str, str]]:
    c = data.config
    found = [
        ("Network", writing.network_phrase(data)),
        ("Latent dimensions", f"{data.latents.shape[1]}{_active(data)}"),
        ("Parameters", number(c.get("parameters"))),
        ("Training", writing.training_phrase(data)),
        ("Best step", number(c.get("best_step"))),
        ("Seed", str(c.get("seed", "–"))),
        ("Device", writing.device_phrase(data)),
    ]
    return [(name, value) for name, value in found if value not in ("–", "")]


def _active(data: Loaded) -> str:
    active = data.verdict.get("active_units")
    return "" if active is None else f", {active} active"


def _reasons(data: Loaded) -> list[str]:
    present = {part for reason in data.frames["reason"].dropna() for part in str(reason).split("+")}
    return [REASONS.get(r, r) for r in sorted(present)]


def _runs(data: Loaded) -> list[dict]:
    rows = []
    for number_, frames in data.frames.groupby("run", sort=True):
        reasons: dict[str, int] = {}
        for reason in frames["reason"].dropna():
            for part in str(reason).split("+"):
                reasons[REASONS.get(part, part)] = reasons.get(REASONS.get(part, part), 0) + 1
        info = data.run_infos[number_] if number_ < len(data.run_infos) else {}
        used = int(frames["weight"].sum())
        rows.append({"name": writing.run_name(info, number_), "frames": len(frames), "used": used, "reasons": reasons})
    return rows


def methods(data: Loaded) -> str:
    """What was done, in sentences, with citations."""
    paragraphs, references = writing.write_methods(data)
    return render("methods.html", paragraphs=paragraphs, references=references)


def details(data: Loaded) -> str:
    """Everything that rebuilds the result."""
    blocks = [
        ("Options given", data.files.parameters),
        ("Model", {k: v for k, v in data.config.items() if k != "versions"}),
        ("Verdict", {k: v for k, v in data.verdict.items() if k != "warnings"}),
        ("Verdict of the blocked fit", {k: v for k, v in data.blocked_verdict.items() if k != "warnings"}),
        ("Normalisation", data.normalization),
        ("Mask", data.mask_info),
        ("Runs", [info for info in data.run_infos if info]),
        ("Versions", data.versions),
    ]
    return render("details.html", blocks=[(title, pretty(content)) for title, content in blocks if content])


def pretty(content) -> str:
    """Indented JSON."""
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)
