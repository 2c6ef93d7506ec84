"""The motor page in one sentence, and figures of its fits."""

import numpy as np
import pandas as pd
import pytest

from pydra_vae.reports import motor_sentences as say
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, OPEN, Claim, Finding
from pydra_vae.reports.motor_figures_fits import learning_curves, parameters_by_part
from pydra_vae.reports.motor_short import in_short
from pydra_vae.reports.motor_tables import Chosen


class Main:
    """Tables that know their main family."""

    main = "TI-VAE-S"


def short(**verdicts: str) -> str:
    names = {name.replace("_", "-"): verdict for name, verdict in verdicts.items()}
    return in_short([Claim(n, "", "", "", "", Finding("", v)) for n, v in names.items()], Main)


def test_each_null_is_named_with_what_came_of_it():
    said = short(factors=ALSO, temporal=DIFFERS, ica=DIFFERS, beta_vae=DIFFERS, beta=OPEN, parameters=AGREES)
    assert said.startswith(
        "In short: TI-VAE-S beats courses shifted in time; it does not beat the best temporal ICA, the best of all "
        "ICA or the β-VAE; it may or may not beat itself at β = 0: these fits cannot tell."
    )
    assert short(factors=DIFFERS).startswith("In short: TI-VAE-S does not beat courses shifted in time.")
    assert short(temporal=ALSO).startswith("In short: TI-VAE-S does not beat")
    assert short(factors=AGREES, temporal=AGREES).startswith(
        "In short: TI-VAE-S beats courses shifted in time and the best temporal ICA."
    )
    assert short(parameters=AGREES) == ""


def test_random_clusters_that_explain_less_are_not_called_as_good():
    ours, random = (Chosen("m", 8, 1.0, np.array(r), "validation") for r in ([0.5, 0.3], [0.38]))
    assert say.bias(ours, random).verdict == ALSO
    found = say.bias(ours, random, (0.164, 0.109))
    assert found.verdict == OPEN and "R² 0.109 against 0.164" in found.text and "hardly" not in found.text


@pytest.mark.parametrize(
    ("limbs", "beside", "own", "verdict"),
    [((4, 4), (3, 4), (5, 5), AGREES), ((4, 4), (4, 4), (5, 5), ALSO), ((3, 4), (3, 4), (5, 5), DIFFERS),
     ((4, 4), (3, 4), (0, 0), OPEN), ((4, 4), (3, 4), (4, 5), OPEN), ((4, 4), (3, 4), (2, 5), DIFFERS)],
)  # fmt: skip
def test_a_homunculus_needs_more_than_the_right_side(limbs, beside, own, verdict):
    found = say.homunculus(limbs, beside, own)
    assert found.verdict == verdict and ("once in 16" in found.text) == (limbs == (4, 4))


def test_learning_curves_have_each_fit_once_in_their_legend():
    table = pd.DataFrame({"step": [0, 10, 20], "val_r2": [-0.1, 0.1, 0.15]})
    seeds = {f"TI-VAE-S k=8 beta=1 seed={seed}": table for seed in (0, 1)}
    drawn = learning_curves({**seeds, "linear k=8 beta=1 seed=0": table}, {8: 0.2})
    assert drawn.count(">TI-VAE-S, k = 8, β = 1<") == 1 and ">PCA, k = 8<" in drawn
    assert learning_curves({}, {8: 0.2}) == "" and learning_curves({"PCA k=8": table[["step"]]}, {}) == ""


def test_bars_of_parameters_have_the_colours_of_their_models():
    counts = {f"{model} k=8": {"gru": 10} for model in ("TI-VAE-S", "TI-VAE-F", "linear", "unshared hemispheres")}
    drawn = parameters_by_part(counts)
    assert all(colour in drawn for colour in ("#3488d0", "#2f9e78", "#8a8a8a", "#c77fb0"))
    assert "TI-VAE-F, k = 8: 10" in drawn


def test_histories_and_glm_enter_the_page(motor_of, tmp_path, monkeypatch):
    from pydra_vae.reports.motor import MotorReport

    monkeypatch.setattr("pydra_vae.reports.cortex.PER_MM", 0.1)
    fields = motor_of()
    history = tmp_path / "history.tsv"
    pd.DataFrame({"step": [0, 9], "val_r2": [0.0, 0.1]}).to_csv(history, sep="\t", index=False)
    glm = tmp_path / "glm.tsv"
    names = ("left_hand", "tongue")
    value = {"coefficient": 0.125, "r2": 0.5}
    rows = [{"model": "TI-VAE-S", "k": k, "beta": 1.0, "seed": 0, "factor": f, "subtask": n, **value}
            for k in (8, 16) for f in range(k) for n in names]  # fmt: skip
    pd.DataFrame(rows).to_csv(glm, sep="\t", index=False)
    given = {**fields, "folded": (), "glm": glm, "histories": [history] * len(fields["configs"])}
    page = MotorReport(**given, simulated=True).write(tmp_path / "motor.html").read_text(encoding="utf-8")
    assert "GLM: each factor on all sub-tasks together" in page and "R² of the validation recordings while" in page
    assert page.index('id="paper"') < page.index("In short:") < page.index('class="claims"')
    assert "no independent finding here" in page
    with pytest.raises(ValueError, match="histories has 1 files but config_names 2 labels"):
        MotorReport(**{**given, "histories": [history]}).write(tmp_path / "motor.html")


def test_without_scores_the_usual_beta_is_taken_not_the_control(motor_of, tmp_path):
    from pydra_vae.reports.motor import MotorReport
    from pydra_vae.reports.motor_claims import claims_of
    from pydra_vae.reports.motor_tables import MotorTables

    rows = [("TI-VAE-S", 0.0, 0.4), ("TI-VAE-S", 1.0, 0.20), ("TI-VAE-S", 1.0, 0.22), ("linear", 1.0, 0.1)]
    table = [{"model": m, "k": 8, "beta": b, "seed": i, "r2_test": r} for i, (m, b, r) in enumerate(rows)]
    pd.DataFrame(table).to_csv(tmp_path / "fits.tsv", sep="\t", index=False)
    (claim,) = claims_of(MotorTables(MotorReport(fits=tmp_path / "fits.tsv")))
    assert claim.ours == "R² 0.210 (k = 8)"


def test_less_correlated_factors_of_one_seed_decide_nothing():
    assert say.disentangled(0.19, 0.15, np.nan, np.nan, 1.0).verdict == OPEN
    assert say.disentangled(0.19, 0.15, np.nan, np.nan, 1.0, 0.02).verdict == AGREES
    assert say.disentangled(0.19, 0.15, np.nan, np.nan, 1.0, 0.05).verdict == OPEN
    assert say.disentangled(0.19, 0.19, np.nan, np.nan, 1.0, 0.05).verdict == DIFFERS


def test_a_trajectory_without_sub_tasks_is_coloured_by_time():
    from pydra_vae.reports.motor_figures import trajectories

    table = pd.DataFrame({"frame": range(9), "x": range(9), "y": range(9), "block": np.nan, "opacity": 1.0})
    drawn = trajectories({"TI-VAE-S": table}, [])
    assert "between blocks" not in drawn and len({c for c in drawn.split("#") if c[:6].isalnum()}) > 5
