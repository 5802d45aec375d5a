"""The facts about a model, inside its ONNX file: export writes them, the plugin reads them."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from argan_plugin.errors import ModelError

FORMAT_VERSION = 1
_PREFIX = "argan."

# A hostile file must not make a tile of gigabytes out of a small picture. The largest networks of
# the field that work on tiles stay far below both.
_LARGEST_HALO = 1024
_LARGEST_SIZE_MULTIPLE = 256


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """What is known about one model, for those who run it and for those who must judge it.

    Raises
    ------
    ValueError
        If a field has a value that no model of this project can have.
    """

    format_version: int = FORMAT_VERSION
    """Version of this set of facts and of the graph's contract; a reader refuses a newer one."""

    name: str
    """The name, as in ``restore(image, model=name)``: letters, digits, ``.``, ``-``, ``_``."""

    summary: str
    """One line that says what the model is for."""

    size_multiple: int
    """The network's total stride: tiles begin at multiples of it. The graph takes any size."""

    halo: int
    """Context in pixels that a tile needs on each side to equal the whole image, but for rounding;
    a multiple of `size_multiple`. The export measures it: half of the receptive field at most."""

    receptive_field: int
    """Side, in pixels, of the square of input pixels that one output pixel can depend on."""

    quality_range: tuple[int, int]
    """Lowest and highest JPEG quality (1 to 100) that the model was trained on."""

    license: str
    """SPDX expression of the weights' licence."""

    training: str
    """The whole training configuration, as JSON text."""

    commit: str
    """The commit of this repository that the weights were trained at."""

    weights_sha256: str
    """SHA-256, 64 lower-case hexadecimal digits, of the trained weights that were exported."""

    kflop_per_pixel: float
    """Cost in thousands of floating point operations a pixel; a multiply-add counts as two."""

    planes: int = 1
    """What it sees of a picture: 1 is luma, which it restores; 3 are Y, Cb and Cr, of which it
    restores the last two. Files of before there were such models do not tell."""

    def __post_init__(self) -> None:
        for message in self._problems():
            raise ValueError(message)

    def _problems(self) -> list[str]:
        """Say what is wrong, one sentence each."""
        low, high = self.quality_range
        checks = {
            f"format_version must be 1 to {FORMAT_VERSION}, not {self.format_version}": (
                1 <= self.format_version <= FORMAT_VERSION
            ),
            f"name must be letters, digits, '.', '-' or '_', not {self.name!r}": bool(
                re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", self.name)
            ),
            f"summary must be one line, not {self.summary[:100]!r}": (
                self.summary.isprintable() and 0 < len(self.summary) <= 500
            ),
            f"size_multiple must be 1 to {_LARGEST_SIZE_MULTIPLE}, not {self.size_multiple}": (
                1 <= self.size_multiple <= _LARGEST_SIZE_MULTIPLE
            ),
            f"planes must be 1 or 3, not {self.planes}": self.planes in (1, 3),
            f"receptive_field must be at least 1, not {self.receptive_field}": (
                self.receptive_field >= 1
            ),
            f"quality_range must rise within 1 to 100, not {low} to {high}": (
                1 <= low <= high <= 100
            ),
            f"weights_sha256 must be 64 hexadecimal digits, not {self.weights_sha256[:99]!r}": bool(
                re.fullmatch(r"[0-9a-f]{64}", self.weights_sha256)
            ),
            f"kflop_per_pixel must be positive and finite, not {self.kflop_per_pixel}": (
                math.isfinite(self.kflop_per_pixel) and self.kflop_per_pixel > 0
            ),
        }
        problems = [message for message, holds in checks.items() if not holds]
        if not problems and not (
            0 <= self.halo <= _LARGEST_HALO and self.halo % self.size_multiple == 0
        ):
            problems.append(
                f"halo must be a multiple of {self.size_multiple} from 0 to {_LARGEST_HALO}, "
                f"not {self.halo}"
            )
        return problems

    def to_metadata(self) -> dict[str, str]:
        """Return the facts as text for the ONNX file's ``metadata_props``.

        Returns
        -------
        dict of str to str
            One entry a field, keys prefixed with ``argan.``; text stays as it is, numbers and the
            quality range are JSON.
        """
        values = dataclasses.asdict(self)
        return {
            _PREFIX + key: value if isinstance(value, str) else json.dumps(value)
            for key, value in values.items()
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> ModelInfo:
        """Read the facts back from an ONNX file's ``metadata_props``.

        Parameters
        ----------
        metadata : mapping of str to str
            As `to_metadata` gives it; entries of others are ignored.

        Returns
        -------
        ModelInfo

        Raises
        ------
        ModelError
            If a fact is missing or impossible, or of a newer format than this version knows.
        """
        version_key = _PREFIX + "format_version"
        if version_key not in metadata:
            raise ModelError(
                "This is not a model of this project: its metadata has no "
                f"{version_key!r}. Use a file written by `python -m export`."
            )
        version = _parse(version_key, metadata[version_key], int)
        if version > FORMAT_VERSION:
            raise ModelError(
                f"The model has format version {version}, and this argan-plugin knows versions up "
                f"to {FORMAT_VERSION}. Upgrade argan-plugin."
            )
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            key = _PREFIX + field.name
            if key not in metadata and field.name in _OPTIONAL:
                continue
            if key not in metadata:
                raise ModelError(f"The model's metadata lacks {key!r}. Export the model again.")
            values[field.name] = _parse(key, metadata[key], _KINDS.get(field.name, str))
        try:
            return cls(**values)
        except ValueError as error:
            raise ModelError(
                f"The model's metadata is wrong: {error}. Export the model again."
            ) from error


_KINDS: dict[str, type] = {
    "format_version": int,
    "size_multiple": int,
    "halo": int,
    "receptive_field": int,
    "quality_range": tuple,
    "kflop_per_pixel": float,
    "planes": int,
}
_OPTIONAL = ("planes",)


def _parse(key: str, text: str, kind: type) -> Any:
    """Return `text` as a `kind`; a tuple is a pair of integers."""
    if kind is str:
        return text
    try:
        value = json.loads(text)
        if kind is tuple:
            low, high = value
            if type(low) is type(high) is int:
                return (low, high)
        elif kind is float and type(value) in (int, float):
            return float(value)
        elif type(value) is kind:
            return value
    except (ValueError, TypeError, RecursionError, OverflowError):
        pass  # what it should have been is said below
    wanted = "a pair of integers" if kind is tuple else f"one {kind.__name__}"
    raise ModelError(
        f"The model's metadata {key!r} must be {wanted}, not {text[:100]!r}. "
        "Export the model again."
    )
