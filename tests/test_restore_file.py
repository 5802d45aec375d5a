"""What the command makes of one file: modes, formats, frames, metadata and notes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import restore_file
from argan_plugin.formats import FORMAT_OF_SUFFIX
from argan_plugin.jpeg import read_jpeg_info, round_trip
from argan_plugin.options import SUFFIX_OF_FORMAT
from argan_plugin.restoration import restore
from tests.conftest import Run
from tests.picture_files import names, pixels, save
from tests.textures import texture


def test_chroma(run: Run, jpeg_photo: Path, tiny_model_path: Path) -> None:
    assert run(jpeg_photo, "-o", "restored.png", "--chroma") == 0

    expected = restore(
        pixels(jpeg_photo),
        model=tiny_model_path,
        device="cpu",
        chroma=True,
        steps=read_jpeg_info(jpeg_photo).quantization[0],
    )
    np.testing.assert_array_equal(pixels("restored.png"), expected)


def test_steps_of_a_picture_saved_twice_bound_nothing(run: Run, tiny_model_path: Path) -> None:
    once = round_trip(texture(), quality=40)
    Image.fromarray(once).save("twice.jpg", quality=90)

    assert run("twice.jpg", "-o", "restored.png") == 0

    expected = restore(pixels("twice.jpg"), model=tiny_model_path, device="cpu")
    np.testing.assert_array_equal(pixels("restored.png"), expected)


@pytest.mark.parametrize("second", [60, 90])
def test_tiles_begin_where_the_blocks_of_an_earlier_compression_do(
    run: Run, tiny_model_path: Path, second: int
) -> None:
    once = round_trip(texture(520, 520), quality=30)[3:, 5:]
    Image.fromarray(np.ascontiguousarray(once)).save("twice.jpg", quality=second)

    assert run("twice.jpg", "-o", "restored.png") == 0

    options: dict[str, Any] = {"model": tiny_model_path, "device": "cpu"}
    expected = restore(pixels("twice.jpg"), grid=(5, 3), **options)
    np.testing.assert_array_equal(pixels("restored.png"), expected)
    assert (expected != restore(pixels("twice.jpg"), grid=(0, 0), **options)).any()


@pytest.mark.parametrize(
    ("channels", "restored"), [(None, (...,)), (2, (..., 0)), (3, (...,)), (4, (..., slice(3)))]
)
def test_modes(
    run: Run, photo: NDArray[np.uint8], tiny_model_path: Path, channels: int | None, restored: Any
) -> None:
    colours = photo[..., :3] if channels in (3, 4) else photo[..., :1]
    alpha = 255 - photo[..., :1]
    given = np.concatenate([colours, alpha], axis=-1) if channels in (2, 4) else colours
    given = given[..., 0] if channels is None else given
    save(given, "given.png")

    assert run("given.png", "-o", "restored.png") == 0

    result = pixels("restored.png")
    assert result.shape == given.shape
    expected = restore(given[restored], model=tiny_model_path, device="cpu")
    np.testing.assert_array_equal(result[restored], expected)
    if channels in (2, 4):
        np.testing.assert_array_equal(result[..., -1], given[..., -1])


def test_sixteen_bits(run: Run, photo: NDArray[np.uint8], tiny_model_path: Path) -> None:
    given = photo[..., 0].astype(np.uint16) * 257
    save(given, "given.png")

    assert run("given.png", "-o", "restored.tif") == 0

    expected = restore(given, model=tiny_model_path, device="cpu")
    np.testing.assert_array_equal(pixels("restored.tif"), expected)


def test_inks(
    run: Run, photo: NDArray[np.uint8], tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in").mkdir()
    Image.fromarray(photo).convert("CMYK").save("in/a.jpg")

    assert run("in/a.jpg", "-o", "a.tif") == 0
    with Image.open("in/a.jpg") as image, Image.open("a.tif") as restored:
        inks = np.asarray(image)
        light = 255 - inks[..., :3]
        expected = restore(light, model=tiny_model_path, device="cpu")
        assert restored.mode == "CMYK"
        np.testing.assert_array_equal(255 - np.asarray(restored)[..., :3], expected)
    assert "note" not in capsys.readouterr().err

    # A folder's JPEG files become PNG, which knows no inks.
    assert run("in", "-o", "out") == 0
    assert pixels("out/a.png").shape == (93, 118, 3)
    assert "argan: note: in/a.jpg: PNG knows no CMYK, so it became RGB" in capsys.readouterr().err


def test_frames(run: Run, photo: NDArray[np.uint8], tiny_model_path: Path) -> None:
    turned = photo[::-1].copy()
    save(photo, "a.tif", save_all=True, append_images=[Image.fromarray(turned)])

    assert run("a.tif", "-o", "b.tif") == 0

    with Image.open("b.tif") as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
        image.seek(1)
        expected = restore(turned, model=tiny_model_path, device="cpu")
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_format_and_quality(run: Run, photo: NDArray[np.uint8]) -> None:
    save(photo, "in/a.png")
    save(photo, "in/b.jpg")

    assert run("in", "-o", "out", "--all", "--format", "jpeg", "--quality", "83") == 0

    for name in ("out/a.jpg", "out/b.jpg"):
        info = read_jpeg_info(name)
        assert (info.quality, info.subsampling) == (83, "4:4:4")


def test_formats_can_be_written() -> None:
    assert set(SUFFIX_OF_FORMAT.values()) <= set(FORMAT_OF_SUFFIX)


def test_dates_are_kept_on_request(run: Run, photo: NDArray[np.uint8]) -> None:
    source = save(photo, "in/a.jpg")
    os.utime(source, ns=(10**18, 11 * 10**17))

    assert run("in", "-o", "out", "--keep-times") == 0
    assert Path("out/a.png").stat().st_mtime_ns == 11 * 10**17
    assert run("in", "-o", "other") == 0
    assert Path("other/a.png").stat().st_mtime_ns > 11 * 10**17


def test_black_and_white_is_skipped(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    save(photo, "in/a.jpg")
    Image.fromarray(photo).convert("1").save("in/b.png")

    assert run("in", "-o", "out") == 0

    assert names("out") == ["a.png"]
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "argan: skipped in/b.png: black and white only, so it holds no JPEG artifacts to remove",
        "argan: 1 done on cpu, 1 skipped, 0 failed",
    ]


def test_only_the_photo_of_an_mpo_file_is_noted(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    second = [Image.fromarray(photo[::2, ::2])]
    save(photo, "two.mpo", save_all=True, append_images=second)

    assert run("two.mpo", "-o", "out.png") == 0
    assert "argan: note: two.mpo: only the photo was taken" in capsys.readouterr().err


def test_what_cannot_be_written_is_said_before_the_work(
    run: Run, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    def restored(*_: Any, **__: Any) -> NDArray[Any]:
        raise AssertionError("restored in vain")

    monkeypatch.setattr(restore_file, "restore_bands", restored)
    save(np.dstack([photo, photo[..., 0]]), "a.png")

    assert run("a.png", "-o", "a.jpg") == 1


def test_truncated_files_on_request(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    data = save(photo, "whole.jpg", quality=90).read_bytes()
    Path("short.jpg").write_bytes(data[: -len(data) // 4])

    assert run("short.jpg", "-o", "out.png") == 1
    assert ". --accept-truncated restores what is there." in capsys.readouterr().err
    assert run("short.jpg", "-o", "out.png", "--accept-truncated") == 0
    assert capsys.readouterr().err.splitlines() == [
        "argan: note: short.jpg: is damaged or cut off; what is there was restored, "
        "the rest is blank",
        "argan: 1 done on cpu, 0 skipped, 0 failed",
    ]
    assert run("whole.jpg", "-o", "whole.png", "--accept-truncated") == 0
    assert "note" not in capsys.readouterr().err
    np.testing.assert_array_equal(pixels("out.png")[:16], pixels("whole.png")[:16])


def test_too_many_pixels(run: Run, jpeg_photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(jpeg_photo, "-o", "out.png", "--max-pixels", "10000") == 1
    assert "allow more with --max-pixels" in capsys.readouterr().err
    assert run(jpeg_photo, "-o", "out.png", "--max-pixels", "12000") == 0
