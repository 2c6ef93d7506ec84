"""Joint models on planted data, beside regressions that are right there."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV

from pydra_vae.models.joint import JointConfig
from pydra_vae.training.joint import RECIPE, JointProblem, decode, encode, fit_head, fit_joint
from pydra_vae.training.joint_loss import JointLoss, gaussian_nats
from pydra_vae.training.joint_start import ridge

SHORT = replace(RECIPE, max_steps=120)
N = 300
PARTS = np.array(["train"] * 210 + ["validation"] * 30 + ["test"] * 60)
TRAIN, TEST = PARTS == "train", PARTS == "test"


def planted(seed=0):
    """Image (8) and second modality (5) with one factor in common; a score of a factor of each, one of the image."""
    rng = np.random.default_rng(seed)
    g = rng.standard_normal((N, 13))
    turn_image, turn_second = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (8, 5))
    image = g[:, :8] @ turn_image + 0.2 * rng.standard_normal((N, 8))
    second = g[:, [0, 8, 9, 10, 11]] @ turn_second + 0.2 * rng.standard_normal((N, 5))
    scores = np.stack([0.7 * g[:, 1] + 0.7 * g[:, 8], g[:, 0]], 1) + 0.3 * rng.standard_normal((N, 2))
    data = {"image": image, "second": second, "scores": scores}
    scaled = {name: ((x - x[TRAIN].mean(0)) / x[TRAIN].std(0)).astype(np.float32) for name, x in data.items()}
    return {name: (x, np.ones_like(x)) for name, x in scaled.items()}


def problem(data, fusion="poe", **options):
    sizes = {name: x.shape[1] for name, (x, _) in data.items() if name != "scores"}
    config = JointConfig(sum(sizes.values()), sizes, ("both", "image"), fusion=fusion)
    return JointProblem(data, PARTS.tolist(), config, **{"recipe": SHORT} | options)


def r2(x, predicted):
    return 1 - np.square(x - predicted)[TEST].sum() / np.square(x)[TEST].sum()


@pytest.fixture(scope="module")
def data():
    return planted()


@pytest.fixture(scope="module")
def fitted(data):
    return fit_joint(problem(data))


def from_sources(fitted, data, sources, target):
    return decode(fitted.model, target, encode(fitted.model, {name: data[name] for name in sources}))


def linear(data, sources, y):
    x = np.concatenate([data[name][0] for name in sources], 1)
    return RidgeCV(np.logspace(-2, 3, 11)).fit(x[TRAIN], y[TRAIN]).predict(x)


@pytest.mark.parametrize("sources", [("image",), ("second",), ("image", "second")])
def test_scores_are_predicted_about_as_well_as_by_the_right_regression(fitted, data, sources):
    y = data["scores"][0]
    predicted, control = from_sources(fitted, data, sources, "scores"), linear(data, sources, y)
    for i in range(2):
        assert r2(y[:, i], predicted[:, i]) > r2(y[:, i], control[:, i]) - 0.08


def test_both_modalities_tell_more_than_either(fitted, data):
    y = data["scores"][0][:, 0]
    found = {
        s: r2(y, from_sources(fitted, data, s, "scores")[:, 0]) for s in (("image",), ("second",), ("image", "second"))
    }
    assert found["image", "second"] > max(found[("image",)], found[("second",)]) + 0.2


def test_what_is_given_is_reconstructed_and_what_is_missing_is_predicted(fitted, data):
    assert r2(data["image"][0], from_sources(fitted, data, ["image", "second"], "image")) > 0.85
    for source, target in (("second", "image"), ("image", "second"), ("scores", "image")):
        x = data[target][0]
        found = r2(x, from_sources(fitted, data, [source], target))
        assert found > max(0.01, r2(x, linear(data, [source], x)) - 0.03)


def test_a_product_keeps_what_the_mean_of_moments_blurs(fitted, data):
    blurred = fit_joint(problem(data, fusion="mean"))
    together = ["image", "second"]
    kept, lost = (r2(data["image"][0], from_sources(own, data, together, "image")) for own in (fitted, blurred))
    assert kept > lost + 0.1


def test_a_score_that_says_nothing_is_not_predicted(data):
    x, given = data["scores"]
    shuffled = data | {"scores": (np.random.default_rng(1).permutation(x), given)}
    fitted = fit_joint(problem(shuffled, recipe=replace(SHORT, max_steps=60)))
    predicted = from_sources(fitted, shuffled, ["image"], "scores")
    assert r2(shuffled["scores"][0], predicted) < 0.1


def test_a_head_follows_an_interaction_that_ridge_cannot():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((400, 3))
    y = z[:, 0] * z[:, 1] + 0.1 * rng.standard_normal(400)
    train, validation, test = np.arange(280), np.arange(280, 320), np.arange(320, 400)
    head, _ = fit_head(z, y, train, validation, recipe=replace(RECIPE, max_steps=300))
    predicted = head(torch.from_numpy(z.astype(np.float32)))[:, 0].detach().numpy()
    assert 1 - np.square(y - predicted)[test].sum() / np.square(y)[test].sum() > 0.6


def test_missing_values_are_left_out_and_need_no_value(data):
    x, given = data["scores"]
    rng = np.random.default_rng(2)
    there = given * (rng.random(given.shape) > 0.3).astype(np.float32)
    short = replace(SHORT, max_steps=20)
    one = fit_joint(problem(data | {"scores": (x * there, there)}, recipe=short))
    other = fit_joint(problem(data | {"scores": (x * there, there)}, recipe=short))
    predicted = from_sources(one, data, ["image"], "scores")
    assert r2(x[:, 1], predicted[:, 1]) > 0.6
    np.testing.assert_array_equal(predicted, from_sources(other, data, ["image"], "scores"))  # repeatable to the bit


def test_every_score_stops_on_its_own(fitted):
    assert list(fitted.fits) == ["fusion", "head both", "head image"]
    assert all(fit.history[0]["step"] == 0 for fit in fitted.fits.values())


def test_optimal_variance_likelihood_counts_what_is_there():
    error = torch.tensor([[4.0, 100.0], [4.0, 1.0]])
    given = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    truth = 0.5 * np.log(4.0 + 1e-3) + 0.25 * np.log(1.0 + 1e-3)
    assert gaussian_nats(error, given).item() == pytest.approx(truth, abs=1e-5)


def test_ridge_is_sure_of_what_is_there_only():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 4))
    y = np.stack([x[:, 0] + 0.5 * rng.standard_normal(500), rng.standard_normal(500)], 1)
    weights, share = ridge(x - x.mean(0), y - y.mean(0))
    assert share[0] == pytest.approx(0.8, abs=0.05)
    assert share[1] < 0.03
    assert weights[0, 0] == pytest.approx(1, abs=0.1)


def test_negative_weights_and_tiny_splits_are_refused(data):
    with pytest.raises(ValueError, match="must not be negative"):
        JointLoss(cross_weight=-1.0)
    lonely = replace(problem(data), parts=["train"] * (N - 1) + ["validation"])
    with pytest.raises(ValueError, match="1 validation images"):
        fit_joint(lonely)
