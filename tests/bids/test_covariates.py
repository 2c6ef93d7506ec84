"""Covariates: joined by person and visit, typed, with the time between visits."""

import pytest

from pydra_vae.bids.covariates import join_covariates
from pydra_vae.bids.files import InputError
from pydra_vae.bids.people import read_text_rows, read_text_table

PEOPLE = "participant_id\tAge\tsex\tscore\tsite\nsub-01\t30\tF\t1.5\t1\nsub-02\t41.5\tM\tn/a\t2\nsub-03\t52\tF\t3\t1\n"


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "participants.tsv"
    path.write_text(PEOPLE)
    return path


def sessions(folder, person, text):
    path = folder / f"{person}_sessions.tsv"
    path.write_text(text)
    return path


def test_rows_follow_the_images(people):
    labels = persons = ["sub-03", "sub-01", "sub-02"]
    table, info = join_covariates([people], labels, persons)
    assert list(table) == ["label", "person", "session", "age", "sex", "score", "site"]
    assert table.age.tolist() == [52, 30, 41.5] and table.sex.tolist() == ["F", "F", "M"]
    assert info["columns"]["score"]["n_missing"] == 1 and info["columns"]["score"]["type"] == "number"
    assert info["columns"]["sex"] == {"type": "text", "n_missing": 0, "n_values": 2, "values": {"F": 2, "M": 1}}
    assert info["time_from"] == "none" and "time" not in table


def test_columns_are_chosen_in_any_case_and_age_is_kept(people):
    table, _ = join_covariates([people], ["a"], ["01"], columns=["SITE", "score"])
    assert list(table) == ["label", "person", "session", "site", "score", "age"]
    with pytest.raises(InputError, match=r"no covariate iq .*there are: age, sex, score, site. Choose"):
        join_covariates([people], ["a"], ["01"], columns=["iq"])


def test_a_person_in_no_table_is_named(people):
    with pytest.raises(InputError, match=r"1 of 2 persons are in no table .*: sub-09\..*lists sub-01, sub-02, sub-03"):
        join_covariates([people], ["a", "b"], ["sub-01", "sub-09"])


def test_visits_win_over_persons_and_give_time(tmp_path, people):
    tables = [people, sessions(tmp_path, "sub-01", "session_id\tage\nses-2\t32.25\nses-1\t30.25\n")]
    rows = [("sub-01", "2"), ("sub-01", "1"), ("sub-02", "")]
    table, info = join_covariates(tables, list("abc"), [p for p, _ in rows], [s for _, s in rows])
    # participants.tsv says Age and sessions.tsv age: they are one column
    assert table.age.tolist() == [32.25, 30.25, 41.5] and "Age" not in table
    assert table.time.tolist()[:2] == [2.0, 0.0] and info["time_from"] == "age"


def test_one_age_a_person_grows_with_the_dates(tmp_path, people):
    text = "session_id\tacq_time\nses-a\t2010-01-01\nses-b\t2012-01-01T00:00:00\n"
    tables = [people, sessions(tmp_path, "sub-01", text)]
    table, info = join_covariates(tables, list("abc"), ["sub-01", "sub-01", "sub-02"], ["a", "b", ""])
    assert info["time_from"] == "acq_time" and "later visits' age" in info["notes"][0]
    assert table.time[:2].tolist() == pytest.approx([0, 2], abs=0.01)
    assert table.age.tolist() == pytest.approx([30, 32, 41.5], abs=0.01)


def test_time_by_the_names_of_sessions_or_their_order(people):
    persons = ["sub-01", "sub-01", "sub-02"]
    table, info = join_covariates([people], list("abc"), persons, ["M00", "M18", "M00"])
    assert table.time.tolist() == [0, 1.5, 0] and table.age.tolist() == [30, 31.5, 41.5]
    assert info["time_from"] == "session"
    table, info = join_covariates([people], list("abc"), persons, ["2", "10", "2"])
    assert table.time.tolist() == [0, 1, 0] and table.age.tolist() == [30, 30, 41.5]
    assert info["time_from"] == "order" and "number of the visit, not years" in info["notes"][0]


def test_columns_that_are_almost_numbers_are_noted(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("participant_id\tage\tgrade\n1\t30\t1\n2\t89+\t2\n3\t40\tn/a\n")
    table, info = join_covariates([path], list("abc"), ["1", "2", "3"])
    assert table.age.tolist() == ["30", "89+", "40"]
    assert "age is text, because 1 of its values are no numbers (89+)" in info["notes"][0]
    assert table.grade.dtype == float


def test_tables_that_contradict_themselves(tmp_path, people):
    people.write_text(PEOPLE + "sub-01\t31\tF\t2\t1\n")
    with pytest.raises(InputError, match="lists sub-01 twice"):
        join_covariates([people], ["a"], ["sub-01"])
    people.write_text("name\tage\nx\t1\n")
    with pytest.raises(InputError, match="no column participant_id, and its columns are name, age"):
        join_covariates([people], ["a"], ["sub-01"])
    with pytest.raises(InputError, match="2 labels, 1 persons"):
        join_covariates([people], ["a", "b"], ["sub-01"])


def test_ages_in_months_are_noted(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("subject,age\nS 1,300\nS 2,400\n")
    assert "is it in years" in join_covariates([path], ["a", "b"], ["S1", "sub-S2"])[1]["notes"][0]


def test_no_table_at_all(tmp_path):
    table, info = join_covariates([], ["a", "b"], ["1", "2"])
    assert list(table) == ["label", "person", "session"] and not info["columns"]
    with pytest.raises(InputError, match="no table of covariates was found"):
        join_covariates([], ["a"], ["1"], columns=["age"])


@pytest.mark.parametrize(
    "text",
    [
        "session_id\tage\nses-01\t 61.5\n\nses-02\tn/a\n", "\ufeff a\tb \n1 \t\n", "a\ta\n1\t2\n", "a\tb\n1\n",
        "a\n1\n", 'a\tb\n"1\t2"\tx\n', "a\tb\r\n1\t2\r\n", "a\t\n1\t2\n", "a\tb\n   \n1\t2\n", "a\tb\n0012\tNone\t\n",
    ],
)  # fmt: skip
def test_plain_tables_are_read_as_pandas_reads_them(tmp_path, text):
    path = tmp_path / "sub-01_sessions.tsv"
    path.write_text(text, encoding="utf-8", newline="")
    table = read_text_table(path)
    assert read_text_rows(path) == (list(table.columns), table.to_dict("records"))


@pytest.mark.parametrize("text", ["", "a\tb\n", "a\tb\n1\t2\t3\n"])
def test_what_is_no_table_is_refused_either_way(tmp_path, text):
    path = tmp_path / "sub-01_sessions.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"sub-01_sessions\.tsv"):
        read_text_rows(path)
