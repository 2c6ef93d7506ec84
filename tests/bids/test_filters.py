"""--bids-filter-file: fMRIPrep's JSON, in every layout that is read, and what it refuses."""

import json

import pytest

from pydra_vae.bids.filters import LONG, OTHERS, USED, Filter, read_filters
from pydra_vae.bids.index import InputError, find_runs, index, select_runs
from pydra_vae.bids.names import ENTITY_ORDER
from pydra_vae.bids.recordings import find_recordings
from pydra_vae.bids.volumes import find_volumes

from .test_index import bold, names, tree  # noqa: F401  (a fixture)
from .test_recordings import dense_run, hcp_run
from .test_recordings import labels as recording_labels
from .test_volumes import image, labels, smriprep

# As fMRIPrep's documentation prints it.
OF_FMRIPREP = """{
    "t1w": {"datatype": "anat", "session": "02", "acquisition": null, "suffix": "T1w"},
    "bold": {"datatype": "func", "session": "02", "suffix": "bold"}
}"""


@pytest.fixture
def given(tmp_path):
    """Write a filter file and read it."""

    def read(content):
        path = tmp_path / "filter.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return read_filters(path)

    return read


def test_fmriprep_s_own_example(given):
    filters = given(OF_FMRIPREP)
    assert filters["bold"].entities == {"ses": ("02",)}
    assert filters["t1w"].entities == {"ses": ("02",), "acq": (None,)}
    assert filters["t2w"].allows({"sub": "01", "ses": "9"})
    assert read_filters(None)["bold"].allows({"sub": "01"})


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("02", {"02", "2"}),
        (2, {"02", "2"}),
        ("ses-02", {"02", "2"}),
        (["02", "pre"], {"02", "2", "pre"}),
        (None, {None}),
        ("*", {"02", "2", "pre"}),
        ([None, "pre"], {None, "pre"}),
    ],
)
def test_values_as_pybids_takes_them(given, value, allowed):
    only = given({"bold": {"session": value}})["bold"]
    found = {one for one in ("02", "2", "pre", None) if only.allows({"ses": one} if one else {})}
    assert found == allowed


def test_long_names_are_those_of_the_bids_schema():
    schema = pytest.importorskip("bidsschematools.schema").load_schema()
    known = {name: entity["name"] for name, entity in schema.objects.entities.items()}
    assert {name: LONG.get(name, name) for name in known} == known
    assert set(LONG.values()) <= set(ENTITY_ORDER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no valid JSON"),
        ([1], "holds a list, but needs an object"),
        ({"bolt": {}}, f"unknown key 'bolt'; known are {', '.join((*USED, *OTHERS))}"),
        ({"bold": "02"}, "bold is '02', but needs entities"),
        ({"bold": {"sesion": "02"}}, "unknown entity 'sesion'; do you mean session? Known are subject, "),
        ({"bold": {"session": {"a": 1}}}, 'needs a label, a list of labels, null, or "*"'),
        ({"bold": {"session": []}}, 'needs a label, a list of labels, null, or "*"'),
        ({"bold": {"run": True}}, "run is True"),
    ],
)
def test_a_bad_filter_is_named(given, tmp_path, content, message):
    with pytest.raises(InputError) as refused:
        given(content)
    assert message in str(refused.value)
    assert str(tmp_path / "filter.json") in str(refused.value)


def test_a_filter_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none.json: cannot be read: No such file"):
        read_filters(tmp_path / "none.json")


def test_runs_of_a_session_and_without_an_acquisition(tree, given):  # noqa: F811
    root = tree(*(bold(f"02_ses-{ses}", "rest", *more) for ses in ("1", "2") for more in ((), ("acq-mb",))))
    only = given({"bold": {"session": ["2"], "acquisition": None}})["bold"]
    runs = find_runs(root, participant_label=["02"], only=only)
    assert {label: names(found) for label, found in runs.items()} == {"sub-02_ses-2": [bold("02_ses-2")]}


def test_a_subject_without_allowed_runs_is_told_what_it_has(tree):  # noqa: F811
    root = tree(bold("01"), bold("02", "rest", "acq-mb"))
    runs, problems = select_runs(index(root), only=Filter({"acq": (None,)}))
    assert list(runs) == ["sub-01"]
    assert bold("02", "rest", "acq-mb") in problems["sub-02"]


def test_recordings_of_both_layouts(tmp_path, given):
    hcp, fmriprep = tmp_path / "hcp", tmp_path / "fmriprep"
    for subject in ("100", "101"):
        hcp_run(hcp, subject)
    for acq in ("", "_acq-mb"):
        dense_run(fmriprep, "01", f"task-motor{acq}", sidecar={"RepetitionTime": 0.72})
    only = given({"bold": {"subject": "101", "direction": "LR"}})["bold"]
    assert recording_labels(find_recordings(hcp, only=only)) == ["sub-101"]
    with pytest.raises(InputError, match=r"allows no recording in .*; the first of 2 has sub=100, task=motor"):
        find_recordings(hcp, only=Filter({"dir": ("AP",)}))
    (one,), problems = find_recordings(fmriprep, only=Filter({"acq": (None,)}))
    assert "acq" not in one.entities
    assert not problems
    with pytest.raises(InputError, match=r"allows no recording of task motor in .*; found were\n  sub-01_"):
        find_recordings(fmriprep, only=Filter({"acq": ("other",)}))


def test_maps_and_tables(tmp_path, given):
    root = smriprep(tmp_path / "smriprep", sessions=("1", "2"))
    filters = given({"t1w": {"session": 2}, "bold": {"session": 1}, "t2w": {"session": 3}})
    assert labels(find_volumes(root, only=filters)) == ["sub-01", "sub-02"]
    with pytest.raises(InputError, match="allows no map in"):
        find_volumes(root, only={"t1w": Filter({"run": ("*",)})})
    table = tmp_path / "maps.tsv"
    table.write_text(f"participant_id\tpath\nsub-01\t{image(tmp_path / 'a.nii.gz')}\n")
    with pytest.raises(InputError, match=r"maps.tsv is a table, whose images have no entities to choose by"):
        find_volumes(table, only=filters)
