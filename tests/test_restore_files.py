"""Batches: what fails fails alone, and nothing that is there is lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from argan_plugin import restore_file
from argan_plugin.writing import write_picture
from tests.conftest import Run
from tests.picture_files import names, pixels, save


def test_batch_goes_on_after_bad_files(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    save(photo, "in/a.jpg")
    save(photo, "in/deep/z.jpg")
    Path("in/broken.jpg").write_bytes(Path("in/a.jpg").read_bytes()[:-500])
    Path("in/deep/lie.png").write_text("no picture")
    Path("in/notes.txt").touch()

    assert run("in", "gone.jpg", "-o", "out") == 1

    written = {path.as_posix() for path in Path("out").rglob("*") if path.is_file()}
    assert written == {"out/in/a.png", "out/in/deep/z.png"}
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "argan: skipped in/notes.txt: no picture, by its suffix"
    assert lines[1].startswith("argan: failed: in/broken.jpg: cannot be decoded, it is damaged")
    assert lines[2].startswith("argan: failed: in/deep/lie.png: expected a picture")
    assert lines[3] == "argan: failed: gone.jpg: cannot be read: No such file or directory."
    assert lines[4:] == ["argan: 2 done on cpu, 1 skipped, 3 failed"]


def test_batch_goes_on_after_what_nobody_foresaw(
    run: Run,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(photo[:9], "in/a.jpg")
    save(photo[:8], "in/b.jpg")

    def broken_restore(image: NDArray[Any], *_: Any, **__: Any) -> NDArray[Any]:
        return image[: 1 // (len(image) - 9)]

    monkeypatch.setattr(restore_file, "restore_bands", broken_restore)

    assert run("in", "-o", "out") == 1
    assert names("out") == ["b.png"]
    assert "failed: in/a.jpg: could not be restored for a reason" in capsys.readouterr().err


def test_too_little_memory_for_one_of_them(
    run: Run,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(photo, "in/a.jpg")
    save(photo[:50], "in/b.jpg")

    def hungry_restore(image: NDArray[Any], *_: Any, **__: Any) -> NDArray[Any]:
        if image.shape[0] > 50:
            raise MemoryError
        return image

    monkeypatch.setattr(restore_file, "restore_bands", hungry_restore)

    assert run("in", "-o", "out") == 1
    assert names("out") == ["b.png"]
    assert "failed: in/a.jpg: there is not enough memory" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_done(
    run: Run,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in "abc":
        save(photo, f"in/{name}.jpg")

    def interrupted_write(path: Path, *arguments: Any, **options: Any) -> str:
        if path.name == "b.png":
            raise KeyboardInterrupt
        return write_picture(path, *arguments, **options)

    monkeypatch.setattr(restore_file, "write_picture", interrupted_write)

    assert run("in", "-o", "out") == 130

    assert names("out") == ["a.png"]
    summary = "argan: 1 done on cpu, 0 skipped, 0 failed, stopped by Ctrl-C\n"
    assert capsys.readouterr().err == summary


def test_existing_output_is_kept_unless_told(
    run: Run, jpeg_photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out.png").write_bytes(b"precious")

    assert run(jpeg_photo, "-o", "out.png", "--quiet") == 1
    assert Path("out.png").read_bytes() == b"precious"
    assert capsys.readouterr().err == (
        "argan: skipped out.png: exists already; --overwrite replaces it\n"
    )

    assert run(jpeg_photo, "-o", "out.png", "--overwrite", "--quiet") == 0
    assert pixels("out.png").shape == (93, 118, 3)
    assert capsys.readouterr().err == ""


def test_output_that_appears_during_the_work_is_kept(
    run: Run, jpeg_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_restore(image: NDArray[Any], *_: Any, **__: Any) -> NDArray[Any]:
        Path("out.png").write_bytes(b"precious")
        return image

    monkeypatch.setattr(restore_file, "restore_bands", slow_restore)

    assert run(jpeg_photo, "-o", "out.png") == 1
    assert Path("out.png").read_bytes() == b"precious"


@pytest.mark.parametrize("link", [None, "hardlink_to", "symlink_to"])
def test_input_is_never_overwritten(
    run: Run, jpeg_photo: Path, link: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = jpeg_photo.read_bytes()
    output = jpeg_photo
    if link:
        output = Path("link.jpg")
        getattr(output, link)(jpeg_photo)

    assert run(jpeg_photo, "-o", output, "--overwrite") == 2

    assert jpeg_photo.read_bytes() == before
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "inputs are never overwritten" in message


def test_leftovers_of_a_killed_run_are_removed(run: Run, photo: NDArray[np.uint8]) -> None:
    save(photo[:9, :9], "in/deep/a.jpg")
    leftover = Path("out/deep/.argan-0123456789abcdef")
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    os.utime(leftover, (0, 0))

    assert run("in", "-o", "out") == 0
    assert names("out/deep") == ["a.png"]
