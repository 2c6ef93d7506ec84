"""Pictures of surfaces: what a pixel shows is what lies there."""

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.reports.surface_meshes import Meshes, normals
from pydra_vae.reports.surfaces import CAMERAS, LAYOUT, SurfaceView, picture, scaled

# An octahedron of 20 mm: one vertex at each end of each axis, faces turned outwards
CORNERS = 20.0 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
RIGHT, LEFT, FRONT, BACK, TOP, BOTTOM = range(6)
FACES = np.array([
    [RIGHT, FRONT, TOP], [FRONT, LEFT, TOP], [LEFT, BACK, TOP], [BACK, RIGHT, TOP],
    [FRONT, RIGHT, BOTTOM], [LEFT, FRONT, BOTTOM], [BACK, LEFT, BOTTOM], [RIGHT, BACK, BOTTOM],
])  # fmt: skip


def write_surface(path, coordinates, triangles=FACES):
    arrays = [
        nib.gifti.GiftiDataArray(np.asarray(coordinates, np.float32), "NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(np.asarray(triangles, np.int32), "NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(nib.gifti.GiftiImage(darrays=arrays), path)
    return path


@pytest.fixture
def pair(tmp_path):
    return [write_surface(tmp_path / f"{hemi}.surf.gii", CORNERS) for hemi in "LR"]


def colours_of(vertex: int, hemi: str, n: int = 6) -> np.ndarray:
    """Red at one vertex, elsewhere nothing."""
    made = np.zeros((2 * n, 4))
    made[vertex + (n if hemi == "R" else 0)] = (1, 0, 0, 1)
    return made


def red(pixels: np.ndarray) -> np.ndarray:
    """(h, w) bool array: pixels that are red."""
    return (pixels[..., 3] > 200) & (pixels[..., 0] > pixels[..., 1].astype(int) + 80)


def test_normals_point_outwards():
    assert np.allclose(normals(CORNERS, FACES), CORNERS / 20)


def test_hemispheres_lie_side_by_side(pair):
    meshes = Meshes.of(pair)
    assert meshes.n_left == 6 and meshes.coordinates[:6, 0].max() < 0 < meshes.coordinates[6:, 0].min()


@pytest.mark.parametrize("camera", CAMERAS, ids=" ".join)
def test_a_view_shows_the_vertex_towards_it_and_hides_the_one_behind(pair, camera):
    view = SurfaceView.of(Meshes.of(pair), 2, ((camera,),))
    towards = CORNERS @ np.array(CAMERAS[camera][2])
    hemi = camera[0][0]
    near, far = int(np.argmax(towards)), int(np.argmin(towards))
    assert red(view.paint(colours_of(near, hemi), nearest=True)).any()
    assert not red(view.paint(colours_of(far, hemi), nearest=True)).any()


def test_left_is_left_and_anterior_is_up_from_above(pair):
    view = SurfaceView.of(Meshes.of(pair), 2, ((("LR", "dorsal"),),))
    seen = {(hemi, v): np.argwhere(red(view.paint(colours_of(v, hemi), nearest=True))).mean(axis=0)
            for hemi, v in (("L", TOP), ("R", TOP), ("L", FRONT))}  # fmt: skip
    assert seen["L", TOP][1] < seen["R", TOP][1] and seen["L", FRONT][0] < seen["L", TOP][0]


def test_anterior_is_left_in_the_left_lateral_view_and_right_in_the_right_one(pair):
    for hemi, sign in (("L", -1), ("R", 1)):
        view = SurfaceView.of(Meshes.of(pair), 2, (((hemi, "lateral"),),))
        front, back = (
            np.argwhere(red(view.paint(colours_of(v, hemi), nearest=True))).mean(axis=0)[1] for v in (FRONT, BACK)
        )
        assert sign * (front - back) > 0


def test_weights_sum_to_one_and_belong_to_the_triangle(pair):
    view = SurfaceView.of(Meshes.of(pair), 1)
    assert np.allclose(view.weights.sum(axis=1), 1, atol=1e-5) and (view.weights >= 0).all()
    assert view.vertices.min() >= 0 and view.vertices.max() == 11
    triangles = {tuple(sorted(t)) for t in np.concatenate([FACES, FACES + 6])}
    assert {tuple(sorted(t)) for t in view.vertices.tolist()} <= triangles


def test_a_map_is_interpolated_and_what_has_no_value_is_grey(pair):
    meshes = Meshes.of(pair)
    view = SurfaceView.of(meshes, 2, ((("L", "lateral"),),))
    plain = view.paint(np.zeros((12, 4)))
    inside = plain[..., 3] == 255
    assert inside.any() and (plain[inside][:, 0] == plain[inside][:, 1]).all() and (plain[0, 0] == 0).all()
    height = np.where(np.arange(12) == LEFT, 1.0, 0.0)
    shown = view.paint(scaled(height, 1.0))
    reddest = shown[..., 0].astype(int) - shown[..., 2]
    centre = np.array(reddest.shape) // 2
    assert reddest[tuple(centre)] > 100 > reddest[centre[0], centre[1] // 6]


def test_borders_lie_between_labels(pair):
    view = SurfaceView.of(Meshes.of(pair), 2, ((("L", "lateral"),),))
    labels = np.where(np.arange(12) == LEFT, 1, 0)
    darker = view.paint(np.zeros((12, 4)), view.borders(labels))[..., 0] < 0.75 * view.paint(np.zeros((12, 4)))[..., 0]
    assert 0.01 < darker.mean() < 0.4
    alike = view.paint(np.zeros((12, 4)), view.borders(np.ones(12, int)))
    assert not (alike[..., 0] < view.paint(np.zeros((12, 4)))[..., 0]).any()


def test_colours_are_warm_above_zero_cool_below_and_clear_at_zero():
    warm, cool, zero, none = scaled(np.array([1.0, -1.0, 0.0, np.nan]), 1.0)
    assert warm[0] > warm[2] and cool[2] > cool[0] and warm[3] == cool[3] == 1 and zero[3] == none[3] == 0
    assert np.isfinite(scaled(np.zeros(3), 0.0)).all()


def test_gyri_are_brighter_than_sulci(tmp_path):
    n = 40
    x, y = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    sheet = np.stack([x, y, 4 * np.cos(x / 4)], axis=1).astype(float)
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, 1:].ravel()
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    folded = [write_surface(tmp_path / f"{h}.folded.gii", sheet, triangles) for h in "LR"]
    flat = [write_surface(tmp_path / f"{h}.flat.gii", sheet * [1, 1, 0], triangles) for h in "LR"]
    grey = Meshes.of(flat, folded).grey[: n * n].reshape(n, n)
    ridge, valley = round(8 * np.pi), round(4 * np.pi)  # cos is 1, −1
    assert grey[ridge, 20] > grey[valley, 20]


def test_other_meshes_are_refused(pair, tmp_path):
    other = write_surface(tmp_path / "other.gii", CORNERS[:4], np.array([[0, 1, 2], [1, 2, 3]]))
    with pytest.raises(ValueError, match=r"other\.gii has 4 vertices but .* has 6"):
        Meshes.of(pair, [other, other])
    with pytest.raises(ValueError, match="1 surfaces and 0 folded ones were given"):
        Meshes.of(pair[:1])


def test_a_picture_says_what_it_is(pair):
    view = SurfaceView.of(Meshes.of(pair), 1, LAYOUT)
    made = picture(view.paint(np.zeros((12, 4))), 'Maps of "TI-VAE"', 0.5)
    assert made.startswith('<img alt="Maps of &quot;TI-VAE&quot;" width="') and "data:image/webp;base64," in made
    assert made == picture(view.paint(np.zeros((12, 4))), 'Maps of "TI-VAE"', 0.5)
