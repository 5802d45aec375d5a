"""The command on OME-Zarr images."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from argan_plugin.cli import main
from argan_plugin.ome_zarr import restore_ome_zarr
from tests.ome_zarr_files import colour_movie, files, write_pyramid


@pytest.fixture(scope="module")
def pixels(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return colour_movie(photo)


def test_without_zarr(
    pixels: NDArray[np.uint8],
    tiny_model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = write_pyramid(tmp_path / "in.zarr", pixels)
    monkeypatch.setitem(sys.modules, "zarr", None)
    words = [str(source), "-o", str(tmp_path / "out.zarr"), "--model", str(tiny_model_path)]
    assert main(words) == 1
    assert 'pip install "argan-plugin[scale]"' in capsys.readouterr().err


def test_command(
    pixels: NDArray[np.uint8],
    tiny_model_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pyramid(Path("in.ome.zarr"), pixels)
    model = ["--model", str(tiny_model_path), "--device", "cpu", "--strength", "0.5"]
    assert main(["in.ome.zarr", "-o", "out.ome.zarr", *model]) == 0
    assert capsys.readouterr().err == "argan: in.ome.zarr restored on cpu\n"
    restore_ome_zarr(
        "in.ome.zarr", "expected.zarr", model=tiny_model_path, device="cpu", strength=0.5
    )
    assert files(Path("out.ome.zarr")) == files(Path("expected.zarr"))

    for words in (
        ["in.ome.zarr", "-o", "out.png"],
        ["in.ome.zarr", "other.jpg", "-o", "out"],
        ["in.ome.zarr", "-o", "new.zarr", "--overwrite"],
        ["in.ome.zarr", "-o", "new.zarr", "--format", "png"],
        ["in.ome.zarr", "-o", "new.zarr", "--dask", "tcp://localhost:1"],
    ):
        assert main([*words, *model]) == 2
        assert "OME-Zarr" in capsys.readouterr().err
    assert main(["in.ome.zarr", "-o", "out.ome.zarr", *model]) == 1
    assert "exists already" in capsys.readouterr().err

    # In a folder of pictures it is one thing, not thousands of files without a suffix.
    Path("folder").mkdir()
    shutil.copytree("in.ome.zarr", "folder/in.ome.zarr")
    shutil.copy(Path(__file__).parent.parent / "docs/images/before_after.png", "folder/a.png")
    main(["folder", "-o", "restored", "--strength", "0", *model[:4]])
    assert "skipped folder/in.ome.zarr: an OME-Zarr image" in capsys.readouterr().err
