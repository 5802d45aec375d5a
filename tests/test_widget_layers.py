"""Every kind of image layer through the widget: the result is that of `restore`, plane by plane."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import napari
import numpy as np
import pytest
import zarr
from napari.layers import Image
from napari.settings import get_settings
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from argan_plugin import RestorationModel, restore
from argan_plugin._layers import find_layer_range
from tests.napari_window import PATIENCE, click_run, errors, open_widget, run_to_end, wait_for_end

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
        "chroma": False,
        "device": "cpu",
        "value_range": find_layer_range(layer),
        "steps": None,
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
