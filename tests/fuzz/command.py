"""The command, run in this process on any bytes, and what must hold whatever they are."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random

from PIL import Image

from argan_plugin.cli import main
from argan_plugin.formats import FORMAT_OF_SUFFIX

_LONGEST_SECONDS = 10.0  # of work, whatever else the machine has to do
_LONGEST_WAIT = 120.0
_MAX_PIXELS = 300_000  # so that no picture may take long because it is large
_SUFFIXES = sorted(FORMAT_OF_SUFFIX)
_OPTIONS = (
    ["--accept-truncated"],
    ["--strength", "0"],
    ["--chroma"],
    ["--consistent"],
    ["--skip-above-quality", "90"],
)


class Finding(Exception):
    """The command did what it must not; the message says what."""


class Command:
    """``argan INPUT -o OUTPUT``, again and again.

    Parameters
    ----------
    folder : Path
        Empty; each input is written here, and what was said to it, to be found after a crash.
    model : Path
        A quick one.
    """

    def __init__(self, folder: Path, model: Path) -> None:
        self._model = model
        self._source = folder / "input"
        self._said = folder / "said"
        self._output = folder / "output"
        self._output.mkdir()
        self._stderr = os.dup(2)  # for the traceback of a hang
        faulthandler.register(signal.SIGPROF, file=self._stderr, chain=True)
        self.slowest = 0.0

    def run(self, data: bytes, random: Random) -> bool:
        """Run the command on a file.

        Parameters
        ----------
        data : bytes
            What the file holds.
        random : Random
            Decides about the options.

        Returns
        -------
        bool
            Whether there is an output; with exit code 1, or for a picture that needs nothing, there
            is none.

        Raises
        ------
        Finding
            If anything else comes of it, or something is left behind. A hang ends the process.
        """
        self._source.write_bytes(data)
        if random.random() < 0.1:
            self._examine_info(*self._call(["info", str(self._source)]))
        target = self._output / f"new{random.choice(_SUFFIXES)}"
        words = [str(self._source), "-o", str(target), "--model", str(self._model)]
        words += ["--device", "cpu", "--max-pixels", str(_MAX_PIXELS)]
        words += random.choice(([], ["--accept-truncated"]))
        words += random.choice(([], *_OPTIONS))
        code, said = self._call(words)
        try:
            return self._examine(code, said, target, data)
        finally:
            for path in self._output.iterdir():
                path.unlink()

    def _call(self, words: list[str]) -> tuple[int, str]:
        """Return the exit code and what was printed."""
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, _LONGEST_SECONDS)  # which ends the process
        faulthandler.dump_traceback_later(_LONGEST_WAIT, exit=True, file=self._stderr)
        try:
            with _heard(self._said):
                code = main(words)
        except BaseException as error:
            raise Finding(f"{type(error).__name__} escaped: {error}") from error
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()
        self.slowest = max(self.slowest, time.process_time() - started)
        return code, self._said.read_text(errors="replace")

    def _examine_info(self, code: int, said: str) -> None:
        failed = said.startswith("argan: failed: ") and said.count("\n") == 1
        told = said.startswith(f"{self._source}:\n") and "argan:" not in said
        if not (code == 1 and failed) and not (code == 0 and told):
            raise Finding(f"info: exit code {code}: {said}")

    def _examine(self, code: int, said: str, target: Path, data: bytes) -> bool:
        if code not in (0, 1):
            raise Finding(f"exit code {code}: {said}")
        written = code == 0 and not said.startswith("argan: skipped")
        if len(said.splitlines()) != 2 - (written and "note" not in said):
            raise Finding(f"not one line and a summary: {said}")
        if "not foreseen" in said or "not enough memory" in said or "Traceback" in said:
            raise Finding(said)
        if self._source.read_bytes() != data:
            raise Finding("the input has changed")
        if list(self._output.iterdir()) != [target][:written]:
            raise Finding(f"{said}, but there is {list(self._output.iterdir())}")
        if written:
            with warnings.catch_warnings(action="ignore"), Image.open(target) as image:
                image.load()  # metadata is kept as it is, also if it is odd
        return written


@contextlib.contextmanager
def _heard(path: Path) -> Iterator[None]:
    """Let what Python and C libraries print go to a file, where it is found after a crash, too."""
    kept = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        with (
            open(2, "w", buffering=1, closefd=False) as stderr,
            contextlib.redirect_stderr(stderr),
            contextlib.redirect_stdout(stderr),
        ):
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
