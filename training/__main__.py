"""Command line of the training: ``python -m training train | evaluate | plot``."""

from __future__ import annotations

import argparse
import ast
import logging
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from argan_plugin.errors import ArganError

# The keys of training.recipes.RECIPES and training.evaluate.METRICS, here so that --help need not
# import torch; a test compares them.
_RECIPES = ("paper", "fidelity", "texture", "smoke")
_METRICS = ("psnr", "ssim", "ssim-8x8", "psnr-b", "ssimulacra2")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 after an error that stderr explains in one line."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    # torch takes seconds to import; --help does not wait for it
    from training.checkpoint import CheckpointError
    from training.datasets import PictureFolderError

    try:
        options.run(options)
    except (ArganError, CheckpointError, PictureFolderError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _train(options: argparse.Namespace) -> None:
    from training.launch import Machine
    from training.recipes import RECIPES
    from training.run_state import STATE_FILE, resumed_config
    from training.train import TrainingDiverged, train

    folder = options.output or Path("runs", options.recipe)
    if options.resume:
        if options.set or options.init_from or options.reshape:
            raise ValueError(
                "--resume goes on with the run's own settings: drop --set, --init-from, --reshape"
            )
        config = resumed_config(folder)
    else:
        if (folder / STATE_FILE).exists():
            raise ValueError(
                f"{folder} holds a run already: go on with --resume, or choose --output"
            )
        config = reduce(override, options.set, RECIPES[options.recipe]())
    if options.reshape and options.init_from is None:
        raise ValueError("--reshape: expected --init-from, with the weights to reshape")
    if options.iterations is not None:
        config = replace(config, iterations=options.iterations)
    machine = Machine(
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
        threads=options.threads,
        workers=options.workers,
        winograd=options.winograd,
    )
    try:
        train(
            config,
            options.images,
            folder,
            machine=machine,
            resume=options.resume,
            init_from=options.init_from,
            reshape=lambda generator: reduce(override, options.reshape, generator),
            minutes=options.minutes,
        )
    except TrainingDiverged as error:
        raise ValueError(str(error)) from error


def _evaluate(options: argparse.Namespace) -> None:
    from argan_plugin.weights import model_names
    from training.evaluate import evaluate

    models = [*options.models, *(model_names() if options.all_models else ())]
    if not models:
        raise ValueError("evaluate: expected a model, or --all-models")
    evaluate(
        list(dict.fromkeys(models)),
        options.images,
        names=options.metrics,
        compare=options.compare,
        json_path=options.json,
        figure_path=options.figure,
        plot_path=options.plot,
        worst_path=options.worst,
    )


def _benchmark(options: argparse.Namespace) -> None:
    from training.benchmark import benchmark
    from training.launch import Machine
    from training.recipes import RECIPES

    machine = Machine(
        accelerator=options.accelerator,
        threads=options.threads,
        workers=options.workers,
        winograd=options.winograd,
    )
    config = reduce(override, options.set, RECIPES[options.recipe]())
    benchmark(config, options.images, options.iterations, machine)


def _plot(options: argparse.Namespace) -> None:
    from training.run_log import plot

    plot(options.runs, options.output)


def override(config: Any, setting: str) -> Any:
    """Return ``config`` with one field changed.

    Parameters
    ----------
    config
        A dataclass of :mod:`training.config`.
    setting
        ``field=value`` or ``field.field=value``; the value is a Python literal or a bare word.

    Raises
    ------
    ValueError
        If there is no such field or the value is out of its range.
    """
    name, equals, text = setting.partition("=")
    field, dot, rest = name.partition(".")
    known = [known.name for known in fields(config)] if is_dataclass(config) else []
    if not equals or field not in known:
        raise ValueError(
            f"--set, --reshape: expected FIELD=VALUE with a field of the recipe, got {setting!r}"
        )
    if dot:
        return replace(config, **{field: override(getattr(config, field), f"{rest}={text}")})
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        value = text
    return replace(config, **{field: value})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train ARGAN's networks."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a recipe on a folder of pictures")
    train.add_argument("recipe", choices=_RECIPES, help="see training/recipes.py")
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
        "bottleneck_blocks=4, or narrower ones, such as block_widths=(32,80,160)",
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
    train.set_defaults(run=_train)

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
        choices=_METRICS,
        default=_METRICS,
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
    evaluate.set_defaults(run=_evaluate)

    benchmark = commands.add_parser(
        "benchmark", help="measure patches a second, and where the time goes, on one device"
    )
    benchmark.add_argument("recipe", choices=_RECIPES)
    benchmark.add_argument("--images", type=Path, required=True, nargs="+", metavar="DIR")
    benchmark.add_argument("--iterations", type=int, default=30, metavar="N", help="timed (30)")
    _add_machine(benchmark)
    benchmark.set_defaults(run=_benchmark)

    plot = commands.add_parser("plot", help="draw the learning curves of runs")
    plot.add_argument("runs", type=Path, nargs="+", metavar="DIR", help="folders of runs")
    plot.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="PNG, SVG, PDF"
    )
    plot.set_defaults(run=_plot)
    return parser


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


if __name__ == "__main__":
    sys.exit(main())
