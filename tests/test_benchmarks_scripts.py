"""Pages of text in given fonts, which ask for what a font can write."""

from __future__ import annotations

import random
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from benchmarks import scripts

FONTS = Path(matplotlib.get_data_path(), "fonts/ttf")


def test_a_latin_font_writes_latin() -> None:
    assert set("AZaz") <= set(scripts.letters(FONTS / "STIXGeneral.ttf"))


def test_pages_are_the_same_each_time_and_have_text_of_the_font() -> None:
    fonts = [FONTS / name for name in ("DejaVuSerif.ttf", "DejaVuSansMono-Bold.ttf")]
    first, second = ([scripts.page(font, random.Random(1)) for font in fonts] for _ in range(2))
    assert all((one == other).all() for one, other in zip(first, second, strict=True))
    assert (first[0] != first[1]).any()
    for page in first:
        assert page.shape == (256, 256)
        assert 0.05 < np.mean(page < 128) < 0.4


def test_a_missing_font_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scripts.main(["nowhere.ttf"])
    assert "expected a font file" in capsys.readouterr().err
