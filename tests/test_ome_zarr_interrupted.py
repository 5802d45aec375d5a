"""OME-Zarr images appear whole or not at all, whoever stops or meets the run."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from ome_zarr_models import open_ome_zarr

from argan_plugin import Cancelled, ImageFileError
from argan_plugin.ome_zarr import restore_ome_zarr
from tests.ome_zarr_files import colour_movie, files, write_pyramid


@pytest.fixture(scope="module")
def pixels(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return colour_movie(photo)


@pytest.mark.parametrize("moment", [1, 7, 12])
def test_an_interrupted_run_goes_on(
    pixels: NDArray[np.uint8],
    tiny_model_path: Path,
    tmp_path: Path,
    moment: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = write_pyramid(tmp_path / "in.zarr", pixels)
    whole, target = tmp_path / "whole.zarr", tmp_path / "out.zarr"
    options: dict[str, Any] = {"model": tiny_model_path, "device": "cpu"}
    restore_ome_zarr(source, whole, **options)
    cancel = threading.Event()

    def stop(done: int, _: int) -> None:
        if done == moment:
            cancel.set()
        if done == moment + 1:  # means ask nobody
            raise Cancelled("Restoration was cancelled.")

    with pytest.raises(Cancelled):
        restore_ome_zarr(source, target, progress=stop, cancel=cancel, **options)
    assert not target.exists()
    unfinished = tmp_path / "out.zarr.unfinished"
    with pytest.raises(Exception, match=r".*"):
        open_ome_zarr(unfinished)
    with pytest.raises(ImageFileError, match="another strength"):
        restore_ome_zarr(source, target, strength=0.5, **options)
    with (unfinished / ".argan-progress.jsonl").open("a") as journal:
        journal.write('"0 0:1 0')  # a line that somebody was killed in
    (unfinished / "s0" / "c.0123.partial").touch()
    written = []
    write = zarr.Array.__setitem__

    def noting_write(array: Any, key: Any, value: Any) -> None:
        written.append(key)
        write(array, key, value)

    monkeypatch.setattr(zarr.Array, "__setitem__", noting_write)
    counts = []
    restore_ome_zarr(source, target, progress=lambda *count: counts.append(count), **options)
    assert len(written) == len(counts) - (moment if moment < 12 else 13)
    assert files(target) == files(whole)
    assert not unfinished.exists()


def test_killed_at_any_part(
    pixels: NDArray[np.uint8], tiny_model_path: Path, tmp_path: Path
) -> None:
    source = write_pyramid(tmp_path / "in.zarr", pixels)
    whole, target = tmp_path / "whole.zarr", tmp_path / "out.zarr"
    restore_ome_zarr(source, whole, model=tiny_model_path, device="cpu")
    program = (
        "import os, signal, sys\n"
        "from argan_plugin.ome_zarr import restore_ome_zarr\n"
        "def progress(done, total):\n"
        "    if done == 5:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "source, target, model = sys.argv[1:]\n"
        "restore_ome_zarr(source, target, model=model, device='cpu', progress=progress)\n"
    )
    command = [sys.executable, "-c", program, str(source), str(target), str(tiny_model_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not target.exists()
    restore_ome_zarr(source, target, model=tiny_model_path, device="cpu")
    assert files(target) == files(whole)


def test_what_exists_is_left_alone(
    pixels: NDArray[np.uint8], tiny_model_path: Path, tmp_path: Path
) -> None:
    source = write_pyramid(tmp_path / "in.zarr", pixels)
    target = tmp_path / "out.zarr"
    target.mkdir()
    with pytest.raises(ImageFileError, match="exists already"):
        restore_ome_zarr(source, target, model=tiny_model_path)
    with pytest.raises(ImageFileError, match="exists already"):
        restore_ome_zarr(source, source, model=tiny_model_path)
    target.rmdir()

    def come(done: int, total: int) -> None:
        if done == total:
            target.mkdir()

    with pytest.raises(ImageFileError, match="exists already"):
        restore_ome_zarr(source, target, model=tiny_model_path, progress=come)
    assert list(target.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_processes_at_once(
    pixels: NDArray[np.uint8], tiny_model_path: Path, tmp_path: Path
) -> None:
    source = write_pyramid(tmp_path / "in.zarr", pixels)

    def another(*_: int) -> None:
        with pytest.raises(ImageFileError, match="another process"):
            restore_ome_zarr(source, tmp_path / "out.zarr", model=tiny_model_path)

    restore_ome_zarr(source, tmp_path / "out.zarr", model=tiny_model_path, progress=another)


def test_damaged_chunks_and_full_disks(
    pixels: NDArray[np.uint8],
    tiny_model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = write_pyramid(tmp_path / "in.zarr", pixels)
    target = tmp_path / "out.zarr"
    chunk = source / "s0/c/1/2/0/1/1"
    good = chunk.read_bytes()
    chunk.write_bytes(good[: len(good) // 2])
    with pytest.raises(ImageFileError, match=r"in\.zarr/s0: cannot be read"):
        restore_ome_zarr(source, target, model=tiny_model_path)
    chunk.write_bytes(good)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(ImageFileError, match="No space left"):
        patch.setattr(zarr.Array, "__setitem__", full)
        restore_ome_zarr(source, target, model=tiny_model_path)
    assert not target.exists()
    restore_ome_zarr(source, target, model=tiny_model_path)
    assert target.exists()
