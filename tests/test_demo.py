"""The browser demo's JavaScript against the plugin, in Node.js, and how the page is assembled."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from argan_plugin import restore
from argan_plugin.tiling import plan_tiles
from export.browser import RUNTIME_FILES
from tests.conftest import build_model, tiny_info

ROOT = Path(__file__).parent.parent
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")


def build(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run docs/demo/build.py."""
    command = [sys.executable, ROOT / "docs" / "demo" / "build.py", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def run_node(script: str, question: Any) -> Any:
    """Run a function body of `demo` (the module) and `question`, and return what it returns."""
    source = base64.b64encode((ROOT / "docs" / "demo" / "restore.js").read_bytes()).decode()
    program = f"""
        import fs from "node:fs";
        const demo = await import("data:text/javascript;base64,{source}");
        const question = JSON.parse(fs.readFileSync(0, "utf8"));
        const answer = await (async () => {{ {script} }})();
        process.stdout.write(JSON.stringify(answer));
    """
    command = ["node", "--input-type=module", "--eval", program]
    result = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@needs_node
def test_the_tiles_are_the_plugins() -> None:
    random = np.random.default_rng(4)
    cases = [(1, 1, 1024, 96, 8), (1024, 1025, 1024, 0, 1), (2049, 1, 1024, 96, 8)]
    for _ in range(100):
        height, width, tile_size = (int(size) for size in random.integers(1, 3000, 3))
        multiple = int(random.choice([1, 4, 8, 16]))
        cases.append((height, width, tile_size + 100, 12 * multiple, multiple))
    script = """return question.map(([height, width, tileSize, halo, sizeMultiple]) =>
        demo.planTiles(height, width, { tileSize, halo, sizeMultiple }));"""
    for case, got in zip(cases, run_node(script, cases), strict=True):
        height, width, tile_size, halo, multiple = case
        tiles = plan_tiles(height, width, tile_size=tile_size, halo=halo, size_multiple=multiple)
        expected = [
            {
                axis: {
                    name: [getattr(tile, name)[number].start, getattr(tile, name)[number].stop]
                    for name in ("read", "keep", "write")
                }
                for number, axis in enumerate(("row", "column"))
            }
            for tile in tiles
        ]
        assert got == expected, case


@needs_node
@pytest.mark.parametrize("tile_size", [16, 1000])
def test_the_arithmetic_is_the_plugins_bit_by_bit(tile_size: int, tmp_path: Path) -> None:
    # A network that both can do in the very same float32: twice the left neighbour - 0.25.
    nodes = [
        helper.make_node("Pad", ["image", "pads"], ["padded"], mode="edge"),
        helper.make_node("Slice", ["padded", "start", "stop", "axis"], ["left"]),
        helper.make_node("Add", ["left", "left"], ["steeper"]),
        helper.make_node("Add", ["steeper", "offset"], ["restored"]),
    ]
    constants = {
        "pads": np.array([0, 0, 0, 1, 0, 0, 0, 0]),
        "start": np.array([0]),
        "stop": np.array([-1]),
        "axis": np.array([3]),
        "offset": np.float32(-0.25),
    }
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    info = tiny_info(halo=8, receptive_field=3)
    onnx.save(build_model(nodes, tensors, info=info), tmp_path / "left.onnx")
    picture = np.random.default_rng(5).integers(0, 256, (37, 61, 4), np.uint8)
    script = """
        const pixels = Uint8ClampedArray.from(question.pixels);
        const network = async (luma, height, width) => luma.map((_, at) =>
            Math.fround(luma[at % width ? at - 1 : at] * 2) - 0.25);
        const geometry = { tileSize: question.tileSize, halo: 8, sizeMultiple: 8 };
        const steps = [];
        await demo.restore(pixels, 37, 61, network, geometry, (...step) => steps.push(step));
        return { pixels: [...pixels], steps };"""
    got = run_node(script, {"pixels": picture.ravel().tolist(), "tileSize": tile_size})
    steps: list[list[int]] = []
    expected = restore(
        picture,
        model=tmp_path / "left.onnx",
        tile_size=tile_size,
        progress=lambda done, total: steps.append([done, total]),
    )
    np.testing.assert_array_equal(np.reshape(got["pixels"], picture.shape), expected)
    assert (expected != picture).any()
    assert got["steps"] == steps


def test_building_needs_the_runtime_and_a_model(tmp_path: Path, tiny_model_path: Path) -> None:
    result = build("-o", tmp_path / "demo", "--modules", tmp_path)
    assert result.returncode == 1
    assert "npm install onnxruntime-web" in result.stderr
    modules = tmp_path / "onnxruntime-web" / "dist"
    modules.mkdir(parents=True)
    for name in RUNTIME_FILES:
        (modules / name).write_bytes(b"runtime")
    model = tmp_path / "other.onnx"
    model.write_bytes(b"no model")
    result = build("-o", tmp_path / "demo", "--modules", tmp_path, "--model", model)
    assert result.stderr.count("\n") == 1
    assert "no ONNX model" in result.stderr
    assert not (tmp_path / "demo").exists()
    result = build("-o", tmp_path / "demo", "--modules", tmp_path, "--model", tiny_model_path)
    assert result.returncode == 0, result.stderr
    facts = json.loads((tmp_path / "demo" / "model.json").read_text())
    assert (facts["name"], facts["halo"], facts["sizeMultiple"]) == ("tiny", 16, 8)
    assert (tmp_path / "demo" / facts["file"]).read_bytes() == tiny_model_path.read_bytes()
