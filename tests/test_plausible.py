"""A correction stays within what the quantization steps of a file make plausible."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dctn, idctn

from argan_plugin import restore
from argan_plugin.changes import apply_change, colour_change, luma_change
from argan_plugin.plausible import NETWORK_ERROR, as_table, plausible_change
from argan_plugin.quantization_tables import ijg_luma_table

Change = NDArray[np.float32]


def coefficients(change: Change) -> NDArray[np.float64]:
    """Return those of whole blocks, (rows, columns, 8, 8), in grey levels."""
    height, width = (size // 8 for size in change.shape)
    blocks = change[: height * 8, : width * 8].reshape(height, 8, width, 8).swapaxes(1, 2)
    return np.asarray(dctn(blocks * 255.0, axes=(2, 3), norm="ortho"))


def noise(level: float, shape: tuple[int, int] = (40, 56)) -> Change:
    return np.random.default_rng(1).normal(0, level / 255, shape).astype(np.float32)


def reaching(number: int, far: NDArray[np.float64]) -> Change:
    """Return blocks in which so many coefficients, at random, reach as far, others being 0."""
    rng = np.random.default_rng(3)
    order = rng.permuted(np.tile(np.arange(64), (20 * 28, 1)), axis=1).reshape(20, 28, 8, 8)
    signed = np.where(order < number, rng.choice([-1, 1], order.shape) * far, 0)
    pixels = idctn(signed / 255, axes=(2, 3), norm="ortho")
    return pixels.swapaxes(1, 2).reshape(20 * 8, 28 * 8).astype(np.float32)


@pytest.mark.parametrize("quality", [10, 50, 90, 100])
def test_no_coefficient_moves_further_than_half_a_step(quality: int) -> None:
    steps = as_table(ijg_luma_table(quality))
    kept = coefficients(plausible_change(reaching(4, 2 * steps), steps))
    assert (np.abs(kept) <= steps / 2 + 1e-3).all()
    share = steps**2 / (steps**2 + 12 * NETWORK_ERROR)
    np.testing.assert_allclose(np.abs(kept).max(axis=(0, 1)), share * steps / 2, rtol=0.05)


def test_where_many_coefficients_would_the_block_stays_as_it_is() -> None:
    steps = as_table(ijg_luma_table(90))
    far = steps / 2 + 3 * np.sqrt(NETWORK_ERROR)
    wanted = reaching(8, far)
    np.testing.assert_allclose(plausible_change(wanted, steps), wanted, atol=1e-6)
    bound = reaching(4, far)
    wanted[:16, :16] = bound[:16, :16]
    kept = plausible_change(wanted, steps)
    np.testing.assert_allclose(kept[:16, :16], plausible_change(bound, steps)[:16, :16])
    np.testing.assert_allclose(kept[16:], wanted[16:], atol=1e-6)
    assert not np.allclose(kept[:16, :16], bound[:16, :16], atol=1e-3)


def test_a_little_more_gives_a_little_more() -> None:
    steps = as_table(ijg_luma_table(80))
    wanted = noise(10)
    kept = [plausible_change(wanted * share, steps) for share in np.linspace(0, 2, 2001)]
    np.testing.assert_array_equal(kept[0], 0)
    np.testing.assert_allclose(kept[-1], wanted * 2, atol=1e-6)
    most = max(np.abs(after - before).max() for before, after in pairwise(kept))
    assert most < 10 * np.abs(wanted).max() / 1000  # its own steps are a thousandth


def test_a_small_change_is_only_scaled() -> None:
    steps = np.full((8, 8), 20.0)
    wanted = noise(2)
    assert np.abs(coefficients(wanted)).max() < 10
    kept = plausible_change(wanted, steps)
    np.testing.assert_allclose(kept, wanted * (400 / (400 + 12 * NETWORK_ERROR)), atol=1e-6)


def test_low_quality_leaves_a_change_as_it_is_and_the_highest_hardly_anything() -> None:
    wanted = noise(0.5)
    for quality, share in ((5, 0.95), (100, 0.03)):
        kept = plausible_change(wanted, as_table(ijg_luma_table(quality)))
        left = float(np.vdot(kept, wanted) / np.vdot(wanted, wanted))
        assert (left > share) == (quality == 5)


@pytest.mark.parametrize("chroma", [False, True])
@pytest.mark.parametrize("model", ["tiny", "identity"])
def test_tiles_give_the_whole_picture(
    photo: NDArray[np.uint8],
    models: Any,
    chroma: bool,
    model: str,
) -> None:
    steps = ijg_luma_table(60)
    options: dict[str, Any] = {"model": models / f"{model}.onnx", "chroma": chroma, "steps": steps}
    whole = restore(photo, **options)
    np.testing.assert_array_equal(restore(photo, tile_size=32, **options), whole)
    find_change = colour_change if chroma else luma_change
    del options["chroma"]
    np.testing.assert_array_equal(apply_change(photo, find_change(photo, **options)), whole)


def test_restore_keeps_luma_to_the_steps(photo: NDArray[np.uint8], tiny_model_path: Any) -> None:
    grey = np.ascontiguousarray(photo[:88, :112, 0]) // 2 + np.uint8(64)
    free = luma_change(grey, model=tiny_model_path)
    for steps in (ijg_luma_table(60), tuple(ijg_luma_table(60).ravel().tolist())):
        kept = luma_change(grey, model=tiny_model_path, steps=steps)
        np.testing.assert_array_equal(kept, plausible_change(free, as_table(steps)))
        assert np.abs(kept - free).max() > 0.003


def test_it_may_be_done_in_place() -> None:
    change = np.random.default_rng(4).normal(0, 0.1, (21, 35)).astype(np.float32)
    steps = as_table(ijg_luma_table(60))
    kept = plausible_change(change, steps)
    assert plausible_change(change, steps, out=change) is change
    np.testing.assert_array_equal(change, kept)


@pytest.mark.parametrize("steps", [[16] * 63, [[0] * 8] * 8, []])
def test_steps_that_are_none(photo: NDArray[np.uint8], tiny_model_path: Any, steps: Any) -> None:
    with pytest.raises(ValueError, match="64 quantization steps"):
        restore(photo, model=tiny_model_path, steps=steps)
