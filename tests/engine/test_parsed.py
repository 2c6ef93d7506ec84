"""What parsing gave is remembered for other processes, and never for another state of a file."""

import os
import time

import pytest

from pydra_vae.engine import digest, parsed


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Ask for what is known of a file that `write` wrote; tells how often it was parsed."""
    monkeypatch.setattr(parsed.PersistentCache, "location_default", classmethod(lambda cls: tmp_path / "store"))
    file, parser, calls = tmp_path / "a.py", tmp_path / "parser.py", []
    parser.write_text("")

    def write(text, rest=True):
        file.write_text(text)
        if rest:
            time.sleep(0.06)

    def ask(key=("a",)):
        def read():
            calls.append(key)
            return {"text": file.read_text()}

        return parsed.remembered(file, key, parser, read)["text"], len(calls)

    ask.write, ask.file, ask.parser = write, file, parser
    return ask


def test_a_file_is_parsed_once_and_again_after_an_edit(parse):
    parse.write("1")
    assert [parse(), parse()] == [("1", 1), ("1", 1)]
    parse.write("2")
    assert [parse(), parse()] == [("2", 2), ("2", 2)]


def test_an_edit_that_keeps_size_and_time_is_seen(parse):
    parse.write("1")
    parse()
    stat = os.stat(parse.file)
    parse.write("2")
    os.utime(parse.file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    time.sleep(0.06)
    assert parse() == ("2", 2)


def test_another_module_or_another_parser_asks_anew(parse):
    parse.write("1")
    parse()
    assert parse(("b",)) == ("1", 2)
    parse.parser.write_text("changed")
    assert parse() == ("1", 3)


def test_what_was_written_just_now_is_not_remembered(parse):
    parse.write("1", rest=False)
    os.utime(parse.file, (time.time() + 60, time.time() + 60))  # as if the clock stood still
    assert [parse()[1], parse()[1]] == [1, 2]


def test_a_spoiled_entry_is_parsed_again(parse, tmp_path):
    parse.write("1")
    parse()
    (entry,) = (tmp_path / "store").iterdir()
    entry.write_bytes(b"{cut")
    assert parse() == ("1", 2)


def test_digests_are_the_same_from_memory_and_from_disk(monkeypatch):
    reached = digest.closure("pydra_vae.tasks.stack_volumes").digest()
    for how in (lambda file, key, parser, parse: parse(), parsed.remembered):
        monkeypatch.setattr(digest, "remembered", how)
        monkeypatch.setattr(digest, "_sources", {})
        monkeypatch.setattr(digest, "_closures", {})
        assert digest.closure("pydra_vae.tasks.stack_volumes").digest() == reached
