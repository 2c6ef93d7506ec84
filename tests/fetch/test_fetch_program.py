"""`pydra-vae fetch` as a program: its page, what it shows, how it ends."""

import io
import re
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from pydra_vae import fetch
from pydra_vae.downloads import shown
from pydra_vae.downloads.files import RemoteFile, in_words
from pydra_vae.downloads.needed import Wanted
from pydra_vae.downloads.shown import Shown, plan
from pydra_vae.options.fetch import fetch_parser
from pydra_vae.options.finn import finn_parser
from pydra_vae.options.motor import motor_parser

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "downloads.md").read_text(encoding="utf-8")
FILES = [RemoteFile(f"sub-{i}/a", "", 1_000_000) for i in range(3)]


@pytest.mark.parametrize("command", re.findall(r"pydra-vae fetch ([^`\n]+?)(?=`|\n)", PAGE))
def test_every_command_of_the_page_is_understood(command):
    if "DATASET" not in command:
        assert fetch_parser().parse_args(shlex.split(command)).dataset


@pytest.mark.parametrize(("recipe", "command"), re.findall(r"pydra-vae (finn|motor) ([^`\n]+?)(?=`|\n)", PAGE))
def test_the_recipes_understand_what_the_page_gives_them(recipe, command):
    parser = {"finn": finn_parser, "motor": motor_parser}[recipe]()
    assert str(parser.parse_args(shlex.split(command)).output).startswith("results")


@pytest.mark.parametrize("option", sorted(set(re.findall(r"(--[a-z][a-z-]+)", PAGE))))
def test_every_option_of_the_page_exists(option):
    assert option in fetch_parser().format_help()


def test_underscores_and_labels_with_sub_are_understood():
    options = fetch_parser().parse_args(["ds001338", "--participant_label", "sub-01", "02", "--task_id", "rest"])
    assert options.participant_label == ["01", "02"] and options.task_id == ["rest"]


def test_a_log_has_a_line_now_and_then(monkeypatch):
    monkeypatch.setattr(shown, "_SECONDS", -1.0)
    out = io.StringIO()
    with Shown(FILES, Console(file=out)) as progress:
        progress(FILES[0], 500_000, "running")
        progress(FILES[0], 1_000_000, "fetched")
        progress(FILES[1], 1_000_000, "there")
    assert out.getvalue().splitlines() == [
        "0 of 3 files, 500 kB of 3 MB",
        "1 of 3 files, 1 MB of 3 MB",
        "2 of 3 files, 2 MB of 3 MB",
    ]


def test_a_terminal_has_a_bar():
    out = io.StringIO()
    with Shown(FILES, Console(file=out, force_terminal=True, width=100, _environ={"TERM": "xterm"})) as progress:
        progress(FILES[0], 1_000_000, "fetched")
        progress._bar.refresh()
    assert "1 of 3 files" in out.getvalue()


def test_the_plan_is_one_line(tmp_path):
    assert plan(FILES, Path("data"), 2_000_000) == (
        "3 files of 3 participants, 3 MB, of which 2 MB are still to come to data"
    )
    assert in_words(0) == "0 B" and in_words(2.5e12) == "2.5 TB"


def test_an_interrupt_ends_with_its_status(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "listed", interrupted)
    assert fetch.main(["ds001338"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_the_dataset_is_needed(capsys):
    with pytest.raises(SystemExit) as ended:
        fetch.main([])
    assert ended.value.code == 2 and "DATASET" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "path", "needed"),
    [
        (Wanted(), "sub-1/func/sub-1_task-a_run-1_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz", True),
        (Wanted(runs=["01"]), "sub-1/func/sub-1_task-a_run-1_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz", True),
        (Wanted(runs=["2"]), "sub-1/func/sub-1_task-a_run-1_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz", False),
        (Wanted(sessions=["b"]), "sub-1/ses-a/func/sub-1_ses-a_task-a_desc-confounds_timeseries.tsv", False),
        (Wanted(sessions=["a"]), "sub-1/ses-a/func/sub-1_ses-a_task-a_desc-confounds_timeseries.tsv", True),
        (Wanted(sessions=["a"]), "sub-1/anat/sub-1_space-MNI152NLin2009cAsym_desc-preproc_T1w.nii.gz", True),
        (Wanted(), "sub-1/func/sub-1_task-a_echo-1_desc-preproc_bold.nii.gz", False),
        (Wanted(), "sub-1/func/sub-1_smooth6mm_task-a_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz", False),
        (Wanted(), "sub-1/figures/sub-1_task-a_desc-carpetplot_bold.svg", False),
        (Wanted(), "sourcedata/freesurfer/sub-1/mri/aseg.mgz", False),
        (Wanted(), "task-a_bold.json", True),
        (Wanted(res="1"), "sub-1/func/sub-1_task-a_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz", False),
        (Wanted(res="none"), "sub-1/func/sub-1_task-a_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz", True),
        (Wanted("structural", kind="t1w"), "sub-1/anat/sub-1_space-MNI152NLin2009cAsym_desc-preproc_T1w.nii.gz", True),
        (Wanted("structural"), "sub-1/sub-1_sessions.tsv", True),
        (Wanted("motor"), "sub-1/anat/sub-1_hemi-L_space-fsLR_den-32k_pial.surf.gii", True),
        (Wanted("motor", space="fsaverage5"), "sub-1/func/sub-1_task-a_space-fsaverage5_hemi-R_bold.func.gii", True),
    ],
)
def test_names_tell_what_is_needed(wanted, path, needed):
    assert wanted.is_needed(path) is needed
