"""An output is there whole, or what was there before is untouched; nothing else is left."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from argan_plugin import whole_file
from argan_plugin.errors import ImageFileError
from argan_plugin.whole_file import remove_leftovers, written_whole


@pytest.fixture(autouse=True, params=["own way", "no nameless files", "no names for them"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all tests as this system does it, and as others have to."""
    if request.param == "no nameless files":
        monkeypatch.setattr(whole_file, "_open_nameless", lambda *_: None)
    elif request.param == "no names for them":
        monkeypatch.setattr(whole_file, "_give_name", lambda *_: False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_new_file(tmp_path: Path, overwrite: bool) -> None:
    with written_whole(tmp_path / "new", overwrite=overwrite) as file:
        file.write(b"whole")
        file.flush()
        assert not (tmp_path / "new").exists()

    assert contents(tmp_path) == {"new": b"whole"}


def test_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with written_whole(tmp_path / "new", overwrite=False):
        pass

    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_existing_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")

    with (
        pytest.raises(ImageFileError, match=r"picture\.png: exists already; pass --overwrite"),
        written_whole(path, overwrite=False) as file,
    ):
        file.write(b"new")
    assert contents(tmp_path) == {"picture.png": b"old"}

    with written_whole(path, overwrite=True) as file:
        file.write(b"new")
    assert contents(tmp_path) == {"picture.png": b"new"}


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="only Linux has nameless files")
def test_no_name_before_all_is_written(
    tmp_path: Path, system: None, request: pytest.FixtureRequest
) -> None:
    with written_whole(tmp_path / "new", overwrite=False):
        named = list(tmp_path.iterdir())

    assert bool(named) == ("no nameless files" in request.node.name)


@pytest.mark.parametrize("hard_links", [True, False])
def test_file_that_comes_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    if not hard_links:
        refuse_hard_links(monkeypatch)
    path = tmp_path / "raced"

    with pytest.raises(ImageFileError), written_whole(path, overwrite=False) as file:
        file.write(b"ours")
        path.write_bytes(b"theirs")

    assert contents(tmp_path) == {"raced": b"theirs"}


def test_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_hard_links(monkeypatch)

    with written_whole(tmp_path / "new", overwrite=False) as file:
        file.write(b"whole")

    assert contents(tmp_path) == {"new": b"whole"}


def refuse_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def hardlink_to(path: Path, target: Path) -> NoReturn:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", hardlink_to)


_STOPS = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("stop", _STOPS)
def test_failure_half_way(tmp_path: Path, stop: BaseException) -> None:
    path = tmp_path / "picture"
    path.write_bytes(b"old")

    with pytest.raises(type(stop)), written_whole(path, overwrite=True) as file:
        file.write(b"half of the n")
        file.flush()
        raise stop

    assert contents(tmp_path) == {"picture": b"old"}


@pytest.mark.parametrize("stop", _STOPS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_failure_when_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool, stop: BaseException
) -> None:
    def failing_sync(_: int) -> NoReturn:
        raise stop

    monkeypatch.setattr(os, "fsync", failing_sync)  # quotas show there on network file systems

    with (
        pytest.raises(type(stop)),
        written_whole(tmp_path / "picture", overwrite=overwrite) as file,
    ):
        file.write(b"whole")

    assert contents(tmp_path) == {}


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    old, young = tmp_path / f".argan-{'0' * 16}", tmp_path / f".argan-{'1' * 16}"
    other = tmp_path / ".argan-something-else"
    folder = tmp_path / f".argan-{'2' * 16}"
    folder.mkdir()
    for file in (old, young, other):
        file.touch()
    for path in (old, other, folder):
        os.utime(path, (0, 0))

    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "not there")

    assert set(tmp_path.iterdir()) == {young, other, folder}


def test_longest_name(tmp_path: Path) -> None:
    name = "n" * os.pathconf(tmp_path, "PC_NAME_MAX")

    with written_whole(tmp_path / name, overwrite=False):
        pass

    assert list(contents(tmp_path)) == [name]


def test_link_as_output_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")

    with written_whole(tmp_path / "link", overwrite=True) as file:
        file.write(b"new")

    assert contents(tmp_path) == {"precious": b"precious", "link": b"new"}
