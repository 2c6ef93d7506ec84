"""Brain slices of many volumes in one picture: rows and columns of axial slices, coloured and put together as pixels.

A page of structural models shows far more maps than a page of a subject, so that slices are cut from the arrays
themselves instead of being drawn one by one. Left is left; anterior is up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import matplotlib
import nibabel as nib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pydra_vae.images.volumes import unmask
from pydra_vae.reports.brains import PALE, Space
from pydra_vae.reports.drawing import WIDTH, style, webp

N_SLICES = 7
PIXELS = 150  # width of a slice
QUALITY = 75  # of the WebP: a quarter less than at 85, and the same to the eye
LABELS, BARS, TOP, GAP = 1.15, 0.9, 0.3, 0.05  # inches left, right, above, between rows
SEEN, OPAQUE = 0.1, 0.5  # shares of the limit at which a change is first seen, and hides the brain behind it
TALL, WIDE, PAGE = 2.0, 1.75, 9.0  # inches that a slice, a column and a picture may take at most


@dataclass(frozen=True)
class Scale:
    """A colour scale.

    Attributes
    ----------
    limits : (low, high)
    colours : str
        Name of a colormap.
    label : str
        Of the bar.
    over : bool
        Whether values are shown over the background, the fainter the nearer to 0.
    """

    limits: tuple[float, float]
    colours: str = "gray"
    label: str = ""
    over: bool = False


@dataclass(frozen=True)
class Line:
    """One row of a picture: its cells (height, width, 3) or None, a name and a scale."""

    cells: Sequence[np.ndarray | None]
    label: str
    scale: Scale | None = None


class Slicer:
    """Cuts axial slices of maps in one space.

    Parameters
    ----------
    space : Space
        Mask, affine and background.
    """

    def __init__(self, space: Space):
        self.space = space
        where = nib.as_closest_canonical(nib.Nifti1Image(space.mask.astype(np.uint8), space.affine))
        self.affine, self.inside = where.affine, np.asarray(where.dataobj) > 0
        self.height = cache(self._height)
        self.behind = cache(self._behind)
        self.within = cache(self._within)

    @property
    def cuts(self) -> list[int]:
        """Slices, evenly spaced where the mask has most of its voxels."""
        z = np.nonzero(self.inside)[2]
        low, high = np.quantile(z, [0.06, 0.95])
        return sorted({round(c) for c in np.linspace(low, high, N_SLICES)})

    @property
    def middle(self) -> int:
        """The slice of the ventricles: a little above the middle of the cuts."""
        return self.cuts[len(self.cuts) // 2]

    def _height(self, cut: int) -> str:
        i, j, _ = (np.array(self.inside.shape) - 1) / 2
        z = nib.affines.apply_affine(self.affine, [i, j, cut])[2]
        return f"z = {'−' if z < -0.5 else ''}{abs(z):.0f}"

    def most(self, values: np.ndarray) -> int:
        """The cut at which a map is largest."""
        volume = np.abs(self._volume(values))
        return max(self.cuts, key=lambda cut: float(volume[:, :, cut].sum()))

    def cut(self, values: np.ndarray, at: int, scale: Scale) -> np.ndarray:
        """A coloured slice of a (K,) map; (height, width, 3) in 0 to 1."""
        return self._coloured(self._volume(values), at, scale)

    def _coloured(self, volume: np.ndarray, at: int, scale: Scale) -> np.ndarray:
        shown, inside = self._pixels(volume[:, :, at]), self.within(at)
        rgb = matplotlib.colormaps[scale.colours](Normalize(*scale.limits)(shown))[..., :3]
        if not scale.over:
            return np.where(inside[..., None], rgb, 0.0)
        size = np.abs(shown) / max(np.abs(scale.limits).max(), 1e-12)
        strength = np.clip((size - SEEN) / (OPAQUE - SEEN), 0, 1)
        alpha = np.where(inside, strength, 0)[..., None]
        return alpha * rgb + (1 - alpha) * self.behind(at)

    def row(self, values: np.ndarray, label: str, scale: Scale, cuts: Sequence[int] | None = None) -> Line:
        """One map at several slices."""
        volume = self._volume(values)
        return Line([self._coloured(volume, at, scale) for at in cuts or self.cuts], label, scale)

    def titles(self, cuts: Sequence[int] | None = None) -> list[str]:
        """Names of slices."""
        return [self.height(at) for at in cuts or self.cuts]

    def _volume(self, values: np.ndarray) -> np.ndarray:
        volume = unmask(np.nan_to_num(np.asarray(values, dtype=np.float32)), self.space.mask)
        return np.asarray(nib.as_closest_canonical(nib.Nifti1Image(volume, self.space.affine)).dataobj)

    def _pixels(self, plane: np.ndarray, order: int = 1) -> np.ndarray:
        """A plane as it is shown: anterior up, as many pixels wide as a cell, true to its voxels' shape."""
        from scipy.ndimage import zoom

        size = np.linalg.norm(self.affine[:3, :2], axis=0)
        factor = max(PIXELS / (plane.shape[0] * size[0]), 1 / size.min() / 2)
        return zoom(plane.astype(np.float32).T[::-1], factor * size[::-1], order=order, mode="nearest", grid_mode=True)

    def _within(self, at: int) -> np.ndarray:
        """Which pixels of a slice are in the mask."""
        return self._pixels(self.inside[:, :, at], 0) > 0.5

    def _behind(self, at: int) -> np.ndarray:
        """The background at a slice, dimmed."""
        if self.background is None:
            return np.repeat(0.25 * self.within(at)[..., None], 3, axis=2)
        return np.repeat(0.75 * np.clip(self._pixels(self.background[:, :, at]), 0, 1)[..., None], 3, axis=2)

    @cached_property
    def background(self) -> np.ndarray | None:
        """(I, J, K) the background on the mask's grid, from 0 to about 1."""
        from nilearn.image import resample_img

        if self.space.background is None:
            return None
        image = resample_img(
            self.space.background, self.affine, self.inside.shape, "linear", force_resample=True, copy_header=True
        )
        values = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32))
        return values / (float(np.quantile(values, 0.995)) or 1.0)


def picture(lines: Sequence[Line], titles: Sequence[str], description: str) -> str:
    """A picture in the page's letters; see `_picture`."""
    with style("structural-slices"):
        return _picture(lines, titles, description)


def _picture(lines: Sequence[Line], titles: Sequence[str], description: str) -> str:
    """Rows of slices under titles, with a bar for each scale; an ``<img>``, or "" without rows.

    Parameters
    ----------
    lines : sequence of Line
        Of the same number of cells.
    titles : sequence of str
        Of the columns.
    description : str
        What a screen reader says.
    """
    lines = [line for line in lines if any(cell is not None for cell in line.cells)]
    if not lines:
        return ""
    columns = max(len(line.cells) for line in lines)
    shape = next(cell for cell in lines[0].cells if cell is not None).shape
    ratio = shape[0] / shape[1]
    panel = min((WIDTH - LABELS - BARS) / max(columns, 3), TALL / ratio, PAGE / len(lines) / ratio, WIDE)
    tall, top = panel * ratio, TOP + (0.16 if any("\n" in title for title in titles) else 0)
    total = top + len(lines) * (tall + GAP)
    wide = LABELS + panel * columns + BARS
    figure = Figure(figsize=(wide, total), facecolor="black")
    for i, line in enumerate(lines):
        bottom = (total - top - (i + 1) * (tall + GAP) + GAP) / total
        filled = [np.zeros(shape) if cell is None else cell for cell in line.cells]
        axes = figure.add_axes((LABELS / wide, bottom, panel * len(filled) / wide, tall / total))
        axes.imshow(np.concatenate(filled, axis=1), aspect="auto", interpolation="antialiased")
        axes.axis("off")
        figure.text(0.1 / wide, bottom + tall / 2 / total, line.label, color=PALE, fontsize=10, va="center")
    for j, title in enumerate(titles):
        place = ((LABELS + (j + 0.5) * panel) / wide, 1 - 0.07 / total)
        figure.text(*place, title, color=PALE, fontsize=9.5, ha="center", va="top", linespacing=1.1)
    _bars(figure, lines, (tall + GAP, total - top, total), (LABELS + panel * columns) / wide)
    # a narrow picture is not blown up to the page's width
    return webp(figure, description, QUALITY).replace(
        "<img ", f'<img style="max-width:{round(wide / WIDTH * 100)}%" ', 1
    )


def _bars(figure, lines: Sequence[Line], heights: tuple[float, float, float], left: float) -> None:
    """A bar for each run of rows with the same scale, right of a share of the width."""
    step, top, total = heights
    first = 0
    while first < len(lines):
        scale, last = lines[first].scale, first
        while last + 1 < len(lines) and lines[last + 1].scale == scale:
            last += 1
        if scale is not None:
            span = (last - first + 1) * step - GAP
            tall = min(0.72 * span, 1.5)
            middle = top - first * step - span / 2
            wide = figure.get_figwidth()
            _bar(figure, scale, (left + 0.16 / wide, (middle - tall / 2) / total, 0.11 / wide, tall / total))
        first = last + 1


def _bar(figure, scale: Scale, place) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_axes(place)
    bar = figure.colorbar(ScalarMappable(Normalize(*scale.limits), scale.colours), cax=axes)
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(2, symmetric=scale.over)
    bar.update_ticks()
    axes.tick_params(colors=PALE, labelsize=9, length=2)
    axes.set_title(scale.label, color=PALE, fontsize=9, loc="left", pad=5)
    axes.grid(False)
