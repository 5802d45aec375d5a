"""Kill the command at random moments; `test_command_killed_fifty_times` runs this.

In a process of its own, because it forks. Its arguments are a folder that holds `in`, a model, how
often to kill, and a seed. The runs go on where the last was killed, with one strength or the other
in turns, so that outputs are missing, up to date and stale. After each kill each output must be
what a run in peace makes of it with one of the two, and nothing else may be left but one hidden
file. A last run in peace must complete all.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import onnxruntime  # noqa: F401 - here once, not in each child
from PIL import Image

from argan_plugin.cli import main as argan
from argan_plugin.resume import LIST_NAME

_STRENGTHS = ("1", "0.5")


def main(folder: Path, model: Path, kills: int, seed: int) -> None:
    os.chdir(folder)
    Image.init()
    longest = 0.0
    for strength in _STRENGTHS:
        started = time.perf_counter()
        assert _ends(_start(f"peace-{strength}", strength, model)) == 0
        longest = time.perf_counter() - started
    inputs = _contents("in")
    expected = [_contents(f"peace-{strength}") for strength in _STRENGTHS]
    moments = random.Random(seed)
    unfinished = 0
    for kill in range(kills):
        child = _start("out", _STRENGTHS[kill // 5 % 2], model)
        time.sleep(moments.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        unfinished += _ends(child) == -signal.SIGKILL
        found = _contents("out")
        hidden = [name for name in found if Path(name).name.startswith(".argan-")]
        for name in found.keys() - set(hidden):
            assert found[name] in (expected[0][name], expected[1][name]), f"{name} is not whole"
        assert len(hidden) <= 1, hidden
        for name in hidden:
            Path("out", name).unlink()
        assert _contents("in") == inputs, "an input has changed"
    assert _ends(_start("out", _STRENGTHS[0], model)) == 0
    assert _contents("out") == expected[0]
    print(unfinished)  # noqa: T201


def _start(output: str, strength: str, model: Path) -> int:
    child = os.fork()
    if child == 0:
        words = ["in", "--all", "-o", output, "--resume", "--strength", strength, "--quiet"]
        os._exit(argan([*words, "--model", str(model), "--device", "cpu"]))
    return child


def _ends(child: int) -> int:
    """Wait for a process; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _contents(folder: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.name != LIST_NAME
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
