"""The paper's onsets are those of one direction of HCP's runs; its L2 belongs to its temporal decoder."""

from pathlib import Path

import pytest

from pydra_vae.bids.files import InputError
from pydra_vae.bids.recordings import Recording
from pydra_vae.options.motor import motor_parser
from pydra_vae.workflows.motor_checks import check_files, check_study


def test_the_paper_s_onsets_are_not_those_of_rl_runs():
    runs = [
        Recording(f"sub-1_dir-{way}", "sub-1", (Path(f"{way}.dtseries.nii"),), "hcp", {"dir": way})
        for way in ("LR", "RL")
    ]
    options = motor_parser().parse_args(["data", "output", "--direction", "both", "--paper-timing"])
    with pytest.raises(InputError, match=r"RL\.dtseries\.nii is one of direction RL: leave it out"):
        check_study(runs, options, 8)


def test_the_l2_needs_a_temporal_decoder():
    given = ["data", "output", "--recurrent-l2", "0.01"]
    with pytest.raises(InputError, match="--recurrent-l2 acts on the weights of the temporal decoder"):
        check_files(motor_parser().parse_args(given))
    check_files(motor_parser().parse_args([*given, "--temporal-decoder"]))
