"""Finding maps: the layouts that labs have, and the messages where the choice is not clear."""

import json

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.bids.files import InputError
from pydra_vae.bids.volumes import check_grids, find_covariates, find_volumes

MNI = "space-MNI152NLin2009cAsym"


def image(path, shape=(4, 4, 4), affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros(shape, "f4"), np.eye(4) if affine is None else affine), path)
    return path


def smriprep(root, subjects=("01", "02"), sessions=("",), space=f"{MNI}_res-2"):
    """What sMRIPrep writes for a subject: maps in both spaces, T1w, masks, and files that are none of ours."""
    for sub in subjects:
        for ses in sessions:
            folder = root / f"sub-{sub}" / (f"ses-{ses}" if ses else "") / "anat"
            start = f"sub-{sub}_" + (f"ses-{ses}_" if ses else "")
            for middle in ("", f"{space}_"):
                for label in ("GM", "WM", "CSF"):
                    image(folder / f"{start}{middle}label-{label}_probseg.nii.gz")
                image(folder / f"{start}{middle}desc-preproc_T1w.nii.gz")
                image(folder / f"{start}{middle}desc-brain_mask.nii.gz")
                image(folder / f"{start}{middle}dseg.nii.gz")
            (folder / f"{start}{space}_desc-preproc_T1w.json").write_text(json.dumps({"SkullStripped": False}))
            (folder / f"{start}from-T1w_to-MNI152NLin2009cAsym_mode-image_xfm.h5").touch()
    return root


def labels(found):
    return [volume.label for volume in found[0]]


def test_smriprep(tmp_path):
    volumes, problems = find_volumes(smriprep(tmp_path, ("10", "2")))
    assert not problems
    assert [v.label for v in volumes] == ["sub-2", "sub-10"]
    first = volumes[0]
    assert first.path.name == f"sub-2_{MNI}_res-2_label-GM_probseg.nii.gz"
    assert first.brain_mask.name == f"sub-2_{MNI}_res-2_desc-brain_mask.nii.gz"
    assert (first.person, first.session, first.space, first.sidecar) == ("sub-2", "", MNI.removeprefix("space-"), None)
    (t1w, _), _ = find_volumes(tmp_path, kind="t1w")
    assert t1w.path.name.endswith("res-2_desc-preproc_T1w.nii.gz") and t1w.sidecar.is_file()
    assert "label-CSF" in find_volumes(tmp_path, kind="csf", participant_label=["sub-10"])[0][0].path.name


def test_sessions_are_visits_of_one_person(tmp_path):
    smriprep(tmp_path, ("01",), ("1", "2"))
    smriprep(tmp_path, ("02",))  # an anatomy that sMRIPrep made of several sessions is one visit
    found = find_volumes(tmp_path)
    assert labels(found) == ["sub-01_ses-1", "sub-01_ses-2", "sub-02"]
    assert [(v.person, v.session) for v in found[0]] == [("sub-01", "1"), ("sub-01", "2"), ("sub-02", "")]
    assert labels(find_volumes(tmp_path, session_label=["ses-2"])) == ["sub-01"]
    with pytest.raises(InputError, match="no session 3; there are 1, 2"):
        find_volumes(tmp_path, session_label=["3"])
    with pytest.raises(InputError, match="no map of sub-07; there are sub-01, sub-02"):
        find_volumes(tmp_path, participant_label=["07"])


def test_other_maps_by_filters(tmp_path):
    for task in ("rest", "nback"):
        image(tmp_path / "sub-01" / "func" / f"sub-01_task-{task}_{MNI}_stat-alff_boldmap.nii.gz")
        image(tmp_path / "sub-01" / "func" / f"sub-01_task-{task}_{MNI}_stat-alff_desc-smooth_boldmap.nii.gz")
    wanted = {"suffix": "boldmap", "stat": "alff", "desc": "none"}
    (volume,), _ = find_volumes(tmp_path, filters=wanted | {"task": "rest"})
    assert volume.path.name == f"sub-01_task-rest_{MNI}_stat-alff_boldmap.nii.gz"
    with pytest.raises(InputError, match=r"2 maps of one visit; they differ in task: choose with --filter task=…"):
        find_volumes(tmp_path, filters=wanted)
    with pytest.raises(InputError, match=r"no map with suffix boldmap, stat reho; its images: .*stat-alff"):
        find_volumes(tmp_path, filters={"suffix": "boldmap", "stat": "reho"})


def test_spaces_and_resolutions_are_never_mixed(tmp_path):
    smriprep(tmp_path)
    smriprep(tmp_path, space="space-MNI152NLin6Asym_res-2")
    with pytest.raises(
        InputError, match="several spaces, MNI152NLin6Asym, MNI152NLin2009cAsym: choose one with --space"
    ):
        find_volumes(tmp_path)
    assert {v.space for v in find_volumes(tmp_path, space="MNI152NLin6Asym")[0]} == {"MNI152NLin6Asym"}
    smriprep(tmp_path, space=f"{MNI}_res-1")
    with pytest.raises(InputError, match="several resolutions, 1, 2: choose one with --res"):
        find_volumes(tmp_path, space="MNI152NLin2009cAsym")
    (volume, _), _ = find_volumes(tmp_path, space="MNI152NLin2009cAsym", res="01")
    assert "res-1" in volume.path.name and "res-1" in volume.brain_mask.name
    with pytest.raises(InputError, match="space-OASIS30ANTs; there is MNI152NLin6Asym, MNI152NLin2009cAsym"):
        find_volumes(tmp_path, space="OASIS30ANTs")


def test_native_space_is_refused_with_advice(tmp_path):
    image(tmp_path / "sub-01" / "anat" / "sub-01_label-GM_probseg.nii.gz")
    with pytest.raises(InputError, match=r"own space .*where voxels do not correspond.*--output-spaces"):
        find_volumes(tmp_path)
    smriprep(tmp_path)
    with pytest.raises(InputError, match="choose --space MNI152NLin2009cAsym"):
        find_volumes(tmp_path, space="T1w")


def test_one_bad_subject_does_not_keep_the_others(tmp_path):
    smriprep(tmp_path, ("01", "02", "03"))
    good = f"{MNI}_res-2_label-GM_probseg.nii.gz"
    (tmp_path / "sub-02" / "anat" / f"sub-02_{good}").unlink()
    (tmp_path / "sub-03" / "anat" / f"sub-03_{good}").write_bytes(b"no image")
    found, problems = find_volumes(tmp_path)
    assert labels((found,)) == ["sub-01"]
    assert "no map with suffix=probseg label=GM" in problems["sub-02"] and "cannot be read" in problems["sub-03"]
    assert not find_volumes(tmp_path, participant_label=["01"])[1]


@pytest.mark.parametrize("place", ["mri/{}", "sub-{n}/ses-{s}/anat/mri/{}"])
def test_cat12(tmp_path, place):
    for n, s in (("01", "1"), ("02", "1"), ("02", "2")):
        stem = f"sub-{n}_ses-{s}_T1w.nii"
        for prefix in ("mwp1", "smwp1", "mwp2", "p0"):
            image(tmp_path / place.format(f"{prefix}{stem}", n=n, s=s))
    found = find_volumes(tmp_path)
    assert labels(found) == ["sub-01_ses-1", "sub-02_ses-1", "sub-02_ses-2"]
    assert all(v.path.name.startswith("mwp1") for v in found[0])
    for kind in ("smwp1", "mwp2"):
        assert all(v.path.name.startswith(kind) for v in find_volumes(tmp_path, kind=kind)[0])
    with pytest.raises(InputError, match="no maps of the kind csf; there are mwp1, mwp2, smwp1"):
        find_volumes(tmp_path, kind="csf")


def test_cat12_longitudinal_and_names_that_are_no_bids(tmp_path):
    for name in ("mwp1rsub-7_ses-1_T1w.nii", "mwmwp1rsub-7_ses-1_T1w.nii", "mwp1avg_sub-7_ses-1_T1w.nii"):
        image(tmp_path / "mri" / name)
    with pytest.raises(InputError, match="several kinds, mwmwp1, mwp1: choose one with --kind"):
        find_volumes(tmp_path)
    assert labels(find_volumes(tmp_path, kind="mwmwp1")) == ["sub-7"]
    image(tmp_path / "other" / "mwp1IXI002-Guys-0828-T1.nii")
    assert labels(find_volumes(tmp_path / "other")) == ["sub-IXI002Guys0828T1"]
    image(tmp_path / "native" / "mri" / "p1sub-7_T1w.nii")
    with pytest.raises(InputError, match=r"own space \(p1\*, c1\*\)"):
        find_volumes(tmp_path / "native")


def test_oasis_of_nilearn(tmp_path):
    for n, visit in ((1, 1), (2, 1), (2, 2)):
        name = f"OAS1_{n:04d}_MR{visit}"
        for tissue in "12":
            image(tmp_path / "oasis1" / name / f"mwrc{tissue}{name}_mpr_anon_fslswapdim_bet.nii.gz")
    (tmp_path / "oasis1" / "oasis_cross-sectional.csv").write_text("ID,M/F\nOAS1_0001_MR1,F\n")
    found = find_volumes(tmp_path / "oasis1")
    assert labels(found) == ["sub-OAS10001", "sub-OAS10002", "sub-OAS10002_ses-MR2"]
    assert [p.name for p in find_covariates(tmp_path / "oasis1")] == ["oasis_cross-sectional.csv"]


def test_a_table_of_images(tmp_path):
    image(tmp_path / "maps" / "a.nii.gz"), image(tmp_path / "b.nii"), image(tmp_path / "b_mask.nii")
    table = tmp_path / "study.tsv"
    table.write_text(
        "participant_id\tsession_id\tImage\tbrain_mask\tage\n"
        "01\tn/a\tmaps/a.nii.gz\tn/a\t30\n"
        f"sub-02\tses-A\t{tmp_path / 'b.nii'}\tb_mask.nii\t40\n"
        "03\tn/a\tc.nii\tn/a\t50\n"
    )
    volumes, problems = find_volumes(table)
    assert [(v.person, v.session, v.path.name) for v in volumes] == [
        ("sub-01", "", "a.nii.gz"),
        ("sub-02", "A", "b.nii"),
    ]
    assert volumes[0].brain_mask is None and volumes[1].brain_mask == tmp_path / "b_mask.nii"
    assert "line 4: there is no file" in problems["sub-03"]
    assert find_covariates(table) == [table]
    image(tmp_path / "c.nii", (4, 4, 4, 3))
    assert "3 volumes, but one map a visit is needed" in find_volumes(table)[1]["sub-03"]


def test_tables_that_cannot_be_used(tmp_path):
    table = tmp_path / "study.tsv"
    for text, message in (
        ("participant_id\tage\n1\t2\n", "no column of images"),
        ("path\na.nii\n", "line 2: whose image is a.nii"),
        ("path\tage\n", "a header but no row"),
        ("", "cannot be read as a table"),
    ):
        table.write_text(text)
        with pytest.raises(InputError, match=message):
            find_volumes(table)
    image(tmp_path / "a.nii"), image(tmp_path / "b.nii")
    table.write_text("participant_id\tpath\n1\ta.nii\nsub-1\tb.nii\n")
    with pytest.raises(InputError, match="sub-1: 2 maps of one visit"):
        find_volumes(table)
    with pytest.raises(InputError, match="does not exist"):
        find_volumes(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is no table"):
        find_volumes(tmp_path / "a.nii")


def test_grids_are_compared_before_anything_is_computed(tmp_path):
    image(tmp_path / "sub-1.nii"), image(tmp_path / "sub-2.nii", (5, 4, 4))
    table = tmp_path / "study.tsv"
    table.write_text("participant_id\tpath\n1\tsub-1.nii\n2\tsub-2.nii\n")
    volumes, _ = find_volumes(table)
    with pytest.raises(InputError, match=r"(?s)sub-1\.nii has 4×4×4 .*sub-2\.nii 5×4×4 .*--resolution.*--grid"):
        check_grids(volumes)
    assert check_grids(volumes, resolution=4) == tmp_path / "sub-1.nii"  # whose box all get
    assert check_grids(volumes, grid=tmp_path / "g.nii") == tmp_path / "g.nii"
    assert check_grids(volumes[:1], resolution=4) is None


def test_a_table_of_several_spaces(tmp_path):
    for space in ("MNI152NLin6Asym", "MNI152NLin2009cAsym"):
        image(tmp_path / f"sub-1_space-{space}_T1w.nii")
    table = tmp_path / "study.tsv"
    table.write_text("path\n" + "\n".join(p.name for p in sorted(tmp_path.glob("*.nii"))))
    with pytest.raises(
        InputError, match="several spaces, MNI152NLin6Asym, MNI152NLin2009cAsym: choose one with --space"
    ):
        find_volumes(table)
    ((volume,), _) = find_volumes(table, space="MNI152NLin6Asym")
    assert "MNI152NLin6Asym" in volume.path.name
    with pytest.raises(InputError, match="no image of the space fsaverage"):
        find_volumes(table, space="fsaverage")


def test_smriprep_comes_before_cat12_unless_that_is_asked_for(tmp_path):
    smriprep(tmp_path, ("01",))
    image(tmp_path / "cat12" / "mri" / "mwp1sub-01_T1w.nii")
    assert "probseg" in find_volumes(tmp_path)[0][0].path.name
    assert "mwp1" in find_volumes(tmp_path, kind="cat12")[0][0].path.name


def test_covariates_lie_beside_or_above(tmp_path):
    derivatives = smriprep(tmp_path / "raw" / "derivatives" / "smriprep")
    assert find_covariates(derivatives) == []
    (tmp_path / "raw" / "participants.tsv").write_text("participant_id\nsub-01\n")
    (tmp_path / "raw" / "sub-01").mkdir()
    sessions = tmp_path / "raw" / "sub-01" / "sub-01_sessions.tsv"
    sessions.write_text("session_id\nses-1\n")
    assert find_covariates(derivatives) == [tmp_path / "raw" / "participants.tsv", sessions]
    own = derivatives / "participants.tsv"
    own.write_text("participant_id\nsub-01\n")
    assert find_covariates(derivatives) == [own]
    assert find_covariates(derivatives, sessions) == [sessions]
    with pytest.raises(InputError, match="no such table of covariates"):
        find_covariates(derivatives, tmp_path / "none.tsv")
