"""The comparison of candidates, on restorers whose results are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import candidates
from tests.textures import texture

_RATIOS = "PSNR, q = 10 / 20 / 30 / 40"


def same(image: np.ndarray) -> np.ndarray:
    return image


def brighter(image: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.minimum(image, 253) + np.uint8(2)
    return result


def test_what_changes_nothing_neither_gains_nor_harms() -> None:
    row = candidates.plain(same)
    assert row["greys off by more than 1"] == "0 of 768 (at most 0)"
    assert row["largest mean change of gradients"] == "0.000"
    gains = candidates.drawn(same)
    assert set(gains.values()) == {" / ".join(["+0.00"] * 5)}


def test_softer_crops_lose_less_to_jpeg_and_sharper_ones_more() -> None:
    crops = [texture(96, 80, seed) for seed in range(3)]
    row = candidates.of_other_sharpness(same, crops)
    softer, sharper = (
        np.array(row[name].split(" / "), float)
        for name in ("enlarged by half, PSNR", "sharpened, PSNR")
    )
    plain = np.array(candidates.photographs(same, crops)[_RATIOS].split(" / "), float)
    assert (softer > plain).all()
    assert (sharper < plain).all()


def test_what_changes_nothing_gains_nothing_on_resized_crops() -> None:
    crops = [texture(96, 80, seed) for seed in range(2)]
    assert set(candidates.resized(same, crops).values()) == {" / ".join(["+0.000"] * 4)}
    seen: set[tuple[int, ...]] = set()

    def noted(image: np.ndarray) -> np.ndarray:
        seen.add(image.shape)
        return image

    candidates.resized(noted, crops)
    assert seen == {(67, 56), (144, 120)}


def test_every_ground_that_changes_by_two_levels_is_counted() -> None:
    row = candidates.plain(brighter)
    # the others are nearly white, where there is no room for two levels
    assert row["greys off by more than 1"] == "762 of 768 (at most 2)"
    assert row["largest mean change of greys"] == "2.000"


def test_gradients_are_straight_and_of_all_steepnesses() -> None:
    slopes = []
    for gradient in candidates.gradients():
        values = gradient.astype(float)
        across, down = np.diff(values).mean(), np.diff(values, axis=0).mean()
        rows, columns = np.indices(gradient.shape)
        plane = values.mean() + across * (columns - columns.mean()) + down * (rows - rows.mean())
        np.testing.assert_allclose(values, plane, atol=1)
        slopes.append(np.hypot(across, down))
    assert len(slopes) == 120
    assert min(slopes) < 0.1
    assert max(slopes) > 2


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_column_for_each_candidate(
    identity_model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed, name in enumerate("abc"):
        Image.fromarray(texture(96, 80, seed)).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(candidates, "_SIZES", ((16, 16),))
    model = str(identity_model_path)
    assert candidates.main([model, model, "--images", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    name = identity_model_path.stem
    assert [cell.strip() for cell in lines[0].split("|")[1:-1]] == ["", name, name]
    assert "| SSIM" in lines[4]
    assert "| SSIMULACRA2" in lines[5]
    assert "| detail" in lines[6]
    assert "| pristine" in lines[7]
    assert lines[7].count("60.0") == 2
