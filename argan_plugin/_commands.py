"""Commands of the command palette: no widget, the settings come from the preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from napari.utils.notifications import show_error

from argan_plugin._layers import Scope, examine, insert_above, new_layer
from argan_plugin._preferences import read_preferences
from argan_plugin._worker import Failure, Job, Outcome, start
from argan_plugin.change_cache import ChangeCache
from argan_plugin.errors import UnsupportedImageError

if TYPE_CHECKING:
    import napari.viewer


def restore_active_layer(viewer: napari.viewer.Viewer) -> None:
    """Remove JPEG artifacts from the active layer in the background, into a new layer.

    Parameters
    ----------
    viewer : napari viewer
        napari gives it. The activity dock shows progress and a Cancel button.
    """
    layer = viewer.layers.selection.active
    if not isinstance(layer, Image):
        show_error("Select one image layer first.")
        return
    try:
        source = examine(layer, viewer.dims, Scope.WHOLE)
    except UnsupportedImageError as error:
        show_error(str(error))
        return

    def add(result: Outcome | Failure | None) -> None:
        if isinstance(result, Outcome):
            insert_above(viewer, layer, new_layer(source, result.data, result.facts))

    job = Job(source=source, settings=read_preferences(), changes=ChangeCache())
    start(job, title=f"Restoring {layer.name}", on_end=add)
