"""The group's page: complete, self-contained, the same twice; what is missing is named, what is wrong is told."""

import html
import json
import re

import pandas as pd
import pytest

from pydra_vae.reports.group import GroupReport
from pydra_vae.reports.group_tables import NEEDED, TABLES

SECTIONS = [
    "paper", "subjects", "size", "transfer", "structure", "networks", "alignment", "shared", "kl", "outliers",
    "connectivity", "statistics", "controls", "planted", "methods", "parameters",
]  # fmt: skip
GROUP_ONLY = {"transfer", "alignment", "shared", "statistics"}


def write(folder, fields, **more) -> str:
    page = GroupReport(**{"simulated": True, **fields, **more}).write(folder / "index.html").read_text(encoding="utf-8")
    return html.unescape(page).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def page(group_of, tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp("page"), group_of(3))


def test_every_section_in_the_order_of_the_paper(page):
    assert re.findall(r'<section id="(\w+)">', page) == SECTIONS
    assert re.findall(r'<li><a href="#(\w+)">', page) == SECTIONS
    assert page.index('id="paper"') < page.index("0.0011 → 0.019 (× 17)") < page.index('id="subjects"')


def test_figures_have_ids_of_their_own_and_nothing_comes_from_outside(page):
    assert page.count("<svg") == 18 and page.count("<img") == 1
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    linked = [link for _, link in re.findall(r'(src|href)="((?:https?:)?//[^"]*)"', page)]
    known = ("https://doi.org/", "https://jmlr.org/", "https://www.nipreps.org/", "https://openreview.net/")
    assert all(link.startswith(known) for link in linked)
    assert (
        "nan"
        not in re.sub(r"<svg.*?</svg>|base64,[^\"]+|<style>.*?</style>", "", page, flags=re.DOTALL).lower().split()
    )


def only(fields, *names) -> dict:
    """The metrics and some of the other inputs: a page of few figures."""
    return {name: fields[name] for name in ("metrics", *names)}


def test_the_same_inputs_give_the_same_bytes(group_of, tmp_path, page):
    names = ("curve", "choice", "views", "pairs", "nulls", "geometry", "matrices", "parcels", "samples")
    again = re.findall(r"<figure>.*?</figure>", write(tmp_path, only(group_of(3), *names)), flags=re.DOTALL)
    assert len(again) == 6 and all(drawn in page for drawn in again)


def test_of_the_papers_size(group_of, tmp_path):
    page = write(tmp_path, group_of(22))
    assert (tmp_path / "index.html").stat().st_size < 3_000_000
    assert "22 of 22 subjects" in page and re.findall(r'<section id="(\w+)">', page) == SECTIONS


@pytest.fixture
def undrawn(monkeypatch):
    """Figures as empty drawings, for what is said beside them."""
    monkeypatch.setattr("pydra_vae.reports.drawing.svg", lambda figure, name, description: "<svg></svg>")


def test_one_subject_says_what_needs_two(group_of, tmp_path, undrawn):
    page = write(tmp_path, group_of(1))
    found = re.findall(r'<section id="(\w+)">', page)
    assert found == [name for name in [*SECTIONS[:-1], "missing", "parameters"] if name not in GROUP_ONLY]
    missing = page[page.index('<section id="missing">') :]
    assert missing.count("it needs at least two; here is one.") == 5
    assert "group … --analyses alignment" in missing and "--score" not in missing


def test_what_was_not_made_is_named_with_its_reason_or_how_to_get_it(group_of, tmp_path, undrawn):
    fields = {"metrics": group_of(3)["metrics"], "simulated": False}
    reason = "lie in a space of their own <b>"
    page = write(tmp_path, fields, skipped={"alignment": reason, "maps of blood": "no vessels"})
    assert re.findall(r'<section id="(\w+)">', page) == ["paper", "subjects", "missing", "parameters"]
    missing = page[page.index('<section id="missing">') :]
    assert (
        "At the participant level, then the group level again: <code>participant … --analyses sweep</code>" in missing
    )
    assert "group … --score COLUMN" in missing and "No vessels." in missing
    assert "Lie in a space of their own <b>." in missing and "<b>" not in (tmp_path / "index.html").read_text()
    assert page.count("<svg") == 1


def test_an_empty_table_is_as_none(group_of, tmp_path, undrawn):
    empty = tmp_path / "separability.tsv"
    pd.read_csv(group_of(3)["separability"], sep="\t").head(0).to_csv(empty, sep="\t", index=False)
    page = write(tmp_path, {**only(group_of(3), "dimensions"), "separability": empty})
    assert '<section id="networks">' not in page and '<section id="structure">' in page


def test_a_missing_column_is_named_with_its_file(group_of, tmp_path):
    table = tmp_path / "pairs.tsv"
    pd.read_csv(group_of(3)["pairs"], sep="\t").drop(columns="disparity").to_csv(table, sep="\t", index=False)
    with pytest.raises(
        ValueError, match=r"pairs\.tsv has no column disparity \(it has first, second.*belongs to pairs"
    ):
        write(tmp_path, {**group_of(3), "pairs": table})


def test_maps_of_another_mask_are_refused(group_of, tmp_path, undrawn):
    import numpy as np

    np.save(tmp_path / "latents.npy", np.zeros((5, 9)))
    with pytest.raises(ValueError, match=r"latents\.npy has the shape \(5, 9\) but \d+ voxels of the mask can be used"):
        write(tmp_path, {**only(group_of(3), "gradients", "mask", "structure"), "latents": tmp_path / "latents.npy"})


def test_planted_only_of_simulated_data(group_of, tmp_path, page, undrawn):
    fields = only(group_of(3), "latent_recovery", "outliers")
    assert '<section id="planted">' not in write(tmp_path, fields, simulated=False)
    planted = page[page.index('<section id="planted">') :]
    for what in ("Clean signal", "Latents of each voxel", "Artefact voxels (60 a subject)", "Shared stimulus",
                 "Individual maps", "Trait behind “score”"):  # fmt: skip
        assert what in planted


def test_recordings_of_one_person(group_of, tmp_path, undrawn):
    pairs = pd.read_csv(group_of(3)["pairs"], sep="\t")
    pairs["relation"] = pairs["relation"].replace("subjects", "same person, other run")
    pairs.to_csv(tmp_path / "pairs.tsv", sep="\t", index=False)
    page = write(tmp_path, {**only(group_of(3), "nulls"), "pairs": tmp_path / "pairs.tsv"})
    assert "All recordings are of one person" in page and "do not align (Procrustes)" not in page


def test_no_elbow(group_of, tmp_path):
    choice = {"size": None, "low": None, "high": None, "rule": "r", "shares": {}, "verdict": "none",
              "sentence": "no elbow: the error falls smoothly", "pca_size": None, "n_curves": 1}  # fmt: skip
    (tmp_path / "choice.json").write_text(json.dumps(choice))
    page = write(tmp_path, {**only(group_of(1), "curve"), "choice": tmp_path / "choice.json"})
    assert "No elbow: the error falls smoothly. So the error alone does not choose 9." in page
    assert "interval of the choice" not in page and "within 5 %" not in page


def test_what_describes_the_size_stands_beside_the_rule(page):
    size = page[page.index('<section id="size">') : page.index('<section id="transfer">')]
    assert "12 is the smallest size with an error within 5 % of that at 16; for PCA it is 16." in size
    assert "within 5 % of the largest: 12 (9 to 12)" in size and "interval of the choice" in size
    assert "it describes the curve, chooses nothing" in size


def test_the_interval_of_draws_is_drawn_of_a_choice_only(group_of):
    from pydra_vae.reports.group_figures_fits import size_curves

    curve = pd.read_csv(group_of(3)["curve"], sep="\t")
    drawn = size_curves(curve, {"size": None, "low": 4, "high": 4, "shares": {"4": 0.2}})
    assert "interval of the choice" not in drawn and "chosen" not in drawn


def test_a_floor_by_construction_is_said(group_of, tmp_path, page):
    assert "small by construction" not in page and "same start" not in page
    skip = write(tmp_path, only(group_of(3), "pairs", "nulls"), linear_skip="pca")
    assert "same subject, other seed (same start): 0." in skip
    assert "<b>Here both fits start from nearly the same PCA components (the linear skip), so that the floor" in skip


def test_a_failed_analysis_is_a_failure_in_its_section(group_of, tmp_path):
    skipped = {"alignment": "alignment failed: no <voxel> shared", "statistics": "score failed: no column iq"}
    page = write(tmp_path, only(group_of(3), "tests"), skipped=skipped)
    assert "3 subjects analysed; of the group's analyses, alignment and statistics failed" in page
    alignment = page[page.index('<section id="alignment">') :].partition("</section>")[0]
    assert '<li class="strong"><b>Alignment of latent spaces, with floor and nulls: alignment failed</b>' in alignment
    assert "no <voxel> shared" in alignment and "<voxel>" not in (tmp_path / "index.html").read_text()
    statistics = page[page.index('<section id="statistics">') :].partition("</section>")[0]
    assert "no column iq" in statistics and "Tests over subjects" in statistics
    assert "Alignment" not in page[page.index('<section id="missing">') :]


def test_methods_say_how_gradients_were_made(group_of, tmp_path):
    fields = only(group_of(3), "structure", "samples")
    assert "whose 10 % largest connections were kept, with α = 0.5 (by default)" in write(tmp_path, fields)
    info = tmp_path / "info.json"
    info.write_text(json.dumps({"level": "seed", "affinity": "normalized_angle", "sparsity": 0.8, "alpha": 1.0}))
    page = write(tmp_path, fields, gradients_info=info, frequency_unit="Hz")
    made = "of voxels with parcels, whose 20 % largest connections were kept, normalized angle affinity, with α = 1;"
    assert made in page and "Frequency (Hz)" in page


def test_the_better_linear_space_is_the_control(group_of, tmp_path):
    geometry = pd.read_csv(group_of(3)["geometry"], sep="\t")
    geometry.loc[geometry["space"] == "pca whitened", "r"] = 0.65
    geometry.to_csv(tmp_path / "geometry.tsv", sep="\t", index=False)
    page = write(tmp_path, {**only(group_of(3)), "geometry": tmp_path / "geometry.tsv"})
    assert "Whitened PCA: 0.65" in page and "in whitened PCA of the same size (0.65)" in page


def test_nothing_planted_and_no_score(group_of, tmp_path):
    outliers = pd.read_csv(group_of(3)["outliers"], sep="\t").assign(auc="n/a", n_planted="n/a")
    outliers.to_csv(tmp_path / "outliers.tsv", sep="\t", index=False)
    page = write(tmp_path, {**only(group_of(3)), "outliers": tmp_path / "outliers.tsv"}, simulated=False)
    assert "Nobody knows which voxels and frames are outliers here" in page and "<td>71.0</td>" not in page
    assert "group … --score COLUMN" in page


def test_step_and_page_know_the_same_inputs(group_of, tmp_path):
    from pydra_vae.engine.step import call
    from pydra_vae.tasks import group_report

    fields = set(GroupReport.__dataclass_fields__)
    assert set(TABLES) | {"choice", "stimulus", "gradients_info"} < set(group_report.FILES) < fields
    assert set(NEEDED) == set(TABLES)
    given = only(group_of(3), "pairs", "nulls", "choice", "curve")
    given |= {"metrics": list(given["metrics"]), "skipped": "{}", "simulated": True, "linear_skip": "pca"}
    call(group_report.GroupReport, cwd=tmp_path / "out", **given)
    assert "small by construction" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="skipped is no JSON"):
        call(group_report.GroupReport, cwd=tmp_path / "out", **{**given, "skipped": "{"})


def test_steps_write_the_columns_that_the_page_needs():
    from pydra_vae.tasks import align, compare_gradients, group_statistics, identify, intersubject, score_mantel

    written = {name: columns.split() for name, columns in align.COLUMNS.items()}
    written |= {"identification": identify.COLUMNS, "mantel": score_mantel.COLUMNS, "isc": intersubject.COLUMNS}
    written |= {"tests": group_statistics.COLUMNS, "matches": compare_gradients.COLUMNS}
    for name, columns in written.items():
        assert set(NEEDED[name].split()) - {"participant_id"} <= set(columns), name
