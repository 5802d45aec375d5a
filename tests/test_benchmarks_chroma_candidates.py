"""The comparison of weights of chroma, on networks whose results are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.jpeg import round_trip
from benchmarks import chroma_candidates, drawn_pictures
from training.metrics import psnr


def same(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    return planes


def redder(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return planes with two levels more of Cr, of which 1.75 are left after the least change."""
    result = planes.copy()
    result[2] += np.float32(2 / 255)
    return result


def test_what_changes_nothing_gains_nothing(photo: NDArray[np.uint8]) -> None:
    rows = chroma_candidates.photographs(same, [photo[:64, :64]])
    assert {rows[f"4:2:0, q = {quality}"] for quality in (10, 40, 95)} == {"+0.000 (+0.00)"}
    assert set(chroma_candidates.drawn(same).values()) == {" / ".join(["+0.00"] * 4)}
    assert chroma_candidates.plain(same)["plain colours off by more than 1"] == "0 of 150"


def test_resized_crops_gain_by_what_is_done_to_their_colours(photo: NDArray[np.uint8]) -> None:
    crops = [photo[:64, :64]]
    assert set(chroma_candidates.resized(same, crops).values()) == {" / ".join(["+0.000"] * 4)}
    for cell in chroma_candidates.resized(grey, crops).values():
        assert max(map(float, cell.split(" / "))) < -1


def grey(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take all colour away."""
    return np.stack([planes[0], *np.full_like(planes[1:], 128 / 255)])


def test_luma_is_the_originals(photo: NDArray[np.uint8]) -> None:
    given = round_trip(photo, quality=20, subsampling="4:4:4")
    alone, perfect = (chroma_candidates.restored(given, photo, n) for n in (None, _of(photo)))
    for pixels in (alone, perfect):
        lumas = [np.asarray(Image.fromarray(one).convert("L"), float) for one in (pixels, photo)]
        assert np.abs(lumas[0] - lumas[1]).mean() < 1
    assert psnr(perfect, photo) > psnr(alone, photo) + 10


def _of(original: NDArray[np.uint8]) -> chroma_candidates.Network:
    """Return a network that knows the original, but for what every change is made smaller by."""
    planes = np.asarray(Image.fromarray(original).convert("YCbCr"), np.float32).transpose(2, 0, 1)
    return lambda _: planes / np.float32(255)


def test_a_shift_of_plain_colours_is_seen() -> None:
    rows = chroma_candidates.plain(redder)
    # 1.4 times Cr is R: 2.45 levels
    assert rows["plain colours, mean change"].startswith("2.0")
    assert int(rows["plain colours off by more than 1"].split()[0]) > 120


def test_a_column_for_each_candidate(
    tmp_path: Path,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(chroma_candidates, "_PLAIN", 5)
    monkeypatch.setattr(chroma_candidates, "_DRAWN", {"code": drawn_pictures.code})
    for number in range(2):
        part = photo[32 * number : 32 * number + 64, :64]
        Image.fromarray(part).save(tmp_path / f"{number}.png")
    arguments = ["argan-chroma", "argan-chroma", "--images", str(tmp_path)]
    assert chroma_candidates.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [cell.strip() for cell in lines[0].split("|")[1:-1]]
    assert names == ["", "argan-chroma", "argan-chroma"]
    assert any(line.startswith("| code, q = 10") for line in lines)
