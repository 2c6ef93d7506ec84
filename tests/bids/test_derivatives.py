"""The output folder: refused, described, filled, and left alone where nothing changed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pydra_vae.bids.dataset import check_recipe, describe_dataset
from pydra_vae.bids.derivatives import (
    check_output,
    dataset_label,
    deliver,
    sidecar_path,
    write_dataset_description,
)
from pydra_vae.bids.files import InputError
from pydra_vae.bids.sidecars import TEMPLATEFLOW, bids_uri, plain, provenance, sidecar, write_json


def test_output_is_made_and_a_dry_run_leaves_nothing(tmp_path):
    assert check_output(tmp_path / "a" / "b", create=False) == tmp_path / "a" / "b"
    assert not list(tmp_path.iterdir())
    check_output(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())


@pytest.mark.parametrize("below", ["", "x/y"])
def test_a_file_where_the_output_folder_must_go(tmp_path, below):
    (tmp_path / "out").touch()
    for create in (True, False):
        with pytest.raises(InputError, match=rf"output folder .*out.* cannot be made: {tmp_path / 'out'} is a file"):
            check_output(tmp_path / "out" / below, create=create)


def test_a_file_system_that_takes_no_writes():
    """/proc refuses new files even to root."""
    if not os.path.isdir("/proc/self"):
        pytest.skip("no /proc here")
    with pytest.raises(InputError, match=r"the output folder /proc/self/out cannot be written"):
        check_output("/proc/self/out")


def test_output_inside_the_input(tmp_path):
    source = tmp_path / "fmriprep"
    source.mkdir()
    (tmp_path / "link").symlink_to(source)
    for output in (source, source / "x", tmp_path / "link" / "x", source / "y" / ".."):
        with pytest.raises(InputError, match=r"lies inside the input .*fmriprep, which is never written to"):
            check_output(output, source)
    check_output(tmp_path / "fmriprep-vae", source)
    assert not list(source.iterdir())


def test_dataset_description(tmp_path, shared_data):
    source = shared_data / "derivatives" / "haxby"
    assert write_dataset_description(tmp_path, "Latents", {"haxby": source}, HowToAcknowledge="cite")
    content = json.loads((tmp_path / "dataset_description.json").read_text())
    assert content["DatasetType"] == "derivative"
    assert content["GeneratedBy"][0]["Name"] == "pydra_vae"
    assert content["GeneratedBy"][0]["Version"][0].isdigit()
    assert content["DatasetLinks"] == {"haxby": source.as_uri(), "templateflow": TEMPLATEFLOW}
    assert content["SourceDatasets"][0]["URL"] == source.as_uri()
    assert not write_dataset_description(tmp_path, "Latents", {"haxby": source}, HowToAcknowledge="cite")


def test_a_described_dataset_keeps_what_others_wrote(tmp_path):
    assert describe_dataset(tmp_path, "finn", {"fmriprep": tmp_path / "in"})
    assert not describe_dataset(tmp_path, "finn", {"fmriprep": tmp_path / "in"})
    assert "pydra-vae finn" in (tmp_path / "README.md").read_text()
    path = tmp_path / "dataset_description.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"Authors": ["A", "B"]}))
    (tmp_path / "README.md").write_text("our own words")
    assert describe_dataset(tmp_path, "finn", {"xcpd": tmp_path / "other"})
    content = json.loads(path.read_text())
    assert content["Authors"] == ["A", "B"]
    # files of the first run still name their sources by the first link
    assert content["DatasetLinks"] == {"fmriprep": "in", "xcpd": "other", "templateflow": TEMPLATEFLOW}
    assert (tmp_path / "README.md").read_text() == "our own words"


def test_neighbours_are_named_by_their_relative_path(tmp_path):
    """What is copied as a whole, such as a derivatives folder, leads to its sources at its new place too."""
    study = tmp_path / "a study"
    output, places = study / "derivatives" / "vae", {"raw": study, "fmriprep": study / "derivatives" / "fmri prep"}
    output.mkdir(parents=True)
    write_dataset_description(output, "Latents", places | {"far": tmp_path / "far"})
    content = json.loads((output / "dataset_description.json").read_text())
    assert content["DatasetLinks"]["raw"] == "../.." and content["DatasetLinks"]["fmriprep"] == "../fmri%20prep"
    assert content["DatasetLinks"]["far"] == (tmp_path / "far").as_uri()
    assert content["SourceDatasets"][0]["URL"] == "../.."


def test_a_path_with_dots_lies_where_it_leads(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert bids_uri(Path("../in/a.nii"), {"in": tmp_path / "in"}) == "bids:in:a.nii"
    assert bids_uri(tmp_path / "in" / "a.nii", {"in": Path("../in")}) == "bids:in:a.nii"


def test_parameters_name_files_of_a_dataset_by_it(tmp_path):
    given = {"mask": str(tmp_path / "in" / "a.nii"), "atlas": "Schaefer2018", "far": "/far/b.nii", "none": None}
    given |= {"data": str(tmp_path)}
    said = sidecar("x", [], {"in": tmp_path / "in", "data": tmp_path}, given)["Parameters"]
    assert said == given | {"mask": "bids:in:a.nii"}


def test_two_recipes_in_one_folder(tmp_path):
    write_dataset_description(tmp_path, "pydra_vae: latents of brain volumes")  # as earlier versions wrote it
    text = "holds the results of pydra-vae structural, .* would overwrite: give a folder of its own for OUTPUT, such as"
    for recipe in ("finn", "motor"):
        with pytest.raises(InputError, match=text):
            describe_dataset(tmp_path, recipe)
    assert describe_dataset(tmp_path, "structural")
    with pytest.raises(InputError, match=text):
        check_recipe(tmp_path, "motor")


def test_where_an_atlas_came_from(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "tf"))
    name = "tpl-X/tpl-X_res-02_atlas-Schaefer2018_desc-200Parcels17Networks_dseg.nii.gz"
    path = tmp_path / "tf" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    said = provenance(path)
    assert said["Name"] == "Schaefer2018_200Parcels17Networks"
    assert said["URI"] == f"bids:templateflow:{name}" and said["URL"] == f"{TEMPLATEFLOW}/{name}"
    assert said["SHA256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    path.write_bytes(b"abcd")
    assert provenance(path)["SHA256"] != said["SHA256"]
    mine = tmp_path / "mine.nii.gz"
    mine.write_bytes(b"abc")
    assert provenance(mine) == {"Name": "mine.nii.gz", "URI": mine.as_uri(), "SHA256": said["SHA256"]}


@pytest.mark.parametrize("content", ['{"GeneratedBy": [{"Name": "fMRIPrep"}]}', '{"Name": "raw"}', "{"])
def test_a_dataset_of_another_program_is_left_alone(tmp_path, content):
    path = tmp_path / "dataset_description.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"holds a dataset of .*give a folder of its own"):
        write_dataset_description(tmp_path, "Latents")
    assert path.read_text() == content


def test_delivery_copies_once(tmp_path):
    source, target = tmp_path / "work" / "maps.nii.gz", tmp_path / "out" / "sub-01" / "func" / "sub-01_boldmap.nii.gz"
    source.parent.mkdir()
    source.write_bytes(b"abc")
    source.chmod(0o444)
    os.utime(source, ns=(10**18, 10**18 + 123))
    content = {"Description": "maps"}
    assert deliver(source, target, content)
    assert target.read_bytes() == b"abc"
    assert target.stat().st_mtime_ns == 10**18 + 123
    assert os.access(target, os.W_OK)
    assert json.loads((target.parent / "sub-01_boldmap.json").read_text()) == content
    inode = target.stat().st_ino
    assert not deliver(source, target, content)
    assert target.stat().st_ino == inode
    assert deliver(source, target, {"Description": "other"})
    assert target.stat().st_ino == inode
    source.chmod(0o644)
    source.write_bytes(b"xyz")  # same size, another time
    assert deliver(source, target)
    assert target.read_bytes() == b"xyz"
    assert sorted(p.name for p in target.parent.iterdir()) == ["sub-01_boldmap.json", "sub-01_boldmap.nii.gz"]


def test_delivery_onto_a_folder_or_from_nothing(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "t").mkdir()
    with pytest.raises(InputError, match="is a folder, but a file must go there"):
        deliver(tmp_path / "a", tmp_path / "t")
    with pytest.raises(FileNotFoundError, match=r"the result .*gone is not there any more"):
        deliver(tmp_path / "gone", tmp_path / "x")


FULL = """
import resource
from pathlib import Path
from pydra_vae.bids.derivatives import deliver
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    deliver(Path("big"), Path("out/sub-01/big.nii.gz"), {"Description": "x"})
except OSError as error:
    print(error)
"""


def test_a_full_disk_leaves_nothing_half_delivered(tmp_path):
    (tmp_path / "big").write_bytes(bytes(100_000))
    done = subprocess.run([sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "nothing was kept under this name: 'out/sub-01/big.nii.gz'" in done.stdout
    assert not list((tmp_path / "out" / "sub-01").iterdir())


def test_names_of_sources(tmp_path):
    datasets = {"": tmp_path / "out", "fmriprep": tmp_path / "out" / "source", "far": tmp_path / "far"}
    assert bids_uri(tmp_path / "out" / "sub-01" / "a b.tsv", datasets) == "bids::sub-01/a%20b.tsv"
    assert bids_uri(tmp_path / "out" / "source" / "x.nii", datasets) == "bids:fmriprep:x.nii"
    assert bids_uri(tmp_path / "atlas.nii.gz", datasets) == (tmp_path / "atlas.nii.gz").as_uri()
    assert dataset_label("/data/ds001338 fmriprep_v2") == "ds001338fmriprepv2"
    assert sidecar_path(Path("x/sub-1_bold.nii.gz")) == Path("x/sub-1_bold.json")


def test_sidecar_content(tmp_path):
    content = sidecar(
        "Latent maps", [tmp_path / "a.nii"], {"in": tmp_path}, {"seed": np.int64(3), "loss": np.float32("nan")},
        RepetitionTime=2.0, Units=None,
    )  # fmt: skip
    assert content["Sources"] == ["bids:in:a.nii"]
    assert content["Parameters"] == {"seed": 3, "loss": None}
    assert content["RepetitionTime"] == 2.0
    assert "Units" not in content
    assert {"pydra-vae", "pydra", "torch", "nilearn"} <= content["PackageVersions"].keys()
    assert write_json(tmp_path / "x.json", content)
    assert not write_json(tmp_path / "x.json", content)
    assert json.loads((tmp_path / "x.json").read_text()) == content


def test_plain_values():
    assert plain({"p": Path("/x"), 1: np.arange(2), "s": {2, 1}, "i": float("inf"), "b": np.bool_(True)}) == {
        "p": "/x", "1": [0, 1], "s": [1, 2], "i": None, "b": True,
    }  # fmt: skip
