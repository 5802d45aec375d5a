"""A layer that shows what its JPEG file holds: the file's steps count, as by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import napari
import napari_builtins
import numpy as np
import pytest
from npe2 import PluginManifest
from numpy.typing import NDArray
from PIL import Image
from pytestqt.qtbot import QtBot

from argan_plugin import _layers, restore
from argan_plugin.decoded_file import steps_behind
from argan_plugin.quantization_tables import ijg_luma_table
from tests.napari_window import open_widget, run_to_end, wait_for_end

STEPS = tuple(ijg_luma_table(60).ravel().tolist())


@pytest.fixture
def readers(viewer: napari.Viewer, npe2pm: Any) -> None:
    """Let napari read files, which its tests do not."""
    manifest = Path(napari_builtins.__file__).parent / "builtins.yaml"
    npe2pm.register(PluginManifest.from_file(manifest))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.usefixtures("readers")
def test_its_steps_count(
    viewer: napari.Viewer,
    tiny_model_path: Path,
    qtbot: QtBot,
    tmp_path: Path,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    looked = Mock(wraps=steps_behind)
    monkeypatch.setattr(_layers, "steps_behind", looked)
    path = tmp_path / "photo.jpg"
    Image.fromarray(photo).convert(mode).save(path, quality=60)
    (layer,) = viewer.open(path, plugin="napari")
    widget = open_widget(viewer)
    result = run_to_end(widget, qtbot)
    assert result.metadata["argan"]["steps"] == STEPS
    expected = [
        restore(layer.data, model=tiny_model_path, steps=STEPS, strength=at) for at in (1.0, 0.4)
    ]
    np.testing.assert_array_equal(result.data, expected[0])

    widget["settings"]["strength"].value = 0.4
    assert wait_for_end(widget, qtbot).startswith("Done")
    np.testing.assert_array_equal(result.data, expected[1])
    assert looked.call_count == 1  # for the slider the file need not be decoded again


@pytest.mark.usefixtures("readers")
def test_pixels_that_were_changed_count_alone(
    viewer: napari.Viewer,
    tiny_model_path: Path,
    qtbot: QtBot,
    tmp_path: Path,
    photo: NDArray[np.uint8],
) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(photo).save(path, quality=60)
    (layer,) = viewer.open(path, plugin="napari")
    layer.data = 255 - layer.data
    result = run_to_end(open_widget(viewer), qtbot)
    assert result.metadata["argan"]["steps"] is None
    np.testing.assert_array_equal(result.data, restore(layer.data, model=tiny_model_path))
