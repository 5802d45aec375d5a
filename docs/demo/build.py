"""Assemble the browser demo in a folder that any static web server can serve.

``npm install onnxruntime-web``, then ``python docs/demo/build.py -o build/demo`` from a checkout
with the plugin installed; see README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from argan_plugin.errors import ArganError
from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.weights import check_shipped, find_model

_HERE = Path(__file__).parent
_SAMPLE = _HERE.parent.parent / "argan_plugin" / "samples" / "vintage_cars.jpg"
_PAGE = ("index.html", "style.css", "page.js", "worker.js", "restore.js")
# A browser gives WebAssembly less memory than a computer has.
_TILE_SIZE = 1024
_RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 after an error that stderr explains in one line."""
    parser = argparse.ArgumentParser(description="Assemble the browser demo in a folder.")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--model", metavar="NAME|FILE", help="shipped model or exported ONNX file (the default one)"
    )
    parser.add_argument(
        "--modules",
        type=Path,
        default=Path("node_modules"),
        metavar="DIR",
        help="where npm has put onnxruntime-web (node_modules)",
    )
    options = parser.parse_args(arguments)
    try:
        build(options.output, model=options.model, modules=options.modules)
    except (ArganError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"written: {options.output}; serve it: python -m http.server -d {options.output}")
    return 0


def build(output: Path, *, model: str | None, modules: Path) -> None:
    """Copy page, runtime, model and sample picture to a folder, and write the model's facts there.

    Raises
    ------
    ArganError
        If the model is missing or not one of this project.
    OSError
        If onnxruntime-web is missing or the folder cannot be written.
    """
    runtime = modules / "onnxruntime-web" / "dist"
    for name in _RUNTIME:
        if not (runtime / name).is_file():
            raise FileNotFoundError(
                f"{runtime / name}: not found. Run `npm install onnxruntime-web`, and give the "
                "folder node_modules with --modules."
            )
    path = find_model(model)
    data = read_model_file(path)
    check_shipped(path, data)
    info = inspect_model(data)
    facts = {
        "file": f"{info.name}.onnx",
        "name": info.name,
        "summary": info.summary,
        "license": info.license,
        "halo": info.halo,
        "sizeMultiple": info.size_multiple,
        "tileSize": _TILE_SIZE,
    }
    (output / "ort").mkdir(parents=True, exist_ok=True)
    for name in _PAGE:
        shutil.copyfile(_HERE / name, output / name)
    for name in _RUNTIME:
        shutil.copyfile(runtime / name, output / "ort" / name)
    shutil.copyfile(_SAMPLE, output / "sample.jpg")
    (output / facts["file"]).write_bytes(data)
    (output / "model.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
