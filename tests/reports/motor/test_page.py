"""The motor page: complete, self-contained, the same twice, and true for every outcome."""

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pydra_vae.reports import cortex
from pydra_vae.reports.motor import MotorReport

SECTIONS = [
    "paper", "scores", "courses", "maps", "trajectories", "sharing", "fits", "controls", "planted", "methods",
    "parameters",
]  # fmt: skip


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Small pictures: what is on them is tested elsewhere."""
    monkeypatch.setattr(cortex, "PER_MM", 0.1)


@pytest.fixture
def undrawn(monkeypatch):
    """Figures as empty drawings, for what is said beside them."""
    monkeypatch.setattr("pydra_vae.reports.drawing.svg", lambda figure, name, description: "<svg></svg>")


def write(folder: Path, fields: dict, **more) -> str:
    given = {"simulated": True, "dataset": "A test", **fields, "folded": (), **more}
    text = MotorReport(**given).write(folder / "motor.html").read_text(encoding="utf-8")
    return html.unescape(text).replace("\u00a0", " ")


def section(page: str, name: str) -> str:
    return page[page.index(f'<section id="{name}">') :].partition("</section>")[0]


def words(page: str) -> list[str]:
    """What a reader sees, as words."""
    shown = re.sub(r"<svg.*?</svg>|base64,[^\"]+|<style>.*?</style>|<pre>.*?</pre>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", shown).lower().split()


def test_everything_is_there_in_the_order_of_the_paper(motor_of, tmp_path):
    page = write(tmp_path, motor_of())
    assert re.findall(r'<section id="(\w+)">', page) == SECTIONS
    assert page.count("<svg") == 7 and page.count("<img") == 5 * 5 + 3
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    linked = [link for _, link in re.findall(r'(src|href)="((?:https?:)?//[^"]*)"', page)]
    assert all(link.startswith(("https://doi.org/", "https://jmlr.org/", "https://openreview.net/")) for link in linked)
    assert not {"nan", "none", "inf", "<na>"} & set(words(page))
    again = write(tmp_path / "..", motor_of())
    assert again == page


@pytest.mark.slow
def test_at_full_size_it_is_small(motor_of, tmp_path, monkeypatch):
    monkeypatch.undo()
    fields = motor_of()
    MotorReport(**fields, simulated=True).write(tmp_path / "motor.html")
    assert (tmp_path / "motor.html").stat().st_size < 3_000_000


def test_ti_vae_loses_to_the_best_ica_and_beats_temporal_ica(motor_of, tmp_path, undrawn):
    claims = section(write(tmp_path, motor_of(gain=0.05)), "paper")
    assert "TI-VAE-S scores higher than the best temporal ICA by more than a standard deviation over seeds" in claims
    assert "TI-VAE-S scores lower than the best ICA at k = 8 and 16" in claims
    assert "its control does as well" in claims and "Linear components reach more (spatial Infomax, mean" in claims


def test_ti_vae_wins(motor_of, tmp_path, undrawn):
    claims = section(write(tmp_path, motor_of(gain=0.25)), "paper")
    assert (
        "TI-VAE-S scores higher than the best ICA by more than a standard deviation over seeds at k = 8 and 16"
        in claims
    )
    assert "Linear components" not in claims and "lower than" not in claims


def test_ti_vae_is_at_chance(motor_of, tmp_path, undrawn):
    fields = motor_of(gain=-0.4)
    claims = section(write(tmp_path, fields), "paper")
    assert "So the factors do not follow the sub-tasks beyond chance." in claims


def test_one_seed_decides_nothing_by_standard_deviations(motor_of, tmp_path, undrawn):
    page = write(tmp_path, motor_of(gain=0.25, seeds=(0,)))
    claims = section(page, "paper")
    assert "With one seed nobody can say whether by more than seeds differ." in claims
    assert "by more than a standard deviation" not in claims
    assert "It needs fits from two seeds (--seeds)." in section(page, "missing")


def test_no_functional_clusters(motor_of, tmp_path, undrawn):
    page = write(tmp_path, motor_of(functional=False), skipped={"functional": "no recording has signal"})
    assert "TI-VAE-F" not in section(page, "paper") and "functional sharing" not in section(page, "paper")
    assert "No recording has signal." in section(page, "missing")


def test_no_events(motor_of, tmp_path, undrawn):
    fields = motor_of()
    scored = ("comparison", "scores", "subjects", "courses", "map_scores")
    empty = {}
    for name in scored:
        empty[name] = tmp_path / f"{name}.tsv"
        pd.read_csv(fields[name], sep="\t").head(0).to_csv(empty[name], sep="\t", index=False)
    empty |= dict.fromkeys(("embedding", "embedding_models", "silhouette", "distances"), ())
    page = write(tmp_path, {**fields, **empty}, simulated=False, truth=None)
    assert re.findall(r'<section id="(\w+)">', page) == ["paper", "maps", "sharing", "fits", "controls", "methods",
                                                         "missing", "parameters"]  # fmt: skip
    assert "It needs recordings with events in all parts of the split." in section(page, "missing")
    assert ">Factor 1</th>" in section(page, "maps") and "sub-task" not in section(page, "paper").lower()
    assert not {"nan", "none"} & set(words(page))


def test_real_data_say_nothing_of_planting(motor_of, tmp_path, undrawn):
    fields = {**motor_of(), "truth": None, "truth_names": None}
    page = write(tmp_path, fields, simulated=False)
    assert "planted" not in page.lower() and "simulated" not in words(page)
    assert "claims that these recordings speak to" in page


def test_nothing_at_all(tmp_path):
    page = write(tmp_path, {}, simulated=False)
    assert re.findall(r'<section id="(\w+)">', page) == ["missing", "parameters"]


def test_what_failed_is_told_where_it_belongs(motor_of, tmp_path, undrawn):
    fields = {**motor_of(), "clock": None}
    page = write(tmp_path, fields, skipped={"clock": "the clock control failed: out of <memory>"})
    assert "out of <memory>" in section(page, "controls") and "<memory>" not in (tmp_path / "motor.html").read_text()
    assert "clock failed" in page


def test_without_a_validation_score_the_choice_is_said_to_be_optimistic(motor_of, tmp_path, undrawn):
    summary = pd.read_csv(motor_of()["comparison"], sep="\t").drop(columns="r_validation")
    summary.to_csv(tmp_path / "comparison.tsv", sep="\t", index=False)
    page = write(tmp_path, {**motor_of(), "comparison": tmp_path / "comparison.tsv"})
    assert "chosen on the test part, for want of others: optimistic" in section(page, "paper")


def test_files_that_do_not_belong_together_are_refused(motor_of, tmp_path):
    fields = motor_of()
    with pytest.raises(ValueError, match="maps has 4 files but map_models 1 labels"):
        write(tmp_path, fields, map_models=("TI-VAE-S",))
    np.save(tmp_path / "maps.npy", np.zeros((8, 7)))
    with pytest.raises(ValueError, match=r"maps\.npy has the shape \(8, 7\) but .*vertices\.tsv 11960 vertices"):
        write(tmp_path, fields, maps=(tmp_path / "maps.npy",), map_models=("TI-VAE-S k=8",))
    table = pd.read_csv(fields["fits"], sep="\t").drop(columns="r2_test")
    table.to_csv(tmp_path / "fits.tsv", sep="\t", index=False)
    with pytest.raises(ValueError, match=r"fits\.tsv has no column r2_test"):
        write(tmp_path, fields, fits=tmp_path / "fits.tsv")


def test_step_and_page_know_the_same_inputs(motor_of, tmp_path, undrawn):
    import inspect

    from pydra_vae.engine.step import call
    from pydra_vae.tasks import _pages, motor_report

    fields = motor_of()
    known = set(MotorReport.__dataclass_fields__)
    assert {*motor_report.LISTS, *motor_report.LABELS, *_pages.PLAIN, *_pages.TEXTS} < known
    assert "comparison" in inspect.getsource(motor_report)
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    given |= {"folded": None, "failures": '[{"label": "sub-9", "step": "reading", "message": "no TR"}]'}
    made = call(motor_report.MotorReport, cwd=tmp_path / "out", **given, simulated=True, title="A title")
    claims = pd.read_csv(made.claims, sep="\t")
    assert claims["claim"][0] == "short" and claims["finding"][0].startswith("In short: TI-VAE-S")
    assert set(claims["verdict"].dropna()) <= {"as in the paper", "its control does as well", "otherwise", "open"}
    page = (tmp_path / "out" / "motor.html").read_text(encoding="utf-8")
    assert "<h1>A title</h1>" in page and "sub-9 failed in reading" in page
    with pytest.raises(ValueError, match="skipped is no JSON"):
        call(motor_report.MotorReport, cwd=tmp_path / "out", skipped="{")


def test_steps_write_the_columns_that_the_page_needs():
    from pydra_vae.reports.motor_tables import NEEDED
    from pydra_vae.tasks import hrf_regression as steps

    head = {"model", "k", "beta", "seed"}
    written = {
        "comparison": steps.SUMMARY,
        "scores": steps.SCORES,
        "subjects": steps.SUBJECTS,
        "courses": steps.COURSES,
    }
    for name, columns in written.items():
        assert set(NEEDED[name].split()) <= head | set(columns), name
