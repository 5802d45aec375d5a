"""The dock widget "Remove JPEG artifacts": run, cancel, compare, change the strength."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, Container, PushButton
from napari.settings import get_settings
from napari.utils.notifications import show_error

from argan_plugin._form import SettingsForm, note
from argan_plugin._layers import Scope, examine, insert_above, new_layer
from argan_plugin._preferences import read_preferences
from argan_plugin._progress import Progress
from argan_plugin._worker import DEVICE_NAMES, Failure, Job, Outcome, Worker, start
from argan_plugin.change_cache import ChangeCache
from argan_plugin.errors import UnsupportedImageError

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image


@dataclass
class _Result:
    """The newest result, which the strength slider and the comparison act on.

    Its job keeps the network's corrections for the slider, at most what a `ChangeCache` holds. They
    are let go with the next run, or when the layer or the widget goes.
    """

    job: Job
    original: Image
    scope: Scope
    layer: Image


class RestorationWidget(Container[Any]):
    """The widget; it holds no pixels and does nothing that takes time.

    Parameters
    ----------
    napari_viewer : napari viewer
        napari gives it.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self._viewer = napari_viewer
        self._worker: Worker | None = None
        self._result: _Result | None = None
        self._preview: Image | None = None
        self._started = 0.0
        self._closed = False
        self._form = SettingsForm(read_preferences())
        self._run_button = PushButton(
            name="run", text="Run", tooltip="Restore in the background and add a new layer."
        )
        self._cancel_button = PushButton(
            name="cancel", text="Cancel", enabled=False, tooltip="Stop, and add nothing."
        )
        self._compare = CheckBox(
            name="compare",
            text="Show original",
            enabled=False,
            tooltip="Switch between the newest result and its original.",
        )
        self._status = note("status")
        buttons = Container[Any](
            widgets=[self._run_button, self._cancel_button],
            layout="horizontal",
            labels=False,
            name="buttons",
        )
        buttons.margins = (0, 0, 0, 0)
        super().__init__(widgets=[self._form, buttons, self._compare, self._status], labels=False)
        self._run_button.clicked.connect(self._run)
        self._cancel_button.clicked.connect(self._cancel)
        self._compare.changed.connect(self._show_original)
        self._form.strength.changed.connect(self._mix)
        self._viewer.layers.events.removed.connect(self._layer_removed)
        self.native_parent_changed.connect(self._dock_changed)
        self.native.destroyed.connect(self._close)
        self._update_buttons()

    def reset_choices(self, *_: Any) -> None:
        """Take notice of layers that were added, removed or renamed; napari calls it."""
        super().reset_choices()
        self._update_buttons()

    def _run(self) -> None:
        layer, scope = self._form.layer, self._form.scope.value
        if layer is None:  # nothing to run on, and the button is off
            return
        try:
            source = examine(layer, self._viewer.dims, scope)
        except UnsupportedImageError as error:
            show_error(str(error))
            return
        self._forget_result()
        job = Job(source=source, settings=self._form.settings, changes=ChangeCache())

        def end(result: Outcome | Failure | None) -> None:
            if isinstance(result, Outcome):
                added = new_layer(source, result.data, result.facts)
                self._add(_Result(job, layer, scope, added))
            self._end(result)

        self._start(job, f"Restoring {layer.name}", end)

    def _mix(self) -> None:
        """Apply the slider's strength to the newest result if its settings are still chosen."""
        result = self._result
        if result is None or self._worker is not None:
            return  # when a worker ends, this is called again
        settings = self._form.settings
        done = result.job.settings
        if (
            settings.strength == done.strength
            or replace(settings, strength=done.strength) != done
            or (self._form.layer, self._form.scope.value) != (result.original, result.scope)
        ):
            return
        job = replace(result.job, settings=settings)

        def end(mixed: Outcome | Failure | None) -> None:
            if isinstance(mixed, Outcome):
                result.job = job
                result.layer.data = mixed.data
                result.layer.metadata = {**result.layer.metadata, "argan": mixed.facts}
            else:
                self._forget_result()
            self._end(mixed)

        self._start(job, None, end)

    def _start(self, job: Job, title: str | None, end: Any) -> None:
        self._started = time.monotonic()
        self._status.value = "Starting…"
        self._worker = start(job, title=title, on_end=end, on_progress=self._show_progress)
        self._update_buttons()

    def _cancel(self) -> None:
        if self._worker is not None:
            self._status.value = "Cancelling…"
            self._worker.quit()

    def _end(self, result: Outcome | Failure | None) -> None:
        """Say how it ended, whatever it was."""
        self._worker = None
        if self._closed:
            return
        if isinstance(result, Outcome):
            seconds = time.monotonic() - self._started
            self._status.value = f"Done in {seconds:.1f} s on {DEVICE_NAMES[result.device]}."
            if result.lazy:
                self._status.value += _lazy_hint()
        else:
            self._status.value = "Cancelled." if result is None else "Failed."
        self._update_buttons()
        self._mix()  # the slider may have been moved meanwhile

    def _add(self, result: _Result) -> None:
        """Show a new result; a preview takes the place of the one before."""
        layers = self._viewer.layers
        if result.scope is Scope.REGION:
            if self._preview is not None and self._preview in layers:
                layers.remove(self._preview)
            self._preview = result.layer
        insert_above(self._viewer, result.original, result.layer)
        self._result = result
        self._show_original(False)

    def _show_original(self, original: bool) -> None:
        """Show either the newest result or, when comparing, its original."""
        result = self._result
        if result is not None:
            result.layer.visible = not original
            # Both at once would be brighter where the blending is additive. A part of a layer needs
            # the layer around it.
            result.original.visible = original or result.scope is not Scope.WHOLE

    def _show_progress(self, progress: Progress) -> None:
        if not self._closed and self._worker is not None and not self._worker.cancel.is_set():
            self._status.value = f"Working: {progress}"

    def _update_buttons(self) -> None:
        running = self._worker is not None
        self._run_button.enabled = not running and self._form.layer is not None
        self._cancel_button.enabled = running
        self._compare.enabled = self._result is not None

    def _layer_removed(self, event: Any) -> None:
        if self._result is not None and event.value is self._result.layer:
            self._forget_result()

    def _forget_result(self) -> None:
        """Let go of the newest result, and of the memory that its corrections take."""
        self._result = None
        self._compare.value = False
        self._update_buttons()

    def _dock_changed(self, parent: object) -> None:
        """Stop what runs if the user has closed the dock: napari takes the widget out of it."""
        if parent is None:
            self._cancel()
            self._forget_result()

    def _close(self, _: object = None) -> None:
        """Stop what runs, and touch no part of the widget any more: Qt has destroyed it."""
        self._closed = True
        self._result = None
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        if self._worker is not None:
            self._worker.quit()


def _lazy_hint() -> str:
    """Say when the rest of a lazy layer is computed, and how the window stays free then."""
    hint = " The rest is restored when you look at it."
    if not get_settings().experimental.async_:
        hint += (
            " To use the window meanwhile, turn on Preferences > Experimental > Render Layers "
            "Asynchronously."
        )
    return hint
