"""The `argan` command: what it does, its messages and its exit codes.

Whatever loads numpy, Pillow or ONNX Runtime is imported where it is used, so that ``argan --help``
and a mistyped option are answered at once.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from argan_plugin.errors import ArganError
from argan_plugin.native_stderr import heard
from argan_plugin.options import MAX_PIXELS, SUFFIX_OF_FORMAT, restore_parser

if TYPE_CHECKING:
    from argan_plugin.batch import Plan
    from argan_plugin.restore_files import Report
    from argan_plugin.settings import Settings

_DONE, _FAILED, _WRONG_USAGE, _INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit code, as the help describes it.

    Raises
    ------
    SystemExit
        With 2 for wrong usage and with 0 after ``--help`` or ``--version``, as argparse does it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            if arguments[:1] == ["model"]:
                from argan_plugin.model_command import run_model_command

                run_model_command(arguments[1:])
                return _DONE
            if arguments[:1] == ["info"]:
                from argan_plugin.info_command import run_info_command

                all_read = run_info_command(
                    arguments[1:], max_pixels=MAX_PIXELS, tell=_tell, complain=_say
                )
                return _DONE if all_read else _FAILED
            return _restore_command(arguments)
    except ArganError as error:
        _say(f"error: {error}")
        return _FAILED
    except KeyboardInterrupt:
        _say("stopped by Ctrl-C")
        return _INTERRUPTED


def _restore_command(arguments: Sequence[str]) -> int:
    """Run ``argan IN... -o OUT``."""
    parser = restore_parser()
    options = parser.parse_intermixed_args(arguments)

    from argan_plugin.batch import plan_batch
    from argan_plugin.ngff import is_zarr

    suffix = SUFFIX_OF_FORMAT.get(options.format)
    try:
        if any(is_zarr(path) for path in options.inputs):
            from argan_plugin.ome_zarr_command import restore_zarr

            done = restore_zarr(options)
            if not options.quiet:
                _say(done)
            return _DONE
        plan = plan_batch(options.inputs, options.output, suffix=suffix)
    except ValueError as error:
        _say(f"error: {error}")
        return _WRONG_USAGE
    if options.resume and plan.folder is None:
        _say("error: --resume needs a folder as output")
        return _WRONG_USAGE

    from argan_plugin.inspection import WORTHWHILE_UP_TO
    from argan_plugin.settings import Settings

    above = options.skip_above_quality
    if above is None and plan.folder is not None and not options.all:
        above = WORTHWHILE_UP_TO
    settings = Settings(
        strength=options.strength,
        chroma=options.chroma,
        consistent=options.consistent,
        skip_above_quality=above,
        tile_size=options.tile_size,
        overwrite=options.overwrite,
        quality=options.quality,
        keep_times=options.keep_times,
        show_progress=not options.quiet,
        resume=options.resume,
        accept_truncated=options.accept_truncated,
    )
    report, where = _carry_out(plan, settings, options)
    for line in _told(report, where, quiet=options.quiet):
        _say(line)
    if report.interrupted:
        return _INTERRUPTED
    return _FAILED if report.failed or report.existing else _DONE


def _carry_out(plan: Plan, settings: Settings, options: argparse.Namespace) -> tuple[Report, str]:
    """Restore the files of a plan, here or on a cluster; say where it was."""
    if options.dask:
        from argan_plugin.restore_on_cluster import restore_on_cluster

        report, workers = restore_on_cluster(
            plan,
            options.dask,
            settings,
            model=options.model,
            device=options.device,
            max_pixels=options.max_pixels,
        )
        return report, f"{workers} workers" if workers != 1 else "1 worker"

    from argan_plugin.files import strict_decoding
    from argan_plugin.model import open_model
    from argan_plugin.restore_files import restore_files

    model = open_model(options.model, device=options.device)
    with strict_decoding(options.max_pixels):
        return restore_files(plan, model, settings), model.device


def _told(report: Report, where: str, *, quiet: bool) -> Iterator[str]:
    """Yield the lines for the user; quiet leaves those that explain an exit code other than 0."""
    if not quiet:
        yield from (f"note: {note}" for note in report.notes)
        for reason in dict.fromkeys(reason for _, reason in report.skipped):
            paths = [path for path, why in report.skipped if why == reason]
            yield f"skipped {_named(paths)}: {reason}"
    if report.existing:
        yield f"skipped {_named(report.existing)}: exists already; --overwrite replaces it"
    yield from (f"failed: {failure}" for failure in report.failed)
    if not quiet:
        yield (
            f"{len(report.done)} done on {where}, "
            f"{len(report.skipped) + len(report.existing)} skipped, {len(report.failed)} failed"
            + (", stopped by Ctrl-C" if report.interrupted else "")
        )


def _named(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"


def _say(message: str) -> None:
    with heard():  # a decoder may be at work beside
        print(f"argan: {_printable(message)}", file=sys.stderr, flush=True)


def _tell(line: str) -> None:
    print(_printable(line))


def _printable(text: str) -> str:
    """Return one line, whatever names of files hold: a terminal obeys control characters."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"warning: {message}")
