"""Make the README's figure from the demo's output: ``python docs/figures/make_figure.py finn-demo/output``.

The brain panels are those of sub-01's report; the bars are its table of metrics.
"""

import base64
import io
import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

MODELS = {"input": "input", "pca-9 = ica-9": "PCA-9 = ICA-9", "cvae": "CVAE-9", "pca-16": "PCA-16"}


def panels(report: Path) -> list[Image.Image]:
    """The raster figures of a report, in the order of the page."""
    found = re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", report.read_text(encoding="utf-8"))
    return [Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB") for data in found]


def main(output: Path) -> None:
    """Write finn.png beside this file."""
    volumes, _, latents, *_ = panels(output / "sub-01.html")
    table = pd.read_csv(next(output.glob("sub-01/**/*_desc-cvae_metrics.tsv")), sep="\t").set_index("model")
    figure, axes = plt.subplot_mosaic("LLR\nLLB", figsize=(12, 4.9), width_ratios=[1, 1, 1.15], layout="constrained")
    four_rows = latents.crop((0, 0, int(latents.width * 0.9), int(latents.height * 0.455)))
    for name, image, title in (
        ("L", four_rows, "Latent maps of one subject (four of nine)"),
        ("R", volumes, "One volume: input, reconstruction, difference"),
    ):
        axes[name].imshow(image)
        axes[name].set_title(title, loc="left", fontsize=11)
        axes[name].axis("off")
    r = table["r_clean_mean"].reindex(MODELS)
    bars = axes["B"].barh(list(MODELS.values()), r, color=["0.7", "0.7", "#1f77b4", "0.7"])
    axes["B"].bar_label(bars, fmt="%.2f", padding=3)
    axes["B"].invert_yaxis()
    axes["B"].set(xlim=(0, 1.08), xlabel="r with the planted clean signal (simulated data)")
    axes["B"].spines[["top", "right"]].set_visible(False)
    path = Path(__file__).with_name("finn.png")
    figure.savefig(path, dpi=100)
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
