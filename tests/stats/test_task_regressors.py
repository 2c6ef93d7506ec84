"""The response peaks at 5 s with an integral of 1; onsets between frames are not rounded; events lie in the run."""

import numpy as np
import pytest

from pydra_vae.stats.filtering import operator
from pydra_vae.stats.task_regressors import PAPER_EVENTS, blocks, check_events, regressor, task_table


@pytest.mark.parametrize(("hrf", "peak"), [("spm", 5.0), ("glover", 5.0)])
def test_the_response_has_its_peak_and_integral(hrf, peak):
    time = np.arange(0, 60, 0.1)
    brief = regressor([(10.0, 0.1, 10.0)], time, hrf)  # an impulse of area 1
    assert time[brief.argmax()] - 10 == pytest.approx(peak, abs=0.3)
    assert brief.sum() * 0.1 == pytest.approx(1, abs=0.02)


def test_a_long_block_nears_its_amplitude():
    time = np.arange(300) * 0.72
    assert regressor([(10.0, 150.0, 2.0)], time)[200] == pytest.approx(2, abs=0.02)


def test_onsets_between_frames_count():
    time = np.arange(200) * 0.72
    late = regressor([(20.0 + 0.36, 12.0, 1.0)], time)
    finely = np.interp(time - 0.36, time, regressor([(20.0, 12.0, 1.0)], time))
    assert np.abs(late - finely).max() < 0.02
    assert np.abs(late - regressor([(20.0, 12.0, 1.0)], time)).max() > 0.05


def test_frames_that_show_their_middle_are_later_in_the_run():
    events = {"tongue": [(20.0, 12.0, 1.0)]}
    start, middle = (task_table(events, 80, 2.0, start_time=at) for at in (0.0, 1.0))
    earlier = task_table({"tongue": [(19.0, 12.0, 1.0)]}, 80, 2.0)
    assert np.abs(middle.raw - earlier.raw).max() < 0.002 and np.abs(middle.raw - start.raw).max() > 0.1
    assert middle.time[:2].tolist() == [1.0, 3.0]


def test_the_paper_s_table_and_its_ceiling():
    table = task_table(PAPER_EVENTS, 284, 0.72, operator=operator(284, 0.72))
    assert sorted(set(table.block)) == sorted(["", *PAPER_EVENTS])
    assert ((table.block == "tongue").sum(), table.time[-1]) == (pytest.approx(2 * 12 / 0.72, abs=1), 283 * 0.72)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(table.filtered.T, table.raw.T, strict=True)]
    ceiling = dict(zip(table.names, r, strict=True))
    assert np.mean(r) == pytest.approx(0.91, abs=0.03) and min(ceiling, key=ceiling.get) == "right_foot"


def test_dropped_frames_keep_their_responses():
    whole, cut = task_table(PAPER_EVENTS, 284, 0.72), task_table(PAPER_EVENTS, 284, 0.72, dummy_scans=20)
    np.testing.assert_allclose(cut.raw, whole.raw[20:])
    assert cut.time[0] == pytest.approx(14.4) and cut.block.tolist() == whole.block[20:].tolist()


@pytest.mark.parametrize("onset", [204.5, -12.5, 1e6])
def test_events_outside_the_run_are_refused(onset):
    with pytest.raises(ValueError, match=r"outside the run of 204\.48 s"):
        check_events({"tongue": [(onset, 12.0, 1.0)]}, 204.48)


def test_events_that_reach_over_an_end_are_taken():
    check_events({"tongue": [(-3.0, 12.0, 1.0), (200.0, 12.0, 1.0), (0.0, 0.0, 1.0)]}, 204.48)
    assert blocks({"t": [(-3.0, 12.0, 1.0)]}, np.array([0.0, 10.0])).tolist() == ["t", ""]


def test_events_of_no_time_are_refused():
    with pytest.raises(ValueError, match="finite seconds"):
        check_events({"tongue": [(float("nan"), 12.0, 1.0)]}, 204.48)
