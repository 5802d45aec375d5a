"""OME-Zarr pyramids against `restore` of their planes, read back by other people's readers."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from napari_builtins.io import read_zarr_dataset
from numpy.typing import NDArray
from ome_zarr_models import open_ome_zarr
from ome_zarr_models.v04.image import ImageAttrs

from argan_plugin import Cancelled, ImageFileError, UnsupportedImageError, restore
from argan_plugin.cli import main
from argan_plugin.ome_zarr import restore_ome_zarr
from argan_plugin.pyramid_parts import parts_to_restore, parts_to_shrink

_RGB = ["FF0000", "00FF00", "0000FF"]


@pytest.fixture(scope="module")
def pixels(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a movie of colour slices: (t, c, z, y, x) of shape (2, 3, 3, 93, 118)."""
    return np.stack(
        [
            np.stack([np.roll(photo, 9 * t + 4 * z, axis=1) for z in range(3)]).transpose(
                3, 0, 1, 2
            )
            for t in range(2)
        ]
    )


def mean_of_blocks(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return means of 2 x 2 pixels; an odd last one is left out."""
    height, width = (length // 2 * 2 for length in pixels.shape[-2:])
    even = pixels[..., :height, :width].astype(float)
    blocks = even.reshape(*even.shape[:-2], height // 2, 2, width // 2, 2)
    means: NDArray[Any] = np.rint(blocks.mean(axis=(-3, -1))).astype(pixels.dtype)
    return means


def write_image(
    group: Any, levels: list[NDArray[Any]], axes: str, more: dict[str, Any], **options: Any
) -> None:
    """Write an image of format 0.4 (zarr 2) or 0.5 (zarr 3) into a group, as others would."""
    types = {"t": "time", "c": "channel"}
    datasets = []
    newer = group.metadata.zarr_format == 3
    for number, pixels in enumerate(levels):
        array = group.create_array(
            f"s{number}",
            shape=pixels.shape,
            dtype=pixels.dtype,
            dimension_names=list(axes) if newer else None,
            chunk_key_encoding={"name": "default" if newer else "v2", "separator": "/"},
            **options,
        )
        array[:] = pixels
        scale = [2.0**number * 0.25 if axis in "yx" else 1.0 for axis in axes]
        transformations = [{"type": "scale", "scale": scale}]
        datasets.append({"path": f"s{number}", "coordinateTransformations": transformations})
    multiscale: dict[str, Any] = {
        "name": "disc",
        "axes": [{"name": axis, "type": types.get(axis, "space")} for axis in axes],
        "datasets": datasets,
        "type": "gaussian",
    }
    if newer:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale], **more}
    else:
        group.attrs.update({"multiscales": [{**multiscale, "version": "0.4"}], **more})


def write_pyramid(
    folder: Path,
    pixels: NDArray[Any],
    *,
    axes: str = "tczyx",
    zarr_format: Literal[2, 3] = 3,
    chunks: tuple[int, ...] = (1, 1, 2, 32, 50),
    shards: tuple[int, ...] | None = None,
    colours: Sequence[str] = (),
    levels: int = 3,
) -> Path:
    """Write an image with labels."""
    group = zarr.create_group(folder, zarr_format=zarr_format)
    pyramid = [pixels]
    for _ in range(levels - 1):
        pyramid.append(mean_of_blocks(pyramid[-1]))
    window = {"min": 0, "max": 255, "start": 0, "end": 255}
    channels = [{"color": colour, "window": window, "active": True} for colour in colours]
    more = {"omero": {"channels": channels}} if colours else {}
    write_image(group, pyramid, axes, more, chunks=chunks, shards=shards)
    labels = group.create_group("labels")
    names = {"labels": ["cells"]}
    labels.attrs.update({"ome": {"version": "0.5", **names}} if zarr_format == 3 else names)
    label = {"image-label": {"colors": [{"label-value": 7, "rgba": [255, 0, 0, 255]}]}}
    cells = [np.full(level.shape, 7, np.uint32) for level in pyramid]
    write_image(labels.create_group("cells"), cells, axes, label, chunks=pixels.shape)
    return folder


def metadata_of(folder: Path, zarr_format: int) -> Any:
    """Return an image's metadata as the strict models of ome-zarr-models take them."""
    if zarr_format == 2:  # the model of the whole group does not work with pydantic 2.14
        return ImageAttrs.model_validate(zarr.open_group(folder, mode="r").attrs.asdict())
    image: Any = open_ome_zarr(folder, version="0.5")
    return image.ome_attributes


def expected_levels(
    pixels: NDArray[Any], model: Path, *, rgb: bool, **options: Any
) -> list[NDArray[Any]]:
    result = np.empty_like(pixels)
    for t, z in np.ndindex(2, 3):
        if rgb:
            result[t, :, z] = restore(pixels[t, :, z], model=model, channel_axis=0, **options)
        else:
            for c in range(3):
                result[t, c, z] = restore(pixels[t, c, z], model=model, **options)
    return [result, mean_of_blocks(result), mean_of_blocks(mean_of_blocks(result))]


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("rgb", [False, True])
def test_a_pyramid_becomes_a_pyramid(
    pixels: NDArray[np.uint8],
    tiny_model_path: Path,
    tmp_path: Path,
    zarr_format: Literal[2, 3],
    rgb: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("argan_plugin.pyramid_parts.PART_PIXELS", 96**2)  # many parts
    source = write_pyramid(
        tmp_path / "in.ome.zarr",
        pixels,
        zarr_format=zarr_format,
        colours=_RGB if rgb else ["FFFFFF"] * 3,
    )
    target = tmp_path / "out.ome.zarr"
    restore_ome_zarr(source, target, model=tiny_model_path, device="cpu", tile_size=64)

    expected = expected_levels(pixels, tiny_model_path, rgb=rgb, device="cpu")
    old, new = (metadata_of(folder, zarr_format) for folder in (source, target))
    assert new.omero == old.omero
    assert new.multiscales[0].axes == old.multiscales[0].axes
    assert new.multiscales[0].datasets == old.multiscales[0].datasets
    assert (old.multiscales[0].type, new.multiscales[0].type) == ("gaussian", "mean")
    for level, dataset in zip(expected, new.multiscales[0].datasets, strict=True):
        found, _ = read_zarr_dataset(str(target / dataset.path))
        # steps of one where the parts' tiles round differently
        assert np.abs(np.asarray(found).astype(int) - level).max() <= 1
    for number in range(3):
        mine = zarr.open_array(target / f"s{number}", mode="r")
        assert mine.metadata == zarr.open_array(source / f"s{number}", mode="r").metadata
    assert files(target / "labels") == files(source / "labels")
    assert sorted(path.name for path in tmp_path.glob("*.zarr*")) == ["in.ome.zarr", "out.ome.zarr"]


@pytest.mark.parametrize("shards", [None, (1, 3, 4, 64, 100)])
def test_each_part_is_whole_chunks(
    pixels: NDArray[np.uint8], tmp_path: Path, shards: tuple[int, ...] | None
) -> None:
    folder = write_pyramid(tmp_path / "a.zarr", pixels, shards=shards)
    levels = [zarr.open_array(folder / f"s{number}", mode="r") for number in range(3)]
    unit = shards or levels[0].chunks
    for number, level in enumerate(levels):
        parts = (
            parts_to_shrink(levels[number - 1], level, number)
            if number
            else parts_to_restore(level, None, 16, 8)
        )
        seen = np.zeros(level.shape, int)
        for part in parts:
            seen[part.write] += 1
            for axis, span in enumerate(part.write):
                assert span.start % unit[axis] == 0
                assert span.stop % unit[axis] == 0 or span.stop == level.shape[axis]
        assert (seen == 1).all()


def test_other_shapes_and_settings(tiny_model_path: Path, tmp_path: Path) -> None:
    plane = np.random.default_rng(0).integers(100, 3000, (61, 47)).astype(np.uint16)
    source = write_pyramid(tmp_path / "in.zarr", plane, axes="yx", chunks=(61, 47), levels=2)
    options: dict[str, Any] = {"strength": 0.5, "value_range": (0, 4095)}
    options |= {"model": tiny_model_path, "device": "cpu"}
    restore_ome_zarr(source, tmp_path / "out.zarr", **options)
    restored = zarr.open_array(tmp_path / "out.zarr" / "s0", mode="r")[:]
    np.testing.assert_array_equal(restored, restore(plane, **options))
    method = json.loads((tmp_path / "out.zarr" / "zarr.json").read_text())
    facts = method["attributes"]["ome"]["multiscales"][0]["metadata"]
    assert facts["kwargs"]["strength"] == 0.5


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


def edit_metadata(folder: Path, **changes: Any) -> Path:
    path = folder / "zarr.json"
    content = json.loads(path.read_text())
    content["attributes"]["ome"] |= changes
    path.write_text(json.dumps(content))
    return folder


def test_what_is_no_image_is_refused(
    pixels: NDArray[np.uint8], tiny_model_path: Path, tmp_path: Path
) -> None:
    image = write_pyramid(tmp_path / "image.zarr", pixels)
    (multiscale,) = json.loads((image / "zarr.json").read_text())["attributes"]["ome"][
        "multiscales"
    ]

    def variant(number: int, **changes: Any) -> Path:
        folder = shutil.copytree(image, tmp_path / f"{number}.zarr")
        return edit_metadata(folder, **changes)

    outside = [{**multiscale["datasets"][0], "path": path} for path in ("../image.zarr/s0",)]
    reverse = multiscale["datasets"][::-1]
    wrong: list[tuple[Path, type[Exception], str]] = [
        (tmp_path, ImageFileError, "no metadata"),
        (variant(1, multiscales=[]), ImageFileError, "one OME-Zarr image"),
        (variant(2, multiscales=[multiscale] * 2), ImageFileError, "one OME-Zarr image"),
        (variant(3, multiscales=[multiscale | {"datasets": outside}]), ImageFileError, "inside"),
        (variant(4, plate={}), UnsupportedImageError, "several images"),
        (
            variant(5, multiscales=[multiscale | {"axes": ["t", "c", "z", "x", "y"]}]),
            UnsupportedImageError,
            "end with y and x",
        ),
        (
            variant(6, multiscales=[multiscale | {"datasets": reverse}]),
            UnsupportedImageError,
            "no larger than",
        ),
    ]
    damaged = variant(7)
    (damaged / "s1" / "zarr.json").write_text("{")
    wrong.append((damaged, ImageFileError, "cannot be opened"))
    unreadable = variant(8)
    (unreadable / "zarr.json").write_text("[]")
    wrong.append((unreadable, ImageFileError, "cannot be read as metadata"))
    for folder, error, words in wrong:
        with pytest.raises(error, match=words):
            restore_ome_zarr(folder, tmp_path / "out.zarr", model=tiny_model_path)
    with pytest.raises(UnsupportedImageError, match="length 3"):
        plane = write_pyramid(tmp_path / "p.zarr", pixels[0, 0, 0], axes="yx", chunks=(50, 50))
        restore_ome_zarr(plane, tmp_path / "out.zarr", model=tiny_model_path, rgb=True)
    assert not (tmp_path / "out.zarr").exists()
    assert not (tmp_path / "out.zarr.unfinished").exists()


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
