"""What a person should be warned of after a fit; each {"code", "severity", "text"}.

Thresholds were measured on simulated and real data: at or below 800 training voxels the best
checkpoint is at the start; a fit whose best step lies in the first tenth, or whose final validation
loss exceeds its best by a tenth, has overfitted.
"""

STRONG, MILD = "strong", "mild"
FEW_VOXELS, RATHER_FEW_VOXELS = 2000, 6000
OVERFITTED, EARLY = 1.1, 0.1
LOW_R2, NOTABLE_GAIN = 0.2, 5.0


def fit_warnings(
    n_train: int | None = None,
    steps: list[int] | None = None,
    validation: list[float] | None = None,
    linear_skip: bool = False,
) -> list[dict]:
    """Warnings that the fit itself gives.

    Parameters
    ----------
    n_train : int, optional
        Training voxels.
    steps, validation : lists, optional
        Steps of the validations, from 0, and their losses (of the same units).
    linear_skip : bool
        Whether the model started at PCA's error: then the best step may well lie early.
    """
    found = []
    if n_train is not None:
        found += _few_voxels(n_train)
    if steps:
        found += _overfitted(steps, validation, linear_skip)
    return found


def gain_warnings(mse: float, pca_mse: float, scheme: str, size: int, test_voxels: int | None = None) -> list[dict]:
    """Warn when the model is no better than PCA of the same size on held-out voxels.

    Parameters
    ----------
    mse, pca_mse : float
        On the test voxels.
    scheme : {"random", "blocked", "parcel"}
        Only the last two keep test voxels away from training voxels, so no gain there is the
        stronger finding.
    size : int
        Latent dimensions.
    """
    if mse < pca_mse:
        return []
    voxels = f"{test_voxels:,} held-out voxels" if test_voxels else "held-out voxels"
    text = (
        f"no gain over PCA: on the {voxels} of the {scheme} split the model's error is "
        f"{mse:.5g} and that of PCA-{size} {pca_mse:.5g}. The latents hold nothing that a linear "
        "model of the same size does not"
    )
    return [_warning("no_gain_over_pca", MILD if scheme == "random" else STRONG, text)]


def tsnr_warnings(gain: float, r2: float, pca_gain: float | None = None, pca_r2: float | None = None) -> list[dict]:
    """Warn when tSNR rises because signal was deleted.

    Parameters
    ----------
    gain, pca_gain : float
        Mean tSNR gain of the model and of PCA of the same size, in per cent.
    r2, pca_r2 : float
        Their R² over the same voxels, that is all.
    """
    if gain > NOTABLE_GAIN and r2 < LOW_R2:
        text = (
            f"tSNR rose by {gain:.1f} % while the reconstruction explains only {100 * r2:.0f} % of "
            "the variance: most of what was removed may be signal. Do not read the gain as denoising"
        )
        return [_warning("tsnr_up_r2_low", STRONG, text)]
    if None not in (pca_gain, pca_r2) and gain > pca_gain and gain > NOTABLE_GAIN and r2 < pca_r2:
        text = (
            f"the tSNR gain ({gain:.1f} %) exceeds that of PCA of the same size ({pca_gain:.1f} %) "
            f"but less variance is explained (R² {r2:.2f} against {pca_r2:.2f}): part of the gain "
            "is lost signal"
        )
        return [_warning("tsnr_up_r2_below_pca", MILD, text)]
    return []


def verdict_warnings(verdict: dict, prefix: str = "") -> list[dict]:
    """Warnings of a fit's verdict (JudgeFit's JSON), with one for a collapse or for over-regularisation.

    Parameters
    ----------
    verdict : dict
        May be empty.
    prefix : str
        Put before each text, such as "blocked fit: ".

    Examples
    --------
    >>> verdict_warnings({"collapsed": True, "reasons": ["none active"], "advice": "train longer"}, "blocked fit: ")
    [{'code': 'collapsed', 'severity': 'strong', 'text': 'blocked fit: none active. What to try: train longer.'}]
    """
    found = list(verdict.get("warnings", []))
    codes = {warning["code"] for warning in found}
    advice = f" What to try: {verdict['advice']}." if verdict.get("advice") else ""
    text = "; ".join(verdict.get("reasons", [])) + "." + advice
    if verdict.get("collapsed") and "collapsed" not in codes:
        found.append(_warning("collapsed", STRONG, text))
    elif verdict.get("over_regularised") and not codes & {"collapsed", "over_regularised"}:
        found.append(_warning("over_regularised", MILD, text))
    return [{**warning, "text": prefix + warning["text"]} for warning in found]


def _few_voxels(n: int) -> list[dict]:
    if n >= RATHER_FEW_VOXELS:
        return []
    severity = STRONG if n < FEW_VOXELS else MILD
    text = (
        f"{n} training voxels are {'too ' if severity == STRONG else 'rather '}few for this model: "
        "compare it with PCA before using its latents, and consider a larger mask"
    )
    return [_warning("few_voxels", severity, text)]


def _overfitted(steps, validation, linear_skip) -> list[dict]:
    if len(steps) != len(validation):
        raise ValueError(f"{len(steps)} steps but {len(validation)} validation losses")
    best = min(range(len(steps)), key=validation.__getitem__)
    found = []
    ratio = validation[-1] / validation[best] if validation[best] > 0 else 1.0
    if ratio > OVERFITTED:
        text = (
            f"overfitting: the last validation loss is {ratio:.2f} times the best one. The best "
            "weights (step "
            f"{steps[best]}) were kept; use fewer steps, a smaller network or more voxels"
        )
        found.append(_warning("overfitted", MILD, text))
    if steps[-1] > 0 and steps[best] <= EARLY * steps[-1]:
        start = ", which is PCA" if linear_skip and steps[best] == 0 else ""
        text = (
            f"the best step, {steps[best]} of {steps[-1]}, lies in the first tenth of the training: "
            f"the model learnt little beyond its start{start}"
        )
        found.append(_warning("best_step_early", STRONG, text))
    return found


def _warning(code: str, severity: str, text: str) -> dict:
    return {"code": code, "severity": severity, "text": text}
