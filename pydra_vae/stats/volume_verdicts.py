"""What a person should know of a fitted VAE of images before using it: collapse, overfitting, gain over PCA.

The collapse detector is `stats.collapse`, with PCA of the same size as the reference of its milder verdict. A model
*overfits* where its R² falls from training to test images by more than .1 beyond what PCA of the same size loses there
(with few persons PCA loses much too, and no weights could generalise better), or where its validation error ended more
than a tenth above that of the best step; the weights of that step are kept, so the second alone costs time rather than
accuracy, and says so.
"""

import math
from dataclasses import dataclass

from pydra_vae.stats.fit_warnings import EARLY, MILD, OVERFITTED, STRONG

GAP = 0.1  # R² from training to test images
FEW_IMAGES = 60  # training images: fewer than five for each of twelve latents
LATE = 0.95  # of the training: a best step later than this was still going down
NOTABLE = 0.01  # R²: what a control must be better by
MMD_ADVICE = "lower the MMD weight, or train longer: a model that has not learnt yet looks the same"
ADVICE = "fewer or smaller layers (width, latent_dim), a heavier divergence, augmentation, or more persons"


@dataclass(frozen=True)
class Overfitting:
    """The verdict on overfitting.

    Attributes
    ----------
    overfitted : bool
    gap, pca_gap : float
        R² on training less that on test images, of the model and of PCA of its size.
    rise : float
        Mean squared validation error at the last step over that at the best one; NaN without a history.
    reasons : tuple of str
    advice : str
        Empty where nothing is wrong.
    """

    overfitted: bool
    gap: float
    pca_gap: float
    rise: float
    reasons: tuple[str, ...]
    advice: str

    def to_dict(self) -> dict:
        """As JSON can hold it: no NaN."""
        figures = {name: getattr(self, name) for name in ("gap", "pca_gap", "rise")}
        figures = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        return {"overfitted": self.overfitted, **figures, "reasons": list(self.reasons), "advice": self.advice}


def overfitting(gap: float, pca_gap: float = math.nan, rise: float = math.nan) -> Overfitting:
    """Judge whether a model has overfitted.

    Parameters
    ----------
    gap : float
        R² on training images less R² on test images.
    pca_gap : float
        The same of PCA with as many components; NaN where it is not known.
    rise : float
        As in `Overfitting`. At the best step, not at the smallest error: a heavy divergence may trade error for a lower
        loss until the last step.

    >>> overfitting(0.02, 0.03, 1.0).overfitted, overfitting(0.3, 0.05).overfitted
    (False, True)
    """
    reasons, beside = [], max(pca_gap, 0.0) if math.isfinite(pca_gap) else 0.0
    if gap > GAP + beside:
        control = f", that of PCA of its size by {pca_gap:.2f}" if math.isfinite(pca_gap) else ""
        reasons.append(f"R² falls by {gap:.2f} from training to test images{control}")
    if rise > OVERFITTED:
        reasons.append(f"the last validation error is {rise:.2f} times that of the best step, whose weights were kept")
    return Overfitting(bool(reasons), gap, pca_gap, rise, tuple(reasons), ADVICE if reasons else "")


def collapse_advice(advice: str, divergence: str, weight: float, pca_r2_test: float) -> str:
    """What to try against a collapse, as the detector gives it, for this divergence and these images.

    Parameters
    ----------
    advice : str
        Of the detector, which knows the KL alone; "" where nothing is wrong.
    divergence : str
    weight : float
        Of that divergence.
    pca_r2_test : float
        R² of PCA with as many components on test images.

    >>> collapse_advice("lower the KL weight", "kl", 10.0, 0.0)
    'look at the images first: PCA of the same size explains nothing of unseen ones either; lower the KL weight'
    """
    if advice and divergence == "mmd" and weight > 0:
        advice = MMD_ADVICE
    if advice and pca_r2_test < NOTABLE:
        return f"look at the images first: PCA of the same size explains nothing of unseen ones either; {advice}"
    return advice


def volume_warnings(
    r2_test: float, pca_r2_test: float, k: int, n_train: int, best_step: int, steps: int, found: Overfitting
) -> list[dict]:
    """What a person should be warned of beside a collapse, each {"code", "severity", "text"}.

    Parameters
    ----------
    r2_test, pca_r2_test : float
        Of the model and of PCA-k; NaN where the second is not known.
    k : int
        Latents.
    n_train : int
        Training images.
    best_step, steps : int
        Of the training.
    found : Overfitting
    """
    warnings = []
    if found.overfitted:
        text = f"overfitting: {'; '.join(found.reasons)}. What to try: {found.advice}"
        warnings.append(("overfitted", MILD, text))
    if r2_test < -NOTABLE:
        text = f"R² on the test images is {r2_test:.3f}: the mean of the training images describes them better"
        warnings.append(("worse_than_mean", STRONG, text))
    elif r2_test < pca_r2_test - NOTABLE:
        text = f"no gain over PCA: R² on the test images is {r2_test:.3f} and that of PCA-{k} {pca_r2_test:.3f}"
        warnings.append(("no_gain_over_pca", MILD, text))
    if n_train < FEW_IMAGES:
        text = f"{n_train} training images are few: compare the latents of several seeds before using them"
        warnings.append(("few_images", MILD, text))
    if steps > 0 and best_step <= EARLY * steps:
        text = f"the best step, {best_step} of {steps}, lies in the first tenth of the training"
        warnings.append(("best_step_early", STRONG, text))
    elif steps > 0 and best_step > LATE * steps and r2_test < pca_r2_test - NOTABLE:
        text = f"the validation loss was still falling at the last of {steps} steps: train longer"
        warnings.append(("still_improving", MILD, text))
    return [dict(zip(("code", "severity", "text"), one, strict=True)) for one in warnings]
