"""Blocks computed by other processes."""

import operator
import os

import pytest

from pydra_vae.surface.processes import in_processes


def test_results_come_in_order():
    assert list(in_processes(operator.sub, (100,), range(25), 2)) == list(range(100, 75, -1))


def test_an_error_comes_as_it_was():
    with pytest.raises(ZeroDivisionError):
        list(in_processes(operator.floordiv, (1,), [1, 0, 1], 2))


def test_a_process_that_dies_is_named():
    with pytest.raises(RuntimeError, match=r"exit code 3.*threads=1"):
        list(in_processes(os._exit, (), [3, 3], 2))


def test_what_is_printed_does_not_disturb():
    assert list(in_processes(print, (), ["a", "b", "c"], 2)) == [None] * 3


def test_an_abandoned_iteration_leaves_no_process():
    results = in_processes(operator.neg, (), range(100), 2)
    assert next(results) == 0
    results.close()
