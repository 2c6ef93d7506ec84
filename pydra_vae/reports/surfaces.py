"""Pictures of both hemispheres: each view of a mesh is drawn once, as triangle numbers; every map is then a lookup.

A pixel knows the three vertices of the triangle that it shows and their weights, so that no renderer is needed, and
bare cortex is painted once, so that one more map costs what its own pixels cost. Background is transparent: a picture
suits a light and a dark page.
"""

import base64
import html
import io
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pydra_vae.reports.surface_meshes import Meshes, normals

FINE = 2  # pixels of the buffer for one of the picture, along each side: smooth edges
WHOLE = 12  # the buffer's sides are multiples of it, so that pictures of several sizes can be made of it
GAP = 3.0  # mm between views
# Of a camera: what is right, up and towards the viewer, as axes of scanner space (x right, y anterior, z superior)
CAMERAS = {
    ("L", "lateral"): ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
    ("L", "medial"): ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    ("R", "lateral"): ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    ("R", "medial"): ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
    ("LR", "dorsal"): ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}
# Columns of views from left to right; the dorsal view has anterior up, where the paper's has it to the right
LAYOUT = ((("L", "lateral"), ("L", "medial")), (("LR", "dorsal"),), (("R", "lateral"), ("R", "medial")))
BORDER = 0.3  # brightness of a line
# Colours from small to large values; nilearn's cold_hot, brighter, as they lie on grey
WARM = ((0.55, 0.08, 0.16), (0.84, 0.18, 0.12), (0.97, 0.55, 0.13), (1.0, 0.90, 0.35))
COOL = ((0.12, 0.20, 0.50), (0.13, 0.40, 0.77), (0.20, 0.66, 0.88), (0.66, 0.93, 0.95))
UNSEEN, OPAQUE = 0.04, 0.34  # shares of the limit at which a value begins to show, and hides the cortex


@dataclass(frozen=True)
class SurfaceView:
    """All views of a layout, ready to be coloured; p pixels of the buffer show cortex.

    Attributes
    ----------
    shape : (h, w)
        Of the buffer, `fine` times the picture along each side.
    inside : (p,) int array
        Places of these pixels in the flattened buffer.
    vertices, weights : (p, 3) arrays
        Corners of the triangle that a pixel shows, and their weights, which sum to 1.
    closest : (p,) int array
        The corner of the largest weight.
    light, plain : (p,) arrays
        Brightness by the angle towards the viewer, and of bare cortex.
    fine : int
        Pixels of the buffer for one of the picture, along each side; divides `WHOLE`.
    """

    shape: tuple[int, int]
    inside: np.ndarray
    vertices: np.ndarray
    weights: np.ndarray
    closest: np.ndarray
    light: np.ndarray
    plain: np.ndarray
    fine: int = FINE

    @classmethod
    def of(cls, meshes: Meshes, per_mm: float = 1.2, layout=LAYOUT) -> "SurfaceView":
        """Draw a layout's views, so many pixels of the picture a mm."""
        scale = per_mm * FINE
        columns = [[_buffer(meshes, camera, scale) for camera in column] for column in layout]
        gap = round(GAP * scale)
        widths = [max(view[0].shape[1] for view in column) for column in columns]
        heights = [sum(view[0].shape[0] for view in column) + gap * (len(column) - 1) for column in columns]
        height, width = (-(-size // WHOLE) * WHOLE for size in (max(heights), sum(widths) + gap * (len(columns) - 1)))
        corners = np.full((height, width, 3), -1, np.int32)
        weights = np.zeros((height, width, 3), np.float32)
        light = np.zeros((height, width), np.float32)
        left = 0
        for column, across, down in zip(columns, widths, heights, strict=True):
            top = (height - down) // 2
            for view in column:
                h, w = view[0].shape[:2]
                at = left + (across - w) // 2
                for target, part in zip((corners, weights, light), view, strict=True):
                    target[top : top + h, at : at + w] = part
                top += h + gap
            left += across + gap
        inside = np.flatnonzero(corners[..., 0].ravel() >= 0)
        corners, weights, light = corners.reshape(-1, 3)[inside], weights.reshape(-1, 3)[inside], light.ravel()[inside]
        closest = np.take_along_axis(corners, weights.argmax(axis=1)[:, None], axis=1)[:, 0]
        plain = light * (weights * meshes.grey[corners]).sum(axis=1)
        return cls((height, width), inside, corners, weights, closest, light, plain.astype(np.float32))

    def smaller(self, fine: int) -> "SurfaceView":
        """The same views for smaller pictures, of so many pixels of the buffer along each side."""
        return replace(self, fine=fine)

    def paint(self, colours: np.ndarray, lines: np.ndarray | None = None, nearest: bool = False) -> np.ndarray:
        """Colour the views.

        Parameters
        ----------
        colours : (n, 4) array
            Red, green, blue and opacity of each vertex of both meshes, in [0, 1].
        lines : (p,) bool array, optional
            Pixels of lines (`borders`).
        nearest : bool
            Whether a pixel takes the colour of its nearest vertex (labels) or a mean of three (values).

        Returns
        -------
        (h, w, 4) uint8 array
            Red, green, blue and opacity of the picture.
        """
        seen = colours[:, 3] > 0
        a, b, c = self.vertices.T
        shown = seen[self.closest] if nearest else seen[a] | seen[b] | seen[c]
        changed = shown if lines is None else shown | lines
        of_picture, bare = self._bare
        touched = np.zeros(bare[..., 0].size, bool)
        touched[of_picture[changed]] = True
        at = np.flatnonzero(touched[of_picture])
        rgb = np.repeat(self.plain[at, None], 3, axis=1)
        coloured = shown[at]
        colour, opacity = self._colours(np.asarray(colours, np.float32), at[coloured], nearest)
        rgb[coloured] = opacity * colour * self.light[at[coloured], None] + (1 - opacity) * rgb[coloured]
        if lines is not None:
            rgb[lines[at]] *= BORDER
        picture = bare.copy()
        places = np.flatnonzero(touched)
        picture.reshape(-1, 4)[places, :3] = _means(rgb, np.searchsorted(places, of_picture[at]), len(places))
        return picture

    @cached_property
    def _bare(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixel of the picture of each of the buffer's, and the picture of bare cortex."""
        height, width = (size // self.fine for size in self.shape)
        row, column = np.divmod(self.inside, self.shape[1])
        of_picture = (row // self.fine) * width + column // self.fine
        n = np.bincount(of_picture, minlength=height * width)
        picture = np.zeros((height * width, 4), np.uint8)
        picture[:, :3] = _means(self.plain[:, None], of_picture, height * width)
        picture[:, 3] = (n / self.fine**2 * 255).round()
        return of_picture, picture.reshape(height, width, 4)

    def _colours(self, colours: np.ndarray, at: np.ndarray, nearest: bool) -> tuple[np.ndarray, np.ndarray]:
        """Colour and opacity of some pixels; in a mean, colours weigh as much as they can be seen."""
        if nearest:
            return colours[self.closest[at], :3], colours[self.closest[at], 3:]
        corners = self.vertices[at]
        weights = self.weights[at] * colours[corners, 3]
        opacity = weights.sum(axis=1, keepdims=True)
        return np.einsum("pk,pkc->pc", weights, colours[corners, :3]) / np.maximum(opacity, 1e-6), opacity

    def borders(self, areas: np.ndarray) -> np.ndarray:
        """(p,) bool array: pixels beside one of another label; `areas` (n,) are the labels of the vertices, from 0."""
        image = np.full(self.shape[0] * self.shape[1], -1, dtype=np.int64)
        image[self.inside] = areas[self.closest]
        image = image.reshape(self.shape)
        found = np.zeros(self.shape, bool)
        for here, there in (
            (np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:]),
        ):  # fmt: skip
            changed = (image[here] != image[there]) & (image[here] >= 0) & (image[there] >= 0)
            found[here] |= changed
            found[there] |= changed
        return found.ravel()[self.inside]


def _buffer(meshes: Meshes, camera: tuple[str, str], scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, weights and light of one view's pixels, cut to what is seen."""
    from PIL import Image, ImageDraw

    right, up, towards = (np.array(axis, dtype=float) for axis in CAMERAS[camera])
    of_left = (meshes.triangles < meshes.n_left).all(axis=1)
    seen = {"L": of_left, "R": ~of_left, "LR": np.ones(len(of_left), bool)}[camera[0]]
    triangles = meshes.triangles[seen]
    c = meshes.coordinates
    facing = normals(c, meshes.triangles) @ towards
    x, y, depth = c @ right * scale, -(c @ up) * scale, c @ towards
    used = np.unique(triangles)
    x, y = x - x[used].min() + 1, y - y[used].min() + 1
    size = (int(x[used].max()) + 2, int(y[used].max()) + 2)
    corners = np.stack([x[triangles], y[triangles]], axis=-1)
    a, b, d = corners[:, 0], corners[:, 1], corners[:, 2]
    # seen from outside, triangles turn one way; y grows downwards
    area = (b[:, 0] - a[:, 0]) * (d[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (d[:, 0] - a[:, 0])
    front = np.flatnonzero(area < 0)
    order = front[np.argsort(depth[triangles[front]].mean(axis=1), kind="stable")]
    image = Image.new("I", size, -1)
    draw = ImageDraw.Draw(image)
    flat = corners.reshape(len(corners), 6)
    for i in order.tolist():
        draw.polygon(flat[i].tolist(), fill=i)
    ids = np.asarray(image)
    inside = ids >= 0
    vertices = np.full((*ids.shape, 3), -1, np.int32)
    vertices[inside] = triangles[ids[inside]]
    weights = np.zeros(vertices.shape, np.float32)
    weights[inside] = _barycentric(corners[ids[inside]], np.argwhere(inside)[:, ::-1])
    light = np.zeros(ids.shape, np.float32)
    lit = 0.58 + 0.42 * np.clip(facing, 0, 1) ** 0.8
    light[inside] = (weights[inside] * lit[vertices[inside]]).sum(axis=1)
    return vertices, weights, light


def _barycentric(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(p, 3) weights of triangles' corners at points; those just beside an edge are put on it."""
    a, b, c = (corners[:, i] for i in range(3))
    u, v, w = b - a, c - a, points - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    second = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
    third = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / area
    weights = np.clip(np.stack([1 - second - third, second, third], axis=1), 0, None)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)


def _means(colours: np.ndarray, groups: np.ndarray, n: int) -> np.ndarray:
    """(n, c) uint8 array: means over groups of pixels of colours in [0, 1]; 0 of an empty group."""
    size = np.maximum(np.bincount(groups, minlength=n), 1)
    sums = np.stack([np.bincount(groups, channel, n) for channel in colours.T], axis=1)
    return (np.clip(sums / size[:, None], 0, 1) * 255).round().astype(np.uint8)


def scaled(values: np.ndarray, limit: float) -> np.ndarray:
    """Colours of a map: warm above 0, cool below, and the more transparent the nearer to 0.

    Parameters
    ----------
    values : (n,) array
        NaN: no value.
    limit : float
        Value of the brightest colour; larger ones have it as well.

    Returns
    -------
    (n, 4) array
        In [0, 1].
    """
    share = np.clip(np.nan_to_num(np.asarray(values, dtype=float)) / (limit or 1.0), -1, 1)
    size = np.abs(share)
    warm, cool = (
        np.stack([np.interp(size, np.linspace(0, 1, len(stops)), channel) for channel in zip(*stops, strict=True)], 1)
        for stops in (WARM, COOL)
    )
    opacity = np.where(np.isfinite(values), np.clip((size - UNSEEN) / (OPAQUE - UNSEEN), 0, 1), 0)
    return np.concatenate([np.where(share[:, None] >= 0, warm, cool), opacity[:, None]], axis=1)


def picture(pixels: np.ndarray, description: str, share: float = 1.0) -> str:
    """An ``<img>`` element of a painted view, as WebP with transparency.

    Parameters
    ----------
    pixels : (h, w, 4) uint8 array
    description : str
        What a screen reader says.
    share : float
        Displayed pixels for one of the picture: ½ for screens of high density.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, format="webp", quality=84, method=4, alpha_quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    height, width = (round(size * share) for size in pixels.shape[:2])
    return (
        f'<img alt="{html.escape(description, quote=True)}" width="{width}" height="{height}" '
        f'src="data:image/webp;base64,{data}">'
    )
