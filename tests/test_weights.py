"""Names, files and checksums of the shipped models, on a list of the test's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from argan_plugin import weights
from argan_plugin.errors import ModelError
from argan_plugin.model import RestorationModel


@pytest.fixture
def shipped(
    tmp_path: Path, tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Ship two models, "second" listed first."""
    lines = []
    for name in ("second", "argan"):
        data = tiny_model_path.read_bytes()
        (tmp_path / f"{name}.onnx").write_bytes(data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {name}.onnx\n")
    (tmp_path / "SHA256SUMS").write_text("".join(lines))
    monkeypatch.setattr(weights, "_MODELS", tmp_path)
    weights._checksums.cache_clear()
    yield tmp_path
    weights._checksums.cache_clear()


def test_names_come_in_the_order_of_the_list(shipped: Path) -> None:
    assert weights.model_names() == ("second", "argan")
    assert weights.model_path("argan") == shipped / "argan.onnx"
    assert weights.find_model(None) == shipped / "second.onnx"
    assert weights.find_model("argan") == shipped / "argan.onnx"


def test_the_default_opens(shipped: Path) -> None:
    assert RestorationModel(device="cpu").path == shipped / "second.onnx"


def test_an_unknown_name_is_answered_with_the_known_ones(shipped: Path) -> None:
    for look_up in (weights.model_path, weights.find_model):
        with pytest.raises(ModelError, match=r"no model named 'argon'.*second, argan"):
            look_up("argon")


def test_paths_are_taken_as_they_are(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shipped / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "argan").write_bytes(b"")
    (folder / "mine").write_bytes(b"")
    assert weights.find_model("argan") == shipped / "argan.onnx", "a shipped name wins"
    assert weights.find_model(Path("argan")) == folder / "argan"
    assert weights.find_model("./argan") == folder / "argan"
    assert weights.find_model("mine") == folder / "mine"
    assert weights.find_model("typo.onnx") == folder / "typo.onnx"


def test_a_damaged_shipped_model_is_not_run(shipped: Path) -> None:
    with (shipped / "argan.onnx").open("ab") as file:
        file.write(b"\n\x00")
    with pytest.raises(ModelError, match=r"SHA-256.*Reinstall"):
        RestorationModel("argan", device="cpu")
    assert RestorationModel("second", device="cpu").name == "tiny"


def test_an_installation_without_models_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_MODELS", tmp_path)
    weights._checksums.cache_clear()
    assert weights.model_names() == ()
    with pytest.raises(ModelError, match="ships no model"):
        weights.find_model(None)
    weights._checksums.cache_clear()


def test_the_list_and_the_files_of_this_installation_agree() -> None:
    files = {path.stem for path in weights._MODELS.glob("*.onnx")}
    assert files == {*weights.model_names(), weights.CHROMA}
    for name in files:
        assert RestorationModel(name, device="cpu").name == name
