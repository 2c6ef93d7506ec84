"""Maps on brain slices: every map of a report at the same slices, on the same background.

Axial slices are spaced evenly over the mask; of vertices (`surface_rows`) both hemispheres are drawn. Images are
cropped to the mask with a margin, so that the brain fills its panel. Rows that share a colour scale share its bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import nibabel as nib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pydra_vae.images.volumes import unmask
from pydra_vae.reports.drawing import WIDTH, webp

N_SLICES = 7
MARGIN_MM = 8.0
PALE = "#e8e8e8"
LABELS, BARS, TOP = 1.02, 0.95, 0.34  # inches left, right and above
TITLE = 0.3  # inches of a column's title
GAP = 0.05  # inches between rows
VISIBLE = 2e-6  # nilearn hides what is nearer to 0 than 1e-6


@dataclass(frozen=True)
class Space:
    """Where voxels lie and what is behind them.

    Attributes
    ----------
    mask : (I, J, K) bool array
        Voxels that have a value.
    affine : (4, 4) array
    background : Nifti1Image or None
        Cropped to the mask.
    """

    mask: np.ndarray
    affine: np.ndarray
    background: nib.Nifti1Image | None = None
    cuts: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, mask: np.ndarray, affine: np.ndarray, background: nib.Nifti1Image | None = None) -> "Space":
        """Crop everything to the mask and choose the slices."""
        box = _box(mask, 1)
        shifted = affine.copy()
        shifted[:3, 3] = affine[:3, :3] @ [s.start for s in box] + affine[:3, 3]
        if background is not None:
            background = _crop(background, _millimetres(mask, affine))
        return cls(mask[box], shifted, background, cut_coords(mask, affine))

    def image(self, values: np.ndarray) -> nib.Nifti1Image:
        """A map of (K,) values."""
        values = np.asarray(values, dtype=np.float32)
        values = np.where(np.abs(values) < VISIBLE, VISIBLE, values)
        return nib.Nifti1Image(unmask(np.nan_to_num(values), self.mask), self.affine)

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height of an axial slice, in mm."""
        shown = nib.Nifti1Image(self.mask.astype(np.uint8), self.affine)
        boxes = [_bounds(image) for image in (shown, self.background) if image is not None]
        low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
        return float(high[0] - low[0]), float(high[1] - low[1])

    @property
    def ratio(self) -> float:
        """Height of a slice over its width."""
        width, height = self.extent
        return height / width


@dataclass(frozen=True)
class Row:
    """One map: its values, its name and its colour scale."""

    values: np.ndarray
    label: str
    limits: tuple[float, float]
    colours: str = "viridis"
    bar: str = ""


def slices(rows: Sequence[Row], space: Space, description: str) -> str:
    """Draw one row of slices a map; an ``<img>`` element."""
    panel = (WIDTH - LABELS - BARS) / max(len(space.cuts), 3)  # few slices do not become huge
    figure, bottoms, total = _canvas(len(rows), panel, space)
    _draw_maps(figure, rows, bottoms, space, space.cuts, (LABELS, panel, total))
    _name_slices(figure, space.cuts, (LABELS, panel, total))
    _draw_bars(figure, rows, bottoms, panel * space.ratio, total)
    return webp(figure, description)


def side_by_side(columns: Mapping[str, Sequence[Row]], space: Space, n: int, description: str) -> str:
    """Draw maps in columns of the same number of rows, on n slices each; an ``<img>`` element.

    Parameters
    ----------
    columns : mapping
        Title of a column to its maps.
    space : Space
    n : int
        Slices of a map: every so many of the space's.
    description : str
        What a screen reader says.
    """
    chosen = np.unique(np.linspace(0, len(space.cuts) - 1, n + 2).round().astype(int)[1:-1] if n < len(space.cuts) else
                       np.arange(len(space.cuts)))  # fmt: skip
    if isinstance(space.cuts[0], str):  # views of a surface: those from outside
        chosen = np.unique(np.linspace(0, len(space.cuts) - 1, min(n, len(space.cuts))).round().astype(int))
    cuts = [space.cuts[i] for i in chosen]
    panel = ((WIDTH - BARS) / len(columns) - LABELS) / max(len(cuts), 3)
    first = next(iter(columns.values()))
    figure, bottoms, total = _canvas(len(first), panel, space, TITLE)
    for i, (title, rows) in enumerate(columns.items()):
        left = LABELS + i * (WIDTH - BARS) / len(columns)
        _draw_maps(figure, rows, bottoms, space, cuts, (left, panel, total))
        _name_slices(figure, cuts, (left, panel, total), TITLE)
        figure.text(left / WIDTH, 1 - 0.16 / total, title, color=PALE, fontsize=11, va="center", fontweight="bold")
    _draw_bars(figure, first, bottoms, panel * space.ratio, total)
    return webp(figure, description)


def _canvas(n_rows: int, panel: float, space: Space, title: float = 0) -> tuple[Figure, list[float], float]:
    """A black figure, the bottom of each row, and the height; in inches."""
    tall = panel * space.ratio
    total = title + TOP + n_rows * (tall + GAP)
    bottoms = [total - title - TOP - (i + 1) * (tall + GAP) + GAP for i in range(n_rows)]
    return Figure(figsize=(WIDTH, total), facecolor="black"), bottoms, total


def _draw_maps(figure, rows, bottoms, space, cuts, place) -> None:
    left, panel, total = place
    tall = panel * space.ratio
    for row, bottom in zip(rows, bottoms, strict=True):
        x = (left - LABELS + 0.12) / WIDTH
        figure.text(x, (bottom + tall / 2) / total, row.label, color=PALE, fontsize=10.5, va="center")
        if hasattr(space, "paint"):
            for i, view in enumerate(cuts):
                box = ((left + i * panel) / WIDTH, bottom / total, panel / WIDTH, tall / total)
                axes = figure.add_axes(box)
                axes.imshow(space.paint(row, view))
                axes.set_axis_off()
            continue
        from nilearn.plotting import plot_stat_map  # slow to load

        plot_stat_map(
            space.image(row.values),
            bg_img=space.background,
            figure=figure,
            axes=(left / WIDTH, bottom / total, panel * len(cuts) / WIDTH, tall / total),
            display_mode="z",
            cut_coords=cuts,
            cmap=row.colours,
            vmin=row.limits[0],
            vmax=row.limits[1],
            colorbar=False,
            annotate=False,
            draw_cross=False,
            black_bg=True,
            dim=1.6,
            resampling_interpolation="nearest",
            symmetric_cbar=False,
        )


def _draw_bars(figure, rows, bottoms, tall, total) -> None:
    """One colour bar for rows that follow each other and share their scale."""
    for (limits, colours, bar), group in groupby(
        zip(rows, bottoms, strict=True), key=lambda pair: (pair[0].limits, pair[0].colours, pair[0].bar)
    ):
        low = [bottom for _, bottom in group]
        _draw_bar(figure, limits, colours, bar, (min(low), max(low) + tall), total)


def cut_coords(mask: np.ndarray, affine: np.ndarray, n: int = N_SLICES) -> list[float]:
    """Heights of axial slices, in mm: evenly spaced where the mask has most of its voxels, in slice centres."""
    heights = np.round(_millimetres(mask, affine)[:, 2], 2)
    centres = np.unique(heights)
    if len(centres) <= n:
        return [float(z) for z in centres]
    wanted = np.linspace(*np.quantile(heights, [0.06, 0.95]), n)
    return [float(centres[np.abs(centres - z).argmin()]) for z in wanted]


def robust_limit(*values: np.ndarray, quantile: float = 0.98) -> float:
    """A symmetric limit that this share of the absolute values stays below; never 0."""
    joined = np.concatenate([np.abs(v[np.isfinite(v)]).ravel() for v in map(np.asarray, values)])
    return float(np.quantile(joined, quantile)) or 1.0 if joined.size else 1.0


def robust_range(*values: np.ndarray, quantile: float = 0.98) -> tuple[float, float]:
    """Limits that leave out the same share of values below and above."""
    joined = np.concatenate([v[np.isfinite(v)].ravel() for v in map(np.asarray, values)])
    if not joined.size:
        return 0.0, 1.0
    low, high = (float(q) for q in np.quantile(joined, [1 - quantile, quantile]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _name_slices(figure, cuts, place, title: float = 0) -> None:
    left, panel, total = place
    y = 1 - (title + 0.2) / total
    for i, z in enumerate(cuts):
        text = z if isinstance(z, str) else f"z = {'−' if z < -0.5 else ''}{abs(z):.0f}"
        figure.text((left + (i + 0.5) * panel) / WIDTH, y, text, color=PALE, fontsize=9.5, ha="center", va="center")
    if cuts and isinstance(cuts[0], str):
        return
    for x, side in ((0.06, "L"), (0.94, "R")):
        figure.text((left + x * panel) / WIDTH, y, side, color="#9a9a9a", fontsize=9.5, ha="center", va="center")


def _draw_bar(figure, limits, colours, label, span, total) -> None:
    tall = min((span[1] - span[0]) * 0.84, 1.6)
    middle = sum(span) / 2
    axes = figure.add_axes(((WIDTH - BARS + 0.14) / WIDTH, (middle - tall / 2) / total, 0.11 / WIDTH, tall / total))
    bar = figure.colorbar(ScalarMappable(Normalize(*limits), colours), cax=axes)
    bar.outline.set_visible(False)
    bar.locator = _ticks(limits)
    bar.update_ticks()
    axes.tick_params(colors=PALE, labelsize=9, length=2)
    axes.set_title(label, color=PALE, fontsize=9, loc="center", pad=5)
    axes.grid(False)


def _ticks(limits):
    from matplotlib.ticker import FixedLocator, MaxNLocator

    if np.isclose(limits[0], -limits[1]):
        inside = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(0, limits[1])
        step = max(t for t in inside if t <= limits[1])
        return FixedLocator([-step, 0, step])
    return MaxNLocator(3)


def _millimetres(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return nib.affines.apply_affine(affine, np.argwhere(mask))


def _box(inside: np.ndarray, margin: int) -> tuple[slice, ...]:
    """The smallest box around the true voxels, with a margin in voxels."""
    where = np.argwhere(inside)
    low = np.maximum(where.min(axis=0) - margin, 0)
    high = np.minimum(where.max(axis=0) + 1 + margin, inside.shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _crop(image: nib.Nifti1Image, points: np.ndarray) -> nib.Nifti1Image:
    """Cut an image to a box of points in mm, with a margin; as it is where they do not overlap."""
    low, high = points.min(axis=0) - MARGIN_MM, points.max(axis=0) + MARGIN_MM
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    voxels = nib.affines.apply_affine(np.linalg.inv(image.affine), corners)
    first = np.clip(np.floor(voxels.min(axis=0)).astype(int), 0, np.array(image.shape) - 1)
    last = np.clip(np.ceil(voxels.max(axis=0)).astype(int) + 1, 1, image.shape)
    if (last - first < 2).any():
        return image
    return image.slicer[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]


def _bounds(image: nib.Nifti1Image) -> tuple[np.ndarray, np.ndarray]:
    edges = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in image.shape])).reshape(3, -1).T
    points = nib.affines.apply_affine(image.affine, edges)
    return points.min(axis=0), points.max(axis=0)
