"""Each sentence is decided by its numbers, both ways."""

import numpy as np
import pytest

from pydra_vae.reports import group_more_sentences as further
from pydra_vae.reports import group_sentences as say
from pydra_vae.reports import group_sentences_across as across
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, OPEN, Finding, higher

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
        ([1.0, 1.005], ALSO, "PCA of the same size (PCA-9) reconstructs as well"),
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
    assert say.cross_subject(0.001, 0.019, 0.002, 0.0185).verdict == ALSO  # PCA fails as well
    assert say.cross_subject(0.001, 0.019, 0.002, 0.03).verdict == ALSO  # and here more
    assert "No model could be given" in say.cross_subject(0.01, NAN, 0.01, NAN).text


def test_a_gain_that_shrinkage_has_is_no_denoising():
    assert say.tsnr(5.25, 5.3, 4).verdict == ALSO
    assert say.tsnr(41, 20, 30).verdict == say.tsnr(41, 20, NAN).verdict == AGREES
    more = say.tsnr(45.7, 36.7, 70.5)
    assert more.verdict == ALSO and "but PCA of the same size gains more (+70.5 %)" in more.text
    assert say.tsnr(41, NAN, NAN).verdict == OPEN
    assert "does not rise" in say.tsnr(-1, 3, 3).text and "undefined" in say.tsnr(NAN, 3, 3).text


def test_size():
    chosen = {"size": 9, "low": 6, "high": 12, "verdict": "elbow", "pca_size": 12}
    assert say.size(chosen) == Finding("The rule chooses 9 as well (6 to 12). For PCA it chooses 12.", AGREES)
    assert say.size({**chosen, "size": 4, "high": 6}).verdict == DIFFERS
    unsure = say.size({**chosen, "verdict": "uncertain", "sentence": "an elbow at 9; only 40% of all draws"})
    assert unsure.verdict == OPEN and unsure.text.startswith("An elbow at 9; only 40% of all draws.")
    assert say.size({"size": None, "sentence": "no elbow"}).verdict == DIFFERS
    near = say.size({"size": None, "sentence": "no elbow", "near_sentence": "12 is near 16", "pca_near_size": 16}).text
    assert near.endswith("Beside the rule, only to describe: 12 is near 16; for PCA it is 16.")


def test_the_error_of_a_volume_beside_pcas():
    assert [say.emse(ratio, pca).verdict for ratio, pca in ((1.4, 3), (1.4, 1), (5, 1), (1, NAN))] == [
        AGREES, ALSO, DIFFERS, AGREES,
    ]  # fmt: skip


def test_correlations_stand_beside_random_axes():
    assert say.correlations([0.1, 0.29], 0.5).verdict == AGREES
    assert "freer of it" in say.correlations([0.1, 0.29], 0.5).text
    alike = say.correlations([0.1, 0.2], 0.25)
    assert "nothing special" in alike.text and alike.verdict == ALSO
    assert "in 1 of 2 subjects only" in say.correlations([0.1, 0.31]).text
    assert say.correlations([0.4]).verdict == DIFFERS


def test_maps():
    assert [say.scale(a, 10.0).verdict for a in (5, 9.5, 20)] == [AGREES, DIFFERS, DIFFERS]
    assert [say.scale(5, 10.0, pca).verdict for pca in (9, 5.2)] == [AGREES, ALSO]
    assert [across.individuality(0.5, 0.8, floor).verdict for floor in (NAN, 0.9, 0.6)] == [AGREES, AGREES, OPEN]
    assert [across.individuality(0.5, 0.8, 0.9, pca).verdict for pca in (0.7, 0.4)] == [AGREES, ALSO]
    assert across.individuality(0.5, 0.8, 0.6, same_start=True).verdict == AGREES  # no floor to be held against
    assert across.individuality(0.8, 0.8).verdict == DIFFERS
    assert [say.smoothness(0.4, 0.0, share, 0.2).verdict for share in (1, 0.2)] == [AGREES, DIFFERS]
    assert [say.smoothness(0.4, 0.0, 1, pca).verdict for pca in (0.39, NAN)] == [ALSO, OPEN]


def test_networks():
    assert [say.clustering(s, 0, 0).verdict for s in (-0.1, 0.4)] == [AGREES, DIFFERS]
    assert [say.clustering(0.1, 0, 0, ("ica", s)).verdict for s in (0.4, 0.1)] == [AGREES, ALSO]
    assert "cluster weakly" in say.clustering(0.4, 0, 0).text and "do cluster" in say.clustering(0.6, 0, 0).text
    low, high = np.array([0.3, 0.31, 0.32]), np.array([0.4, 0.42, 0.41])
    assert say.separability(high, low, low, 0.1).verdict == AGREES
    pca_too = say.separability(high, low, high, 0.1)
    assert pca_too.verdict == ALSO and "PCA of the same size does as well" in pca_too.text
    elsewhere = say.separability(high, low, low, 0.1, "ica", {"pca-16": 0.41, "diffusion": 0.2}).text
    assert "better than in raw series and in ICA" in elsewhere
    assert "no better than in other spaces (PCA-16 0.410)" in elsewhere
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
    assert [across.alignment(0.62, 0.2, (0.62, 0.9), pca).verdict for pca in (0.4, 0.6)] == [AGREES, ALSO]


def test_a_floor_of_fits_with_the_same_start_says_nothing():
    found = across.alignment(0.7, 0.017, (0.7, 0.9), NAN, same_start=True)
    assert "from nearly the same PCA components" in found.text and "small by construction" in found.text
    assert "% of the disparity is the fit's" not in found.text
    plain = across.alignment(0.7, 0.017, (0.7, 0.9), NAN)
    assert "2 % of the disparity is the fit's" in plain.text and "construction" not in plain.text
    assert (
        "two fits of one subject from the same components 0.97"
        in across.shared_geometry(0.4, 0.97, (0.4, 0.1), 0.2, same_start=True).text
    )
    assert "start as PCA" in further.surrogate(np.zeros(3), same_start=True).text


def test_shared_geometry():
    assert across.shared_geometry(0.6, 0.7, (0.6, 0.1), 0.4).verdict == AGREES
    as_well = across.shared_geometry(0.6, 0.7, (0.6, 0.1), 0.66)
    assert "PCA shares its geometry as well" in as_well.text and as_well.verdict == ALSO
    assert across.shared_geometry(0.1, 0.7, (0.1, 0.15), 0.1).verdict == DIFFERS
    assert across.shared_geometry(0.6, NAN, NO_NULL, NAN).verdict == OPEN


def test_connectivity():
    assert "more than in PCA" in say.connectivity(0.66, 0.6, 0.5).text
    as_well = say.connectivity(0.66, NAN, 0.7, "pca whitened")
    assert "as they are in whitened PCA of the same size (0.70)" in as_well.text and as_well.verdict == ALSO
    assert say.connectivity(0.05, 0, 0.5).verdict == DIFFERS


def test_what_a_p_can_say():
    assert "p = 0.25, the smallest that can be reached" in say.significance(0.25, 0.25, 3).text


def test_divergence():
    none = further.divergence({"no KL": 1.0, "β 1": 1.1}, {"no KL": 0.3, "β 1": 0.3}).text
    assert none == (
        "No setting separates networks better than none by more than 0.01 (k-NN accuracy 0.30), at +10.0 to +10.0 % in "
        "error."
    )
    assert "largest price is that of β 4: +30.0 %" in further.divergence({"no KL": 1, "β 4": 1.3}, {"no KL": NAN}).text
    assert "missing" in further.divergence({"β 4": 1.3}, {}).text


def test_shared():
    assert across.newcomers({"pooled": {"joined": NAN}}) == ""
    text = across.shared({"pooled": 3.4, "shared_decoder": 2.1}, {"pooled": 0.1, "shared_decoder": 0.3}, 0.6).text
    assert text == (
        "The model with the best alignment (pooled) has a disparity of 0.10 against 0.60 of independent ones, at "
        "+3.4 % in error; the cheapest (shared decoder) 0.30 at +2.1 %."
    )


def test_outliers_stand_beside_the_best_control():
    auc = {"voxel": {"error": 0.9, "pca error": 0.95}, "frame": {"error": 0.9, "dvars": 0.7}}
    text = further.outliers(auc, {}).text
    assert "Planted artefact voxels are found with an AUC of 0.90 (error), worse than the best control (PCA" in text
    assert "better than the best control (DVARS, 0.70)" in text
    assert "no better than" in further.outliers({"voxel": {"error": 0.9, "tsnr": 0.9}}, {}).text
    flags = further.outliers({"voxel": {"error": 1.0}}, {"voxel": 45}, {"voxel": {"error": 0.67}}).text
    assert "at its threshold it flags a mean of 0.67 voxels where 45 are planted." in flags
    assert "Nobody knows" in further.outliers({"voxel": {"error": NAN}}, {}).text


def test_identification_and_scores():
    assert across.identification(1.0, 1 / 3, 0.17, 0.17, 3).verdict == OPEN
    assert across.identification(0.1, 0.05, 0.3, 0.001, 22).verdict == DIFFERS
    assert across.identification(1.0, 0.05, 0.001, 0.001, 22).verdict == AGREES
    assert across.identification(0.9, 0.05, 0.001, 0.001, 22, control=1.0).verdict == ALSO
    assert "cannot be said" in across.mantel("score", 0.5, 0.17, 0.17, 3).text
    assert "needs three" in across.mantel("score", NAN, NAN, NAN, 2).text


def test_reliability_is_no_smoothing():
    raw, better = np.array([0.5, 0.5]), np.array([0.6, 0.6])
    assert further.reliability({"raw": raw, "cvae": better, "smoothing": raw}, "Task maps").verdict == AGREES
    smooth = further.reliability({"raw": raw, "cvae": better, "smoothing": better}, "Task maps")
    assert smooth.verdict == ALSO and "plain smoothing does as well" in smooth.text
    assert "missing" in further.reliability({"cvae": raw}, "Task maps").text


def test_a_gain_on_a_surrogate_is_a_leak():
    leak = further.surrogate(np.array([0.002, 0.03]))
    assert leak.verdict == DIFFERS and "this is a leak" in leak.text
    assert "falls short of PCA" in further.surrogate(np.array([-0.2])).text


def test_stimulus_and_samples():
    assert "it follows the planted share" in further.stimulus(0.8, 17, 0.4, 0.3).text
    assert "does not raise" in further.stimulus(NAN, 0, 0.2, 0.3).text
    assert "PCA's are nearer" in further.samples(np.log10(3), np.log10(2), NAN).text
