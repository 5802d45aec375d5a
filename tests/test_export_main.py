"""The command line of the export: what it prints, and one line for every bad input."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from argan_plugin import RestorationModel
from export.__main__ import main
from training.checkpoint import build_generator, save_weights
from training.recipes import smoke


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "weights.safetensors"
    config = smoke()
    save_weights(path, build_generator(config.generator), config, {"commit": "0123abc"})
    return path


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run the command, which must fail, and return its one line."""
    assert main([str(argument) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_exports_and_reports(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "argan.onnx"
    options = ["--name", "mine", "--summary", "For my scans.", "--license", "MIT"]
    assert main([str(checkpoint), "-o", str(target), *options]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "mine: For my scans." in captured.out
    assert "1 x 1 x 1: largest difference" in captured.out
    info = RestorationModel(target, device="cpu").info
    assert (info.name, info.summary, info.license) == ("mine", "For my scans.", "MIT")
    assert [path.name for path in tmp_path.iterdir()] == ["argan.onnx"]  # one file


class _Malicious:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.witness,)


def test_a_pickle_is_refused_and_its_code_never_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    witness, path = tmp_path / "witness", tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps(_Malicious(witness)))
    assert ".safetensors" in error_of(capsys, path, "-o", tmp_path / "model.onnx")
    torch.save({"state": _Malicious(witness)}, path)
    assert ".safetensors" in error_of(capsys, path, "-o", tmp_path / "model.onnx")
    assert not witness.exists()
    assert not (tmp_path / "model.onnx").exists()


def test_checkpoints_that_are_none(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, path = tmp_path / "model.onnx", tmp_path / "other.safetensors"
    assert "found none" in error_of(capsys, path, "-o", target)
    save_file({"weight": torch.zeros(3)}, path)
    assert "python -m training" in error_of(capsys, path, "-o", target)
    save_file({"weight": torch.zeros(3)}, path, {"argan.format_version": "99"})
    assert "newer" in error_of(capsys, path, "-o", target)
    whole = checkpoint.read_bytes()
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert ".safetensors" in error_of(capsys, path, "-o", target)
    assert not target.exists()


def test_weights_of_another_network(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.paper_networks import PaperGenerator

    path = tmp_path / "weights.safetensors"
    save_weights(path, PaperGenerator(), smoke(), {})
    assert "do not fit" in error_of(capsys, path, "-o", tmp_path / "model.onnx")


def test_destinations_that_cannot_be_written(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "no" / "such" / "folder" / "model.onnx"
    error = error_of(capsys, checkpoint, "-o", missing)
    assert str(missing) in error
    assert "No such file or directory" in error
    there = tmp_path / "there.onnx"
    there.write_bytes(b"older")
    assert "--overwrite" in error_of(capsys, checkpoint, "-o", there)
    assert there.read_bytes() == b"older"
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    assert "folder.onnx" in error_of(capsys, checkpoint, "-o", folder, "--overwrite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.onnx", "there.onnx"]


def test_an_opset_that_cannot_be(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = error_of(capsys, checkpoint, "-o", tmp_path / "model.onnx", "--opset", "7")
    assert "opset: expected 11" in error


def test_a_precision_that_cannot_be(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model.onnx"
    error = error_of(capsys, checkpoint, "-o", target, "--precision", "int4")
    assert "float32, float16, int8, got 'int4'" in error
    assert "--calibration-images" in error_of(
        capsys, checkpoint, "-o", target, "--precision", "int8"
    )
