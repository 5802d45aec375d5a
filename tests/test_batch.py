"""Which file becomes which, and which plans are refused before anything is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from argan_plugin.batch import plan_batch


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, so that names can be written as on a command line."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def planned(*inputs: str, output: str, suffix: str | None = None) -> dict[str, str]:
    plan = plan_batch(inputs, output, suffix=suffix)
    assert not plan.failed
    return {job.source.as_posix(): job.target.as_posix() for job in plan.jobs}


def test_one_file() -> None:
    touch("photo.jpg")
    Path("there").mkdir()

    assert planned("photo.jpg", output="new.webp") == {"photo.jpg": "new.webp"}
    assert planned("photo.jpg", output="not/there/yet.JPG") == {"photo.jpg": "not/there/yet.JPG"}
    assert planned("photo.jpg", output="there") == {"photo.jpg": "there/photo.png"}
    assert planned("photo.jpg", output="new/") == {"photo.jpg": "new/photo.png"}


def test_missing_file_is_left_to_the_reader() -> None:
    assert planned("gone.jpg", output="a.png") == {"gone.jpg": "a.png"}


def test_folder_is_mirrored() -> None:
    touch("in/b.JPG", "in/a.png", "in/deep/er/c.TIF", "in/deep/d.webp", "in/e.bmp")

    expected = {
        "in/a.png": "out/a.png",
        "in/b.JPG": "out/b.png",
        "in/e.bmp": "out/e.png",
        "in/deep/d.webp": "out/deep/d.webp",
        "in/deep/er/c.TIF": "out/deep/er/c.TIF",
    }
    assert planned("in", output="out") == expected
    assert list(planned("in", output="out")) == list(expected)
    assert planned("in/", output="out/") == expected


def test_current_folder() -> None:
    touch("a.jpg")

    assert planned(".", output="../out") == {"a.jpg": "../out/a.png"}


def test_several_inputs() -> None:
    touch("x/a.jpg", "y/a.jpg", "b.jpg")

    assert planned("x", "y/", "b.jpg", output="out") == {
        "x/a.jpg": "out/x/a.png",
        "y/a.jpg": "out/y/a.png",
        "b.jpg": "out/b.png",
    }


def test_one_format_for_all() -> None:
    touch("in/a.png", "in/b.jpg")

    assert planned("in", output="out", suffix=".jpg") == {
        "in/a.png": "out/a.jpg",
        "in/b.jpg": "out/b.jpg",
    }


def test_what_is_no_picture_is_named_and_skipped() -> None:
    touch("in/a.jpg", "in/notes.txt", "in/.hidden.jpg", "in/.git/b.jpg", "in/out/c.jpg", "f/d.jpg")
    Path("in/link").symlink_to("../f", target_is_directory=True)
    Path("in/circle").symlink_to("..", target_is_directory=True)

    plan = plan_batch(["in"], "in/out")

    assert [job.source.as_posix() for job in plan.jobs] == ["in/a.jpg"]
    assert {(path.as_posix(), reason) for path, reason in plan.skipped} == {
        ("in/notes.txt", "no picture, by its suffix"),
        ("in/.hidden.jpg", "hidden"),
        ("in/.git", "hidden"),
        ("in/out", "the output folder"),
        ("in/link", "a link to a folder"),
        ("in/circle", "a link to a folder"),
    }


def test_folder_that_cannot_be_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("in/a.jpg", "in/closed/b.jpg")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root may look into any folder

    plan = plan_batch(["in"], "out")

    assert [job.source.as_posix() for job in plan.jobs] == ["in/a.jpg"]
    assert plan.failed == [(Path("in/closed"), "cannot be looked into: Permission denied")]


@pytest.mark.parametrize(
    ("inputs", "output", "advice"),
    [
        (["a.jpg"], "b", "must end with one of"),
        (["a.jpg"], "b.gif", "must end with one of"),
        (["a.jpg", "c.jpg"], "notes.txt", "need a folder as output, but notes.txt is a file"),
        (["in"], "notes.txt", "need a folder as output, but notes.txt is a file"),
        (["a.jpg", "c.jpg"], "b.png", "need a folder as output, but b.png names a file"),
        (["in"], "in", "is the input folder itself"),
        (["in"], "in/deep/..", "is the input folder itself"),
        (["a.jpg", "in/a.jpg"], "out", r"a\.jpg and in/a\.jpg would both become out/a\.png"),
        (["a.jpg", "a.png"], "out", r"a\.jpg and a\.png would both become out/a\.png"),
        (["a.jpg"], "a.jpg", r"the output a\.jpg is the input a\.jpg itself"),
        (["a.jpg"], "in/../a.jpg", "is the input a.jpg itself"),
        (["a.jpg"], "hard.jpg", "is the input a.jpg itself"),
        (["a.jpg"], "soft.jpg", "is the input a.jpg itself"),
        (["soft.jpg"], "a.jpg", "is the input soft.jpg itself"),
        (["a.jpg", "a.png"], "./", "would both become"),
        (["c.jpg", "c.png"], "./", "would both become"),
        (["empty"], "out", "there is no picture in empty"),
    ],
)
def test_refused_plans(inputs: list[str], output: str, advice: str) -> None:
    touch("a.jpg", "a.png", "c.jpg", "c.png", "in/a.jpg", "in/c.png", "in/deep/d.jpg", "notes.txt")
    Path("empty").mkdir()
    Path("hard.jpg").hardlink_to("a.jpg")
    Path("soft.jpg").symlink_to("a.jpg")

    with pytest.raises(ValueError, match=advice):
        plan_batch(inputs, output)


def test_output_that_is_another_input() -> None:
    touch("in/a.jpg", "in/b.png")
    Path("out").mkdir()
    Path("out/a.png").hardlink_to("in/b.png")

    with pytest.raises(ValueError, match=r"output out/a\.png is the input in/b\.png itself"):
        plan_batch(["in"], "out")


@pytest.mark.skipif(not hasattr(os, "pathconf"), reason="names have other limits on Windows")
def test_names_that_cannot_be_are_left_to_the_reader() -> None:
    touch("a.jpg")
    long = "n" * 5000 + ".jpg"
    Path("loop.jpg").symlink_to("loop.jpg")

    assert planned(long, "loop.jpg", "a.jpg/b.jpg", output="out") == {
        long: f"out/{long[:-4]}.png",
        "loop.jpg": "out/loop.png",
        "a.jpg/b.jpg": "out/b.png",
    }
    with pytest.raises(ValueError, match="need a folder as output, but loop"):
        plan_batch(["a.jpg", long], "loop.jpg")


def test_folder_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def refusing(path: Any, *arguments: Any, **options: Any) -> Any:
        if "closed" in str(path):
            raise PermissionError(13, "Permission denied", path)
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refusing)  # root may reach any file

    assert planned("closed/a.jpg", output="out/") == {"closed/a.jpg": "out/a.png"}


def test_format_is_for_folders() -> None:
    with pytest.raises(ValueError, match="only for an output folder"):
        plan_batch(["a.jpg"], "b.png", suffix=".webp")
