"""Models of a target: each equals the library's where there is one, and what it should see it sees."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.svm import SVR

from pydra_vae.stats.latent_models import LOGIT, MODELS, SVR_TUBE, fit_model, settings_of

N, K = 120, 5


@pytest.fixture(scope="module")
def latents():
    return np.random.default_rng(0).normal(2, 3, (N, K))


def z_scored(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def test_identity_link_is_ridge(latents):
    y = latents[:, :2] @ [1.0, -2.0] + 7
    targets = np.column_stack([y, np.sin(y)])
    fit = fit_model("glm", "identity", latents, targets, [0.01, 1.0])
    for i, alpha in enumerate([0.01, 1.0]):
        for j in range(2):
            ridge = Ridge(alpha=alpha * N).fit(z_scored(latents), targets[:, j])
            np.testing.assert_allclose(fit.predict(latents)[i, :, j], ridge.predict(z_scored(latents)), atol=1e-8)
            np.testing.assert_allclose(fit.coefficients[i, :, j], ridge.coef_, atol=1e-8)


def test_more_columns_than_persons_is_the_same_ridge():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 9)), rng.normal(size=(20, 1))
    fit = fit_model("polynomial", "identity", x, y, [0.1])  # 54 columns
    z = z_scored(x)
    pairs = [z[:, i] * z[:, j] for i in range(9) for j in range(i, 9)]
    a = z_scored(np.column_stack([z, *pairs]))
    ridge = Ridge(alpha=0.1 * 20).fit(a, y[:, 0])
    np.testing.assert_allclose(fit.predict(x)[0, :, 0], ridge.predict(a), atol=1e-8)


@pytest.mark.parametrize("alpha", LOGIT)
def test_logit_link_is_logistic_regression(latents, alpha):
    rng = np.random.default_rng(2)
    y = (z_scored(latents)[:, 0] * 2 + rng.logistic(size=N) > 0.5).astype(float)[:, None]
    targets = np.column_stack([y, rng.permutation(y)])
    found = fit_model("glm", "logit", latents, targets, [alpha]).predict(latents)[0]
    for j in range(2):
        model = LogisticRegression(C=1 / (alpha * N), tol=1e-8, max_iter=1000).fit(z_scored(latents), targets[:, j])
        np.testing.assert_allclose(found[:, j], model.predict_proba(z_scored(latents))[:, 1], atol=1e-3)


def test_log_link_is_poisson_regression(latents):
    y = np.random.default_rng(3).poisson(np.exp(1 + 0.4 * z_scored(latents)[:, 1]))[:, None].astype(float)
    found = fit_model("glm", "log", latents, y, [0.01]).predict(latents)[0, :, 0]
    model = PoissonRegressor(alpha=0.01, max_iter=300).fit(z_scored(latents), y[:, 0])
    np.testing.assert_allclose(found, model.predict(z_scored(latents)), rtol=1e-4)


def test_svr_is_support_vector_regression(latents):
    y = np.sin(latents[:, :1])
    found = fit_model("svr", "identity", latents, y, [(3.0, 0.3)]).predict(latents[:9])[0, :, 0]
    target = (y[:, 0] - y.mean()) / y.std()
    z = z_scored(latents)
    model = SVR(C=3.0, gamma=0.3 / K, epsilon=SVR_TUBE, tol=0.02).fit(z, target)
    np.testing.assert_allclose(found, model.predict(z[:9]) * y.std() + y.mean(), atol=0.03)


def test_only_models_with_products_see_an_interaction(latents):
    z = z_scored(latents)
    y = (z[:, 0] * z[:, 1])[:, None]
    new = np.random.default_rng(4).normal(2, 3, (400, K))
    truth = ((new[:, 0] - 2) / 3) * ((new[:, 1] - 2) / 3)
    r2 = {}
    for model in MODELS[1:]:
        fits = fit_model(model, "identity", latents, y, settings_of(model, "identity")).predict(new)[..., 0]
        r2[model] = max(1 - ((fit - truth) ** 2).sum() / (truth**2).sum() for fit in fits)
    assert r2["polynomial"] > 0.9 and r2["svr"] > 0.5
    assert r2["glm"] < 0.1 and r2["spline"] < 0.2


def test_splines_follow_a_curve_and_go_on_as_lines(latents):
    y = np.cos(latents[:, :1])
    x = np.linspace(-3, 3, 200)[:, None]
    fit = fit_model("spline", "identity", x, x**2, [1e-6])
    inside = np.linspace(-2.5, 2.5, 20)[:, None]
    assert np.abs(fit.predict(inside)[0] - inside**2).max() < 0.15
    far = fit.predict(np.array([[5.0], [6.0], [7.0]]))[0, :, 0]
    assert far[2] - far[1] == pytest.approx(far[1] - far[0], rel=1e-6)
    steps = np.repeat([[0.0], [1.0]], 60, axis=0)  # a latent of two values has no quantiles that rise
    assert np.isfinite(fit_model("spline", "identity", steps, y, [0.1]).predict(steps)).all()


def test_one_class_only_and_a_constant_latent(latents):
    x = np.column_stack([latents, np.ones(N)])
    for model in MODELS:
        link = "identity" if model in ("mean", "svr") else "logit"
        setting = settings_of(model, link)[:1]
        found = fit_model(model, link, x, np.ones((N, 1)), setting).predict(x)
        assert found.shape == (1, N, 1) and (found > 0.95).all()
