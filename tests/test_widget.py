"""The widget as its users meet it: real menus, real buttons, the form, strength, the command."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.settings import get_plugin_settings
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot
from superqt.utils import WorkerBase

from argan_plugin import RestorationModel, _worker, restore
from argan_plugin.model import open_model
from tests.conftest import tiny_info
from tests.napari_window import (
    PATIENCE,
    click_run,
    errors,
    menu_action,
    open_widget,
    run_to_end,
    wait_for_end,
)


def test_without_a_layer_there_is_nothing_to_run(viewer: napari.Viewer) -> None:
    widget = open_widget(viewer)
    assert not widget["buttons"]["run"].enabled
    assert "Open Sample" in widget["settings"]["range"].value
    layer = viewer.add_image(np.zeros((9, 9), np.uint8))
    assert widget["buttons"]["run"].enabled
    viewer.layers.remove(layer)
    assert not widget["buttons"]["run"].enabled


def test_open_sample(viewer: napari.Viewer) -> None:
    menu_action(viewer, "File", "Open Sample", "Strongly compressed photograph (ARGAN)").trigger()
    assert viewer.layers[0].data.shape == (512, 768, 3)


def test_strength_mixes_anew_without_the_network(
    viewer: napari.Viewer,
    photo: NDArray[np.uint8],
    tiny_model_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer.add_image(photo)
    widget = open_widget(viewer)
    result = run_to_end(widget, qtbot)
    expected = {at: restore(photo, model=tiny_model_path, strength=at) for at in (0.0, 0.4)}
    monkeypatch.setattr(RestorationModel, "run", None)
    for strength, pixels in expected.items():
        widget["settings"]["strength"].value = strength
        assert wait_for_end(widget, qtbot).startswith("Done")
        np.testing.assert_array_equal(result.data, pixels)
        assert result.metadata["argan"]["strength"] == strength


def test_strength_moved_during_the_run_counts(
    viewer: napari.Viewer, photo: NDArray[np.uint8], tiny_model_path: Path, qtbot: QtBot
) -> None:
    viewer.add_image(photo)
    widget = open_widget(viewer)
    click_run(widget)
    widget["settings"]["strength"].value = 0.4

    def mixed() -> None:
        assert viewer.layers[-1].metadata.get("argan", {}).get("strength") == 0.4

    qtbot.waitUntil(mixed, timeout=PATIENCE)
    expected = restore(photo, model=tiny_model_path, strength=0.4)
    np.testing.assert_array_equal(viewer.layers[-1].data, expected)


def test_strength_for_another_layer_leaves_the_result_alone(
    viewer: napari.Viewer, photo: NDArray[np.uint8], qtbot: QtBot
) -> None:
    viewer.add_image(photo)
    other = viewer.add_image(photo[::-1])
    widget = open_widget(viewer)
    widget["settings"]["layer"].value = viewer.layers[0]
    result = run_to_end(widget, qtbot)
    before = result.data.copy()
    widget["settings"]["layer"].value = other
    widget["settings"]["strength"].value = 0.4
    assert not widget["buttons"]["cancel"].enabled
    np.testing.assert_array_equal(result.data, before)


def test_compare(viewer: napari.Viewer, photo: NDArray[np.uint8], qtbot: QtBot) -> None:
    layer = viewer.add_image(photo)
    widget = open_widget(viewer)
    assert not widget["compare"].enabled
    result = run_to_end(widget, qtbot)
    assert (layer.visible, result.visible) == (False, True)
    widget["compare"].native.click()
    assert (layer.visible, result.visible) == (True, False)
    widget["compare"].native.click()
    assert (layer.visible, result.visible) == (False, True)
    viewer.layers.remove(result)
    assert not widget["compare"].enabled
    assert widget._result is None  # or its memory would be kept


def test_result_lies_right_above_its_original(
    viewer: napari.Viewer, photo: NDArray[np.uint8], qtbot: QtBot
) -> None:
    layer = viewer.add_image(photo)
    labels = viewer.add_labels(np.zeros(photo.shape[:2], np.uint8))
    result = run_to_end(open_widget(viewer), qtbot)
    assert list(viewer.layers) == [layer, result, labels]
    assert viewer.layers.selection.active is result


def test_the_form_says_what_model_and_device_are(viewer: napari.Viewer, qtbot: QtBot) -> None:
    settings = open_widget(viewer)["settings"]
    assert settings["summary"].value == tiny_info().summary
    qtbot.waitUntil(lambda: settings["device_found"].value == "Runs on the CPU.", timeout=PATIENCE)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Yield an event without which no model of device "auto" opens."""
    door = threading.Event()

    def slowly(*args: Any, device: str) -> RestorationModel:
        if device == "auto":
            door.wait(PATIENCE / 1000)
        return open_model(*args, device="cpu")

    monkeypatch.setattr(_worker, "open_model", slowly)
    yield door
    door.set()


def test_the_form_speaks_of_the_device_chosen_last(
    viewer: napari.Viewer, door: threading.Event, qtbot: QtBot
) -> None:
    settings = open_widget(viewer)["settings"]
    settings["device"].value = "cpu"
    qtbot.waitUntil(lambda: settings["device_found"].value == "Runs on the CPU.", timeout=PATIENCE)
    settings["device_found"].value = "unchanged"
    door.set()
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=PATIENCE)
    assert settings["device_found"].value == "unchanged"


def test_colour_on_request(
    viewer: napari.Viewer,
    photo: NDArray[np.uint8],
    tiny_model_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer.add_image(photo)
    widget = open_widget(viewer)
    checkbox = widget["settings"]["chroma"]
    assert (checkbox.value, checkbox.enabled) == (False, True)
    checkbox.native.click()
    result = run_to_end(widget, qtbot)
    expected = [
        restore(photo, model=tiny_model_path, chroma=True, strength=at) for at in (1.0, 0.4)
    ]
    assert not np.array_equal(expected[0], restore(photo, model=tiny_model_path))
    np.testing.assert_array_equal(result.data, expected[0])
    assert result.metadata["argan"]["chroma"] is True

    monkeypatch.setattr(RestorationModel, "run", None)
    widget["settings"]["strength"].value = 0.4
    assert wait_for_end(widget, qtbot).startswith("Done")
    np.testing.assert_array_equal(result.data, expected[1])
    # Another choice needs another run, so the slider leaves this result alone.
    checkbox.native.click()
    widget["settings"]["strength"].value = 0.9
    assert not widget["buttons"]["cancel"].enabled
    np.testing.assert_array_equal(result.data, expected[1])


def test_grey_layers_have_no_colour_to_restore(
    viewer: napari.Viewer, photo: NDArray[np.uint8], tiny_model_path: Path, qtbot: QtBot
) -> None:
    page = get_plugin_settings("argan-plugin").restoration
    page.chroma = True
    settings = open_widget(viewer)["settings"]
    assert (settings["chroma"].value, settings["chroma"].enabled) == (True, True)
    grey = viewer.add_image(photo[..., 0])
    assert not settings["chroma"].enabled
    assert "only RGB layers have colour" in settings["chroma_note"].value
    (widget,) = viewer.window.dock_widgets.values()
    result = run_to_end(widget, qtbot)
    np.testing.assert_array_equal(result.data, restore(grey.data, model=tiny_model_path))
    assert result.metadata["argan"]["chroma"] is False
    settings["layer"].value = viewer.add_image(photo)
    assert settings["chroma"].enabled
    assert settings["chroma_note"].value == ""


def test_preferences_are_where_the_widget_begins(
    viewer: napari.Viewer, tiny_model_path: Path
) -> None:
    page = get_plugin_settings("argan-plugin").restoration
    page.strength, page.device, page.tile_size = 0.25, "cpu", 128
    form = open_widget(viewer)["settings"]
    assert form["strength"].value == 0.25
    assert form["device"].value == "cpu"
    assert form["tile_size"].value == 128
    assert form["model_file"].value == tiny_model_path


def test_command_restores_the_active_layer_with_the_preferences(
    viewer: napari.Viewer, photo: NDArray[np.uint8], tiny_model_path: Path, qtbot: QtBot
) -> None:
    get_plugin_settings("argan-plugin").restoration.strength = 0.6
    name = ("Layers", "Filter", "Remove JPEG artifacts from active layer (ARGAN)")
    assert not menu_action(viewer, *name).isEnabled()
    viewer.add_image(photo)
    viewer.window._qt_window.menuBar()
    command = menu_action(viewer, *name)
    assert command.isEnabled()
    command.trigger()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=PATIENCE)
    expected = restore(photo, model=tiny_model_path, strength=0.6)
    np.testing.assert_array_equal(viewer.layers[1].data, expected)


def test_command_tells_of_an_error(viewer: napari.Viewer, qtbot: QtBot) -> None:
    viewer.add_image(np.zeros((9, 9), bool))
    menu_action(
        viewer, "Layers", "Filter", "Remove JPEG artifacts from active layer (ARGAN)"
    ).trigger()
    qtbot.waitUntil(lambda: bool(errors()) and "not bool" in errors()[-1], timeout=PATIENCE)
