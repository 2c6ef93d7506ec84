"""Our workflows inside others': the examples as a lab would run them, and the recipes' own code edited under Pydra."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SHAPE, FRAMES = (6, 6, 6), 40


@pytest.fixture
def data(tmp_path):
    """A mask, and a run of each of two subjects who are the same person: what is the same is computed once."""
    grid = np.diag([3.0, 3.0, 3.0, 1.0])
    rng = np.random.default_rng(0)
    courses = np.stack([np.sin(np.arange(FRAMES) / period) for period in (3, 5, 7)])
    values = 1000 + 20 * rng.normal(size=(*SHAPE, 3)) @ courses + 5 * rng.normal(size=(*SHAPE, FRAMES))
    image = nib.Nifti1Image(values.astype(np.float32), grid)
    image.header.set_zooms((3, 3, 3, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), grid), tmp_path / "mask.nii.gz")
    for label in ("sub-01", "sub-02"):
        nib.save(image, tmp_path / f"{label}_task-rest_desc-preproc_bold.nii.gz")
    return tmp_path


def started(script, *arguments, cwd, path=ROOT):
    """Run a script and return what it printed; the tools of this environment are on its PATH."""
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PYTHONPATH": str(path), "PATH": tools, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done


def leaves(folder):
    """The folders of steps and tools that have been computed."""
    return {path.name for kind in ("python", "shell") for path in (folder / "work").glob(f"{kind}-*")}


@pytest.mark.parametrize(
    ("subjects", "others"),
    [(["sub-01"], []), pytest.param(["sub-01", "sub-02"], ["runner", "local", "debug"], marks=pytest.mark.slow)],
)
def test_the_examples_run_on_any_worker_and_share_their_cache(data, subjects, others):
    """A shell task, a Nipype interface, our workflow two deep in the lab's, split over subjects; then our runner."""
    arguments = ("mask.nii.gz", *(next(data.glob(f"{subject}_*")).name for subject in subjects))
    example = EXAMPLES / "lab_workflow.py"
    table = started(example, *arguments, "--worker", "cf", cwd=data).stdout.split()[-1]
    found = pd.read_table(table)
    assert list(found.columns) == ["subject", "run", "median_tsnr"]
    assert list(found["subject"]) == subjects and (found["median_tsnr"] > 1).all()
    computed = leaves(data)
    denoised = next(data.glob("work/python-*/denoised*.nii.gz"))
    assert nib.load(denoised).shape == (*SHAPE, FRAMES - 2)
    for worker in others:
        again = started(example, *arguments, "--worker", worker, cwd=data).stdout.split()[-1]
        assert Path(again).read_bytes() == Path(table).read_bytes()
    kept = next(data.glob("work/shell-*/kept.nii.gz"))
    alone = started(EXAMPLES / "one_subject.py", "mask.nii.gz", kept, cwd=data)
    assert leaves(data) == computed
    assert alone.stdout.startswith("sub-01\n") and alone.stdout.strip().endswith(".html")


def test_docs_show_the_examples_as_they_are():
    """Each block of Python in the page stands word for word in an example."""
    page = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 4
    examples = [re.sub(r"\n+", "\n", path.read_text(encoding="utf-8")) for path in EXAMPLES.glob("*.py")]
    for block in blocks:
        for part in re.sub(r"\n+", "\n", block).split("# …\n"):
            assert any(part.strip() in textwrap.dedent(text) for text in examples), part
    for name in re.findall(r"examples/(\w+\.py)", page):
        assert (EXAMPLES / name).exists()


PREPARE = """
from pathlib import Path

from pydra.compose import workflow
from pydra.engine.submitter import Submitter
from fileformats.generic import File

from pydra_vae.engine.step import digest_of
from pydra_vae.workflows.finn_parts import PrepareSeries


@workflow.define(outputs={"scaled": File})
def Lab(bold: File, mask: File, code: str = digest_of(PrepareSeries)):
    return workflow.add(PrepareSeries(bolds=[bold], mask_file=mask)).scaled


if __name__ == "__main__":
    with Submitter(worker="debug", cache_root="work") as submitter:
        lab = Lab(bold=next(Path().glob("sub-01*.nii.gz")), mask="mask.nii.gz")
        print(submitter(lab).outputs.scaled)
"""


def test_an_edit_of_ours_is_seen_in_a_lab_s_workflow_on_a_plain_submitter(data):
    code = data / "code"
    for source, name in ((ROOT / "pydra_vae", "pydra_vae"), (ROOT / "workflows", "pydra_vae/workflows")):
        shutil.copytree(source, code / name, ignore=shutil.ignore_patterns("__pycache__", "workflows"))
    script = data / "lab.py"
    script.write_text(PREPARE)
    counts = []
    for files in ([], ["stats/normalise.py"], ["stats/collapse.py", "workflows/finn_parts.py"]):
        for file in files:
            with open(code / "pydra_vae" / file, "a", encoding="utf-8") as module:
                module.write("\nEDITED = True\n")
        before = leaves(data)
        started(script, cwd=data, path=code)
        counts.append(len(leaves(data) - before))
    # mask, series, scaling; the scaling; nothing: no step of these reaches the one, and of the other all are as before
    assert counts == [3, 1, 0]
