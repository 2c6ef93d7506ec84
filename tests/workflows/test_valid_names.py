"""The BIDS validator on names of ours: right ones pass, a misnamed denoised file or mask is an error.

The validator's schema has no rule for surface BOLD under ``func``, though the text of BIDS names such files
(derivatives, "Common data types": ``sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii``; "Imaging":
``sub-01_task-rest_hemi-L_den-164k_bold.func.gii``). So these names are held against the schema with two rules more.
"""

import copy
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bidsschematools import data

from pydra_vae.bids.dataset import describe_dataset
from pydra_vae.bids.derivatives import deliver
from pydra_vae.bids.ignore import CONFIG, RECIPES, note_surface_files
from pydra_vae.bids.names import parse
from pydra_vae.bids.sidecars import sidecar
from pydra_vae.bids.spaces import spatial_fields

FUNC = "sub-01/func/sub-01_task-rest"
GRAY = f"{FUNC}_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii"
HEMIS = [f"{FUNC}_hemi-{hemi}_space-fsaverage5_desc-denoised_bold.func.gii" for hemi in "LR"]
VOLUME = f"{FUNC}_space-MNI152NLin6Asym_res-2_desc-denoised_bold.nii.gz"
T1W = f"{FUNC}_space-T1w_desc-denoised_bold.nii.gz"
MASKS = [
    f"{FUNC}_space-MNI152NLin6Asym_res-2_desc-cvae_mask.nii.gz",
    "tpl-MNI152NLin6Asym/anat/tpl-MNI152NLin6Asym_desc-structural_mask.nii.gz",
    "tpl-group/anat/tpl-group_desc-structural_mask.nii.gz",
]
MISNAMED = [
    VOLUME.replace("_bold", "_bolt"), VOLUME.replace("denoised", "denoised_smooth"), VOLUME.replace("_task-rest", ""),
    GRAY.replace("dtseries", "tseries"), GRAY.replace("_bold", "_bolds"), GRAY.replace("_task-rest", ""),
    HEMIS[0].replace("_hemi-L", ""), HEMIS[0].replace("func.gii", "fun.gii"), MASKS[0].replace("_mask", "_masks"),
    f"group_{Path(VOLUME).name}",
]  # fmt: skip


def image(shape):
    made = nib.Nifti1Image(np.zeros(shape, np.float32), np.eye(4))
    made.header.set_xyzt_units("mm", "sec")
    return made


def planted(folder, names):
    """A described dataset with these files and their sidecars."""
    folder.mkdir()
    describe_dataset(folder, "finn")
    for name in names:
        source = folder.parent / "made.nii.gz"
        nib.save(image((2, 2, 2) if "mask" in name else (2, 2, 2, 3)), source)
        if not name.endswith(".nii.gz"):
            source = folder.parent / "made"
            source.write_bytes(b"only the name matters")
        _, _, suffix, extension = parsed = parse(Path(name).name)
        kind = {"Type": "ROI"} if suffix.startswith("mask") else {"SkullStripped": True, "RepetitionTime": 1.0}
        where = spatial_fields(parsed.entities, extension)
        own = {"TaskName": parsed.entities["task"]} if "task" in parsed.entities else {}
        beside = sidecar("Planted", [folder / "README.md"], {"": folder}, **kind, **own, **where)
        deliver(source, folder / name, beside)
    return folder


@pytest.fixture(scope="session")
def with_surfaces(tmp_path_factory):
    """The validator's schema with rules for surface BOLD, as the text of BIDS has it."""
    schema = json.loads((Path(data.__file__).parent / "schema.json").read_text())
    rules = schema["rules"]["files"]["deriv"]["imaging"]
    volume = rules["func_volumetric"]
    entities = {**volume["entities"], "density": "optional"}
    for name, extension, more in (
        ("func_cifti", ".dtseries.nii", {}),
        ("func_gifti", ".func.gii", {"hemisphere": "required"}),
    ):
        own = {**volume, "suffixes": ["bold"], "extensions": [extension, ".json"], "entities": {**entities, **more}}
        rules[name] = copy.deepcopy(own)
    schema["objects"]["extensions"]["dtseries"] = {"value": ".dtseries.nii", "display_name": "", "description": ""}
    path = tmp_path_factory.mktemp("schema") / "schema.json"
    path.write_text(json.dumps(schema))
    return "--schema", path.as_uri()


def errors(issues):
    return {place.lstrip("/") for severity, _, place in issues if severity == "error"}


def test_right_names_pass(validate, tmp_path):
    issues = validate(planted(tmp_path / "out", [VOLUME, T1W, *MASKS]))
    assert {issue[:2] for issue in issues} <= {("warning", "TOO_FEW_AUTHORS")}, issues


def test_surface_bold_passes_where_the_schema_has_its_rules(validate, tmp_path, with_surfaces):
    assert not errors(validate(planted(tmp_path / "out", [GRAY, *HEMIS, VOLUME]), *with_surfaces))


def test_every_misnamed_file_is_an_error(validate, tmp_path, with_surfaces):
    """Without our rules for surfaces, with them, and under the configuration that excuses right names."""
    folder = planted(tmp_path / "out", [*MISNAMED, GRAY])
    note_surface_files(folder, [folder / GRAY])
    for arguments in ((), with_surfaces, ("--config", folder / CONFIG)):
        assert set(MISNAMED) <= errors(validate(folder, *arguments))


def test_surface_files_are_told_from_wrong_ones_by_the_configuration(validate, tmp_path):
    mask = f"{FUNC}_space-fsLR_den-91k_desc-cvae_mask.dscalar.nii"
    names = [GRAY, *HEMIS, mask, VOLUME]
    folder = planted(tmp_path / "out", names)
    assert set(names[:-1]) <= errors(validate(folder))  # the gap: the day that this fails, it is closed
    assert note_surface_files(folder, [folder / name for name in names])
    assert not note_surface_files(folder, [folder / name for name in names])
    issues = validate(folder, "--config", folder / CONFIG)
    assert not errors(issues), issues
    assert set(names[:-1]) <= {place.lstrip("/") for severity, _, place in issues if severity == "warning"}


def test_commands_of_the_page(validate, tmp_path):
    """docs/outputs.md: both commands, as they stand there."""
    text = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text()
    commands = [block.split() for block in re.findall(r"```bash\n(.*?)\n```", text, re.DOTALL)]
    folder = planted(tmp_path / "out", [GRAY])
    note_surface_files(folder, [folder / GRAY])
    given = [[part.replace("OUTPUT", str(folder)) for part in command[1:]] for command in commands]
    assert [bool(errors(validate(*arguments))) for arguments in given] == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_outputs_of_the_full_demos(recipe, request, validate, curate, tmp_path):
    done = request.getfixturevalue(recipe)(cwd=tmp_path, timeout=7200)
    assert done.returncode == 0, done.stderr
    output = tmp_path / f"{recipe}-demo" / "output"
    issues = validate(output)
    assert {issue[:2] for issue in issues} <= {("warning", "TOO_FEW_AUTHORS")}, issues
    assert not curate(output)
