"""The arguments of ``python -m training``."""

from __future__ import annotations

import argparse
from pathlib import Path

# The keys of training.recipes.RECIPES and training.evaluate.METRICS, here so that --help need not
# import torch; a test compares them.
RECIPES = ("paper", "fidelity", "texture", "chroma", "smoke")
METRICS = ("psnr", "ssim", "ssim-8x8", "psnr-b", "ssimulacra2")


def parser() -> argparse.ArgumentParser:
    """Return the parser; `command` names what was chosen."""
    root = argparse.ArgumentParser(prog="python -m training", description="Train ARGAN's networks.")
    commands = root.add_subparsers(required=True, dest="command", metavar="COMMAND")

    train = commands.add_parser("train", help="train a recipe on a folder of pictures")
    train.add_argument("recipe", choices=RECIPES, help="see training/recipes.py")
    train.add_argument(
        "--images",
        type=Path,
        required=True,
        nargs="+",
        metavar="DIR",
        help="folders of pictures; unreadable ones are named and skipped",
    )
    train.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of the run (default: runs/RECIPE)"
    )
    train.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    train.add_argument(
        "--init-from",
        type=Path,
        metavar="FILE",
        help="start from the weights of a .safetensors file",
    )
    train.add_argument(
        "--reshape",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="give that file's network more residual blocks, which begin as the identity, such as "
        "bottleneck_blocks=6, or narrower ones, such as block_widths=(32,48,80)",
    )
    train.add_argument("--iterations", type=int, metavar="N", help="length of the run")
    train.add_argument(
        "--minutes", type=float, metavar="N", help="stop after so long, as Ctrl-C does"
    )
    train.add_argument(
        "--devices", type=int, default=1, metavar="N", help="processes on each node (default: 1)"
    )
    train.add_argument("--num-nodes", type=int, default=1, metavar="N", help="nodes (default: 1)")
    _add_machine(train)

    evaluate = commands.add_parser("evaluate", help="measure a model against compressed originals")
    evaluate.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="an .onnx or .safetensors file, or a shipped model's name",
    )
    evaluate.add_argument("--all-models", action="store_true", help="all shipped models")
    evaluate.add_argument(
        "--compare", action="store_true", help="put published figures beside, with their sources"
    )
    evaluate.add_argument(
        "--images", type=Path, required=True, nargs="+", metavar="DIR", help="folders of originals"
    )
    evaluate.add_argument(
        "--metrics",
        nargs="+",
        choices=METRICS,
        default=METRICS,
        metavar="NAME",
        help="of psnr, ssim, ssim-8x8, psnr-b, ssimulacra2 (default: all)",
    )
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    evaluate.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="also draw crops of compressed, restored, original",
    )
    evaluate.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="also draw PSNR against quality, and gain against cost (needs the metric psnr)",
    )
    evaluate.add_argument(
        "--worst",
        type=Path,
        metavar="FILE",
        help="also draw crops of the ten pictures with the smallest gain (needs the metric psnr)",
    )

    benchmark = commands.add_parser(
        "benchmark", help="measure patches a second, and where the time goes, on one device"
    )
    benchmark.add_argument("recipe", choices=RECIPES)
    benchmark.add_argument("--images", type=Path, required=True, nargs="+", metavar="DIR")
    benchmark.add_argument("--iterations", type=int, default=30, metavar="N", help="timed (30)")
    _add_machine(benchmark)

    plot = commands.add_parser("plot", help="draw the learning curves of runs")
    plot.add_argument("runs", type=Path, nargs="+", metavar="DIR", help="folders of runs")
    plot.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="PNG, SVG, PDF"
    )

    interpolate = commands.add_parser(
        "interpolate", help="write weights between two, of which one was trained from the other"
    )
    interpolate.add_argument("first", type=Path, metavar="FILE")
    interpolate.add_argument("second", type=Path, metavar="FILE")
    interpolate.add_argument("--share", type=float, required=True, help="of the second, 0 to 1")
    interpolate.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")

    transfer = commands.add_parser(
        "transfer", help="add to weights what others of the same origin have learned"
    )
    transfer.add_argument("first", type=Path, metavar="FILE", help="what those began with")
    transfer.add_argument("second", type=Path, metavar="FILE", help="what came of it")
    transfer.add_argument(
        "--onto", type=Path, required=True, metavar="FILE", help="the weights to add it to"
    )
    transfer.add_argument("--share", type=float, default=1.0, help="of it, 0 to 1 (1)")
    transfer.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    return root


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--accelerator", default="auto", help="auto, cpu, cuda, mps (default: auto)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of each process")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="patch workers of each process (1)"
    )
    parser.add_argument(
        "--winograd",
        action="store_true",
        help="train the project's U-Net in float32 by Winograd's algorithm: half the time on "
        "CPUs without AMX; needs --set precision=32-true and a C++ compiler",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a value of the recipe, such as optimizer.learning_rate=1e-4",
    )
