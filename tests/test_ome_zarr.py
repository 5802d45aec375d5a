"""OME-Zarr pyramids against `restore` of their planes, read back by other people's readers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr
from napari_builtins.io import read_zarr_dataset
from numpy.typing import NDArray
from ome_zarr_models import open_ome_zarr
from ome_zarr_models.v04.image import ImageAttrs

from argan_plugin import ImageFileError, UnsupportedImageError, restore
from argan_plugin.ome_zarr import restore_ome_zarr
from argan_plugin.pyramid_parts import parts_to_restore, parts_to_shrink
from tests.ome_zarr_files import colour_movie, files, mean_of_blocks, write_pyramid

_RGB = ["FF0000", "00FF00", "0000FF"]


@pytest.fixture(scope="module")
def pixels(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return colour_movie(photo)


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
