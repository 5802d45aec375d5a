"""``argan info``, and what the command does with what it knows of JPEG files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from argan_plugin import inspect_jpeg, restore_jpeg
from argan_plugin.cli import main
from argan_plugin.jpeg import round_trip
from tests.conftest import Run
from tests.textures import texture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a mixed folder, and work in it."""
    monkeypatch.chdir(tmp_path)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    clean = texture()
    Image.fromarray(clean).save(mixed / "clean.png")
    Image.fromarray(clean).save(mixed / "fine.jpg", quality=97)
    Image.fromarray(clean).save(mixed / "strong.jpg", quality=30)
    was_jpeg = Image.fromarray(round_trip(clean, quality=40)[1:, 2:])
    was_jpeg.save(mixed / "was_jpeg.png")
    was_jpeg.save(mixed / "again.jpg", quality=98)
    return mixed


def test_info(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "mixed/strong.jpg", "mixed/again.jpg", "mixed/clean.png"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    strong, again, clean = printed.out.split("mixed/")[1:]
    assert strong.startswith("strong.jpg:\n    picture      240 x 200, L, JPEG\n")
    assert "quality      luma 30 (IJG tables)" in strong
    assert "table 0       27  18  17  27  40  66  85 101\n" in strong
    assert "restoring    worthwhile: blocks and ringing are to be expected at quality 30" in strong
    assert "certain: earlier JPEG compression at about quality 40, on a grid that" in again
    assert "begins 7 down, 6 across" in again
    assert "no JPEG compression found" in clean
    assert "restoring    leave it: it is no JPEG file" in clean


def test_info_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json", "mixed/again.jpg", "mixed/clean.png"]) == 0
    again, clean = json.loads(capsys.readouterr().out)
    found = inspect_jpeg(folder / "again.jpg")
    assert found.file is not None
    assert found.earlier is not None
    assert again["path"] == "mixed/again.jpg"
    assert again["file"]["quantization"][0] == list(found.file.quantization[0])
    assert again["earlier"]["regularity"] == pytest.approx(found.earlier.regularity)
    assert again["earlier"]["certainty"] == "certain"
    assert (again["quality"], again["worthwhile"]) == (found.quality, True)
    assert (clean["file"], clean["earlier"], clean["worthwhile"]) == (None, None, False)


def test_one_bad_file_does_not_stop_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lie\x1b[2J.jpg").write_text("no picture")
    assert main(["info", "gone.jpg", "mixed/lie\x1b[2J.jpg", "mixed/fine.jpg"]) == 1
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert lines[0] == "argan: failed: gone.jpg: cannot be read: No such file or directory."
    assert lines[1].startswith(r"argan: failed: mixed/lie\x1b[2J.jpg: expected a picture file")
    assert len(lines) == 2
    assert "fine.jpg" in printed.out

    assert main(["info", "--json", "gone.jpg"]) == 1
    assert json.loads(capsys.readouterr().out) == []
    with pytest.raises(SystemExit, match="2"):
        main(["info"])


def test_pictures_that_need_nothing_are_left_alone(
    folder: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("mixed", "-o", "out") == 0
    written = sorted(path.name for path in Path("out").iterdir())
    assert written == ["again.png", "strong.png", "was_jpeg.png"]
    assert capsys.readouterr().err.splitlines() == [
        "argan: note: mixed/again.jpg: its JPEG quality is 98, but its pixels show an earlier "
        "compression at about 40, so it was restored",
        "argan: skipped mixed/clean.png: no JPEG file, and its pixels show no JPEG quality of 90 "
        "or less; --all restores it, too",
        "argan: skipped mixed/fine.jpg: its JPEG quality is above 90, and its pixels show no lower "
        "one; --all restores it, too",
        "argan: 3 done on cpu, 2 skipped, 0 failed",
    ]
    assert run("mixed", "-o", "careful", "--skip-above-quality", "98") == 0
    assert len(list(Path("careful").iterdir())) == 4
    assert run("mixed", "-o", "all", "--all") == 0
    assert len(list(Path("all").iterdir())) == 5
    # Who names one file and what it is to become means it.
    assert run("mixed/clean.png", "-o", "clean.png") == 0
    with pytest.raises(SystemExit, match="2"):
        run("mixed", "-o", "both", "--all", "--skip-above-quality", "90")


def test_consistent(
    folder: Path, run: Run, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("jpegio", reason="pyjpegio has no wheel for this system")
    Image.fromarray(texture()).convert("CMYK").save(folder / "inks.jpg", quality=30)
    for more in ([], ["--chroma", "--strength", "0.7"]):
        out = f"out{len(more)}"
        assert run("mixed", "-o", out, "--all", "--consistent", *more) == 0
        strength = 0.7 if more else 1.0
        expected = restore_jpeg(folder / "strong.jpg", model=tiny_model_path, strength=strength)
        np.testing.assert_array_equal(np.asarray(Image.open(f"{out}/strong.png")), expected)
    notes = [line for line in capsys.readouterr().err.splitlines() if "note" in line]
    assert sum("no JPEG file, so there is nothing for it" in note for note in notes) == 4
    assert sum("inks.jpg: " in note and "without consistency" in note for note in notes) == 2


def test_consistent_without_pyjpegio(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "jpegio", None)
    assert run("mixed", "-o", "out", "--consistent") == 1
    assert "pip install 'argan-plugin[consistent]'" in capsys.readouterr().err
    assert not Path("out").exists()


def test_info_prints_nothing_of_decoders(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "damaged.tif"
    Image.fromarray(texture()).save(path, compression="tiff_lzw")
    data = path.read_bytes()
    path.write_bytes(data[:99] + bytes(200) + data[299:])  # libtiff has something to say

    assert main(["info", str(path)]) == 1

    assert capfd.readouterr().err.startswith(f"argan: failed: {path}: cannot be decoded")
