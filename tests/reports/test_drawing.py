"""Figures: left is left, slices lie in voxels, the same picture gives the same bytes."""

import base64
import io
import re

import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure

from pydra_vae.reports import drawing
from pydra_vae.reports.brains import Row, Space, cut_coords, robust_limit, robust_range, slices
from pydra_vae.reports.formats import fixed, listed, number, signed
from pydra_vae.reports.networks import network_colours


def pixels(element):
    from PIL import Image

    data = re.search(r'src="data:image/webp;base64,([^"]+)"', element)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def head():
    """A ball in a grid whose first axis runs from right to left, as radiological images have it."""
    affine = np.array([[-8.0, 0, 0, 56], [0, 8, 0, -56], [0, 0, 8, -40], [0, 0, 0, 1]])
    shape = (15, 15, 11)
    millimetres = nib.affines.apply_affine(affine, np.argwhere(np.ones(shape)))
    mask = (np.linalg.norm(millimetres, axis=1) < 40).reshape(shape)
    return mask, affine, millimetres[mask.ravel()]


@pytest.mark.parametrize("with_background", [False, True])
def test_left_of_the_brain_is_left_in_the_picture(head, with_background):
    mask, affine, millimetres = head
    background = nib.Nifti1Image(np.full(mask.shape, 100, np.float32), affine) if with_background else None
    space = Space.of(mask, affine, background)
    left = np.where(millimetres[:, 0] < -6, 1.0, 0.0)
    image = pixels(slices([Row(left, "left", (-1, 1), "RdBu_r", "")], space, "left"))
    red = (image[..., 0] > 80) & (image[..., 1] < 50) & (image[..., 2] < 70)
    middle = image.shape[0] // 2 + 12
    columns = np.flatnonzero(red[middle])
    panel = (drawing.WIDTH - 1.02 - 0.95) / len(space.cuts) * drawing.DPI
    within = ((columns - 1.02 * drawing.DPI) / panel) % 1
    within = within[columns < 1.02 * drawing.DPI + panel * len(space.cuts)]
    assert len(within) > 20 and np.quantile(within, 0.95) < 0.5


def test_cuts_lie_in_slice_centres(head):
    mask, affine, millimetres = head
    cuts = cut_coords(mask, affine, 5)
    assert len(cuts) == 5 and cuts == sorted(cuts)
    assert set(cuts) <= set(millimetres[:, 2])
    single = np.zeros_like(mask)
    single[:, :, 4] = mask[:, :, 4]
    assert cut_coords(single, affine) == [-8.0]


def test_single_slice_is_drawn(head):
    mask, affine, _ = head
    single = np.zeros_like(mask)
    single[:, :, 4] = mask[:, :, 4]
    values = np.linspace(-1, 1, int(single.sum()))
    assert pixels(slices([Row(values, "x", (-1, 1), "RdBu_r")], Space.of(single, affine), "one")).max() > 150


def test_values_of_zero_are_drawn_inside_the_mask(head):
    mask, affine, _ = head
    space = Space.of(mask, affine)
    shown = np.asarray(space.image(np.zeros(mask.sum())).dataobj)
    assert np.count_nonzero(shown) == mask.sum()


def test_limits():
    assert robust_limit(np.array([np.nan, -3.0, 3.0])) == 3
    assert robust_limit(np.zeros(5)) == 1
    assert robust_range(np.ones(5)) == (0.5, 1.5)
    low, high = robust_range(np.r_[np.arange(100.0), 1e9])
    assert (low, high) == pytest.approx((2, 98))


def test_svg_takes_the_colour_of_the_text_and_repeats():
    def draw():
        with drawing.style("x"):
            figure = Figure()
            figure.subplots().plot([0, 1], [0, 1], label="a")
            return drawing.svg(figure, "x", 'a "line"')

    first = draw()
    assert first == draw()
    assert "currentColor" in first and drawing.INK not in first
    assert "http" not in first and "<metadata" not in first and "date" not in first
    assert 'aria-label="a &quot;line&quot;"' in first


def test_a_small_svg_says_and_shows_the_same():
    with drawing.style("x"):
        figure = Figure()
        figure.subplots().plot(np.linspace(0, 1, 50), np.linspace(0, 1, 50), "o", label="0.123456")
        figure.axes[0].set_title("r = 0.123456")
        found = drawing.svg(figure, "x", "points")
    assert found.count("0.123456") == 1  # words keep their decimals
    points = re.findall(r'<use href="#(x-[0-9a-f]+)" x="([\d.]+)" y="([\d.]+)"/>', found)
    assert len(points) == 50 and {name for name, *_ in points} <= set(re.findall(r' id="([^"]+)"', found))
    x = np.array([float(x) for _, x, _ in points])
    np.testing.assert_allclose(np.diff(x), np.diff(x).mean(), atol=0.011)
    assert len(found) < 12_000


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.014873, "0.0149"), (139501, "139,501"), (-965.2, "−965"), (0.0, "0"), (3.2e-7, "3.2e−7"), (np.nan, "–")],
)
def test_number(value, text):
    assert number(value) == text


def test_other_formats():
    assert (signed(5.25), signed(-3.0), signed(0.01)) == ("+5.2", "−3.0", "0.0")
    assert fixed(-0.0001, 2) == "0.00"
    assert listed(["a"]) == "a" and listed([]) == "" and listed("abc") == "a, b and c"


def test_network_colours():
    assert network_colours(["VisCent", "LimbicA"])["VisCent"] == "#781286"
    planted = network_colours([f"Planted{i:02d}" for i in range(17)])
    assert len(set(planted.values())) == 17
