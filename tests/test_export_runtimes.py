"""The comparison of runtimes, on those that the tests have: ONNX Runtime and ONNX's evaluator."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.runtimes import main, measure
from export.parity import Image
from export.runtimes import RUNTIMES, Run, Runtime, open_onnxruntime


@pytest.fixture
def runtime() -> Runtime:
    return next(runtime for runtime in RUNTIMES if runtime.name == "ONNX reference evaluator")


@pytest.fixture
def files(tiny_model_path: Path) -> dict[str, Path]:
    return {"default": tiny_model_path, "bare": tiny_model_path}


def test_the_reference_evaluator_agrees(runtime: Runtime, files: dict[str, Path]) -> None:
    row = measure(runtime, files, threads=1)
    assert row.version == onnx.__version__
    assert row.problem == ""
    assert row.largest < 1e-6
    assert row.levels_changed == 0
    assert row.seconds_per_megapixel > 0
    assert str(row).count("|") == 8


def test_a_runtime_that_is_not_there_says_so(runtime: Runtime, files: dict[str, Path]) -> None:
    def missing(path: Path, threads: int) -> Run:
        raise ModuleNotFoundError("No module named 'tensorthing'")

    row = measure(replace(runtime, package="tensorthing", open=missing), files, threads=1)
    assert row.version == "-"
    assert row.problem == "not run: ModuleNotFoundError: No module named 'tensorthing'"
    assert str(row).count("|") == 8


def test_a_file_that_is_not_there(runtime: Runtime, files: dict[str, Path]) -> None:
    assert "no such file" in measure(replace(runtime, file="tflite"), files, threads=1).problem


def test_a_runtime_that_differs_fails_the_command(
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def brighter(path: Path, threads: int) -> Run:
        run = open_onnxruntime(path, threads)

        def wrong(image: Image) -> Image:
            return np.add(run(image), 2e-3, dtype=np.float32)

        return wrong

    right = Runtime(name="right", package="onnxruntime", file="default", open=open_onnxruntime)
    wrong = replace(right, name="wrong", open=brighter)
    arguments = [str(files["default"]), str(files["bare"]), "--json", str(tmp_path / "rows.json")]
    codes = []
    for runtimes in ((right,), (right, wrong), (right, replace(wrong, exact=False))):
        monkeypatch.setattr("benchmarks.runtimes.RUNTIMES", runtimes)
        codes.append(main(arguments))
    assert codes == [0, 1, 0]
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["runtime"] for row in rows] == ["right", "wrong"]
    assert rows[1]["largest"] == pytest.approx(2e-3, rel=1e-3)
    assert "| wrong |" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(
    not Path(os.environ.get("NODE_MODULES", "node_modules"), "onnxruntime-web").is_dir(),
    reason="needs `npm install onnxruntime-web`, and its folder in $NODE_MODULES",
)
@pytest.mark.parametrize("name", ["onnxruntime-web, Node.js", "onnxruntime-web, Chromium"])
def test_onnxruntime_web_agrees(name: str, files: dict[str, Path]) -> None:
    (runtime,) = (runtime for runtime in RUNTIMES if runtime.name == name)
    row = measure(runtime, files, threads=1)
    if "MissingBrowserError" in row.problem or "'node'" in row.problem:
        pytest.skip(row.problem)
    assert row.problem == ""
    assert row.largest < 1e-6
    assert row.levels_changed == 0
