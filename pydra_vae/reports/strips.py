"""Strips: one row of dots a quantity, one dot a subject, with the mean as a bar; and matrices as heat maps.

A group report compares the same few representations over and over, so that all its figures share their look: a row
has the colour of its representation, controls stand below, chance and null ranges are grey.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.patches import Rectangle

from pydra_vae.reports import drawing

JITTER = 0.26  # of a row's height, on each side
MANY = 40  # values of a row, above which dots become faint


@dataclass(frozen=True)
class Strip:
    """One row.

    Attributes
    ----------
    name : str
        Label of the row.
    values : sequence of float
        One a subject (or pair); those that are not finite are left out.
    colour : str
    interval : (low, high) or None
        A null's range, drawn as a grey bar instead of dots where there are no values.
    hollow : bool
        Dots without filling, for controls that are made of the row above.
    observed : float or None
        What a null is held against, as a diamond.
    """

    name: str
    values: Sequence[float]
    colour: str = drawing.INPUT
    interval: tuple[float, float] | None = None
    hollow: bool = False
    observed: float | None = None


def draw_strips(axes, strips: Sequence[Strip], bar: bool = True) -> None:
    """Draw rows from top to bottom.

    Parameters
    ----------
    axes : Axes
    strips : sequence of Strip
    bar : bool
        Whether a row of more than one value has its mean as a bar.
    """
    for y, strip in enumerate(strips):
        if strip.interval is not None:
            _draw_interval(axes, y, strip)
        values = np.asarray(strip.values, dtype=float)
        values = np.sort(values[np.isfinite(values)])
        if values.size:
            _draw_dots(axes, y, values, strip)
        if strip.observed is not None:
            axes.plot(strip.observed, y, "D", ms=6, color=strip.colour, mec=drawing.INK, mew=0.6)
        if bar and values.size > 1:
            axes.plot([values.mean()] * 2, [y - 0.36, y + 0.36], color=drawing.INK, lw=2)
    axes.set_yticks(range(len(strips)), [strip.name for strip in strips])
    axes.set_ylim(len(strips) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def _draw_dots(axes, y, values, strip) -> None:
    n = values.size
    # a fixed jitter that keeps neighbours apart; a single dot lies on the line
    apart = JITTER * np.sin(np.arange(n) * 2.4) if n > 2 else np.zeros(n)
    look = {"ms": 4.2 if n > MANY else 6, "mew": 0.5, "mec": drawing.INK, "color": strip.colour}
    if n > MANY:
        look |= {"mew": 0, "alpha": 0.55}
    if strip.hollow:
        look |= {"mfc": "none", "mec": strip.colour, "mew": 1.3}
    axes.plot(values, y + apart, "o", **look)


def _draw_interval(axes, y, strip) -> None:
    low, high = strip.interval
    axes.plot([low, high], [y, y], color=drawing.INPUT, lw=7, alpha=0.55, solid_capstyle="butt")
    axes.plot([(low + high) / 2] * 2, [y - 0.25, y + 0.25], color=drawing.INPUT, lw=1.6)


def mark(axes, value: float, style=(0, (4, 2)), label: str = "") -> None:
    """A vertical line at a value that matters, such as chance."""
    axes.axvline(value, color=drawing.INK, lw=1.1, ls=style, zorder=0.5, label=label or None)


def draw_matrix(
    axes,
    values: np.ndarray,
    colours: Colormap,
    norm: Normalize,
    labels: tuple[Sequence[str], Sequence[str]],
    texts: np.ndarray | None = None,
    empty: bool = True,
):
    """A heat map with cells that may be empty; returns the image, for its colour bar.

    Parameters
    ----------
    axes : Axes
    values : (n, m) array
        NaN: an empty cell.
    colours, norm
        Colour scale.
    labels : (rows, columns)
        Names of rows and columns.
    texts : (n, m) array of str, optional
        Written into the cells.
    empty : bool
        Whether empty cells have an outline.
    """
    shown = axes.imshow(np.ma.masked_invalid(values), cmap=colours, norm=norm, interpolation="none", aspect="equal")
    rows, columns = labels
    size = 10 if max(len(rows), len(columns)) <= 14 else 7.5
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    axes.set_xticks(range(len(columns)), columns, fontsize=size, rotation=90 if len(columns) > 4 else 0)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i, j in np.argwhere(~np.isfinite(values)) if empty else ():
        edge = {"fill": False, "ec": drawing.GRID, "lw": 0.8}
        axes.add_patch(Rectangle((j - 0.45, i - 0.45), 0.9, 0.9, **edge))
    if texts is not None:
        for (i, j), text in np.ndenumerate(texts):
            if not text:  # hundreds of them in a matrix of many subjects
                continue
            inside = np.isfinite(values[i, j])
            colour = _readable(colours(norm(values[i, j]))) if inside else drawing.INK
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=9.5 if len(rows) <= 6 else 8)
    return shown


def _readable(colour) -> str:
    """Black or white, whichever can be read on a colour."""
    red, green, blue = to_rgb(colour)
    return "#111111" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#fafafa"


def colour_bar(figure, shown, axes, label: str, ticks=None) -> None:
    """A thin colour bar beside axes."""
    bar = figure.colorbar(shown, ax=axes, shrink=0.75, aspect=22, pad=0.02, ticks=ticks)
    bar.outline.set_visible(False)
    bar.set_label(label)
    if ticks is not None:
        bar.ax.set_yticklabels([f"{tick:.2g}" for tick in ticks])
        bar.ax.minorticks_off()


def short_labels(labels: Sequence[str]) -> list[str]:
    """Labels without the prefix that all of them have, where there are many.

    Examples
    --------
    >>> short_labels(["sub-01", "sub-02"])
    ['sub-01', 'sub-02']
    >>> short_labels([f"sub-{i:02d}" for i in range(9)])[:2]
    ['00', '01']
    """
    long = len(labels) > 6 and all(label.startswith("sub-") for label in labels)
    return [label.removeprefix("sub-") if long else label for label in labels]
