"""What a user does with napari's window and the widget, for the tests of both."""

from __future__ import annotations

import napari
from napari.layers import Image
from napari.utils.notifications import notification_manager
from pytestqt.qtbot import QtBot
from qtpy.QtGui import QAction  # type: ignore[attr-defined]  # it is chosen at run time

from argan_plugin._widget import RestorationWidget

PATIENCE = 20_000  # milliseconds; a failed test takes that long, not a passed one


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
