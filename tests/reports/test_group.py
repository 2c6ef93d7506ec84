"""The index of a group: links, failures, means; for one subject too."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest

from pydra_vae.reports.group import Failure, GroupReport

MODELS = ("cvae", "pca-9 = ica-9", "pca-16", "shrinkage", "voxel mean")


def write_metrics(folder, n, splits=("random", "blocked")):
    paths = []
    for s in range(n):
        rows = [
            {
                "participant_id": f"sub-{s + 1:02d}", "split": split, "model": model,
                "mse_test": 0.01 * (m + 1) + 0.001 * s,
                "r2": 0.6, "variance_ratio": 0.6, "gain_mean": 20.0 + m if first else np.nan,
                "r_clean_mean": 0.9 if model == "cvae" and first else np.nan,
            }
            for first, split in zip((True, False), splits, strict=True)
            for m, model in enumerate(MODELS)
        ]  # fmt: skip
        paths.append(folder / f"metrics-{s}.tsv")
        pd.DataFrame(rows).to_csv(paths[-1], sep="\t", index=False, na_rep="n/a")
    return tuple(paths)


def write(folder, n=3, **fields):
    metrics = write_metrics(folder, n)
    return GroupReport(metrics=metrics, **fields).write(folder / "index.html").read_text(encoding="utf-8")


def test_group(tmp_path):
    page = write(
        tmp_path,
        links={"sub-01": "sub-01.html", "sub-02": "sub-02.html"},
        warnings={"sub-01": [], "sub-02": [{"code": "collapsed", "severity": "strong", "text": "x"}]},
        failures=[Failure("sub-04", "MaskBold", "truncated <file>")],
        dataset="Story & more",
    )
    assert '<a href="sub-01.html">sub-01</a>' in page and '<a href="sub-03' not in page
    assert "3 subjects analysed, 1 failed" in page
    assert "sub-04 failed in MaskBold" in page and "truncated &lt;file&gt;" in page
    assert re.search(r'<td title="collapsed">1 \(1 strong\)</td>', page)
    assert "<h1>Story &amp; more</h1>" in page and "Simulated" not in page
    # mean of .010, .011, .012, and every subject better than PCA: p = 2 · 0.5³
    assert '<tr class="total"><td>Mean</td><td></td><td>0.0110</td><td>0.0210</td>' in page
    assert (
        "in 3 of 3 subjects (mean change −47.7 %; Wilcoxon's signed-rank test over subjects: p = 0.25)"
        in html.unescape(page).replace("\u00a0", " ")
    )
    assert page.count("<svg") == 1 and not re.search(r'(src|href)="(https?:)?//', page)


def test_one_subject(tmp_path):
    page = write(tmp_path, 1, simulated=True)
    assert "1 subject analysed" in page and 'class="total"' not in page and "Wilcoxon" not in page
    assert "Simulated data." in page and page.count("<svg") == 1


def test_one_table_of_all_gives_the_same_page(tmp_path):
    first = write(tmp_path)
    joined = tmp_path / "group.tsv"
    pd.concat([pd.read_csv(p, sep="\t") for p in sorted(tmp_path.glob("metrics-*.tsv"))]).to_csv(
        joined, sep="\t", index=False, na_rep="n/a"
    )
    second = GroupReport(metrics=(joined,)).write(tmp_path / "again.html").read_text(encoding="utf-8")
    assert first == second


def test_nobody(tmp_path):
    page = GroupReport(metrics=(), failures=[Failure("sub-01", "", "no")]).write(tmp_path / "index.html").read_text()
    assert "No subject was analysed." in page and "sub-01 failed" in page


def test_step(tmp_path):
    from pydra_vae.engine.step import call
    from pydra_vae.tasks.group_report import GroupReport as Step

    metrics = list(write_metrics(tmp_path, 2))
    failures = json.dumps([{"label": "sub-03", "step": "FitCvae", "message": "NaN"}])
    out = call(Step, cwd=tmp_path / "out", metrics=metrics, links='{"sub-01": "sub-01.html"}', failures=failures)
    assert "sub-03 failed in FitCvae" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert str(out.index).endswith("index.html")
    with pytest.raises(ValueError, match="links is no JSON"):
        call(Step, cwd=tmp_path / "out", metrics=metrics, links="{")
