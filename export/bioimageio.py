"""Packs an ONNX file as a resource of the BioImage Model Zoo (https://bioimage.io).

The package is a folder or a zip: ``bioimageio.yaml`` with what the zoo's format 0.5 [1]_ wants, the
ONNX file, an input and the output for it, documentation and a cover. ``bioimageio test`` of
bioimageio.core checks it; ``docs/runtimes.md`` says how to run that.

References
----------
.. [1] https://bioimage-io.github.io/spec-bioimage-io/
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import RestorationModel
from argan_plugin.errors import ArganError
from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME
from argan_plugin.model_info import ModelInfo
from argan_plugin.whole_file import written_whole
from export.errors import ExportError

FORMAT_VERSION = "0.5.12"
"""Of the zoo's model description; what bioimageio.spec 0.5.12 knows."""

DEFAULT_AUTHORS = ("The ARGAN plugin developers",)

_DOI = "10.1186/s13640-019-0465-0"
_CITATION = (
    "Zhao, Z., Sun, Q., Yang, H. et al.: Compression artifacts reduction by improved generative "
    "adversarial networks. EURASIP Journal on Image and Video Processing 2019, 62."
)
_TAGS = ("jpeg", "compression-artifacts", "image-restoration", "unet", "2d", "other")
_WHITE = 255
_SIDE = 256

_DOCUMENTATION = Path(__file__).with_name("bioimageio_readme.md")


def build_package(model: Path, target: Path, *, authors: Sequence[str] = DEFAULT_AUTHORS) -> None:
    """Write a model as a package, whole or not at all.

    Parameters
    ----------
    model
        An ONNX file of this project, for images of any size.
    target
        A new folder, or a new file if it ends in ``.zip``.
    authors
        Names of those who answer for the package.

    Raises
    ------
    ExportError
        If the model is none, or the package cannot be written. Nothing is left behind.
    """
    if target.exists():
        raise ExportError(f"{target}: exists already; choose another place.")
    try:
        files = _files(model, authors)
        if target.suffix.lower() == ".zip":
            _write_zip(files, target)
        else:
            _write_folder(files, target)
    except ArganError as error:
        raise ExportError(str(error)) from error
    except OSError as error:
        raise ExportError(f"{target}: cannot be written: {error.strerror or error}") from error


def _files(model: Path, authors: Sequence[str]) -> dict[str, bytes]:
    """Return the package's files by name."""
    network = RestorationModel(model, device="cpu")
    info = network.info
    if info.planes != 1:
        raise ExportError(f"{model}: expected a model of luma, got one of chroma.")
    image = _test_image(2 * info.halo + info.size_multiple, info.size_multiple)
    # what the pre- and postprocessing of the description do
    unit = image.astype(np.float32) * np.float32(1 / _WHITE)
    restored = network.run(unit) * np.float32(_WHITE)
    before, after = image[0, 0], np.rint(restored[0, 0]).astype(np.uint8)
    files = {
        f"{info.name}.onnx": model.read_bytes(),
        "test-input.npy": _npy(image),
        "test-output.npy": _npy(restored),
        "sample-input.png": _png(before),
        "sample-output.png": _png(after),
        # twice as wide as high, as the zoo shows it
        "cover.png": _png(np.concatenate([before, after], axis=1)),
        "README.md": _documentation(info).encode(),
    }
    description = _description(info, authors, files)
    # JSON is YAML too, and needs no further package.
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    return {"bioimageio.yaml": text.encode(), **files}


def _test_image(smallest: int, size_multiple: int) -> NDArray[np.uint8]:
    """Return luma of the sample picture, a compressed photograph: uint8 (1, 1, side, side)."""
    side = math.ceil(max(_SIDE, smallest) / size_multiple) * size_multiple
    sample = resources.files("argan_plugin") / "samples" / "vintage_cars.jpg"
    with sample.open("rb") as file, Image.open(file) as picture:
        luma = np.asarray(picture.convert("L"))[:side, :side]
    # A network that sees farther than the picture is large gets it repeated.
    missing = [(0, side - length) for length in luma.shape]
    return np.pad(luma, missing, mode="symmetric")[np.newaxis, np.newaxis]


def _description(
    info: ModelInfo, authors: Sequence[str], files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return what ``bioimageio.yaml`` holds."""

    def source(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    weights = f"{info.name}.onnx"
    graph = onnx.load_model_from_string(files[weights])
    (opset,) = (entry.version for entry in graph.opset_import if not entry.domain)
    return {
        "type": "model",
        "format_version": FORMAT_VERSION,
        "name": _title(info),
        "description": info.summary,
        "authors": [{"name": name} for name in authors],
        "license": info.license,
        "cite": [{"text": _CITATION, "doi": _DOI}],
        "tags": list(_TAGS),
        "covers": [source("cover.png")],
        "documentation": source("README.md"),
        "inputs": [
            {
                "id": INPUT_NAME,
                "description": "Grey picture, or luma as a JPEG file stores it",
                "axes": _axes({axis: _input_size(info) for axis in "yx"}),
                "data": {"type": "uint8", "range": [0, _WHITE]},
                "preprocessing": [
                    {"id": "scale_linear", "kwargs": {"gain": 1 / _WHITE}},
                    {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
                ],
                "test_tensor": source("test-input.npy"),
                "sample_tensor": source("sample-input.png"),
            }
        ],
        "outputs": [
            {
                "id": OUTPUT_NAME,
                "description": "The picture without JPEG artifacts",
                "axes": _axes({axis: _output_size(info, axis) for axis in "yx"}),
                "data": {"type": "float32", "range": [0, _WHITE]},
                "postprocessing": [{"id": "scale_linear", "kwargs": {"gain": _WHITE}}],
                "test_tensor": source("test-output.npy"),
                "sample_tensor": source("sample-output.png"),
            }
        ],
        "weights": {"onnx": {**source(weights), "opset_version": opset}},
    }


def _axes(sizes: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the description of ``(batch, 1, height, width)``."""
    return [
        {"type": "batch"},
        {"type": "channel", "channel_names": ["luma"]},
        *({"type": "space", "id": axis, **size} for axis, size in sizes.items()),
    ]


def _input_size(info: ModelInfo) -> dict[str, Any]:
    """Return which blocks of a picture the zoo's programs may cut out.

    The graph takes any size. But they cut the halo off each block, so something must be left, and
    blocks must begin at multiples.
    """
    smallest = 2 * info.halo + info.size_multiple
    return {"size": {"min": smallest, "step": info.size_multiple}, "concatenable": True}


def _output_size(info: ModelInfo, axis: str) -> dict[str, Any]:
    size: dict[str, Any] = {"size": {"tensor_id": INPUT_NAME, "axis_id": axis}}
    return {**size, "halo": info.halo} if info.halo else size  # the format has no halo of 0


def _title(info: ModelInfo) -> str:
    """Return a name without a dot, which the zoo does not take."""
    return f"JPEG artifact removal ({info.name.replace('.', '-')})"


def _documentation(info: ModelInfo) -> str:
    low, high = info.quality_range
    return _DOCUMENTATION.read_text(encoding="utf-8").format(
        title=_title(info),
        summary=info.summary,
        low=low,
        high=high,
        halo=info.halo,
        receptive_field=info.receptive_field,
        license=info.license,
        citation=_CITATION,
        doi=_DOI,
    )


def _png(luma: NDArray[np.uint8]) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(luma).save(file, "PNG", optimize=True)
        return file.getvalue()


def _npy(array: NDArray[Any]) -> bytes:
    with io.BytesIO() as file:
        np.save(file, array)
        return file.getvalue()


def _write_folder(files: Mapping[str, bytes], target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".argan-", dir=target.parent) as temporary:
        folder = Path(temporary, "package")
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        folder.rename(target)


def _write_zip(files: Mapping[str, bytes], target: Path) -> None:
    with written_whole(target, overwrite=False) as file, zipfile.ZipFile(file, "w") as package:
        for name, data in files.items():
            # without the time of day: the same model gives the same package
            entry = zipfile.ZipInfo(name)
            package.writestr(entry, data, zipfile.ZIP_DEFLATED)
