"""Kill processes at each line of `whole_file.py`; the test `test_killed_at_any_moment` runs this.

In a process of its own, because it forks. Its arguments are a folder, "keep" or "overwrite", and
"nameless" or "named". For each moment the folder gets a file `picture` (when overwriting), a child
writes a new one and dies at that moment, and one line says what is there then.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from argan_plugin import whole_file

OLD, NEW = b"old" * 9999, b"new" * 99999
_STATES = {OLD: "old", NEW: "new"}


def main(folder: Path, *, overwrite: bool, nameless: bool) -> None:
    if not nameless:
        whole_file._open_nameless = lambda _: None  # type: ignore[assignment]
    path = folder / "picture"
    moment = 0
    killed = True
    while killed:
        if overwrite:
            path.write_bytes(OLD)
        child = os.fork()
        if child == 0:
            _die_at(moment)
            _write(path, overwrite)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        state = _STATES.get(path.read_bytes(), "half") if path.exists() else "nothing"
        others = [other for other in folder.iterdir() if other != path]
        print("killed" if killed else "ended", state, len(others))  # noqa: T201
        for other in [*others, path]:
            other.unlink(missing_ok=True)
        moment += 1


def _write(path: Path, overwrite: bool) -> None:
    with whole_file.written_whole(path, overwrite=overwrite) as file:
        for start in range(0, len(NEW), 100_000):
            file.write(NEW[start : start + 100_000])


def _die_at(moment: int) -> None:
    """Have the process kill itself before the line of that number that it comes to."""
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in (whole_file.__file__, __file__):
            return None
        if event == "line":
            if lines == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            lines += 1
        return trace

    sys.settrace(trace)


if __name__ == "__main__":
    where, overwrite, nameless = sys.argv[1:]
    main(Path(where), overwrite=overwrite == "overwrite", nameless=nameless == "nameless")
