"""Make the README's figure of structural: ``python docs/figures/make_structural_figure.py structural-demo/output``.

Slices are cut from the demo's images with its report's own slicer; bars are its tables.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image

from pydra_vae.reports.structural_slices import Scale, Slicer
from pydra_vae.reports.structural_tables import space_of

BLUE, ORANGE, OCHRE, GREY = "#3488d0", "#e07b1a", "#b59a1b", "0.75"
PERSONS = 5  # of each fit
EFFECTS, CUTS = 3, 4  # latents, and slices of each
COLLAPSED = "KL β 10000"
TARGET = "score"  # planted as an interaction of two factors, which no linear model of the image sees


def read(output: Path, name: str) -> pd.DataFrame:
    """One of the demo's tables."""
    return pd.read_csv(output / f"group_desc-structural_{name}.tsv", sep="\t", na_values="n/a")


def image(output: Path, name: str, mask: np.ndarray) -> np.ndarray:
    """(n, V) volumes of one of the demo's images."""
    (path,) = output.glob(f"group_space-*_{name}_map.nii.gz")
    values = nib.load(path).get_fdata(dtype=np.float32)
    return values[mask].T if values.ndim == 4 else values[mask][None]


def label(setting: str) -> str:
    """A fit in the names of files.

    >>> label("KL β 10")
    'KLbeta10'
    """
    return setting.replace("β", "beta").replace("λ", "lambda").replace(" ", "").replace(",", "").replace("+", "")


def show(ax, cells: list[np.ndarray], name: str) -> None:
    """A row of slices."""
    ax.imshow(np.concatenate(cells, axis=1), interpolation="antialiased")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_ylabel(name, fontsize=9.5, rotation=0, ha="right", va="center", labelpad=6)


def draw_reconstructions(figure, slicer: Slicer, fits: dict[str, np.ndarray]) -> None:
    """Figure 2 of the tutorial: images over reconstructions of a healthy fit and of a collapsed one."""
    scale = Scale((0.0, float(np.quantile(next(iter(fits.values())), 0.99))))
    axes = figure.subplots(2 * len(fits), 1, gridspec_kw={"hspace": 0.02})
    for i, (name, images) in enumerate(fits.items()):
        n = len(images) // 2
        for ax, rows, what in zip(axes[2 * i :], (images[:n], images[n:]), ("unseen\nimages", name), strict=False):
            show(ax, [slicer.cut(x, slicer.middle, scale) for x in rows[:PERSONS]], what)
    axes[0].set_title("Images over reconstructions: healthy, collapsed on purpose", fontsize=10.5)


def followed(output: Path) -> list[tuple[int, str, float]]:
    """The latents that go with a covariate most, each with a covariate of its own, and r."""
    table = read(output, "correlations")
    table = table[(table["model"] == "VAE") & (table["kind"] == "covariate") & table["significant"].eq(True)]
    found: dict[int, tuple[str, float]] = {}
    for _, row in table.iloc[np.argsort(-table["r"].abs().to_numpy(), kind="stable")].iterrows():
        if int(row["latent"]) not in found and row["with"] not in [name for name, _ in found.values()]:
            found[int(row["latent"])] = str(row["with"]), float(row["r"])
    return [(z, *told) for z, told in list(found.items())[:EFFECTS]]


def draw_effects(figure, slicer: Slicer, effects: np.ndarray, chosen: list[tuple[int, str, float]]) -> None:
    """What one standard deviation of a latent does to the image, with the sign at which the covariate rises."""
    limit = float(np.quantile(np.abs(effects[[z for z, *_ in chosen]]), 0.995))
    scale = Scale((-limit, limit), "RdBu_r", over=True)
    cuts = slicer.cuts[1 : 1 + CUTS]
    axes = figure.subplots(len(chosen), 1, gridspec_kw={"hspace": 0.02})
    for ax, (z, covariate, r) in zip(axes, chosen, strict=True):
        show(
            ax, [slicer.cut(np.sign(r) * effects[z], at, scale) for at in cuts], f"z{z}\n{covariate}\n|r| {abs(r):.2f}"
        )
    axes[0].set_title("One SD of a latent: grey matter more (red), less (blue)", fontsize=10.5)


def draw_bars(axes, fits: pd.DataFrame, regression: pd.DataFrame) -> None:
    """R² of unseen images, and of a score of unseen persons by the model that cross-validation favours."""
    main = fits.iloc[0]
    k = int(main["k"])
    names = ["mean", f"PCA-{k}", f"VAE, k = {k}", f"PCA-{2 * k}"]
    images = [0.0, main["pca_r2_test"], main["r2_test"], main["pca2_r2_test"]]
    table = regression[regression["target"] == TARGET]
    best = table.loc[table.groupby("features")["r2"].idxmax()].set_index("features")
    told = [0.0, *(best.loc[name, "r2_test"] for name in (f"PCA-{k}", "VAE", f"PCA-{2 * k}"))]
    titles = ("R² of unseen images", f"R² of a {TARGET} of unseen persons")
    for ax, values, title in zip(axes, (images, told), titles, strict=True):
        bars = ax.barh(names, values, 0.68, color=[GREY, ORANGE, BLUE, OCHRE])
        ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=9.5)
        ax.set(xlim=(0, 1.08), ylim=(3.5, -0.5), xticks=[0, 0.5, 1])
        ax.set_title(title, fontsize=10.5, loc="left")
        ax.spines[["top", "right"]].set_visible(False)


def main(output: Path) -> None:
    """Write structural.png beside this file."""
    (mask_path,) = output.glob("group_space-*_desc-structural_mask.nii.gz")
    (mean_path,) = output.glob("group_space-*_stat-mean_desc-structural_map.nii.gz")
    slicer = Slicer(space_of(mask_path, mean_path))
    mask = nib.load(mask_path).get_fdata() > 0
    fits = read(output, "fits")
    setting = str(fits["setting"].iloc[0])

    figure = plt.figure(figsize=(14, 4.9), layout="constrained")
    figure.get_layout_engine().set(hspace=0.01, h_pad=0.02)
    left, middle, right = figure.subfigures(1, 3, width_ratios=[4.6, 4.6, 3.4], wspace=0.03)
    shown = {f: image(output, f"desc-{label(f)}examples", mask) for f in (setting, COLLAPSED)}
    draw_reconstructions(left, slicer, shown)
    draw_effects(middle, slicer, image(output, f"stat-effect_desc-{label(setting)}", mask), followed(output))
    draw_bars(right.subplots(2, 1), fits, read(output, "regression"))
    n = len(read(output, "split")["person"].unique())
    figure.suptitle(f"Simulated data, {n} persons with planted atrophy", x=0.01, ha="left", fontsize=9.5, color="0.35")
    path = Path(__file__).with_name("structural.png")
    figure.savefig(path, dpi=100)
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=192).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
