"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from systems.errors import InputError
from systems.files import write_atomically


def test_text_and_bytes_arrive(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "V̇ ≤ −μ\n")
    write_atomically(tmp_path / "b", b"\x00\xff")
    assert (tmp_path / "a").read_bytes() == "V̇ ≤ −μ\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\x00\xff"
    write_atomically(str(tmp_path / "a"), "new")
    assert (tmp_path / "a").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_a_new_file_has_the_users_permissions(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "new"


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "a"
    file.write_text("old")
    monkeypatch.setattr(os, moment, full)
    with pytest.raises(InputError, match="cannot be written: No space left on device") as caught:
        write_atomically(file, "new")
    assert "\n" not in str(caught.value)
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_an_interruption_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_limit_of_the_operating_system_half_way(tmp_path: Path) -> None:
    """A real failure in the middle of writing, not a pretended one."""
    file = tmp_path / "a"
    file.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot be written: File too large"):
            write_atomically(file, b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing/a", "No such file or directory"),
        ("folder", "no ordinary file"),
        ("file/a", "Not a directory"),
        ("a\0b", "null"),
        ("x" * 300, "File name too long|too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=told):
        write_atomically(f"{tmp_path}/{name}", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(InputError, match="no ordinary file"):
        write_atomically("/dev/null", "x")
    assert not Path("/dev/null").is_file()
