"""Make the README's figure of motor from its demo: ``python docs/figures/make_motor_figure.py motor-demo/output``.

Clusters and maps are the pictures of the report; courses and scores are its tables.
"""

import base64
import io
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

MODEL = "TI-VAE-S"
SUBTASKS = ["left_hand", "left_foot", "right_hand", "right_foot", "tongue"]
BLUE, OCHRE, GREY = "#3488d0", "#b59a1b", "0.75"
CLIPPED = 3.5  # standard deviations of a course that are shown
T_R = 0.72  # s, of the demo


def pictures(report: Path) -> dict[str, Image.Image]:
    """The pictures of a report on white, by what they say they are."""
    found = re.findall(r'<img alt="([^"]+)"[^>]*base64,([A-Za-z0-9+/=]+)', report.read_text(encoding="utf-8"))
    made = {}
    for name, data in found:
        image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
        made[name] = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return made


def choose(output: Path) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """All fits with their scores; ours and the best ICA, of the k at which ours is best on validation recordings."""
    key = ["model", "k", "beta", "seed"]
    fits = read(output, "comparison").drop(columns="r_validation", errors="ignore")
    scores = read(output, "scores")
    chosen = scores.assign(r_validation=scores["r_validation"].abs()).groupby(key, dropna=False)["r_validation"].mean()
    fits = fits.merge(chosen.reset_index(), on=key)
    means = fits.groupby(["model", "k", "beta"], dropna=False)[["r_validation", "r_test", "chance_held_out"]].mean()
    means = means.reset_index()
    ours = means[(means["model"] == MODEL) & (means["beta"] > 0)]
    ours = ours.loc[ours["r_validation"].idxmax()]
    ica = means[means["model"].str.contains("Infomax|FastICA") & (means["k"] == ours["k"])]
    return fits, ours, ica.loc[ica["r_validation"].idxmax()]


def read(output: Path, name: str) -> pd.DataFrame:
    """One of the tables of the comparison."""
    return pd.read_csv(output / f"group_desc-motor_{name}.tsv", sep="\t", na_values="n/a", low_memory=False)


def rows_of(table: pd.DataFrame, fit: pd.Series) -> pd.DataFrame:
    """A fit's rows, of its first seed."""
    found = table[(table["model"] == fit["model"]) & (table["k"] == fit["k"])]
    found = found if np.isnan(fit["beta"]) else found[found["beta"] == fit["beta"]]
    return found[found["seed"] == found["seed"].min()]


def draw_courses(axes, table: pd.DataFrame, fits: list[tuple[pd.Series, str, str]]) -> None:
    """The factors of each sub-task beside its response."""
    for ax, name in zip(axes, SUBTASKS, strict=True):
        for i, (fit, label, colour) in enumerate(fits):
            course = rows_of(table, fit)
            course = course[(course["subtask"] == name) & (course["design"] == course["design"].min())]
            time = course["frame"] * T_R
            if i == 0:
                ax.plot(time, course["regressor"], color="0.15", lw=2.2, label="response (HRF)")
            ax.plot(time, course["factor_value"], color=colour, lw=1.1, label=label)
            r = np.corrcoef(course["factor_value"], course["regressor"])[0, 1]
            ax.text(1.02, 0.66 - 0.34 * i, f"{r:.2f}", color=colour, transform=ax.transAxes, fontsize=9.5)
        ax.set(xlim=(time.min(), time.max()), ylim=(-CLIPPED, CLIPPED), yticks=[])
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(labelbottom=ax is axes[-1])
    axes[0].text(1.02, 1.0, "r", transform=axes[0].transAxes, fontsize=9.5)
    axes[-1].set_xlabel("Time (s)")
    where = {"loc": "lower left", "bbox_to_anchor": (-0.02, 0.98)}
    axes[0].legend(**where, ncols=3, fontsize=8.5, frameon=False, handlelength=1.2)


def draw_scores(ax, fits: pd.DataFrame, chosen: list[tuple[pd.Series, str, str]]) -> None:
    """Scores of what is shown, and what courses shifted in time reach."""
    names = [label for _, label, _ in chosen]
    bars = ax.barh(names, [fit["r_test"] for fit, *_ in chosen], color=[colour for *_, colour in chosen])
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=9.5)
    chance = chosen[0][0]["chance_held_out"]
    ax.axvline(chance, color="0.15", lw=1, ls="--")
    ax.text(chance, -0.62, " shifted in time", fontsize=8.5, va="bottom")
    ax.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6), xlabel="Mean |r| with the sub-tasks, unseen subjects")
    ax.spines[["top", "right"]].set_visible(False)


def main(output: Path) -> None:
    """Write motor.png beside this file."""
    shown = pictures(output / "index.html")
    fits, ours, ica = choose(output)
    k = int(ours["k"])
    models = [(ours, MODEL, BLUE), (ica, "best ICA", OCHRE)]
    figure = plt.figure(figsize=(14, 5.4), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=[3.5, 6.3, 4.3], wspace=0.03)
    above, below = left.subfigures(2, 1, height_ratios=[1.35, 1])
    clusters, scores = above.subplots(), below.subplots()
    clusters.imshow(shown["Clusters, structural"])
    clusters.set_title("Clusters that share their weights", fontsize=10.5)
    clusters.axis("off")
    draw_scores(scores, fits, models)

    titles = ["Planted", MODEL, ica["model"]]
    for i, (line, name) in enumerate(zip(middle.subplots(5, 3), SUBTASKS, strict=True)):
        words = name.replace("_", " ").capitalize()
        for ax, title in zip(line, titles, strict=True):
            ax.imshow(shown[f"{title}: {words}"])
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if i == 0:
                ax.set_title("best ICA" if title == ica["model"] else title.lower() if i else title, fontsize=10.5)
        line[0].set_ylabel(words, fontsize=9.5)

    draw_courses(right.subplots(5, 1, sharex=True), read(output, "courses"), models)
    told = f"Simulated data, k = {k}\nbest ICA: {ica['model']}"
    left.suptitle(told, x=0.01, ha="left", fontsize=9.5, color="0.35")
    path = Path(__file__).with_name("motor.png")
    figure.savefig(path, dpi=100)
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=192).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
