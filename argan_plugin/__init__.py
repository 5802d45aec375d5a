"""Removes JPEG artifacts with a neural network: `restore` for arrays, `ARGANFilter` for Pillow.

Every name is loaded when it is first used, so that ``import argan_plugin`` takes milliseconds and
does not load ONNX Runtime.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argan_plugin.changes import apply_change, colour_change, luma_change
    from argan_plugin.consistency import restore_jpeg
    from argan_plugin.errors import (
        ArganError,
        Cancelled,
        DeviceError,
        ImageFileError,
        ModelError,
        UnsupportedImageError,
    )
    from argan_plugin.inspection import JpegInspection, inspect_jpeg
    from argan_plugin.model import RestorationModel
    from argan_plugin.model_info import ModelInfo
    from argan_plugin.pillow_filter import ARGANFilter
    from argan_plugin.restoration import restore
    from argan_plugin.weights import model_names

    __version__: str

_MODULE_OF = {
    "ARGANFilter": "pillow_filter",
    "ArganError": "errors",
    "Cancelled": "errors",
    "DeviceError": "errors",
    "ImageFileError": "errors",
    "JpegInspection": "inspection",
    "ModelError": "errors",
    "ModelInfo": "model_info",
    "RestorationModel": "model",
    "UnsupportedImageError": "errors",
    "apply_change": "changes",
    "colour_change": "changes",
    "inspect_jpeg": "inspection",
    "luma_change": "changes",
    "model_names": "weights",
    "restore": "restoration",
    "restore_jpeg": "consistency",
}

__all__ = [
    "ARGANFilter",
    "ArganError",
    "Cancelled",
    "DeviceError",
    "ImageFileError",
    "JpegInspection",
    "ModelError",
    "ModelInfo",
    "RestorationModel",
    "UnsupportedImageError",
    "__version__",
    "apply_change",
    "colour_change",
    "inspect_jpeg",
    "luma_change",
    "model_names",
    "restore",
    "restore_jpeg",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _version()
    elif name in _MODULE_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("argan-plugin")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "0+unknown"
