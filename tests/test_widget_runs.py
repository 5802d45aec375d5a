"""Runs of the widget: progress, cancelling, closing while they run, and errors."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import napari
import numpy as np
import onnx
import pytest
from napari.utils import progress
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from pytestqt.qtbot import QtBot
from superqt.utils import WorkerBase

from argan_plugin import RestorationModel, _form, _worker, restore
from argan_plugin._progress import Progress, ProgressBar
from argan_plugin._widget import RestorationWidget
from tests.conftest import build_model, tiny_info
from tests.napari_window import PATIENCE, click_run, errors, open_widget, run_to_end, wait_for_end


@pytest.fixture
def slow_model_path(tmp_path: Path) -> Path:
    """Return a model that takes minutes for a megapixel: a thousand layers of 64 channels."""
    layers = 1000
    names = ["image", *(f"layer{number}" for number in range(layers)), "restored"]
    kernels = ["first", *["between"] * (layers - 1), "last"]
    nodes = [
        helper.make_node("Conv", [before, kernel], [after])
        for (before, after), kernel in zip(pairwise(names), kernels, strict=True)
    ]
    weights = [
        numpy_helper.from_array(np.full(shape, 0.01, np.float32), name)
        for name, shape in {
            "first": (64, 1, 1, 1),
            "between": (64, 64, 1, 1),
            "last": (1, 64, 1, 1),
        }.items()
    ]
    info = tiny_info(name="slow", size_multiple=1, halo=0, receptive_field=1)
    path = tmp_path / "slow.onnx"
    onnx.save(build_model(nodes, weights, info=info), path)
    return path


@pytest.fixture
def running(
    viewer: napari.Viewer,
    slow_model_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> RestorationWidget:
    """Return a widget whose network is in the middle of a tile, and would be for minutes."""
    inside = threading.Event()
    run = RestorationModel.run

    def noted(*args: Any, **kwargs: Any) -> Any:
        inside.set()
        return run(*args, **kwargs)

    monkeypatch.setattr(RestorationModel, "run", noted)
    viewer.add_image(np.zeros((1000, 1000), np.uint8), name="photo")
    widget = open_widget(viewer)
    widget["settings"]["model_file"].value = slow_model_path
    click_run(widget)
    qtbot.waitUntil(inside.is_set, timeout=PATIENCE)
    return widget


def test_progress_in_the_activity_dock(viewer: napari.Viewer, qtbot: QtBot) -> None:
    bars: list[progress] = []
    progress._all_instances.events.changed.connect(lambda event: bars.extend(event.added))
    viewer.add_image(np.zeros((3, 100, 100), np.uint8), name="photo")
    widget = open_widget(viewer)
    widget["settings"]["tile_size"].value = 64
    run_to_end(widget, qtbot)
    (bar,) = bars
    assert bar.desc.startswith("Restoring photo: plane ")
    assert 0 < bar.n <= bar.total == 12


def test_progress_bar_counts_the_tiles_of_all_planes(viewer: napari.Viewer) -> None:
    bar = ProgressBar("Restoring", lambda: None)
    (shown,) = progress._all_instances
    for at in (Progress(1, 3, 4, 4), Progress(2, 3, 1, 4)):
        bar.show(at)
    assert (shown.n, shown.total) == (5, 12)
    assert shown.desc.startswith("Restoring: plane 2 of 3, tile 1 of 4")
    bar.close()
    bar.show(Progress(3, 3, 4, 4))  # too late, and no harm


@pytest.mark.parametrize("way", ["button", "activity dock"])
def test_cancel_inside_a_tile(
    viewer: napari.Viewer, running: RestorationWidget, qtbot: QtBot, way: str
) -> None:
    assert not running["buttons"]["run"].enabled
    if way == "button":
        running["buttons"]["cancel"].native.click()
    else:
        (bar,) = progress._all_instances
        bar.cancel()
    assert wait_for_end(running, qtbot) == "Cancelled."
    assert len(viewer.layers) == 1
    assert running["buttons"]["run"].enabled
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=PATIENCE)


def test_close_the_window_while_it_runs(
    viewer: napari.Viewer, running: RestorationWidget, qtbot: QtBot
) -> None:
    viewer.close()
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=PATIENCE)


def test_close_the_widget_while_it_runs(
    viewer: napari.Viewer, running: RestorationWidget, qtbot: QtBot
) -> None:
    viewer.window.remove_dock_widget(running.native)
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=PATIENCE)
    assert len(viewer.layers) == 1


def test_remove_the_layer_while_it_runs(
    viewer: napari.Viewer, photo: NDArray[np.uint8], tiny_model_path: Path, qtbot: QtBot
) -> None:
    layer = viewer.add_image(photo)
    widget = open_widget(viewer)
    click_run(widget)
    viewer.layers.remove(layer)
    wait_for_end(widget, qtbot)
    np.testing.assert_array_equal(viewer.layers[0].data, restore(photo, model=tiny_model_path))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full((9, 9), np.nan, np.float32), "NaN"),
        (np.zeros((9, 9), bool), "not bool"),
        (np.zeros((9, 9), np.int64), "not int64"),
    ],
)
def test_pixels_that_cannot_be_restored(
    viewer: napari.Viewer, qtbot: QtBot, data: NDArray[Any], message: str
) -> None:
    viewer.add_image(data, contrast_limits=(0, 1))
    widget = open_widget(viewer)
    click_run(widget)
    assert wait_for_end(widget, qtbot) == "Failed."
    assert message in errors()[-1]
    assert len(viewer.layers) == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ZeroDivisionError("by nought"), "ZeroDivisionError: by nought"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_error_inside_the_worker(
    viewer: napari.Viewer,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    message: str,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    viewer.add_image(np.zeros((9, 9), np.uint8))
    widget = open_widget(viewer)
    with monkeypatch.context() as patch:
        patch.setattr(_worker, "restore_stack", broken)
        click_run(widget)
        assert wait_for_end(widget, qtbot) == "Failed."
    assert message in errors()[-1]
    run_to_end(widget, qtbot)  # and the next run works


def test_error_while_mixing_ends(
    viewer: napari.Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError

    viewer.add_image(np.zeros((9, 9), np.uint8))
    widget = open_widget(viewer)
    run_to_end(widget, qtbot)
    monkeypatch.setattr(_worker, "restore_stack", broken)
    widget["settings"]["strength"].value = 0.4
    assert wait_for_end(widget, qtbot) == "Failed."


def test_model_that_is_none(viewer: napari.Viewer, tmp_path: Path, qtbot: QtBot) -> None:
    path = tmp_path / "none.onnx"
    path.write_bytes(b"nonsense")
    viewer.add_image(np.zeros((9, 9), np.uint8))
    widget = open_widget(viewer)
    widget["settings"]["model_file"].value = path
    said = widget["settings"]["summary"].value
    assert "none.onnx" in said or "model" in said
    click_run(widget)
    assert wait_for_end(widget, qtbot) == "Failed."
    assert "none.onnx" in errors()[-1]


def test_close_the_window_while_the_model_is_opened(
    viewer: napari.Viewer, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    # napari stops workers on closing, but what one has said by then still arrives.
    finder = MagicMock()
    monkeypatch.setattr(_form, "find_device", lambda _: finder)
    widget = open_widget(viewer)
    gone = threading.Event()
    widget.native.destroyed.connect(gone.set)
    viewer.close()
    qtbot.waitUntil(gone.is_set, timeout=PATIENCE)
    (hear,) = finder.returned.connect.call_args.args
    hear("Runs on the CPU.")
