"""Downloads over bad lines: every file is whole and right, or not there, and nothing comes twice."""

import errno
import hashlib
import os
import random
import threading
from types import SimpleNamespace

import pytest

from pydra_vae.downloads import files, http, transfer
from pydra_vae.downloads.files import FetchError, RemoteFile
from pydra_vae.downloads.s3 import Bucket
from pydra_vae.downloads.transfer import Rules, fetch_files, missing_bytes, part_of

BIG = random.Random(0).randbytes(600_000)


def parts(folder):
    return [path.name for path in folder.rglob("*.part")]


def test_files_arrive_and_a_rerun_asks_for_nothing(server, stored, client, tmp_path):
    wanted = [stored(f"sub-{i}/func/a.txt", b"x" * i) for i in range(5)]
    first = fetch_files(wanted, tmp_path, client)
    assert sorted(first.fetched) == [file.path for file in wanted]
    assert all((tmp_path / file.path).read_bytes() == b"x" * file.size for file in wanted)
    asked = server.asked.total()
    again = fetch_files(wanted, tmp_path, client)
    assert again.fetched == [] and len(again.there) == 5 and server.asked.total() == asked
    assert not list(tmp_path.rglob(".*"))  # no part, no lock, no temporary file


def test_downloaded_files_are_as_readable_as_others(stored, client, tmp_path):
    fetch_files([stored("a.txt", b"abc")], tmp_path, client)
    (tmp_path / "own.txt").write_text("x")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "own.txt").stat().st_mode


def test_a_cut_connection_goes_on_where_it_broke(server, stored, client, tmp_path):
    file = stored("big.nii.gz", BIG, ("cut", 2))
    outcome = fetch_files([file], tmp_path, client)
    assert outcome.fetched == ["big.nii.gz"] and (tmp_path / "big.nii.gz").read_bytes() == BIG
    assert server.asked["bucket/big.nii.gz"] == 3
    # what is asked for twice is at most a piece for each break
    assert server.sent["bucket/big.nii.gz"] <= len(BIG) + 2 * http.CHUNK


def test_a_killed_download_is_resumed_by_the_next_one(server, stored, client, tmp_path):
    file = stored("big.nii.gz", BIG)
    part_of(tmp_path / file.path, file).write_bytes(BIG[:500_000])
    assert missing_bytes([file], tmp_path) == 100_000
    fetch_files([file], tmp_path, client)
    assert (tmp_path / "big.nii.gz").read_bytes() == BIG and server.sent["bucket/big.nii.gz"] == 100_000


def test_a_new_version_is_not_joined_to_a_part_of_the_old_one(server, stored, client, tmp_path):
    old = stored("big.nii.gz", BIG)
    part_of(tmp_path / old.path, old).write_bytes(BIG[:500_000])
    new = stored("big.nii.gz", BIG[::-1])
    fetch_files([new], tmp_path, client)
    assert (tmp_path / "big.nii.gz").read_bytes() == BIG[::-1]


@pytest.mark.parametrize("fault", ["no range", "bad range"])
def test_a_server_without_ranges_is_asked_from_the_beginning(server, stored, client, tmp_path, fault):
    file = stored("big.nii.gz", BIG, (fault, 10))
    part_of(tmp_path / file.path, file).write_bytes(BIG[:300_000])
    fetch_files([file], tmp_path, client)
    assert (tmp_path / "big.nii.gz").read_bytes() == BIG


def test_a_part_that_is_too_long_is_thrown_away(server, stored, client, tmp_path):
    file = stored("a.txt", b"abc")
    part_of(tmp_path / file.path, file).write_bytes(b"abcdef")
    fetch_files([file], tmp_path, client)
    assert (tmp_path / "a.txt").read_bytes() == b"abc"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_failure_is_waited_out(server, stored, client, tmp_path, status):
    assert fetch_files([stored("a.txt", b"abc", (status, 3))], tmp_path, client).fetched == ["a.txt"]
    assert server.asked["bucket/a.txt"] == 4


def test_a_lasting_failure_ends_after_some_tries_and_keeps_what_is_there(server, stored, client, tmp_path):
    file, good = stored("a.txt", b"abc", (500, 99)), stored("b.txt", b"abc")
    outcome = fetch_files([file, good], tmp_path, client)
    assert outcome.fetched == ["b.txt"] and server.asked["bucket/a.txt"] == http.TRIES
    assert "a.txt: the server answers 500" in outcome.failed["a.txt"] and "start again later" in outcome.failed["a.txt"]


def test_nobody_there_is_said(client, tmp_path):
    file = RemoteFile("a.txt", "http://127.0.0.1:9/a.txt", 3, "md5:0")
    assert "refused" in fetch_files([file], tmp_path, client).failed["a.txt"]


def test_a_server_that_keeps_failing_is_told_of(server, stored, tmp_path):
    said = []
    fetch_files([stored("a.txt", b"abc", (500, 3))], tmp_path, http.Client(wait=0.01, say=said.append))
    told = "500 Internal Server Error, SlowDown: Please reduce your request rate."
    assert said == [f"a.txt: the server answers {told}; again in 0 s"] * 2


def test_what_is_not_there_is_asked_for_once_and_the_others_come(server, stored, client, tmp_path):
    gone, good = stored("a.txt", b"abc", (404, 9)), stored("b.txt", b"abc")
    outcome = fetch_files([gone, good], tmp_path, client)
    assert outcome.fetched == ["b.txt"] and "404" in outcome.failed["a.txt"]
    assert server.asked["bucket/a.txt"] == 1 and not (tmp_path / "a.txt").exists()


def test_refused_access_stops_everything(server, stored, tmp_path):
    client = http.Client(wait=0.01, hint="Are the keys right?")
    wanted = [stored(f"{i}.txt", b"abc", (403, 9)) for i in range(30)]
    outcome = fetch_files(wanted, tmp_path, client, Rules(n_jobs=2))
    assert "access refused (403 Forbidden, SlowDown: Please" in outcome.stopped and outcome.fetched == []
    assert outcome.stopped.endswith("Are the keys right?")
    assert server.asked.total() < 30


@pytest.mark.parametrize("kind", ["wrong", "longer"])
def test_wrong_bytes_are_fetched_once_more(server, stored, client, tmp_path, kind):
    file = stored("a.txt", b"abc" * 100, (kind, 1))
    assert fetch_files([file], tmp_path, client).fetched == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"abc" * 100


@pytest.mark.parametrize("kind", ["wrong", "longer"])
def test_bytes_that_stay_wrong_are_never_delivered(server, stored, client, tmp_path, kind):
    outcome = fetch_files([stored("a.txt", b"abc", (kind, 9))], tmp_path, client)
    assert "wrong bytes came, twice" in outcome.failed["a.txt"]
    assert not (tmp_path / "a.txt").exists() and not parts(tmp_path)


def test_a_checksum_of_parts_is_held_against_the_bytes(server, stored, client, tmp_path, monkeypatch):
    """S3's documented rule: the MD5 of the parts' MD5s, and how many there were."""
    monkeypatch.setattr(files, "_MIB", 1000)  # so that 600 kB have parts of 8 "MiB"
    pieces = [hashlib.md5(BIG[i : i + 8000]).digest() for i in range(0, len(BIG), 8000)]
    server.etags["bucket/big"] = f'"{hashlib.md5(b"".join(pieces)).hexdigest()}-{len(pieces)}"'
    file = stored("big", BIG)
    assert file.checksum.startswith("etag:") and file.hash is None
    assert fetch_files([file], tmp_path, client).fetched == ["big"]
    assert files._agrees_in_parts(tmp_path / "big", file.checksum.removeprefix("etag:"))


def test_one_part_has_a_checksum_of_its_own_rule(server, stored, client, tmp_path):
    server.etags["bucket/a"] = f'"{hashlib.md5(hashlib.md5(b"abc").digest()).hexdigest()}-1"'
    assert fetch_files([stored("a", b"abc")], tmp_path, client).fetched == ["a"]
    server.etags["bucket/b"] = f'"{"0" * 32}-1"'
    assert "checksum" in fetch_files([stored("b", b"abc")], tmp_path, client).failed["b"]


def test_an_empty_file_arrives(stored, client, tmp_path):
    fetch_files([stored("empty.txt", b"")], tmp_path, client)
    assert (tmp_path / "empty.txt").read_bytes() == b""


def test_a_changed_file_is_not_overwritten_unless_asked(stored, client, tmp_path):
    file = stored("participants.tsv", b"participant_id\n")
    (tmp_path / file.path).write_text("participant_id\tmine\n")
    outcome = fetch_files([file], tmp_path, client)
    assert "differs from the server's: 20 bytes, the listing says 15" in outcome.failed[file.path]
    assert (tmp_path / file.path).read_text() == "participant_id\tmine\n"
    fetch_files([file], tmp_path, client, Rules(overwrite=True))
    assert (tmp_path / file.path).read_text() == "participant_id\n"


def test_same_size_other_bytes_show_by_the_checksum_alone(stored, client, tmp_path):
    file = stored("a.txt", b"abc")
    (tmp_path / "a.txt").write_bytes(b"abd")
    assert "md5" in fetch_files([file], tmp_path, client).failed["a.txt"]
    assert fetch_files([file], tmp_path, client, Rules(checksums=False)).there == ["a.txt"]


def test_a_file_is_overwritten_only_by_a_whole_one(stored, client, tmp_path):
    file = stored("participants.tsv", b"participant_id\n", (404, 1))
    (tmp_path / file.path).write_text("participant_id\tmine\n")
    assert file.path in fetch_files([file], tmp_path, client, Rules(overwrite=True)).failed
    assert (tmp_path / file.path).read_text() == "participant_id\tmine\n"


def test_a_file_that_changed_since_the_listing_is_said_and_never_mixed(server, stored, client, tmp_path):
    file = stored("big.nii.gz", BIG)
    part_of(tmp_path / file.path, file).write_bytes(BIG[:500_000])
    new = stored("big.nii.gz", BIG[::-1])
    outcome = fetch_files([file], tmp_path, client)
    assert "another version than it listed; start again" in outcome.failed[file.path]
    assert server.asked["bucket/big.nii.gz"] == 1 and not parts(tmp_path)
    assert fetch_files([new], tmp_path, client).fetched == [new.path]


def test_parts_of_older_versions_go_when_the_file_is_there(stored, client, tmp_path):
    old = stored("[a].txt", b"old")
    part_of(tmp_path / old.path, old).write_bytes(b"o")
    fetch_files([stored("[a].txt", b"new one")], tmp_path, client)
    assert not parts(tmp_path) and (tmp_path / "[a].txt").read_bytes() == b"new one"


def test_a_broken_link_of_datalad_is_replaced(stored, client, tmp_path):
    (tmp_path / "a.txt").symlink_to("../.git/annex/objects/nowhere")
    fetch_files([stored("a.txt", b"abc")], tmp_path, client)
    assert (tmp_path / "a.txt").read_bytes() == b"abc" and not (tmp_path / "a.txt").is_symlink()


def test_too_little_room_is_said_before_anything_comes(server, stored, client, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(FetchError, match=r"600 kB are still to come and 100 kB are free in .*make room"):
        fetch_files([stored("big", BIG)], tmp_path, client)
    assert server.asked.total() == 0


def test_a_disk_that_fills_stops_everything_and_keeps_the_part(stored, client, tmp_path, monkeypatch):
    write = http._disk.write

    class Full:
        def __init__(self, stream):
            self._stream, self.close, self.tell = stream, stream.close, stream.tell

        def write(self, data):
            if self._stream.tell() > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self._stream.write(data)

    def filling(self, data):
        if not isinstance(self._stream, Full):
            self._stream = Full(self._stream)
        write(self, data)

    monkeypatch.setattr(http._disk, "write", filling)
    outcome = fetch_files([stored("big", BIG)], tmp_path, client)
    assert "no space left for" in outcome.stopped and "what is here is kept" in outcome.stopped
    assert parts(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_said(stored, client, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(FetchError, match=r"cannot be written to .*--output"):
            fetch_files([stored("a.txt", b"abc")], tmp_path / "data", client)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_read_only_file_system_is_said(stored, client, tmp_path, monkeypatch, number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(transfer.Path, "mkdir", refused)
    with pytest.raises(FetchError, match=r"cannot be written to .*--output"):
        fetch_files([stored("a.txt", b"abc")], tmp_path / "data", client)


def test_an_output_that_is_a_file_is_said(stored, client, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match="is a file; a folder is needed"):
        fetch_files([stored("a.txt", b"abc")], tmp_path / "file", client)


def test_two_downloads_into_one_folder_do_not_meet(stored, client, tmp_path):
    file = stored("a.txt", b"abc")
    entered, go = threading.Event(), threading.Event()

    def slow(*_):
        entered.set()
        go.wait(10)

    thread = threading.Thread(target=fetch_files, args=([file], tmp_path, client), kwargs={"progress": slow})
    thread.start()
    try:
        assert entered.wait(10)
        with pytest.raises(FetchError, match=r"another download is writing to"):
            fetch_files([file], tmp_path, client)
    finally:
        go.set()
        thread.join()


def test_names_that_leave_the_folder_are_refused(client, tmp_path):
    for path in ("../a.txt", "/etc/a.txt", "sub-1/../../a.txt", ""):
        with pytest.raises(FetchError, match="outside the output folder"):
            fetch_files([RemoteFile(path, "http://127.0.0.1:9/", 3)], tmp_path, client)
    with pytest.raises(FetchError, match=r"control characters, which is refused: 'a\\x1b\[2J'"):
        fetch_files([RemoteFile("a\x1b[2J", "http://127.0.0.1:9/", 3)], tmp_path, client)


def test_an_interrupt_keeps_what_is_there(server, stored, client, tmp_path):
    file, seen = stored("big.nii.gz", BIG), set()

    def interrupted(_, size, state):
        if state == "running" and size > 200_000:
            seen.update(path.name for path in tmp_path.iterdir())
            client.stopped.set()

    outcome = fetch_files([file], tmp_path, client, progress=interrupted)
    assert outcome.fetched == [] and parts(tmp_path)
    assert seen == {".pydra_vae_fetch.lock", *parts(tmp_path)}  # nothing else is left by a kill
    fetch_files([file], tmp_path, http.Client(wait=0.01))
    assert (tmp_path / "big.nii.gz").read_bytes() == BIG
    assert server.sent["bucket/big.nii.gz"] < 2 * len(BIG)


def test_an_address_that_is_none_is_said_at_once(client, tmp_path):
    outcome = fetch_files([RemoteFile("a.txt", "mirror.example/a.txt", 3)], tmp_path, client)
    assert outcome.failed["a.txt"] == "a.txt: no address that can be asked: it begins with https:// or http://"


# ── Listings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def test_names_come_as_they_are_stored_over_many_pages(server, stored, client, tmp_path):
    odd = ["d/a b+c.txt", "d/100%41.txt", "d/ü&<'>.txt", "d/?#.txt", *(f"d/{i}.txt" for i in range(250))]
    for name in odd:
        stored(name, name.encode())
    found = Bucket(f"{server.url}/bucket", client).files("d/")
    assert sorted(file.path for file in found) == sorted(odd)
    fetch_files(found[-8:] + [file for file in found if file.path in odd[:4]], tmp_path, client)
    assert all((tmp_path / name).read_bytes() == name.encode() for name in odd[:4])


def test_a_server_that_escapes_nothing(server, client):
    server.pages["bucket"] = f"<ListBucketResult {SPACE}><Contents><Key>d/a+%41</Key></Contents></ListBucketResult>"
    server.pages["bucket"] = server.pages["bucket"].encode()
    assert [file.path for file in Bucket(f"{server.url}/bucket", client).files("d/")] == ["d/a+%41"]


@pytest.mark.parametrize("token", ["", "<NextContinuationToken>1</NextContinuationToken>"])
def test_half_a_listing_is_not_taken_for_all_of_it(server, client, token):
    page = f"<ListBucketResult {SPACE}><IsTruncated>true</IsTruncated>{token}</ListBucketResult>"
    server.pages["bucket"] = page.encode()
    with pytest.raises(FetchError, match="the listing of d/ ends before its end"):
        Bucket(f"{server.url}/bucket", client).files("d/")
