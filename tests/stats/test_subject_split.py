"""Persons are divided, in the shares that were asked for."""

import pytest

from pydra_vae.stats.subject_split import PARTS, split_persons


def test_827_persons_are_divided_as_in_the_paper():
    parts = list(split_persons([str(i) for i in range(1181)]).values())
    assert [parts.count(part) for part in PARTS] == [827, 118, 236]


@pytest.mark.parametrize("n", [3, 4, 5, 7, 10])
def test_each_part_has_a_person(n):
    assert set(split_persons([str(i) for i in range(n)]).values()) == set(PARTS)


def test_order_and_repetition_do_not_matter():
    names = [f"sub-{i}" for i in range(12)]
    assert split_persons(names) == split_persons(names[::-1] + names[:4])
    assert split_persons(names, seed=1) != split_persons(names, seed=2)


def test_two_persons_are_too_few():
    with pytest.raises(ValueError, match="at least 3 are needed"):
        split_persons(["a", "b", "a"])


def test_fractions_are_checked():
    with pytest.raises(ValueError, match="sum to 1"):
        split_persons(list("abcd"), [0.7, 0.2, 0.2])
