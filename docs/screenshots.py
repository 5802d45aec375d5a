"""Make the pictures of the napari plugin in docs/images: the menu, the widget, before and after.

Run ``python docs/screenshots.py`` with the plugin installed and a display, or
``xvfb-run -a -s "-screen 0 1400x1000x24 +extension GLX" python docs/screenshots.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import napari
from PIL import Image
from qtpy.QtWidgets import QApplication, QMenu

_IMAGES = Path(__file__).parent / "images"
_SIZE = (1200, 760)
_PART = (250, 470)  # row and column in the sample: chrome, blocks and ringing
_GAP = 6


def main() -> None:
    """Open the sample, run the plugin through its menu, and take pictures."""
    viewer = napari.Viewer()
    viewer.window.resize(*_SIZE)
    viewer.open_sample("argan-plugin", "vintage_cars")
    _wait(1)
    _picture_of_menu(viewer)
    dock, widget = viewer.window.add_plugin_dock_widget("argan-plugin", "Remove JPEG artifacts")
    dock.setMinimumWidth(330)
    _wait_until(lambda: widget["settings"]["device_found"].value.startswith("Runs on"))
    widget["buttons"]["run"].native.click()
    _wait_until(lambda: not widget["buttons"]["cancel"].enabled)
    viewer.reset_view()
    _wait(1)
    _save(viewer.screenshot(canvas_only=False, flash=False), "napari-widget.png")

    viewer.scene.camera.center = _PART
    viewer.scene.camera.zoom = 2.5
    panels = []
    for original in (True, False):
        widget["compare"].value = original
        _wait(0.5)
        panels.append(Image.fromarray(viewer.screenshot(flash=False)).convert("RGB"))
    width, height = panels[0].size
    both = Image.new("RGB", (2 * width + _GAP, height), "white")
    both.paste(panels[0], (0, 0))
    both.paste(panels[1], (width + _GAP, 0))
    both.save(_IMAGES / "napari-before-after.png", optimize=True)
    viewer.close()


def _picture_of_menu(viewer: napari.Viewer) -> None:
    """Open Layers > Filter as a user does, and photograph the screen: menus are windows."""
    window = viewer.window._qt_window
    bar = window.menuBar()
    (layers,) = (action for action in bar.actions() if action.text().replace("&", "") == "Layers")
    below = bar.actionGeometry(layers).bottomLeft()
    _open(layers.menu(), bar.mapToGlobal(below))
    (entry,) = (action for action in layers.menu().actions() if action.text() == "Filter")
    beside = layers.menu().actionGeometry(entry).topRight()
    _open(entry.menu(), layers.menu().mapToGlobal(beside))
    layers.menu().setActiveAction(entry)
    _wait(0.5)
    corner = window.mapToGlobal(window.rect().topLeft())
    shot = QApplication.primaryScreen().grabWindow(0, corner.x(), corner.y(), 800, 420)
    shot.save(str(_IMAGES / "napari-menu.png"))
    entry.menu().close()
    layers.menu().close()


def _open(menu: QMenu, position: object) -> None:
    menu.popup(position)
    _wait(0.3)


def _save(pixels: object, name: str) -> None:
    Image.fromarray(pixels).convert("RGB").save(_IMAGES / name, optimize=True)


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    _wait_until(lambda: time.monotonic() > end)


def _wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
