"""Each sentence is decided by its numbers, both ways."""

import numpy as np
import pytest

from pydra_vae.reports import group_more_sentences as further
from pydra_vae.reports import group_sentences as say
from pydra_vae.reports import group_sentences_across as across
from pydra_vae.reports.group_findings import AGREES, DIFFERS, OPEN, Finding, higher

NAN = np.nan
NO_NULL = (NAN, NAN)


@pytest.mark.parametrize(
    ("ours", "verdict", "words"),
    [
        ([0.8, 0.9], AGREES, "15.0 % below that of PCA-9, and below it in 2 of 2 subjects"),
        (
            [1.2, 0.99],
            DIFFERS,
            "PCA-9 reconstructs better: the CVAE's error is 9.5 % above (below it in 1 of 2 subjects)",
        ),
        ([1.0, 1.005], DIFFERS, "PCA of the same size (PCA-9) reconstructs as well"),
        ([0.8], AGREES, "20.0 % below that of PCA-9."),
    ],
)
def test_reconstruction(ours, verdict, words):
    found = say.reconstruction(np.array(ours), np.ones(len(ours)), "pca-9 = ica-9")
    assert found.verdict == verdict and words in found.text


def test_cross_subject():
    like_paper = say.cross_subject(0.001, 0.019, 0.001, 0.005)
    assert like_paper.verdict == AGREES and "PCA carries over better (MSE 0.00500" in like_paper.text
    ours = say.cross_subject(0.0125, 0.0235, 0.0165, 0.0236)
    assert ours.verdict == DIFFERS and "1.9 times as large (paper: 17), which is no order of magnitude" in ours.text
    assert "does as badly" in ours.text
    assert "No model could be given" in say.cross_subject(0.01, NAN, 0.01, NAN).text


def test_a_gain_that_shrinkage_has_is_no_denoising():
    assert say.tsnr(5.25, 5.3, 9).verdict == DIFFERS
    assert say.tsnr(41, 20, 84).verdict == AGREES
    assert say.tsnr(41, NAN, NAN).verdict == OPEN
    assert "did not rise" in say.tsnr(-1, 3, 3).text and "undefined" in say.tsnr(NAN, 3, 3).text


def test_size():
    chosen = {"size": 9, "low": 6, "high": 12, "verdict": "elbow", "pca_size": 12}
    assert say.size(chosen) == Finding("The rule chooses 9 as well (6 to 12). For PCA it chooses 12.", AGREES)
    assert say.size({**chosen, "size": 4, "high": 6}).verdict == DIFFERS
    unsure = say.size({**chosen, "verdict": "uncertain", "sentence": "an elbow at 9; only 40% of all draws"})
    assert unsure.verdict == OPEN and unsure.text.startswith("An elbow at 9; only 40% of all draws.")
    assert say.size({"size": None, "sentence": "no elbow"}).verdict == DIFFERS


def test_correlations_stand_beside_random_axes():
    assert say.correlations([0.1, 0.29], 0.5).verdict == AGREES
    assert "freer of it" in say.correlations([0.1, 0.29], 0.5).text
    assert "nothing special" in say.correlations([0.1, 0.2], 0.25).text
    assert "in 1 of 2 subjects only" in say.correlations([0.1, 0.31]).text
    assert say.correlations([0.4]).verdict == DIFFERS


def test_maps():
    assert [say.scale(a, 10.0).verdict for a in (5, 9.5, 20)] == [AGREES, DIFFERS, DIFFERS]
    assert [across.individuality(0.5, 0.8, floor).verdict for floor in (NAN, 0.9, 0.6)] == [AGREES, AGREES, OPEN]
    assert across.individuality(0.8, 0.8).verdict == DIFFERS
    assert [say.smoothness(0.4, 0.0, share).verdict for share in (1, 0.2)] == [AGREES, DIFFERS]


def test_networks():
    assert [say.clustering(s, 0, 0).verdict for s in (-0.1, 0.4)] == [AGREES, DIFFERS]
    low, high = np.array([0.3, 0.31, 0.32]), np.array([0.4, 0.42, 0.41])
    assert say.separability(high, low, low, 0.1).verdict == AGREES
    pca_too = say.separability(high, low, high, 0.1)
    assert pca_too.verdict == DIFFERS and "PCA of the same size does as well" in pca_too.text
    assert "but better than in PCA" in say.separability(low, low, low - 0.1, 0.1).text
    assert "by chance" in say.separability(low, low, low, 0.31).text
    # one large difference is not more than half of the subjects
    assert not higher([0.9, 0.3, 0.3], [0.3, 0.31, 0.31])


def test_alignment_is_told_from_the_fit():
    neither = across.alignment(0.62, 0.6, (0.62, 0.9), 0.55)
    assert neither.verdict == DIFFERS and "but neither do two fits of one subject (0.60)" in neither.text
    individual = across.alignment(0.62, 0.2, (0.62, 0.9), NAN)
    assert individual.verdict == AGREES and "32 % of the disparity is the fit's" in individual.text
    assert across.alignment(0.62, 0.5, (0.62, 0.9), NAN).verdict == OPEN
    assert across.alignment(0.1, 0.05, (0.1, 0.9), NAN).verdict == DIFFERS
    assert "no better than by chance" in across.alignment(0.9, 0.3, (0.9, 0.85), NAN).text
    assert "nothing says why" in across.alignment(0.62, NAN, NO_NULL, NAN).text


def test_shared_geometry():
    assert across.shared_geometry(0.6, 0.7, (0.6, 0.1), 0.4).verdict == AGREES
    assert "PCA shares its geometry as well" in across.shared_geometry(0.6, 0.7, (0.6, 0.1), 0.66).text
    assert across.shared_geometry(0.1, 0.7, (0.1, 0.15), 0.1).verdict == DIFFERS
    assert across.shared_geometry(0.6, NAN, NO_NULL, NAN).verdict == OPEN


def test_connectivity():
    assert "more than in PCA" in say.connectivity(0.66, 0.6, 0.5).text
    assert "as they are in PCA" in say.connectivity(0.66, NAN, 0.7).text
    assert say.connectivity(0.05, 0, 0.5).verdict == DIFFERS


def test_what_a_p_can_say():
    assert "p = 0.25, the smallest that can be reached" in say.significance(0.25, 0.25, 3).text


def test_divergence():
    none = further.divergence({"no KL": 1.0, "β 1": 1.1}, {"no KL": 0.3, "β 1": 0.3}).text
    assert none == "No setting separates networks better than none (k-NN accuracy 0.30), at +10.0 to +10.0 % in error."
    assert "largest price is that of β 4: +30.0 %" in further.divergence({"no KL": 1, "β 4": 1.3}, {"no KL": NAN}).text
    assert "missing" in further.divergence({"β 4": 1.3}, {}).text


def test_shared():
    text = across.shared({"pooled": 3.4, "shared_decoder": 2.1}, {"pooled": 0.1, "shared_decoder": 0.3}, 0.6).text
    assert text == (
        "The model with the best alignment (pooled) has a disparity of 0.10 against 0.60 of independent ones, at "
        "+3.4 % in error; the cheapest (shared decoder) 0.30 at +2.1 %."
    )


def test_outliers_stand_beside_the_best_control():
    auc = {"voxel": {"error": 0.9, "pca error": 0.95}, "frame": {"error": 0.9, "dvars": 0.7}}
    text = further.outliers(auc, {}).text
    assert "Planted voxels are found with an AUC of 0.90 (error), worse than the best control (PCA error, 0.95)" in text
    assert "better than the best control (DVARS, 0.70)" in text
    assert "no better than" in further.outliers({"voxel": {"error": 0.9, "tsnr": 0.9}}, {}).text
    assert "Nobody knows" in further.outliers({"voxel": {"error": NAN}}, {}).text


def test_identification_and_scores():
    assert across.identification(1.0, 1 / 3, 0.17, 0.17, 3).verdict == OPEN
    assert across.identification(0.1, 0.05, 0.3, 0.001, 22).verdict == DIFFERS
    assert across.identification(1.0, 0.05, 0.001, 0.001, 22).verdict == AGREES
    assert "cannot be said" in across.mantel("score", 0.5, 0.17, 0.17, 3).text
    assert "needs three" in across.mantel("score", NAN, NAN, NAN, 2).text


def test_reliability_is_no_smoothing():
    raw, better = np.array([0.5, 0.5]), np.array([0.6, 0.6])
    assert further.reliability({"raw": raw, "cvae": better, "smoothing": raw}, "Task maps").verdict == AGREES
    smooth = further.reliability({"raw": raw, "cvae": better, "smoothing": better}, "Task maps")
    assert smooth.verdict == DIFFERS and "plain smoothing does as well" in smooth.text
    assert "missing" in further.reliability({"cvae": raw}, "Task maps").text


def test_a_gain_on_a_surrogate_is_a_leak():
    leak = further.surrogate(np.array([0.002, 0.03]))
    assert leak.verdict == DIFFERS and "this is a leak" in leak.text
    assert "falls short of PCA" in further.surrogate(np.array([-0.2])).text


def test_stimulus_and_samples():
    assert "it follows the planted share" in further.stimulus(0.8, 17, 0.4, 0.3).text
    assert "does not raise" in further.stimulus(NAN, 0, 0.2, 0.3).text
    assert "PCA's are nearer" in further.samples(np.log10(3), np.log10(2), NAN).text
