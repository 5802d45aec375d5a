"""The settings of the dock widget: what to restore and how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from magicgui.widgets import (
    CheckBox,
    ComboBox,
    Container,
    FileEdit,
    FloatSlider,
    Label,
    SpinBox,
    create_widget,
)
from qtpy.QtWidgets import QDoubleSpinBox, QSizePolicy

from argan_plugin._layers import Scope, find_layer_range
from argan_plugin._preferences import Preferences
from argan_plugin._worker import find_device
from argan_plugin.errors import ModelError
from argan_plugin.stacks import read_model_info
from argan_plugin.weights import model_names

if TYPE_CHECKING:
    from napari.layers import Image

_DEVICES = [
    ("Automatic", "auto"),
    ("CUDA (NVIDIA GPU)", "cuda"),
    ("CPU with OpenVINO", "openvino"),
    ("CPU", "cpu"),
]


class SettingsForm(Container[Any]):
    """Fields for all settings, and lines that say what they mean for the chosen layer and model.

    Parameters
    ----------
    preferences : Preferences
        What the fields show at first.
    """

    def __init__(self, preferences: Preferences) -> None:
        shipped = model_names()
        own_file = None if preferences.model in (None, *shipped) else Path(str(preferences.model))
        # napari fills it with the viewer's image layers
        self.layer_box = cast(
            ComboBox,
            create_widget(
                name="layer",
                label="Image layer",
                annotation="napari.layers.Image",
                options={"tooltip": "The layer to restore. It stays; a new one is added."},
            ),
        )
        self._range = note("range")
        self._model_box = ComboBox(
            name="model",
            label="Model",
            choices=shipped,
            value=preferences.model if preferences.model in shipped else next(iter(shipped), None),
            nullable=not shipped,
            tooltip="The network that restores. The line below says what it is for.",
        )
        self._summary = note("summary")
        self.strength = FloatSlider(
            name="strength",
            label="Strength",
            value=preferences.strength,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="How much of the correction is applied: 0 nothing, 1 all. After a run, moving "
            "it changes the new layer at once.",
        )
        self._chroma = CheckBox(
            name="chroma",
            text="Restore colour as well",
            value=preferences.chroma,
            tooltip="Reduces blocks and bleeding of colour, too. It pays where blocks of colour "
            "can be seen, below JPEG quality 75.",
        )
        self._chroma_note = note("chroma_note")
        self._device_box = ComboBox(
            name="device",
            label="Device",
            choices=_DEVICES,
            value=preferences.device,
            tooltip="Where the network runs. Automatic takes a GPU if CUDA works, then OpenVINO "
            "if it is installed, then the CPU.",
        )
        self._device_found = note("device_found")
        self.scope = ComboBox(
            name="scope",
            label="Process",
            choices=[(scope.value.capitalize(), scope) for scope in Scope],
            tooltip="The whole layer with all its planes, the plane that the sliders below the "
            "canvas are at, or only what the canvas shows: a quick preview.",
        )
        self._tile_size = SpinBox(
            name="tile_size",
            label="Tile size",
            value=preferences.tile_size or 0,
            min=0,
            max=8192,
            step=64,
            tooltip="Largest side of a tile in pixels; 0 chooses by itself. Smaller tiles need "
            "less memory and more time, and give the same result.",
        )
        self._model_file = FileEdit(
            name="model_file",
            label="Model file",
            value=own_file,
            filter="*.onnx",
            nullable=True,
            tooltip="Your own model, an ONNX file written by `python -m export`. It is used in "
            "place of the model above.",
        )
        advanced = CheckBox(name="advanced", text="Advanced", value=own_file is not None)
        super().__init__(name="settings")
        # After the call, or magicgui does not align the labels.
        self.extend(
            [
                self.layer_box,
                self._range,
                self._model_box,
                self._summary,
                self.strength,
                self._chroma,
                self._chroma_note,
                self._device_box,
                self._device_found,
                self.scope,
                advanced,
                self._tile_size,
                self._model_file,
            ],
        )
        self.margins = (0, 0, 0, 0)
        # magicgui hides the buttons, and napari's style then leaves no room for the digits.
        readout = self.strength.native.findChild(QDoubleSpinBox)
        readout.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.UpDownArrows)
        readout.setStyleSheet("min-width: 3em")
        advanced.changed.connect(self._show_advanced)
        self._show_advanced(advanced.value)
        self.layer_box.changed.connect(self._describe_layer)
        self._finder: Any = None  # the worker that looks for the chosen device, the newest alone
        self.native.destroyed.connect(self._close)
        for field in (self._model_box, self._model_file, self._device_box):
            field.changed.connect(self._describe_model)
        self._describe_layer()
        self._describe_model()

    def reset_choices(self, *_: Any) -> None:
        """Take notice of layers that were added, removed or renamed; napari calls it."""
        super().reset_choices()
        self._describe_layer()

    @property
    def layer(self) -> Image | None:
        """The chosen layer, or None if there is none."""
        return self.layer_box.value

    @property
    def settings(self) -> Preferences:
        """What the fields say."""
        own_file = self._model_file.value
        return Preferences(
            model=self._model_box.value if own_file is None else Path(str(own_file)),
            strength=float(self.strength.value),
            chroma=bool(self._chroma.value),
            device=self._device_box.value,
            tile_size=self._tile_size.value or None,
        )

    def _show_advanced(self, shown: bool) -> None:
        self._tile_size.visible = self._model_file.visible = shown

    def _describe_layer(self) -> None:
        grey = self.layer is not None and not self.layer.rgb
        self._chroma.enabled = not grey
        self._chroma_note.value = "Not for this layer: only RGB layers have colour." if grey else ""
        self._chroma_note.visible = grey
        if self.layer is None:
            self._range.value = "Open an image, or try File > Open Sample > ARGAN."
            return
        black, white = find_layer_range(self.layer)
        self._range.value = f"{self.layer.dtype}: {black:g} is black, {white:g} is white."

    def _describe_model(self) -> None:
        try:
            self._summary.value = read_model_info(self.settings.model).summary
        except ModelError as error:
            self._summary.value = str(error)
            self._device_found.value = ""
            self._finder = None
            return
        self._device_found.value = "Opening the model…"
        finder = self._finder = find_device(self.settings)

        def describe(text: str) -> None:
            if finder is self._finder:
                self._device_found.value = text

        finder.returned.connect(describe)
        finder.start()

    def _close(self, _: object = None) -> None:
        """Touch no field any more: Qt has destroyed them."""
        self._finder = None


def note(name: str) -> Label:
    """Return text below a field, as wide as there is room and as high as it needs."""
    label = Label(name=name, label=" ", value="")
    label.native.setWordWrap(True)
    policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    policy.setHeightForWidth(True)
    label.native.setSizePolicy(policy)
    return label
