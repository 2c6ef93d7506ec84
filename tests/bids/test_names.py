"""File names taken apart and put together."""

import pytest
from bidsschematools.schema import load_schema

from pydra_vae.bids.names import ENTITY_ORDER, derivative_name, natural_key, parse


def test_order_of_entities_is_the_schema_s():
    schema = load_schema()
    assert [schema.objects.entities[e].name for e in schema.rules.entities] == [e for e in ENTITY_ORDER if e != "stat"]


def test_parse_and_name_are_inverse():
    name = "sub-01_ses-a_task-story_run-1_space-MNI152NLin2009cAsym_res-2_desc-denoised_bold.nii.gz"
    entities, prefix, suffix, extension = parse(name)
    assert (prefix, suffix, extension) == ("", "bold", ".nii.gz")
    assert derivative_name(dict(reversed(entities.items())), suffix, extension) == name


@pytest.mark.parametrize(
    ("name", "prefix", "entities"),
    [
        ("sub-tb2994_denoise_smooth6mm_task-story_run-1_desc-preproc_bold.nii.gz", "denoise_smooth6mm",
         {"sub": "tb2994", "task": "story", "run": "1", "desc": "preproc"}),
        ("sub-tb2994_task-story1_hemi-L_space-fsaverage5_bold.func.gii", "",
         {"sub": "tb2994", "task": "story1", "hemi": "L", "space": "fsaverage5"}),
        ("sub-tb2994_task-story1_space-fsaverage5_hemi-L_bold.func.gii", "",
         {"sub": "tb2994", "task": "story1", "hemi": "L", "space": "fsaverage5"}),
        ("sub-1_task-a_fwhm-6mm_desc-preproc_bold.nii.gz", "fwhm-6mm", {"sub": "1", "task": "a", "desc": "preproc"}),
        ("task-rest_bold.json", "", {"task": "rest"}),
    ],
)  # fmt: skip
def test_names_of_real_trees(name, prefix, entities):
    parsed = parse(name)
    assert (parsed.prefix, parsed.entities) == (prefix, entities)


def test_names_that_bids_does_not_allow():
    with pytest.raises(ValueError, match="no BIDS entities: colour"):
        derivative_name({"sub": "01", "colour": "red"}, "bold", ".nii.gz")
    with pytest.raises(ValueError, match="desc-a_b: values hold letters"):
        derivative_name({"sub": "01"}, "bold", ".nii.gz", desc="a_b")


def test_natural_order():
    assert sorted(["10", "9", "1", "story10", "story2"], key=natural_key) == ["1", "9", "10", "story2", "story10"]
