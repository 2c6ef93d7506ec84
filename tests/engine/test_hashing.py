"""Point 11: a file's key is its content, whatever its times say."""

import os
import shutil
import time
from pathlib import Path

import pytest
from fileformats.generic import Directory, File
from pydra.utils.hash import hash_function

from pydra_vae.engine import hashing


@pytest.fixture(autouse=True)
def _forget(monkeypatch, tmp_path):
    monkeypatch.setattr(hashing, "_memory", {})
    monkeypatch.setenv("PYDRA_HASH_CACHE", str(tmp_path / "hashes"))


def settled(path: Path, content: bytes) -> Path:
    """A file that has rested long enough for its hash to be remembered."""
    path.write_bytes(content)
    time.sleep(2.2 * hashing.RESTED_NS / 1e9)
    return path


@pytest.mark.parametrize("size", [100, hashing.ON_DISK_FROM + 1], ids=["small", "big"])
@pytest.mark.parametrize("new", [b"b", b"bb"], ids=["same size", "other size"])
@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_file_replaced_with_its_mtime_kept_is_seen(tmp_path, size, new, how):
    file = settled(tmp_path / "bold.nii", b"a" * size)
    old_time = file.stat().st_mtime_ns
    before = hash_function(File(file))
    assert hash_function(File(file)) == before
    other = tmp_path / "other" / "bold.nii"
    other.parent.mkdir()
    other.write_bytes(new * size)
    os.utime(other, ns=(old_time, old_time))
    if how == "replaced":
        os.replace(other, file)
    else:
        shutil.copy2(other, file)
    assert file.stat().st_mtime_ns == old_time
    assert hash_function(File(file)) != before
    hashing._memory.clear()  # as another process
    assert hash_function(File(file)) != before


def test_a_link_with_another_target_is_seen(tmp_path):
    one, two = settled(tmp_path / "one", b"1"), settled(tmp_path / "two", b"2")
    link = tmp_path / "bold.nii"
    link.symlink_to(one)
    before = hash_function(File(link))
    link.unlink()
    link.symlink_to(two)
    assert hash_function(File(link)) != before
    # the same content through a link is the same input
    plain = tmp_path / "elsewhere" / "bold.nii"
    plain.parent.mkdir()
    plain.write_bytes(b"2")
    assert hash_function(File(link)) == hash_function(File(plain))


def test_a_big_file_is_read_once(tmp_path, monkeypatch):
    file = settled(tmp_path / "bold.nii", b"a" * (hashing.ON_DISK_FROM + 1))
    assert not hashing.remembers(file)
    before = hash_function(File(file))
    assert hashing.remembers(file)
    hashing._memory.clear()
    monkeypatch.setattr(hashing, "_compute", lambda path: pytest.fail("read again"))
    assert hash_function(File(file)) == before


def test_a_file_written_twice_within_a_tick_of_the_clock_is_not_remembered(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"1")
    before = hash_function(File(file))
    assert not hashing._memory
    file.write_bytes(b"2")
    assert hash_function(File(file)) != before


def test_names_and_folders(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder / "deep").mkdir(parents=True)
        (tmp_path / folder / "deep" / "x.txt").write_text("1")
    assert hash_function(Directory(tmp_path / "a")) == hash_function(Directory(tmp_path / "b"))
    (tmp_path / "b" / "deep" / "x.txt").rename(tmp_path / "b" / "deep" / "y.txt")
    assert hash_function(Directory(tmp_path / "a")) != hash_function(Directory(tmp_path / "b"))


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("PYDRA_HASH_CACHE", str(blocked / "hashes"))
    file = settled(tmp_path / "bold.nii", b"a" * (hashing.ON_DISK_FROM + 1))
    assert hashing.content_hash(file) == hashing.content_hash(file)


def test_without_a_cache_folder_hashes_lie_in_the_work_folder(tmp_path, monkeypatch):
    """As in a container whose home is read-only: Pydra's own cache would refuse to be made."""
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("PYDRA_HASH_CACHE")
    monkeypatch.setattr("pydra.utils.hash.user_cache_root", tmp_path / "file")
    hashing.find_place(tmp_path / "work" / hashing.FOLDER)
    assert hash_function(File(settled(tmp_path / "a.txt", b"a")))
    monkeypatch.setattr("pydra.utils.hash.user_cache_root", tmp_path / "home")
    monkeypatch.delenv("PYDRA_HASH_CACHE")
    hashing.find_place(tmp_path / "work" / hashing.FOLDER)
    assert "PYDRA_HASH_CACHE" not in os.environ
