"""Packages of the BioImage Model Zoo: what is in them, bad input, and the zoo's own test (slow)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from argan_plugin import RestorationModel
from export.__main__ import main
from tests.test_export_main import checkpoint, error_of

__all__ = ["checkpoint"]  # a fixture

FILES = {
    "README.md",
    "bioimageio.yaml",
    "cover.png",
    "sample-input.png",
    "sample-output.png",
    "test-input.npy",
    "test-output.npy",
    "tiny.onnx",
}


@pytest.fixture(scope="module")
def package(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo") / "package"
    arguments = ["--author", "Ada Lovelace", "--author", "Mary Somerville"]
    assert main(["bioimageio", str(tiny_model_path), "-o", str(folder), *arguments]) == 0
    return folder


def test_the_package_describes_its_files(package: Path, tiny_model_path: Path) -> None:
    assert {path.name for path in package.iterdir()} == FILES
    assert (package / "tiny.onnx").read_bytes() == tiny_model_path.read_bytes()
    description = json.loads((package / "bioimageio.yaml").read_text())
    assert [author["name"] for author in description["authors"]] == [
        "Ada Lovelace",
        "Mary Somerville",
    ]
    assert description["license"] == "CC0-1.0"  # the model's
    onnx_weights = description["weights"]["onnx"]
    assert onnx_weights["opset_version"] == 20
    (image,), (restored,) = description["inputs"], description["outputs"]
    described = [
        onnx_weights,
        description["documentation"],
        *description["covers"],
        *(tensor[f"{kind}_tensor"] for tensor in (image, restored) for kind in ("test", "sample")),
    ]
    assert {file["source"] for file in described} == FILES - {"bioimageio.yaml"}
    for file in described:
        data = (package / file["source"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    with Image.open(package / "cover.png") as cover:
        assert cover.width == 2 * cover.height  # as the zoo wants
    assert "# Validation" in (package / "README.md").read_text()


def test_blocks_keep_something_after_the_halo_is_cut_off(package: Path) -> None:
    description = json.loads((package / "bioimageio.yaml").read_text())
    (image,), (restored,) = description["inputs"], description["outputs"]
    for before, after in zip(image["axes"][2:], restored["axes"][2:], strict=True):
        assert before["size"] == {"min": 2 * 16 + 8, "step": 8}
        assert after["halo"] == 16
        assert after["size"] == {"tensor_id": "image", "axis_id": before["id"]}


def test_the_test_output_is_the_models(package: Path, tiny_model_path: Path) -> None:
    image, restored = (np.load(package / f"test-{name}.npy") for name in ("input", "output"))
    assert (image.dtype, image.shape) == (np.uint8, (1, 1, 256, 256))
    assert restored.dtype == np.float32
    model = RestorationModel(tiny_model_path, device="cpu")
    expected = model.run(image.astype(np.float32) / 255) * 255
    np.testing.assert_allclose(restored, expected, atol=1e-3)


def test_a_zip_of_weights(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "package.zip"
    assert main(["bioimageio", str(checkpoint), "-o", str(target), "--summary", "For scans."]) == 0
    with zipfile.ZipFile(target) as package:
        assert package.testzip() is None
        description = json.loads(package.read("bioimageio.yaml"))
    assert description["description"] == "For scans."
    assert description["weights"]["onnx"]["source"] == "argan.onnx"
    assert [path.name for path in tmp_path.iterdir()] == ["package.zip"]


def test_bad_input(
    tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, missing = tmp_path / "there", tmp_path / "no" / "such" / "package"
    there.mkdir()
    assert "exists already" in error_of(capsys, "bioimageio", tiny_model_path, "-o", there)
    assert "No such file" in error_of(capsys, "bioimageio", tiny_model_path, "-o", missing)
    missing = missing.with_suffix(".zip")
    assert "No such file" in error_of(capsys, "bioimageio", tiny_model_path, "-o", missing)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"no model")
    assert "no ONNX model" in error_of(capsys, "bioimageio", other, "-o", tmp_path / "new")
    other = other.with_suffix(".safetensors")
    assert "found none" in error_of(capsys, "bioimageio", other, "-o", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.onnx", "there"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_the_zoos_own_test(suffix: str, tiny_model_path: Path, tmp_path: Path) -> None:
    command = os.environ.get("BIOIMAGEIO") or shutil.which("bioimageio")
    if command is None:
        pytest.skip(
            'needs an environment with "bioimageio.core==0.11.0" "pydantic<2.14" onnxruntime, and '
            "its bin/bioimageio in $BIOIMAGEIO"
        )
    target = tmp_path / f"package{suffix}"
    assert main(["bioimageio", str(tiny_model_path), "-o", str(target)]) == 0
    result = subprocess.run(
        [command, "test", str(target)],
        capture_output=True,
        text=True,
        # its cache would be in the home folder
        env={**os.environ, "BIOIMAGEIO_CACHE_PATH": str(tmp_path / "cache")},
    )
    assert result.returncode == 0, result.stdout[-3000:]
