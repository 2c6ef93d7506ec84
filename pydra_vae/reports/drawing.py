"""How figures look and how they enter a page: inline SVG for curves, WebP for brain slices.

Curves take the colour of the page's text (`currentColor`), so that one file suits a light and a dark page.
Slices lie on black, as scanners show them. Both have reproducible bytes: the same data give the same file.
"""

import base64
import contextlib
import html
import io
import re
import zlib

import matplotlib
from matplotlib.figure import Figure

WIDTH = 10.0  # inches; the page shows it about 1,050 pixels wide
DPI = 130
INK = "#010203"  # stands for the colour of the page's text
MODEL_COLOURS = {
    "cvae": "#3488d0",
    "pca": "#e07b1a",
    "pca-larger": "#b59a1b",
    "shrinkage": "#9a6fb0",
    "voxel mean": "#8a8a8a",
}
INPUT, RESIDUAL, GRID = "#8a8a8a", "#c8553d", "#80808055"
# Of representations: the models' own where they are one of them
SPACE_COLOURS = {
    "cvae": MODEL_COLOURS["cvae"],
    "pca": MODEL_COLOURS["pca"],
    "pca-16": MODEL_COLOURS["pca-larger"],
    "ica": MODEL_COLOURS["shrinkage"],
    "diffusion": "#2f9e78",
    "smoothing": "#b5651d",
    "raw": INPUT,
}


def space_colour(name: str) -> str:
    """Colour of a representation, a model or a control by its name; grey for what has none.

    Examples
    --------
    >>> space_colour("cvae whitened") == space_colour("cvae"), space_colour("labels shuffled") == INPUT
    (True, True)
    """
    known = [key for key in SPACE_COLOURS if name == key or name.startswith((f"{key} ", f"{key},"))]
    return SPACE_COLOURS[known[0]] if known else INPUT


_STYLE = {
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "path.simplify": True,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "legend.labelcolor"), INK
    ),
}


@contextlib.contextmanager
def style(name: str = "figure"):
    """Settings of matplotlib for one figure; figures are made as `Figure`, so no backend is chosen."""
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        yield


def svg(figure: Figure, name: str, description: str) -> str:
    """An inline ``<svg>`` element.

    Parameters
    ----------
    figure : Figure
        Drawn within `style(name)`.
    name : str
        Prefix of the ids, so that two figures of a page do not share any.
    description : str
        What a screen reader says.
    """
    buffer = io.StringIO()
    with style(name):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(r' xmlns(?::xlink)?="[^"]*"', "", text)  # needless inside HTML
    text = text.replace("xlink:href=", "href=")
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
    # the digest tells figures apart that share a name
    short = {old: f"{name}-{zlib.crc32(old.encode()):x}" for old in re.findall(r' id="([^"]+)"', text)}
    text = re.sub(r'( id="|url\(#|href="#)([^")]+)', lambda found: found[1] + short.get(found[2], found[2]), text)
    text = compact(text.replace(INK, "currentColor"))
    label = html.escape(description, quote=True)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).strip()


def compact(text: str) -> str:
    """An SVG of less than half the size that looks the same: coordinates to a hundredth of a point, no needless words.

    Examples
    --------
    >>> compact('<g clip-path="url(#a)">\\n  <use x="105.838957" y="9.000"/>\\n</g>')
    '<g clip-path="url(#a)">\\n<use x="105.84" y="9"/>\\n</g>'
    """
    text = re.sub(r"^ +(?=<)", "", text, flags=re.MULTILINE)
    text = re.sub(r"font-family: [^;\"]*", "font-family: sans-serif", text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    # every point is in a group of its own, within the same rectangle as the one before
    text = re.sub(r'(<g clip-path="[^"]+">)((?:\n<use [^>]*/>\n</g>\n\1)+)', _one_group, text)
    text = re.sub(
        r'<g( clip-path="[^"]+")>((?:\n<use [^>]*( style="[^"]*")/>)(?:\n<use [^>]*\3/>)+)\n</g>', _one_style, text
    )
    return re.sub(r' (d|x|y|x1|x2|y1|y2|points)="([^"]*)"', _coordinates, text)


def _one_group(found: re.Match) -> str:
    return found[1] + found[2].replace(f"\n</g>\n{found[1]}", "")


def _one_style(found: re.Match) -> str:
    return f"<g{found[1]}{found[3]}>{found[2].replace(found[3], '')}\n</g>"


def _coordinates(found: re.Match) -> str:
    shorter = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), found[2])
    return f' {found[1]}="{shorter}"'


def webp(figure: Figure, description: str, quality: int = 85) -> str:
    """An ``<img>`` element that holds the figure as WebP of a quality up to 100."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="webp", dpi=DPI, pil_kwargs={"quality": quality, "method": 4})
    width, height = (round(size * DPI) for size in figure.get_size_inches())
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img alt="{html.escape(description, quote=True)}" width="{width}" height="{height}" '
        f'src="data:image/webp;base64,{data}">'
    )
