"""Command line of the export: ``python -m export CHECKPOINT -o FILE``, and ``bioimageio``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 after an error that stderr explains in one line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    packing = arguments[:1] == ["bioimageio"]
    options = (
        _package_parser().parse_args(arguments[1:]) if packing else _parser().parse_args(arguments)
    )
    # torch takes seconds to import; --help does not wait for it
    from export.errors import ExportError
    from training.checkpoint import CheckpointError

    try:
        if packing:
            _package(options)
        else:
            _export(options)
    except (CheckpointError, ExportError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    print(f"written: {options.output}")
    return 0


def _export(options: argparse.Namespace) -> None:
    from export.graph import DEFAULT_OPSET, GraphForm
    from export.to_onnx import DEFAULT_LICENSE, export_onnx
    from training.checkpoint import load_weights

    form = GraphForm(
        opset=options.opset or DEFAULT_OPSET,
        precision=options.precision,
        bare=options.bare,
        batch=options.batch,
        height=options.height,
        width=options.width,
    )
    report = export_onnx(
        load_weights(options.checkpoint),
        options.output,
        name=options.name,
        summary=options.summary,
        license=options.license or DEFAULT_LICENSE,
        form=form,
        calibration_images=options.calibration_images,
        overwrite=options.overwrite,
    )
    print(report)


def _package(options: argparse.Namespace) -> None:
    from export.bioimageio import DEFAULT_AUTHORS, build_package
    from export.to_onnx import export_onnx
    from training.checkpoint import load_weights

    authors = options.author or DEFAULT_AUTHORS
    if options.model.suffix == ".onnx":
        build_package(options.model, options.output, authors=authors)
        return
    weights = load_weights(options.model)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "argan.onnx")
        print(export_onnx(weights, model, summary=options.summary))
        build_package(model, options.output, authors=authors)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Write trained weights as one ONNX file and check it against the network.",
        epilog="For a package of the BioImage Model Zoo: python -m export bioimageio --help",
    )
    parser.add_argument("checkpoint", type=Path, help="weights.safetensors of a training run")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the ONNX file to write"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")

    facts = parser.add_argument_group("facts that the file tells")
    facts.add_argument("--name", help="the model's name (default: the file's)")
    facts.add_argument("--summary", metavar="TEXT", help="one line: what the model is for")
    facts.add_argument(
        "--license", metavar="SPDX", help="of the weights (default: BSD-3-Clause, the project's)"
    )

    form = parser.add_argument_group("form of the graph, by default for images of any size")
    form.add_argument(
        "--bare",
        action="store_true",
        help="no padding, cropping and clipping: height and width must be multiples of the "
        "network's size multiple",
    )
    form.add_argument(
        "--precision",
        default="float32",
        help="float32, float16 or int8; input and output stay float32 (default: float32)",
    )
    form.add_argument(
        "--calibration-images",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of pictures that int8 is calibrated and checked on",
    )
    form.add_argument("--opset", type=int, metavar="N", help="from 11 (default: 18)")
    for name in ("batch", "height", "width"):
        form.add_argument(f"--{name}", type=int, metavar="N", help=f"fix the {name}")
    return parser


def _package_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export bioimageio",
        description="Pack a model as a resource of the BioImage Model Zoo.",
    )
    parser.add_argument("model", type=Path, help="weights.safetensors, or an exported ONNX file")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="TARGET",
        help="the folder to make, or the file if it ends in .zip",
    )
    parser.add_argument(
        "--author", action="append", metavar="NAME", help="who answers for it; again for more"
    )
    parser.add_argument(
        "--summary", metavar="TEXT", help="one line: what the model is for (an ONNX file says it)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
