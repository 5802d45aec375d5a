"""Which models are shipped inside this package, where they lie, and that they are intact.

``models/SHA256SUMS`` is the list, as ``sha256sum *.onnx`` writes it: one line a model, the default
model first. A file that is not in the list is not shipped. `CHROMA` is no choice of users: it comes
along where chroma is asked for.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from argan_plugin.errors import ModelError

CHROMA: Final = "argan-chroma"
"""The model that restores Cb and Cr beside one that restores luma."""

_MODELS = Path(str(resources.files("argan_plugin"))) / "models"
_SUFFIX = ".onnx"


def model_names() -> tuple[str, ...]:
    """Return the names of the shipped models of luma, the default first.

    Returns
    -------
    tuple of str
        Each is a valid `model` of `restore`.
    """
    return tuple(name for name in shipped_names() if name != CHROMA)


def shipped_names() -> tuple[str, ...]:
    """Return the names of all shipped models: `model_names`, and `CHROMA`."""
    return tuple(_checksums())


def model_path(name: str) -> Path:
    """Return where a shipped model lies.

    Parameters
    ----------
    name : str
        One of `model_names`, or `CHROMA`.

    Returns
    -------
    pathlib.Path
        An ONNX file inside the installed package.

    Raises
    ------
    ModelError
        If no model of that name is shipped.
    """
    if name not in _checksums():
        known = ", ".join(model_names()) or "none"
        raise ModelError(f"There is no model named {name!r}. Shipped models: {known}.")
    return _MODELS / (name + _SUFFIX)


def find_model(model: str | os.PathLike[str] | None) -> Path:
    """Return the file that is meant by a model's name, a path, or None for the default.

    Parameters
    ----------
    model : str or path-like or None
        A shipped name wins over a file of the same name in the current directory.

    Returns
    -------
    pathlib.Path
        Absolute; it need not exist if a path was given.

    Raises
    ------
    ModelError
        If a name is not known, or no model is shipped and none was given.
    """
    if model is None:
        if not model_names():
            raise ModelError("This installation ships no model. Give the path of an ONNX file.")
        return model_path(model_names()[0])
    text = os.fspath(model)
    if isinstance(model, str) and text in _checksums():
        return model_path(text)
    path = Path(text)
    if isinstance(model, str) and path.name == text and not path.suffix and not path.exists():
        return model_path(text)  # a mistyped name: the error lists the known ones
    return path.absolute()


def check_shipped(path: Path, data: bytes) -> None:
    """Make sure that a shipped model's bytes are those that were released.

    Hashing ten megabytes takes about ten milliseconds, less than opening the session, so this is
    done each time such a file is read and not remembered.

    Parameters
    ----------
    path : pathlib.Path
        Where the bytes came from; a file that is not shipped passes.
    data : bytes
        The whole file.

    Raises
    ------
    ModelError
        If the SHA-256 differs from the one in the list.
    """
    if path.parent != _MODELS:
        return
    expected = _checksums().get(path.stem)
    if expected is not None and hashlib.sha256(data).hexdigest() != expected:
        raise ModelError(
            f"The shipped model {path} has been changed or damaged: its SHA-256 is not the "
            "released one. Reinstall argan-plugin."
        )


@cache
def _checksums() -> dict[str, str]:
    """Return the SHA-256 of each shipped model by name, in the order of the list."""
    try:
        lines = (_MODELS / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    # "<64 hex digits><space><space or *><file name>": coreutils' text and binary mode
    return {line[66:].removesuffix(_SUFFIX): line[:64] for line in lines if line}
