"""The list of what BIDS has no name for: complete, needed, and blind to BOLD and masks."""

import re
from fnmatch import fnmatchcase

import pytest

from pydra_vae.bids.ignore import BEGIN, END, RECIPES, ignored, write_bidsignore
from pydra_vae.workflows import finn_group_outputs, finn_outputs, motor_outputs, structural_outputs
from pydra_vae.workflows.finn_group_report import GATHERED


def patterns(recipe):
    return [line for lines in ignored(recipe).values() for line in lines]


def is_ignored(name, recipe, root=False):
    """As gitignore reads it: a pattern with a leading slash holds in the root alone."""
    return any(
        fnmatchcase(name, pattern.removeprefix("/"))
        for pattern in patterns(recipe)
        if root or not pattern.startswith("/")
    )


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_line_names_one_kind_of_file(recipe):
    lines = patterns(recipe)
    assert len(set(lines)) == len(lines)
    kinds = re.compile(r"(/group_\*|sub-\*)_[a-z]+\.(nii\.gz|dscalar\.nii|shape\.gii|tsv|json|safetensors)")
    assert all(kinds.fullmatch(line) for line in lines if not line.endswith(".html"))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("suffix", ["bold", "mask", "dseg", "boldref", "T1w", "probseg"])
@pytest.mark.parametrize("extension", ["nii.gz", "nii", "dtseries.nii", "dscalar.nii", "func.gii", "label.gii", "json"])
def test_images_of_the_signal_and_masks_are_never_ignored(recipe, suffix, extension):
    for start in ("sub-01_task-a_space-fsLR_den-91k_desc-denoised", "sub-01", "tpl-x_desc-structural", "group_desc-x"):
        assert not is_ignored(f"{start}_{suffix}.{extension}", recipe, root=True)


def test_every_file_of_finn_has_a_name_of_bids_or_a_line():
    for suffix, extension, *_ in (*finn_outputs.FILES.values(), *finn_outputs.ANALYSES.values()):
        for end in (extension, ".dscalar.nii", ".shape.gii") if extension == ".nii.gz" else (extension,):
            assert (suffix == "mask") != is_ignored(f"sub-01_task-a_desc-cvae_{suffix}{end}", "finn"), suffix
    names = finn_group_outputs.targets(finn_outputs.Path())
    assert all(is_ignored(path.name, "finn", root=True) for path in names.values()), names
    assert set(GATHERED) <= set(names)


@pytest.mark.parametrize(("recipe", "outputs"), [("motor", motor_outputs), ("structural", structural_outputs)])
def test_every_table_of_the_others_has_a_line(recipe, outputs):
    for path in outputs.targets(finn_outputs.Path()).values():
        assert is_ignored(path.name, recipe, root=True), path


def test_every_table_in_the_list_is_one_that_is_written():
    """A line whose file is gone would hide somebody else's."""
    written = {
        "finn": {suffix for suffix, *_ in (*finn_outputs.FILES.values(), *finn_outputs.ANALYSES.values())},
        "motor": {"factors", "history"},
        "structural": {"history", "examples", "timeseries"},
    }
    for recipe, outputs in (("finn", finn_group_outputs), ("motor", motor_outputs), ("structural", structural_outputs)):
        names = written[recipe] | {path.stem.split("_")[-1] for path in outputs.targets(finn_outputs.Path()).values()}
        tables = {line.split("_")[-1].removesuffix(".tsv") for line in patterns(recipe) if line.endswith(".tsv")}
        assert tables <= names, tables - names


def test_lines_of_others_stay(tmp_path):
    path = tmp_path / ".bidsignore"
    path.write_text("notes/\n")
    assert write_bidsignore(tmp_path, "finn")
    assert not write_bidsignore(tmp_path, "finn")
    path.write_text(path.read_text() + "later/\n")
    assert write_bidsignore(tmp_path, "motor")
    lines = path.read_text().splitlines()
    assert lines[0] == "notes/" and lines[1] == "later/" and lines.count(BEGIN) == lines.count(END) == 1
    assert "sub-*_factors.tsv" in lines and "sub-*_metrics.tsv" not in lines
