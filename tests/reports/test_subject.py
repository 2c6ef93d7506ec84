"""The page of a subject: what it says comes from its files, it needs nothing else, and it is the same every time."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from pydra_vae.reports.loaded import Loaded
from pydra_vae.reports.subject import SubjectReport

VOID = {"meta", "img", "br", "hr", "link", "input"}
ORDER = ["summary", "learning", "examples", "volumes", "tsnr", "latents", "error", "metrics", "methods", "parameters"]


class Tags(HTMLParser):
    """Collects attributes, and fails on tags that do not match."""

    def __init__(self, html):
        super().__init__()
        self.open, self.found = [], []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1:]}>"
        self.open.pop()

    def values(self, *names):
        return [(tag, attrs[n]) for tag, attrs in self.found for n in names if attrs.get(n)]


def text_of(html):
    html = re.sub(r"<(style|svg)[^>]*>.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def check_self_contained(html):
    """No resource comes from outside; links lead to citations only."""
    assert not re.search(r"<(script|link|iframe|object|embed)\b", html)
    assert not re.search(r"(@import|url\(\s*['\"]?\s*(https?:|//))", html)
    for tag, value in Tags(html).values("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
        if tag == "a" and not value.startswith(("#", "data:")):
            assert re.match(r"https://(doi\.org|jmlr\.org|www\.nipreps\.org)/", value), value
        else:
            assert value.startswith(("#", "data:")), (tag, value[:80])


def test_page_is_self_contained_and_well_formed(page):
    check_self_contained(page)
    tags = Tags(page)
    ids = [value for _, value in tags.values("id")]
    assert len(ids) == len(set(ids))
    for _, value in tags.values("href"):
        assert not value.startswith("#") or value[1:] in ids
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)
    for tag, attrs in tags.found:
        assert tag != "img" or (attrs["alt"] and attrs["width"])
    assert len(page) < 1.5e6


def test_sections_in_order(page):
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ORDER
    assert re.findall(r'<li><a href="#(\w+)"', page) == sections


def test_tables_hold_the_numbers_of_the_files(page, subject):
    text = text_of(page)
    metrics = pd.read_csv(subject["metrics"][0], sep="\t").set_index("model")
    for column in ("mse_test", "mse_random", "emse_frame", "emse_all"):
        assert f"{metrics.loc['cvae', column]:.3g}" in text
    assert f"{metrics.loc['cvae', 'r2']:.3f}" in text
    tsnr = pd.read_csv(subject["tsnr"], sep="\t").set_index("model")
    assert f"+{tsnr.loc['cvae', 'gain_mean']:.1f} %" in text
    for control in ("PCA-9 = ICA-9", "PCA-16", "Shrinkage", "Voxel mean", "Random split", "Blocked split"):
        assert control in text
    for paper in ("0.0011", "0.0015", "+4.6 to +6.5 %"):
        assert paper in text
    assert "scales each time point over voxels instead" in text


def test_facts(page):
    text = text_of(page)
    assert "120, of which 117 used" in text and "2 s" in text
    assert "1,439 used; dropped: 1 constant voxel" in text
    assert "atlas planted_dseg.nii.gz: 8 parcels in 4 networks" in text
    # run 1: a frame with two reasons counts for both
    assert "Run Frames Used Dummy Non-steady Scrubbed task-rest run-1 70 67 1 2 1 task-rest run-2 50 50 0 0 0" in text
    assert "torch 2.13.0" in text  # of the fit, not of this machine


def test_warnings_come_first_and_strong_ones_before_mild_ones(page):
    strong, mild, body = page.index("No gain over PCA"), page.index("Few training voxels"), page.index("<main>")
    assert strong < mild < body
    assert "<b>No gain over PCA</b>None at all." in page
    assert "Simulated" not in text_of(page)


def test_no_warnings(subject, tmp_path):
    from pydra_vae.reports.sections import top

    verdict = tmp_path / "verdict.json"
    verdict.write_text(json.dumps({"collapsed": False, "over_regularised": False, "warnings": []}))
    data = Loaded(SubjectReport(**{**subject, "verdict": verdict, "warnings": ()}))
    assert "<b>No warnings</b>" in top(data)


def test_collapse_and_simulation_are_said(subject, tmp_path):
    from pydra_vae.reports.sections import recovery, top

    verdict = tmp_path / "verdict.json"
    content = {"collapsed": True, "over_regularised": True, "reasons": ["no unit is active"], "advice": "train longer"}
    verdict.write_text(json.dumps(content))
    planted = tmp_path / "recovery.tsv"
    planted.write_text("model\tr_clean_mean\tr_clean_median\tn_voxels_planted\ninput\t.61\t.6\t9\ncvae\t.88\tn/a\t9\n")
    fields = {**subject, "verdict": verdict, "warnings": (), "recovery": planted, "simulated": True, "dataset": "<b>&"}
    data = Loaded(SubjectReport(**fields))
    html = top(data)
    assert 'class="strong"><b>The model has collapsed</b>No unit is active. What to try: train longer.' in html
    assert html.index("Simulated data.") < html.index("collapsed")
    assert "&lt;b&gt;&amp;" in html and "<b>&" not in html
    assert "r with the planted signal 0.880 Input 0.610" in text_of(html)
    assert "Input 0.610 0.600 9 CVAE 0.880 – 9" in text_of(recovery(data))


def test_a_second_fit_that_is_over_regularised_is_said_and_named(subject, tmp_path):
    from pydra_vae.reports.sections import details

    blocked = tmp_path / "verdict.json"
    few = {"code": "few_voxels", "severity": "strong", "text": "900 training voxels are too few"}
    content = {"collapsed": False, "over_regularised": True, "reasons": ["swap ratio 1.2"], "warnings": [few]}
    blocked.write_text(json.dumps(content))
    data = Loaded(SubjectReport(**{**subject, "blocked_verdict": blocked}))
    texts = [(w["code"], w["text"]) for w in data.warnings]
    assert ("few_voxels", "blocked fit: 900 training voxels are too few") in texts
    assert ("over_regularised", "blocked fit: swap ratio 1.2.") in texts
    assert ("few_voxels", "1007 training voxels are few") in texts  # of the delivered fit
    assert "Verdict of the blocked fit" in details(data)


IN_ANOTHER_PROCESS = """
import json, sys
from pydra_vae.engine.step import call
from pydra_vae.tasks.report import SubjectReport

call(SubjectReport, cwd=sys.argv[2], **json.loads(sys.argv[1]))
"""


def test_step_gives_the_same_bytes_in_another_process(subject, page, tmp_path):
    """Through the step, with another order of sets and another time zone."""
    fields = {k: v for k, v in subject.items() if k not in ("metrics", "warnings")}
    fields["parameters"] = json.dumps(fields["parameters"])
    fields["metrics"], fields["blocked_metrics"] = subject["metrics"]
    (fields["error_warnings"],) = subject["warnings"]
    env = os.environ | {"PYTHONHASHSEED": "12345", "TZ": "Pacific/Auckland"}
    inputs = json.dumps(fields, default=str)
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, inputs, str(tmp_path)], check=True, env=env)
    assert (tmp_path / "sub-01.html").read_text(encoding="utf-8") == page


def test_page_of_a_given_model_on_residuals(residual_subject, tmp_path):
    """Nothing that is optional: no fit, no JSON, no background that could be drawn."""
    optional = ("history", "verdict", "normalization", "mask_info", "warnings", "run_infos", "parameters")
    fields = {k: v for k, v in residual_subject.items() if k not in optional}
    fields["why_not_blocked"] = "no blocked split: 9 voxels fill 1 block(s)"
    page = SubjectReport(**fields).write(tmp_path / "sub-01.html").read_text(encoding="utf-8")
    check_self_contained(page)
    text = text_of(page)
    assert "No blocked split: 9 voxels" in text
    assert "The model was given, not fitted here" in text
    assert "residuals (mean about 0)" in text and "tSNR in scaled units" in text


def test_example_voxels_are_test_voxels_of_falling_quality(subject):
    from pydra_vae.reports.figures import example_voxels

    data = Loaded(SubjectReport(**subject))
    svg = example_voxels(data)
    titles = re.findall(r"(Good|Median|Bad) \(R² ([\d.]+)\): Parcel\d, voxel \((\d+), (\d+), (\d+)\)", svg)
    assert [name for name, *_ in titles] == ["Good", "Median", "Bad"]
    r2 = [float(value) for _, value, *_ in titles]
    assert r2 == sorted(r2, reverse=True)
    where = data.voxels[["i", "j", "k"]].to_numpy().tolist()
    assert {where.index([int(n) for n in t[2:]]) for t in titles} <= set(data.test)


def test_censored_emse_frame_is_said(subject):
    from pydra_vae.reports.figures import emse_volumes

    def caption(frame):
        return emse_volumes(Loaded(SubjectReport(**{**subject, "emse_frame": frame}))).partition("<figcaption>")[2]

    assert "Frame 30" in caption(30) and "censored" in caption(30)
    assert "Frame 31" in caption(31) and "censored" not in caption(31)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"kl_weight": 0.5, "kl_annealing_steps": 200}, "has the weight 0.500, reached linearly over 200 steps"),
        (
            {
                "kl_weight": 1.5e-5,
                "beta": 1.0,
                "noise_variance": 0.0097,
                "annealing": "cyclical",
                "kl_annealing_steps": 40,
            },
            "has β = 1 of the evidence lower bound in nats (Higgins et al., 2017): for a noise variance of 0.00970 a "
            "weight of 0.0000150 beside the mean squared error, reached in four cycles (Fu et al., 2019) over 40 steps",
        ),
        (
            {"mmd_weight": 0.1, "kl_annealing_steps": 40, "annealing": "sigmoid"},
            "in InfoVAE (Zhao et al., 2019), has the weight 0.100, reached along a sigmoid over 40 steps",
        ),
        ({"warm_start": "0af1"}, "from the weights of another fit (warm start)"),
        ({"network": "dense", "linear_skip": "pca"}, "starts as PCA of the same size"),
        ({"sample_latent": True}, "weight 0, as in the paper."),
        ({"recipe": {"name": "paper", "schedule": "constant", "patience": 100}}, "patience of 100 epochs"),
        ({"network": "paper"}, "16 to 128 channels"),
        ({"mixing": 0.5}, "Voxel mixing of 50 % of the training voxels, drawn anew at each step."),
    ],
)
def test_methods_follow_the_parameters(subject, tmp_path, config, says):
    from pydra_vae.reports.methods import write_methods

    changed = tmp_path / "model.json"
    changed.write_text(json.dumps({**json.loads(subject["config"].read_text()), **config}))
    paragraphs, references = write_methods(Loaded(SubjectReport(**{**subject, "config": changed})))
    assert says in " ".join(paragraphs)
    assert ("Smith" in str(references)) == (config.get("recipe", {}).get("schedule") != "constant")
    for name in ("Higgins", "Fu, H.", "Zhao"):
        assert any(name in reference.text for reference in references) == (f"({name.split(',')[0]} et al." in says)


@pytest.mark.parametrize(
    ("generated_by", "simulated", "says", "cited"),
    [
        ("fMRIPrep", False, "2 BOLD runs of A small test, preprocessed with fMRIPrep (Esteban et al., 2019)", True),
        ("fmriprep, tedana", False, "preprocessed with fMRIPrep (Esteban et al., 2019) and tedana, with", True),
        ("nilearn", False, "preprocessed with nilearn, with", False),
        ("", False, "2 BOLD runs of A small test, with 120 frames", False),
        ("fMRIPrep", True, "simulated on the geometry of a template, with", False),
    ],
)
def test_methods_name_what_preprocessed_the_data(subject, generated_by, simulated, says, cited):
    from pydra_vae.reports.methods import write_methods

    fields = {**subject, "generated_by": generated_by, "simulated": simulated}
    paragraphs, references = write_methods(Loaded(SubjectReport(**fields)))
    assert says in paragraphs[0]
    assert any("fMRIPrep" in r.text for r in references) == cited


def test_methods_of_the_atlas_and_of_cleaning(subject, tmp_path):
    from pydra_vae.reports.methods import write_methods

    mask, run = tmp_path / "mask.json", tmp_path / "series.json"
    mask.write_text(json.dumps({"mask_from": "atlas", "atlas": "tpl-X_atlas-Schaefer2018_dseg.nii.gz"}))
    run.write_text(json.dumps({"repetition_time": 2.0, "strategy": "simple", "smoothing_fwhm": 6.0, "high_pass": None}))
    fields = {**subject, "mask_info": mask, "run_infos": (run, run)}
    paragraphs, references = write_methods(Loaded(SubjectReport(**fields)))
    text = " ".join(paragraphs)
    assert "smoothed with a Gaussian of 6 mm FWHM and cleaned of motion, white-matter and CSF regressors" in text
    assert "Schaefer et al. (2018)" in text and any(r.text.startswith("Schaefer") for r in references)


def test_files_of_two_subjects_are_refused(subject, tmp_path):
    other = tmp_path / "latents.npy"
    np.save(other, np.zeros((17, 9), np.float32))
    with pytest.raises(ValueError, match=r"latents.npy has the shape \(17,\) where \(1439,\) belongs to .*scaled.npy"):
        SubjectReport(**{**subject, "latents": other}).write(tmp_path / "x.html")
