"""The benchmark that the defaults come from: each choice can be run, and the rows hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from argan_plugin import RestorationModel
from benchmarks import choices
from benchmarks.choice_runners import Choice, open_choice
from tests.conftest import tiny_info


@pytest.fixture
def every(tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Choice]:
    monkeypatch.setattr(choices, "PICTURE", (40, 56))
    others = {"again": tiny_model_path}
    return list(choices.choices(tiny_model_path, others, 2, [16, 0]))


def test_each_choice_gives_what_the_plugin_gives(
    every: list[Choice], tiny_model_path: Path
) -> None:
    image = np.random.default_rng(0).random((1, 1, 40, 56), np.float32)
    expected = RestorationModel(tiny_model_path, device="cpu").run(image)
    assert len({(choice.runtime, choice.name) for choice in every}) == len(every)
    for choice in every:
        np.testing.assert_allclose(open_choice(choice, image)(), expected, atol=2 / 255)


def test_the_share_of_halo() -> None:
    info = tiny_info(halo=96, receptive_field=193)
    shape, overhead = choices.tile_shape(info, 1024)
    # Three rows and four columns of tiles that read one shape; the picture's edges need no halo.
    assert shape == ((3000 + 4 * 96) // 3, (4000 + 6 * 96) // 4)
    assert overhead == pytest.approx((3000 + 4 * 96) * (4000 + 6 * 96) / 12e6)
    assert choices.tile_shape(info, 0) == ((3000, 4000), 1)
    assert choices.tile_shape(info, None)[1] < overhead


def test_a_row_of_each_choice(
    every: list[Choice],
    tiny_model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    missing = replace(every[0], name="none", optimization="ORT_NONE")
    monkeypatch.setattr(choices, "choices", lambda *_: [every[0], missing])
    target = tmp_path / "rows.json"
    assert choices.main(["--model", str(tiny_model_path), "--json", str(target)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(choices.HEADER)
    good, bad = (choices.Row(**row) for row in json.loads(target.read_text())["rows"])
    assert str(good) in printed
    assert good.processor_seconds_per_megapixel > 0
    assert bad.problem.startswith("not run: ")
