"""`import argan_plugin` is cheap: what it loads is looked at in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_HEAVY = {
    "onnxruntime", "onnx", "torch", "napari", "qtpy", "PySide6", "PyQt5", "PyQt6", "dask",
    "imagecodecs", "scipy", "skimage", "training", "export",
}  # fmt: skip


def _loaded_by(statement: str) -> set[str]:
    program = f"import sys, json\n{statement}\nprint(json.dumps(list(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    return {name.split(".")[0] for name in json.loads(output)}


def test_the_package_alone_loads_neither_numpy_nor_pillow() -> None:
    loaded = _loaded_by("import argan_plugin")
    assert "argan_plugin" in loaded
    assert not loaded & (_HEAVY | {"numpy", "PIL"})


@pytest.mark.parametrize(
    "statement",
    [
        "from argan_plugin import restore, luma_change, apply_change, RestorationModel, ModelInfo",
        "from argan_plugin import ARGANFilter",
        "from argan_plugin import *",
        "import argan_plugin; argan_plugin.__version__, argan_plugin.model_names()",
    ],
)
def test_onnxruntime_waits_until_a_model_is_opened(statement: str) -> None:
    assert not _loaded_by(statement) & _HEAVY
