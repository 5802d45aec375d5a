"""The methods that ours is compared with: their layers are what their papers say."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
import torch.nn.functional as F

from argan_plugin.tiling import map_tiles
from benchmarks import __main__, peer_methods, peers
from benchmarks.peer_networks import ARCNN, DNCNN3, PeerNetwork
from export.runtimes import open_onnxruntime


def test_costs_are_the_published_ones() -> None:
    # weights without biases: 106,448 in the paper of AR-CNN, 0.67 million in that of DnCNN
    assert ARCNN.kflop_per_pixel == pytest.approx(2 * 106.448)
    assert DNCNN3.kflop_per_pixel / 2 == pytest.approx(665, abs=1)


@pytest.mark.parametrize("network", [ARCNN, DNCNN3], ids=lambda network: network.name)
def test_the_file_computes_what_torch_computes(network: PeerNetwork, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    network.save(path)
    weights = {w.name: w for w in onnx.load(path).graph.initializer}
    image = torch.rand(1, 1, 40, 33, generator=torch.Generator().manual_seed(0))
    features = image
    for number, (side, _) in enumerate(network.layers):
        if number:
            features = F.relu(features)
        kernel = torch.from_numpy(onnx.numpy_helper.to_array(weights[f"kernel{number}"]).copy())
        features = F.conv2d(features, kernel, padding=side // 2)
    expected = image - features if network.residual else features
    result = open_onnxruntime(path, 1)(image.numpy())
    np.testing.assert_allclose(result, expected.numpy(), atol=1e-4)


def test_the_radius_makes_tiles_exact(tmp_path: Path) -> None:
    ARCNN.save(tmp_path / "network.onnx")
    run = open_onnxruntime(tmp_path / "network.onnx", 1)
    image = np.random.default_rng(0).random((60, 50), np.float32)

    def tiled(halo: int) -> np.ndarray:
        return map_tiles(
            lambda tiles: [run(tile[np.newaxis, np.newaxis])[0, 0] for tile in tiles],
            image,
            tile_size=24,
            halo=halo,
            size_multiple=1,
        )

    whole = run(image[np.newaxis, np.newaxis])[0, 0]
    np.testing.assert_allclose(tiled(ARCNN.radius), whole, atol=1e-5)
    assert np.abs(tiled(ARCNN.radius - 1) - whole).max() > 1e-4


def test_pictures_have_the_size() -> None:
    assert peers.picture(0.5).size == pytest.approx(5e5, rel=1e-3)


def test_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    # in this process, where the patch holds
    with pytest.raises(peer_methods.MissingProgramError, match="jpegqs is not installed"):
        peers.measure("jpegqs -q 3", 0.01, 1)
    rows = tmp_path / "rows.json"
    arguments = ["--methods", "Pillow, median 3x3", "--sizes", "0.01", "0.02", "--limit", "1e-9"]
    assert peers.main([*arguments, "--threads", "1", "--json", str(rows)]) == 0
    ((row),) = json.loads(rows.read_text())["rows"]
    first, second = row["seconds_per_megapixel"]
    assert first > 0
    assert np.isnan(second)  # over the limit
    assert str(peers.Row(**row)) in capsys.readouterr().out


def test_of_some_rounds_the_least_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, *_arguments: object, **_options: object) -> None:
            super().__init__(1)

    def measure(name: str, _size: float, _threads: int) -> tuple[float, float]:
        asked.append(name)
        return [(0.3, 10.0), (0.1, 30.0), (0.2, 20.0)][(len(asked) - 1) // 2]

    monkeypatch.setattr(peers, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(peers, "measure", measure)
    rows = peers.measure_all(["one", "other"], [1.0], threads=1, limit=60, rounds=3)
    assert asked == ["one", "other"] * 3  # in turn
    for row in rows:
        assert (row.seconds_per_megapixel, row.peak_mib) == ([0.1], [10.0])


def test_help_measures_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "main", lambda _: pytest.fail("measured"))
    with pytest.raises(SystemExit, match="0"):
        __main__.main(["--help"])
    told = capsys.readouterr().out
    folder = Path(peers.__file__).parent
    commands = {path.stem for path in folder.glob("*.py") if "def main(" in path.read_text()}
    assert {name for name in commands if name not in told} == {"__main__"}
