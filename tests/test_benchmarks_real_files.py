"""The measurements behind docs/real-files.md, on few and small pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import blocks, consistent, earlier_compression, harmless, network_error, saved_again
from tests.textures import texture


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    for seed, name in enumerate("aghi"):
        Image.fromarray(texture(136, 144, seed)).save(folder / f"{name}.png")
    return folder


def rows(benchmark: Any, originals: Path, model: Path, tmp_path: Path) -> list[dict[str, Any]]:
    target = tmp_path / "rows.json"
    arguments = ["--images", originals, "--model", model, "--json", target]
    assert benchmark.main([str(argument) for argument in arguments]) == 0
    content = json.loads(target.read_text())
    assert content["conditions"]["weights_sha256"] == "0" * 64
    found: list[dict[str, Any]] = content["rows"]
    return found


def test_saved_again(originals: Path, identity_model_path: Path, tmp_path: Path) -> None:
    cases = rows(saved_again, originals, identity_model_path, tmp_path)
    assert [case["case"] for case in cases] == list(saved_again.CASES)
    for case in cases:
        assert case["restored"] == case["compressed"]
        assert case["pictures"] == 4


def test_the_histories_of_saved_again() -> None:
    original = texture(64, 72)
    for name, spoil in saved_again.CASES.items():
        pristine, compressed = spoil(original, np.random.default_rng(1))
        again, _ = spoil(original, np.random.default_rng(1))
        np.testing.assert_array_equal(pristine, again)
        assert compressed.shape == pristine.shape
        assert (pristine.shape == original.shape) == (name == "twice, on one grid")
        assert 1 < np.abs(compressed.astype(float) - pristine).mean() < 30


def test_consistent(
    originals: Path, tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jpegio", reason="pyjpegio has no wheel for this system")
    monkeypatch.setattr(consistent, "QUALITIES", (75, 90))
    low, high = rows(consistent, originals, tiny_model_path, tmp_path)
    assert (low["quality"], high["quality"]) == (75, 90)
    for row in (low, high):
        # the tiny network is random: what the file allows is nearer to the original
        assert row["with_steps"] > row["restored"] > 0
        assert row["steps_least"] > 0
        assert row["consistent"] >= row["with_steps"]


def test_harmless(
    originals: Path, identity_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harmless, "_QUALITIES", (None, 95, 60))
    monkeypatch.setattr(harmless, "_SIDE", 96)
    monkeypatch.setattr(harmless, "_DRAWN", 2)
    monkeypatch.setattr(harmless, "ssimulacra2", lambda image, _: float(image.mean()))
    found = rows(harmless, originals, identity_model_path, tmp_path)
    kinds = list(dict.fromkeys(row["kind"] for row in found))
    assert kinds == ["photographs", "text and line art", "gradients", "even bars", "noise"]
    for row in found:
        assert row["psnr_before"] == row["psnr_after"]
        assert row["score_before"] == row["score_after"]
        assert (row["skipped"] == row["pictures"]) == (row["quality"] != 60)
        assert row["pictures"] == (1 if row["kind"] == "photographs" else 2)
        assert len(str(harmless.Row(**row)).split("|")) == len(
            harmless.HEADER.split("\n")[0].split("|")
        )


def test_network_error(
    originals: Path, tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # fine steps do not bind the blocks of a network that is as wrong as a random one
    monkeypatch.setattr(network_error, "QUALITIES", (60, 75))
    monkeypatch.setattr(harmless, "_SIDE", 96)
    monkeypatch.setattr(harmless, "_DRAWN", 2)
    found = rows(network_error, originals, tiny_model_path, tmp_path)
    assert len(found) == 5 * 2
    for row in found:
        if row["kind"] in ("photographs", "noise"):
            # the tiny network is random: the more it is distrusted, the better
            assert row["means"] == sorted(row["means"])
            assert row["means"][0] < row["means"][-1] - 0.1
        assert len(row["means"]) == len(row["least"]) == 1 + len(network_error.ERRORS)
        assert len(str(network_error.Row(**row)).split("|")) == len(
            network_error.HEADER.split("\n")[0].split("|")
        )


def test_earlier_compression(
    originals: Path, identity_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier_compression, "_SINGLE", (None, 90))
    monkeypatch.setattr(earlier_compression, "_IN_PNG", (50,))
    monkeypatch.setattr(earlier_compression, "_TWICE", ((40, 95),))
    found = rows(earlier_compression, originals, identity_model_path, tmp_path)
    by_history = {row["history"]: row for row in found}
    assert by_history["never compressed"]["found"] == 0
    assert by_history["JPEG, q = 90"]["found"] == 0
    shown = by_history["q = 50, cut, PNG"]
    assert (shown["found"], shown["right_grid"]) == (1, 1)
    assert shown["quality_error"] <= 1
    moved = by_history["q = 40, cut, q = 95"]
    assert (moved["found"], moved["right_grid"]) == (1, 1)
    assert 1 <= shown["pictures"] < 4


def test_blocks(originals: Path, identity_model_path: Path, tmp_path: Path) -> None:
    found = rows(blocks, originals, identity_model_path, tmp_path)
    assert [row["history"] for row in found] == [history.name for history in blocks.HISTORIES]
    by_history = {row["history"]: row for row in found}
    assert by_history["never compressed, cut"]["with_steps"] == 0
    cut = by_history["q = 50, cut"]
    assert (cut["found"], cut["right"], cut["with_steps"]) == (1, 1, 1)
    assert cut["quality_off"] == 0
    assert len(str(blocks.Row(**cut)).split("|")) == len(blocks.HEADER.split("\n")[0].split("|"))


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for benchmark in (
        blocks,
        saved_again,
        consistent,
        harmless,
        network_error,
        earlier_compression,
    ):
        assert benchmark.main(["--images", str(tmp_path)]) == 1
        assert "expected a folder of original pictures" in capsys.readouterr().err
