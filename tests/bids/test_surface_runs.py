"""Surface runs of a derivatives folder: which files are chosen, which belong together, what is said of gaps."""

import pytest

from pydra_vae.bids.files import InputError
from pydra_vae.bids.index import find_runs, index, select_runs

STEM = "sub-01_task-rest"
VOLUME = f"{STEM}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
DENSE = f"{STEM}_space-fsLR_den-91k_bold.dtseries.nii"
PAIR = [f"{STEM}_hemi-{h}_space-fsaverage5_bold.func.gii" for h in "LR"]
TURNED = [f"{STEM}_space-fsaverage5_hemi-{h}_bold.func.gii" for h in "LR"]
CONFOUNDS = f"{STEM}_desc-confounds_timeseries.tsv"


def tree(folder, *names):
    func = folder / "sub-01" / "func"
    func.mkdir(parents=True, exist_ok=True)
    for name in names:
        (func / name).touch()
    return folder


def runs_of(folder, **filters):
    chosen, problems = select_runs(index(folder, surfaces=True), surfaces=True, **filters)
    assert not problems
    return chosen["sub-01"]


@pytest.mark.parametrize("pair", [PAIR, TURNED])
def test_both_orders_of_entities_are_one_run_with_its_companions(tmp_path, pair):
    sidecar = pair[0].replace(".func.gii", ".json")
    (run,) = runs_of(tree(tmp_path, VOLUME, DENSE, *pair, CONFOUNDS, sidecar), space="fsaverage5")
    assert [path.name for path in run.files] == pair
    assert run.on_surface
    assert run.confounds.name == CONFOUNDS
    assert run.sidecar.name == sidecar
    assert "hemi" not in run.entities  # names of what is made of both


def test_volumes_are_read_unless_the_space_is_a_surfaces(tmp_path):
    folder = tree(tmp_path, VOLUME, DENSE, *PAIR)
    assert runs_of(folder)[0].bold.name == VOLUME
    (run,) = runs_of(folder, space="fsLR")
    assert run.bold.name == DENSE
    assert run.files == (run.bold,)
    assert run.entities["den"] == "91k"


def test_the_only_surface_space_is_read_where_there_are_no_volumes(tmp_path):
    assert runs_of(tree(tmp_path, DENSE))[0].bold.name == DENSE
    _, problems = select_runs(index(tree(tmp_path, *PAIR), surfaces=True), surfaces=True)
    assert "several spaces" in problems["sub-01"]
    assert "fsLR | fsaverage5" in problems["sub-01"]


def test_a_dtseries_goes_before_the_func_gii_of_its_space(tmp_path):
    pair = [f"{STEM}_hemi-{h}_space-fsLR_den-32k_bold.func.gii" for h in "LR"]
    assert runs_of(tree(tmp_path, DENSE, *pair), space="fsLR")[0].bold.name == DENSE


@pytest.mark.parametrize(("there", "missing"), [(0, "hemi-R"), (1, "hemi-L")])
def test_a_missing_hemisphere_is_named(tmp_path, there, missing):
    folder = tree(tmp_path, PAIR[there])
    _, problems = select_runs(index(folder, surfaces=True), surfaces=True, space="fsaverage5")
    assert (
        f"missing hemisphere: {folder / 'sub-01' / 'func' / PAIR[there]} comes without its {missing} file"
        in (problems["sub-01"])
    )


def test_densities_are_never_mixed(tmp_path):
    other = DENSE.replace("91k", "170k")
    _, problems = select_runs(index(tree(tmp_path, DENSE, other), surfaces=True), surfaces=True, space="fsLR")
    assert "choose with --den 91k | 170k" in problems["sub-01"]
    (run,) = runs_of(tmp_path, space="fsLR", den="170k")
    assert run.bold.name == other


def test_own_surfaces_are_found_for_fsnative(tmp_path):
    folder = tree(tmp_path, *[name.replace("fsaverage5", "fsnative") for name in PAIR])
    anat = folder / "sub-01" / "anat"
    anat.mkdir()
    for hemi in "LR":
        for kind in ("pial", "inflated"):
            (anat / f"sub-01_hemi-{hemi}_{kind}.surf.gii").touch()
        (anat / f"sub-01_hemi-{hemi}_space-fsLR_pial.surf.gii").touch()
    (run,) = runs_of(folder, space="fsnative")
    assert {kind: [path.name for path in pair] for kind, pair in run.surfaces.items()} == {
        kind: [f"sub-01_hemi-{hemi}_{kind}.surf.gii" for hemi in "LR"] for kind in ("pial", "inflated")
    }


def test_recipes_for_volumes_do_not_see_surfaces(tmp_path):
    with pytest.raises(InputError, match=r"holds no \*_desc-preproc_bold\.nii\.gz"):
        find_runs(tree(tmp_path, DENSE))
