"""Every table that motor makes is delivered, described and given to the page."""

from pydra.utils.general import get_fields

from pydra_vae.tasks._tivae_scores import TASK
from pydra_vae.tasks.hrf_regression import SUMMARY
from pydra_vae.tasks.motor_report import MotorReport
from pydra_vae.workflows.motor_columns import COLUMNS
from pydra_vae.workflows.motor_outputs import TABLES
from pydra_vae.workflows.motor_report import ACROSS, GATHERED, NAMED, UNSHOWN


def test_tables_are_delivered_and_shown():
    made = [*GATHERED, *NAMED, *ACROSS]
    assert {*made, "claims"} == set(TABLES)  # the page itself makes the claims
    assert set(made) - set(UNSHOWN) <= {field.name for field in get_fields(MotorReport)}


def test_the_grid_has_what_its_beta_is_chosen_by():
    assert "r_validation" in TASK and "r_validation" in SUMMARY
    assert COLUMNS["sweep"] == COLUMNS["fits"] and set(TASK) <= set(COLUMNS["sweep"])
