"""What the analyses of a subject are given, and what is refused before anything is computed."""

import pytest

from pydra_vae.bids.files import InputError
from pydra_vae.options.finn import finn_parser
from pydra_vae.workflows import finn_inputs
from pydra_vae.workflows.finn_columns import COLUMNS
from pydra_vae.workflows.finn_group_report import SHOWN


def test_umap_is_missed_before_the_fits(monkeypatch):
    monkeypatch.setattr(finn_inputs, "find_spec", lambda name: None)
    options = finn_parser().parse_args(["data", "out", "participant", "--umap"])
    with pytest.raises(InputError, match=r"pip install 'pydra-vae\[umap\]', or leave --umap out"):
        finn_inputs.science_inputs(None, options)


def test_the_columns_of_every_table_across_subjects_are_described():
    assert set(SHOWN) <= set(COLUMNS)
