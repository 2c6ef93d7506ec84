"""The one verdict that is delivered: warnings of both fits and of the steps after them."""

import json
from pathlib import Path

from pydra_vae.engine.step import call
from pydra_vae.tasks.subject_verdict import SubjectVerdict

HEALTHY = {"collapsed": False, "over_regularised": False, "reasons": [], "advice": "", "warnings": []}
FEW = {"code": "few_voxels", "severity": "mild", "text": "few"}


def joined(folder, **contents):
    paths = {}
    for name, content in contents.items():
        paths[name] = folder / f"{name}.json"
        paths[name].write_text(json.dumps(content))
    return json.loads(Path(call(SubjectVerdict, cwd=folder / "out", **paths).verdict).read_text())


def test_warnings_of_the_second_fit_are_marked(tmp_path):
    sick = {"collapsed": True, "over_regularised": True, "reasons": ["none active"], "advice": "x", "warnings": [FEW]}
    found = joined(tmp_path, verdict=HEALTHY, blocked_verdict=sick, tsnr_warnings=[FEW | {"code": "tsnr_up_r2_low"}])
    assert not found["collapsed"]  # the delivered fit is healthy
    assert [(w["code"], w["text"]) for w in found["warnings"]] == [
        ("few_voxels", "blocked fit: few"),
        ("collapsed", "blocked fit: none active. What to try: x."),
        ("tsnr_up_r2_low", "few"),
    ]


def test_over_regularisation_of_the_delivered_fit_is_a_warning_too(tmp_path):
    found = joined(tmp_path, verdict=HEALTHY | {"over_regularised": True, "reasons": ["swap ratio 1.2"]})
    assert found["over_regularised"]
    assert found["warnings"] == [{"code": "over_regularised", "severity": "mild", "text": "swap ratio 1.2."}]
