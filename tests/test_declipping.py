"""What decoders cut off at black and white, against the coefficients that files hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import idctn

from argan_plugin import restore
from argan_plugin.changes import apply_change, colour_change, luma_change
from argan_plugin.coefficients import read_luma_coefficients
from argan_plugin.declipping import cut_off
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.plausible import as_table
from argan_plugin.quantization_tables import ijg_luma_table
from benchmarks import drawn_pictures
from tests.jpeg_files import decoded, encoded
from training.metrics import psnr

Pixels = NDArray[np.uint8]
DRAWN = (drawn_pictures.text, drawn_pictures.line_art)


def unlimited(data: bytes) -> NDArray[np.float64]:
    """Return the luma that a file states, cut off nowhere, by SciPy's transform."""
    pytest.importorskip("jpegio", reason="pyjpegio has no wheel for this system")
    stated = read_luma_coefficients(data)
    blocks = idctn(stated.numbers * stated.steps, axes=(2, 3), norm="ortho")
    rows, columns = blocks.shape[:2]
    plane = blocks.swapaxes(1, 2).reshape(rows * 8, columns * 8) + 128
    return np.asarray(plane[: stated.height, : stated.width])


def unit(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(pixels / np.float32(255), np.float32)


@pytest.mark.parametrize("quality", [10, 40, 90])
@pytest.mark.parametrize("size", [(192, 256), (181, 251)])
@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
def test_it_is_what_the_file_states(
    draw: Callable[[], Pixels], size: tuple[int, int], quality: int
) -> None:
    picture = np.ascontiguousarray(draw()[: size[0], : size[1]])
    data = encoded(picture, quality=quality)
    shown = decoded(data)
    missing = unlimited(data) - shown
    limited = ((shown == 255) & (missing > 0.5)) | ((shown == 0) & (missing < -0.5))
    assert limited.mean() > 0.1

    found = cut_off(unit(shown), as_table(ijg_luma_table(quality)))

    assert found is not None
    left = (found * 255 - missing)[limited]
    assert np.sqrt(np.mean(left**2)) < 0.25 * np.sqrt(np.mean(missing[limited] ** 2))
    assert (found[shown == 255] >= 0).all()
    assert (found[shown == 0] <= 0).all()
    assert (found[(shown > 0) & (shown < 255)] == 0).all()


def test_nothing_is_cut_off_where_nothing_is_black_or_white(photo: Pixels) -> None:
    grey = photo[..., 0] // 2 + np.uint8(64)
    steps = as_table(ijg_luma_table(10))
    assert cut_off(unit(grey), steps) is None
    for ground in (0, 255):
        assert cut_off(unit(np.full((19, 24), ground, np.uint8)), steps) is None


@pytest.mark.parametrize("quality", [10, 75])
@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("negative", [False, True])
def test_no_haze_stays_on_plain_grounds(
    draw: Callable[[], Pixels], negative: bool, quality: int
) -> None:
    picture = 255 - draw() if negative else draw()
    data = encoded(picture, quality=quality)
    shown = decoded(data)
    ground = picture == (0 if negative else 255)

    by_pixels = restore(shown, grid=(0, 0))
    by_steps = restore(shown, steps=read_jpeg_info(data).quantization[0])

    haze, left = (
        float(np.abs(result.astype(float) - picture)[ground].mean())
        for result in (by_pixels, by_steps)
    )
    assert left < 0.5 * haze
    assert psnr(by_steps, picture) > psnr(by_pixels, picture) + 0.4


def test_colours_get_it_as_well() -> None:
    picture = np.dstack([drawn_pictures.text()] * 3)
    data = encoded(picture, quality=40)
    shown = decoded(data)
    steps = read_jpeg_info(data).quantization[0]
    grey = restore(shown[..., 0], steps=steps)
    for chroma in (False, True):
        result = restore(shown, steps=steps, chroma=chroma)
        # Luma of colours is rounded differently: a coefficient half-way may go either way.
        apart = np.abs(result.astype(int) - grey[..., np.newaxis])
        assert (apart > 0).mean() < 0.01
        assert apart.max() < 10


@pytest.mark.parametrize("chroma", [False, True])
@pytest.mark.parametrize("model", ["tiny", "identity"])
def test_tiles_give_the_whole_picture(models: Any, chroma: bool, model: str) -> None:
    shown = decoded(encoded(np.dstack([drawn_pictures.text()[:125, :171]] * 3), quality=20))
    steps = ijg_luma_table(20)
    options: dict[str, Any] = {"model": models / f"{model}.onnx", "steps": steps}
    whole = restore(shown, chroma=chroma, **options)
    np.testing.assert_array_equal(restore(shown, chroma=chroma, tile_size=32, **options), whole)
    find_change = colour_change if chroma else luma_change
    np.testing.assert_array_equal(apply_change(shown, find_change(shown, **options)), whole)
