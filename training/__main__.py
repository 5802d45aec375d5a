"""Command line of the training: ``python -m training train | evaluate | …``."""

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
from training.options import parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 after an error that stderr explains in one line."""
    options = parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    # torch takes seconds to import; --help does not wait for it
    from training.checkpoint import CheckpointError
    from training.pictures import PictureFolderError

    try:
        _COMMANDS[options.command](options)
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


def _interpolate(options: argparse.Namespace) -> None:
    from training.interpolation import interpolate

    interpolate(options.first, options.second, options.share, options.output)


def _transfer(options: argparse.Namespace) -> None:
    from training.interpolation import transfer

    transfer(options.first, options.second, options.onto, options.share, options.output)


def override(config: Any, setting: str) -> Any:
    """Return ``config`` with one field changed.

    Parameters
    ----------
    config
        A dataclass of :mod:`training.config`.
    setting
        ``field=value`` or ``field.field=value``; the value is a Python literal, ``true``,
        ``false`` or a bare word.

    Raises
    ------
    ValueError
        If there is no such field, or the value is of another kind or out of its range.
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
        value = {"true": True, "false": False}.get(text, text)
    present = getattr(config, field)
    if isinstance(present, bool) and not isinstance(value, bool):
        raise ValueError(f"--set, --reshape: {field}: expected True or False, got {text!r}")
    if isinstance(present, int | float) and not isinstance(value, int | float):
        raise ValueError(f"--set, --reshape: {field}: expected a number, got {text!r}")
    return replace(config, **{field: value})


_COMMANDS = {
    "train": _train,
    "evaluate": _evaluate,
    "benchmark": _benchmark,
    "plot": _plot,
    "interpolate": _interpolate,
    "transfer": _transfer,
}


if __name__ == "__main__":
    sys.exit(main())
