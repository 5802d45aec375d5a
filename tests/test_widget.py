"""The widget as its users meet it: real menus, real buttons, every kind of image layer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import dask.array as da
import napari
import numpy as np
import onnx
import pytest
import zarr
from napari.layers import Image
from napari.settings import get_plugin_settings, get_settings
from napari.utils import progress
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from pytestqt.qtbot import QtBot
from qtpy.QtGui import QAction  # type: ignore[attr-defined]  # it is chosen at run time
from superqt.utils import WorkerBase

from argan_plugin import RestorationModel, _form, _worker, restore
from argan_plugin._layers import find_layer_range
from argan_plugin._progress import Progress, ProgressBar
from argan_plugin._widget import RestorationWidget
from argan_plugin.model import open_model
from tests.conftest import build_model, tiny_info

MANIFEST = Path(__file__).parents[1] / "napari.yaml"
PATIENCE = 20_000  # milliseconds; a failed test takes that long, not a passed one

# None of these is what napari would give by itself.
LOOK: dict[str, Any] = {
    "scale": (2.0, 0.5),
    "translate": (10.0, -3.0),
    "rotate": 30.0,
    "shear": (0.2,),
    "affine": [[0.9, 0.1, 4.0], [-0.2, 1.1, 5.0], [0, 0, 1]],
    "units": ("um", "um"),
    "axis_labels": ("row", "column"),
    "gamma": 0.7,
    "blending": "additive",
    "opacity": 0.8,
    "metadata": {"exposure": 3},
}


@pytest.fixture
def viewer(
    make_napari_viewer: Callable[..., napari.Viewer],
    plugin_settings: None,
    npe2pm: Any,
    tiny_model_path: Path,
) -> Iterator[napari.Viewer]:
    """Yield a viewer that knows the plugin, which uses the tiny model."""
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    get_plugin_settings("argan-plugin").restoration.model = str(tiny_model_path)
    yield make_napari_viewer()
    WorkerBase.await_workers()
    assert not progress._all_instances  # or napari's spinner goes on


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


def menu_action(viewer: napari.Viewer, *path: str) -> QAction:
    """Return an entry of the menu bar."""
    entries = viewer.window._qt_window.menuBar().actions()
    for name in path:
        (entry,) = (item for item in entries if item.text().replace("&", "") == name)
        if entry.menu():
            entry.menu().aboutToShow.emit()
            entries = entry.menu().actions()
    return entry


def open_widget(viewer: napari.Viewer) -> RestorationWidget:
    menu_action(viewer, "Layers", "Filter", "Remove JPEG artifacts (ARGAN)").trigger()
    (widget,) = viewer.window.dock_widgets.values()
    assert isinstance(widget, RestorationWidget)
    return widget


def click_run(widget: RestorationWidget) -> None:
    button = widget["buttons"]["run"]
    assert button.enabled
    button.native.click()


def wait_for_end(widget: RestorationWidget, qtbot: QtBot) -> str:
    """Wait until nothing runs; return what the status line says."""

    def idle() -> bool:
        return not widget["buttons"]["cancel"].enabled

    qtbot.waitUntil(idle, timeout=PATIENCE)
    return str(widget["status"].value)


def run_to_end(widget: RestorationWidget, qtbot: QtBot) -> Image:
    """Click on Run; return the new layer."""
    before = list(widget._viewer.layers)
    click_run(widget)
    status = wait_for_end(widget, qtbot)
    assert status.startswith("Done in"), notification_manager.records[-1].message
    (added,) = (layer for layer in widget._viewer.layers if layer not in before)
    return added


def errors() -> list[str]:
    return [str(record.message) for record in notification_manager.records]


def planes_restored(layer: Image, data: Any, model: Path, **options: Any) -> NDArray[Any]:
    """Return what `restore` gives for each plane alone."""
    pixels = np.asarray(data)
    expected = pixels.copy()
    for index in np.ndindex(pixels.shape[: layer.ndim - 2]):
        expected[index] = restore(
            pixels[index], model=model, value_range=find_layer_range(layer), **options
        )
    assert not np.array_equal(expected, pixels)
    return expected


def pictures() -> dict[str, tuple[NDArray[Any], dict[str, Any]]]:
    """Return pixels and layer attributes of every kind that fits into memory."""
    random = np.random.default_rng(3)
    rgb = random.integers(0, 256, (40, 52, 3), np.uint8)
    unit = random.random((40, 52))
    return {
        "luma": (rgb[..., 0], LOOK),
        "RGB": (rgb, LOOK),
        "RGBA": (random.integers(0, 256, (40, 52, 4), np.uint8), {}),
        "16 bits": (random.integers(0, 2**16, (40, 52), np.uint16), LOOK),
        "12 bits": (random.integers(0, 2**12, (40, 52), np.uint16), {"colormap": "magma"}),
        "RGB of 16 bits": (rgb.astype(np.uint16) * 257, {}),
        "signed": (random.integers(-900, 900, (40, 52), np.int16), {}),
        "float": (unit.astype(np.float32), {"contrast_limits": (0.2, 0.6)}),
        "float of 64 bits": (unit, {}),
        "float beyond 1": (unit * 300 - 20, {}),
        "RGB float": (rgb / 255, {}),
        "time and z": (random.integers(0, 256, (2, 3, 40, 52), np.uint8), {}),
        "time and RGB": (random.integers(0, 256, (2, 40, 52, 3), np.uint8), {"rgb": True}),
        "one pixel": (np.array([[77]], np.uint8), {}),
        "one RGB pixel": (np.array([[[20, 130, 60]]], np.uint8), {"rgb": True}),
    }


@pytest.mark.parametrize("kind", pictures())
def test_every_kind_of_layer(
    viewer: napari.Viewer, tiny_model_path: Path, qtbot: QtBot, kind: str
) -> None:
    data, look = pictures()[kind]
    layer = viewer.add_image(data, name="photo", **look)
    before = data.copy()
    widget = open_widget(viewer)
    result = run_to_end(widget, qtbot)

    assert result.name == "photo restored"
    assert list(viewer.layers) == [layer, result]
    assert (result.data.dtype, result.data.shape) == (data.dtype, data.shape)
    np.testing.assert_array_equal(result.data, planes_restored(layer, data, tiny_model_path))
    np.testing.assert_array_equal(layer.data, before)

    old, new = (item.as_layer_data_tuple()[1] for item in (layer, result))
    for changed in ("name", "metadata", "visible"):
        del old[changed], new[changed]
    assert {key: repr(value) for key, value in new.items()} == {
        key: repr(value) for key, value in old.items()
    }
    assert result.contrast_limits_range == layer.contrast_limits_range
    facts = result.metadata["argan"]
    assert result.metadata == {**layer.metadata, "argan": facts}
    assert facts == {
        "model": "tiny",
        "weights_sha256": "0" * 64,
        "strength": 1.0,
        "device": "cpu",
        "value_range": find_layer_range(layer),
    }


@pytest.mark.parametrize(
    ("data", "look", "expected"),
    [
        (np.zeros((4, 4), np.uint8), {}, (0, 255)),
        (np.array([[3, 200]], np.uint16), {}, (0, 255)),
        (np.array([[3, 256]], np.uint16), {}, (0, 1023)),
        (np.array([[3, 4095]], np.uint16), {}, (0, 4095)),
        (np.array([[3, 65535]], np.uint16), {}, (0, 65535)),
        (np.array([[3, 90]], np.uint16), {"contrast_limits": (0, 4000)}, (0, 4095)),
        (np.array([[-5, 90]], np.int16), {}, (-5, 90)),
        (np.array([[3, 2**31]], np.uint32), {}, (0, 2**32 - 1)),
        (np.zeros((4, 4, 3), np.uint16), {"rgb": True}, (0, 65535)),
        (np.zeros((4, 4, 3), np.float32), {"rgb": True}, (0, 1)),
        (np.array([[0.25, 0.5]]), {}, (0, 1)),
        (np.array([[-0.25, 0.5]]), {}, (-0.25, 0.5)),
        (np.array([[0, 255.0]]), {}, (0, 255)),
        (da.full((4, 4), 4000, dtype=np.uint16), {"contrast_limits": (0, 4000)}, (0, 4095)),
    ],
)
def test_black_and_white(data: Any, look: dict[str, Any], expected: tuple[float, float]) -> None:
    assert find_layer_range(Image(data, **look)) == expected


def test_black_and_white_are_stated(viewer: napari.Viewer) -> None:
    viewer.add_image(np.array([[3, 4000]], np.uint16))
    assert open_widget(viewer)["settings"]["range"].value == ("uint16: 0 is black, 4095 is white.")


@pytest.mark.parametrize("kind", ["dask", "zarr", "memmap"])
@pytest.mark.parametrize("rgb", [False, True])
def test_lazy_layers_stay_lazy(
    viewer: napari.Viewer,
    tiny_model_path: Path,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    rgb: bool,
) -> None:
    shape = (4, 40, 52, 3) if rgb else (4, 40, 52)
    pixels = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    data: Any = da.from_array(pixels, chunks=(2, 20, 52, *shape[3:]))
    if kind == "zarr":
        data = zarr.array(pixels, chunks=(1, 20, 20, *shape[3:]))
    if kind == "memmap":
        data = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=shape)
        data[:] = pixels
    layer = viewer.add_image(data, rgb=rgb)
    viewer.dims.set_current_step(0, 1)
    expected = planes_restored(layer, pixels, tiny_model_path)
    half = planes_restored(layer, pixels, tiny_model_path, strength=0.5)
    runs = []
    run = RestorationModel.run

    def counted(self: RestorationModel, image: Any, **options: Any) -> Any:
        runs.append(image.shape)
        return run(self, image, **options)

    monkeypatch.setattr(RestorationModel, "run", counted)
    widget = open_widget(viewer)
    result = run_to_end(widget, qtbot)
    assert isinstance(result.data, da.Array)
    assert len(runs) == 1  # the plane being looked at
    np.testing.assert_array_equal(result._slice.image.raw, expected[1])
    viewer.dims.set_current_step(0, 3)
    assert len(runs) == 2
    np.testing.assert_array_equal(result._slice.image.raw, expected[3])

    widget["settings"]["strength"].value = 0.5
    wait_for_end(widget, qtbot)
    np.testing.assert_array_equal(result._slice.image.raw, half[3])
    assert len(runs) == 2
    np.testing.assert_array_equal(np.asarray(result.data), half)


def test_lazy_layer_is_computed_beside_the_window_if_napari_renders_so(
    viewer: napari.Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_settings().experimental.async_ = True
    threads = set()
    run = RestorationModel.run

    def noted(*args: Any, **kwargs: Any) -> Any:
        threads.add(threading.current_thread())
        return run(*args, **kwargs)

    monkeypatch.setattr(RestorationModel, "run", noted)
    viewer.add_image(da.zeros((3, 40, 52), chunks=(1, 40, 52), dtype=np.uint8))
    widget = open_widget(viewer)
    result = run_to_end(widget, qtbot)
    assert "Asynchronously" not in widget["status"].value
    viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: result.loaded, timeout=PATIENCE)
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("lazy", [False, True])
def test_pyramids_stay_pyramids(
    viewer: napari.Viewer, tiny_model_path: Path, qtbot: QtBot, lazy: bool
) -> None:
    full = np.random.default_rng(3).integers(0, 256, (2, 96, 80), np.uint8)
    pyramid: list[Any] = [full, full[:, ::2, ::2], full[:, ::4, ::4]]
    levels = [da.from_array(level) for level in pyramid] if lazy else pyramid
    layer = viewer.add_image(levels, multiscale=True, scale=(1, 2, 3))
    result = run_to_end(open_widget(viewer), qtbot)
    assert result.multiscale
    np.testing.assert_array_equal(result.scale, layer.scale)
    for level, pixels in zip(result.data, pyramid, strict=True):
        np.testing.assert_array_equal(
            np.asarray(level), planes_restored(layer, pixels, tiny_model_path)
        )


@pytest.mark.parametrize("multiscale", [False, True])
def test_current_plane(
    viewer: napari.Viewer, tiny_model_path: Path, qtbot: QtBot, multiscale: bool
) -> None:
    stack = np.random.default_rng(3).integers(0, 256, (5, 6, 40, 52), np.uint8)
    data: Any = [stack, stack[:, ::2, ::2, ::2]] if multiscale else stack
    layer = viewer.add_image(data, multiscale=multiscale, scale=(2, 3, 1, 1), translate=[7] * 4)
    viewer.dims.set_current_step(0, 3)
    viewer.dims.set_current_step(1, 4)
    widget = open_widget(viewer)
    widget["settings"]["scope"].native.setCurrentText("Current plane")
    result = run_to_end(widget, qtbot)
    restored = np.asarray(result.data[0] if multiscale else result.data)
    expected = planes_restored(layer, stack[3:4, 4:5], tiny_model_path)
    np.testing.assert_array_equal(restored, expected)
    origin = (0, 0, 0, 0)
    np.testing.assert_allclose(result.data_to_world(origin), layer.data_to_world((3, 4, 0, 0)))
    assert layer.visible  # the other planes are there only


@pytest.mark.parametrize("multiscale", [False, True])
def test_visible_region(
    make_napari_viewer: Callable[..., napari.Viewer],
    viewer: napari.Viewer,
    tiny_model_path: Path,
    qtbot: QtBot,
    multiscale: bool,
) -> None:
    viewer.window.resize(700, 600)
    viewer.show()
    pixels = np.random.default_rng(3).integers(0, 256, (2, 2048, 2048), np.uint8)
    data: Any = [pixels, pixels[:, ::2, ::2]] if multiscale else pixels
    look = LOOK | {"units": "um", "axis_labels": "zyx"}
    for key in ("scale", "translate"):
        look[key] = (1.0, *look[key])
    del look["rotate"], look["shear"], look["affine"]
    layer = viewer.add_image(data, multiscale=multiscale, affine=np.diag([1, 0.8, 1.2, 1]), **look)
    viewer.dims.set_current_step(0, 1)
    viewer.scene.camera.center = layer.data_to_world((1, 1000, 900))
    viewer.scene.camera.zoom = 1.5
    qtbot.wait(100)  # napari finds the visible corners when it draws
    level = layer.data_level
    corners = layer.corner_pixels
    widget = open_widget(viewer)
    widget["settings"]["scope"].native.setCurrentText("Visible region (preview)")
    result = run_to_end(widget, qtbot)

    whole = planes_restored(layer, pixels[1:, :: level + 1, :: level + 1], tiny_model_path)
    step = 2.0**level
    start = (result.translate - layer.translate) / layer.scale / step
    seen = tuple(slice(int(low), int(high) + 1) for low, high in corners.T[1:])
    assert result.data.size < layer.data[level].size if multiscale else pixels[:1].size
    inside = tuple(
        slice(cut.start - int(at), cut.stop - int(at))
        for cut, at in zip(seen, start[1:], strict=True)
    )
    np.testing.assert_array_equal(result.data[0][inside], whole[0][seen])
    np.testing.assert_allclose(
        result.data_to_world((0, 5, 7)),
        layer.data_to_world([1, *((start[1:] + np.array([5, 7])) * step)]),
    )
    again = run_to_end(widget, qtbot)
    assert list(viewer.layers) == [layer, again]  # in place of the one before


def test_preview_needs_rows_and_columns(viewer: napari.Viewer, qtbot: QtBot) -> None:
    viewer.add_image(np.zeros((9, 20, 20), np.uint8))
    viewer.dims.order = (1, 0, 2)
    widget = open_widget(viewer)
    widget["settings"]["scope"].native.setCurrentText("Visible region (preview)")
    click_run(widget)
    assert "2-D view" in errors()[-1]
    assert widget["buttons"]["run"].enabled


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
