"""``argan model``."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from argan_plugin import weights
from argan_plugin.cli import main


@pytest.fixture
def shipped(tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ship the tiny model as the only one."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    model = folder / "tiny.onnx"
    shutil.copy(tiny_model_path, model)
    checksum = hashlib.sha256(model.read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{checksum}  tiny.onnx\n")
    monkeypatch.setattr(weights, "_MODELS", folder)
    monkeypatch.setattr(weights, "_checksums", weights._checksums.__wrapped__)
    return model


@pytest.mark.parametrize("arguments", [["model"], ["model", "list"]])
def test_model_list(
    shipped: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0

    name, *facts = capsys.readouterr().out.splitlines()
    assert name == "tiny (default): A tiny network with random weights, for tests."
    assert dict(fact.strip().split("  ", 1) for fact in facts).keys() == {
        "file",
        "size",
        "cost",
        "JPEG quality",
        "halo",
        "licence",
    }
    assert f"    file          {shipped}" in facts
    assert "    cost          0.01 kFLOP per pixel" in facts
    assert "    JPEG quality  5 to 95" in facts


def test_model_copy(shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()

    assert main(["model", "copy", "tiny", str(folder)]) == 0
    assert (folder / "tiny.onnx").read_bytes() == shipped.read_bytes()

    (folder / "tiny.onnx").write_bytes(b"precious")
    assert main(["model", "copy", "tiny", str(folder / "tiny.onnx")]) == 1
    assert (folder / "tiny.onnx").read_bytes() == b"precious"
    assert "exists already" in capsys.readouterr().err

    assert main(["model", "copy", "tiny", str(folder / "tiny.onnx"), "--overwrite"]) == 0
    assert (folder / "tiny.onnx").read_bytes() == shipped.read_bytes()


@pytest.mark.parametrize(
    ("name", "destination", "message"),
    [
        ("huge", "x.onnx", "no model named 'huge'. Shipped models: tiny"),
        ("tiny", "not/there/x.onnx", "cannot be written: No such file or directory"),
        ("tiny", "shipped", "is the installed model itself"),
    ],
)
def test_model_copy_that_fails(
    shipped: Path,
    tmp_path: Path,
    name: str,
    destination: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = shipped.read_bytes()

    assert main(["model", "copy", name, str(tmp_path / destination), "--overwrite"]) == 1

    assert message in capsys.readouterr().err
    assert shipped.read_bytes() == before
