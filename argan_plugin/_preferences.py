"""What the user has set in napari's Preferences > ARGAN; the page itself is in `napari.yaml`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from argan_plugin.devices import Device


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """The settings that the widget starts with and that the command uses."""

    model: str | os.PathLike[str] | None = None
    """The name of a shipped model, the path of an ONNX file, or None for the default model."""
    strength: float = 1.0
    """How much of the correction is applied, 0 to 1."""
    chroma: bool = False
    """Whether blocks and bleeding of colour are reduced, too, where there is colour."""
    device: Device = "auto"
    """Where the network runs."""
    tile_size: int | None = None
    """Largest side of a tile in pixels, or None for the default."""


def read_preferences() -> Preferences:
    """Return what is set now; the defaults if napari does not know this plugin's manifest."""
    from napari.settings import get_plugin_settings

    try:
        page = get_plugin_settings("argan-plugin").restoration
    except KeyError:  # the widget was created by a script, from a checkout that is not installed
        return Preferences()
    return Preferences(
        model=page.model or None,
        strength=page.strength,
        chroma=page.chroma,
        device=page.device,
        tile_size=page.tile_size or None,
    )
