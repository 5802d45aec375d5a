"""``argan FOLDER -o OUT --resume`` does what is missing or stale, and touches nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import restore_file, resume, settings
from argan_plugin.cli import main
from argan_plugin.resume import LIST_NAME, sha256_of, sums_of
from argan_plugin.settings import Settings
from argan_plugin.weights import CHROMA, model_path
from argan_plugin.writing import write_picture

Resume = Callable[..., tuple[int, set[str], list[str]]]


@pytest.fixture
def resumed(
    tiny_model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    photo: NDArray[np.uint8],
) -> Resume:
    """Run ``argan in -o out --resume``; return exit code, names of the files written, and lines."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "deep/c"):
        path = Path(f"in/{name}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo[:40, :40]).save(path)

    def resumed(*options: str, model: Path = tiny_model_path) -> tuple[int, set[str], list[str]]:
        written = set()

        def noting_write(path: Path, *arguments: Any, **keywords: Any) -> str:
            note = write_picture(path, *arguments, **keywords)
            written.add(path.relative_to("out").as_posix())
            return note

        monkeypatch.setattr(restore_file, "write_picture", noting_write)
        words = ["in", "-o", "out", "--resume", "--model", str(model), "--device", "cpu"]
        code = main([*words, *options])
        return code, written, capsys.readouterr().err.splitlines()

    return resumed


ALL = {"a.png", "b.png", "deep/c.png"}


def later(path: str) -> None:
    """Date a file an hour later."""
    status = Path(path).stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 3_600_000_000_000))


def test_second_run_does_nothing(resumed: Resume) -> None:
    assert resumed() == (0, ALL, ["argan: 3 done on cpu, 0 skipped, 0 failed"])
    for source in Path("in").rglob("*.jpg"):  # the same to all but who reads them
        status = source.stat()
        source.write_bytes(bytes(status.st_size))
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert resumed() == (
        0,
        set(),
        ["argan: skipped 3 files: up to date", "argan: 0 done on cpu, 3 skipped, 0 failed"],
    )


def test_what_is_missing_is_done(resumed: Resume) -> None:
    resumed()
    Path("out/b.png").unlink()
    shutil.copy("in/a.jpg", "in/d.jpg")

    assert resumed()[:2] == (0, {"b.png", "d.png"})


def test_source_that_has_changed(resumed: Resume) -> None:
    resumed()
    later("in/a.jpg")
    with Image.open("in/b.jpg") as image:
        image.rotate(180).save("in/b.jpg")

    assert resumed()[:2] == (0, {"a.png", "b.png"})
    with Image.open("out/b.png") as b, Image.open("out/a.png") as a:
        assert np.abs(np.asarray(a)[::-1, ::-1].astype(int) - np.asarray(b)).mean() < 9
    assert resumed()[:2] == (0, set())


def test_other_settings_and_models(resumed: Resume, identity_model_path: Path) -> None:
    resumed()
    assert resumed("--strength", "0.5")[:2] == (0, ALL)
    assert resumed("--strength", "0.5", "--tile-size", "64", "--quiet")[:2] == (0, set())
    assert resumed("--strength", "0.5", model=identity_model_path)[:2] == (0, ALL)
    assert resumed()[:2] == (0, ALL)


def test_another_model_of_chroma_counts_where_chroma_is_restored(
    identity_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, both = (sums_of(identity_model_path, chroma=chroma) for chroma in (False, True))
    assert list(alone) == ["model"]
    assert both == alone | {"chroma_model": sha256_of(model_path(CHROMA))}
    monkeypatch.setattr(resume, "model_path", lambda _: Path(__file__))
    assert sums_of(identity_model_path, chroma=True) != both


def test_settings_that_do_not_matter_are_settings() -> None:
    assert set(Settings.__slots__) > settings._WITHOUT_EFFECT
    assert {"strength", "quality"} <= Settings().that_matter().keys()


def test_what_others_wrote_is_left_alone(resumed: Resume) -> None:
    resumed()
    for name in ("a", "b"):
        Path(f"out/{name}.png").write_bytes(b"precious")
    later("in/a.jpg")
    later("in/deep/c.jpg")

    code, written, lines = resumed()

    assert (code, written) == (1, {"deep/c.png"})
    assert Path("out/a.png").read_bytes() == Path("out/b.png").read_bytes() == b"precious"
    assert "argan: skipped out/a.png: exists already; --overwrite replaces it" in lines
    assert any("out/b.png: up to date by its date" in line for line in lines)
    assert resumed("--overwrite")[:2] == (0, {"a.png", "b.png"})


def test_outputs_of_a_run_without_a_list(resumed: Resume) -> None:
    resumed()
    Path("out", LIST_NAME).unlink()
    later("in/a.jpg")

    code, written, lines = resumed()

    assert (code, written) == (1, set())
    assert "argan: skipped out/a.png: exists already; --overwrite replaces it" in lines


def test_copied_folders_are_known_by_their_contents(resumed: Resume) -> None:
    resumed()
    shutil.move("out", "old")
    shutil.copytree("old", "out", copy_function=shutil.copyfile)  # with new dates

    assert resumed()[:2] == (0, set())
    assert resumed("--strength", "0.5")[:2] == (0, ALL)


def test_stopped_before_the_output_has_its_name(
    resumed: Resume, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed("--format", "tiff")
    sync, syncs = os.fsync, 0

    def stopping_sync(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs == 2:  # the list is written, the picture not yet
            raise KeyboardInterrupt
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stopping_sync)
        assert resumed("--format", "tiff", "--strength", "0.5")[:2] == (130, set())

    # An old output of the same size must not pass for what the list says of the new one.
    everything = {"a.tiff", "b.tiff", "deep/c.tiff"}
    assert resumed("--format", "tiff", "--strength", "0.5")[:2] == (0, everything)


@pytest.mark.usefixtures("no_collection")
def test_lines_that_are_broken_or_not_ours_are_ignored(resumed: Resume) -> None:
    resumed()
    path = Path("out", LIST_NAME)
    lines = path.read_bytes().splitlines()
    wrong = json.loads(lines[1]) | {"source": 3}
    odd = [b"\xff\0", b"[" * 99_999, b"{}", b"[]", b"3", b"", json.dumps(wrong).encode()]
    path.write_bytes(b"\n".join([lines[0], *odd, lines[1], lines[2][:-9]]))

    assert resumed()[:2] == (0, set())  # c is newer than its source
    later("in/a.jpg")
    assert resumed()[:2] == (0, {"a.png"})
    assert resumed()[:2] == (0, set())


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs a POSIX system")
def test_list_that_leads_elsewhere(resumed: Resume, tmp_path: Path) -> None:
    Path("out").mkdir()
    precious = tmp_path / "precious"
    Path("out", LIST_NAME).symlink_to(precious)

    code, written, lines = resumed()
    assert (code, written) == (1, set())
    assert lines == [
        f"argan: error: out/{LIST_NAME}: expected a list of outputs, but this is no regular file."
    ]

    precious.touch()
    with pytest.raises(OSError, match="symbolic link"):  # made in the meantime
        resume._append(Path("out", LIST_NAME), "line")
    assert precious.read_bytes() == b""


def test_list_that_cannot_be_written(resumed: Resume, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resume, "_append", full)

    code, written, lines = resumed()

    assert (code, written) == (1, set())
    failure = f"argan: failed: out/{LIST_NAME}: cannot be written: No space left on device."
    assert lines[:3] == [failure] * 3
    assert not [path for path in Path("out").rglob("*") if path.is_file()]


def test_two_names_for_one_place(resumed: Resume) -> None:
    shutil.copytree("in/deep", "in/Deep")
    Path("out/deep").mkdir(parents=True)
    Path("out/Deep").symlink_to("deep")  # as where case makes no difference

    for options in ([], ["--overwrite"]):
        code, _, lines = resumed(*options)
        assert code == 1
        assert any("in/deep/c.jpg: its output out/deep/c.png is the same" in line for line in lines)
        assert sorted(path.name for path in Path("out/deep").iterdir()) == ["c.png"]


def test_not_for_a_single_file(resumed: Resume, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["in/a.jpg", "-o", "b.png", "--resume"]) == 2
    assert capsys.readouterr().err == "argan: error: --resume needs a folder as output\n"
