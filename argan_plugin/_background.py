"""Heavy work in threads that let others go first, so that the window gets a processor in time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_Result = TypeVar("_Result")

NICENESS: Final = 10
"""What is added to the nice value of threads in the background: with 10, a thread has a tenth of
another one's share of a processor that both want. `SCHED_IDLE`, with a three-hundredth, would be
wrong: the thread would hold Python's lock for long while others run, and the window wants that."""


def run_in_background(function: Callable[[], _Result]) -> _Result:
    """Call a function in a thread of its own that lets others go first, and wait for it.

    The threads that the function starts do so, too, and ONNX Runtime's are started when a model is
    opened. The calling thread stays as it is: it may be one of a pool that serves others, and going
    back would need a privilege.

    On Linux alone, where each thread has a nice value and inherits it. Windows and macOS favour the
    window in front themselves, and ONNX Runtime's threads would not inherit a priority there.

    Parameters
    ----------
    function : callable
        Without arguments; what it raises is raised here.

    Returns
    -------
    object
        What the function returned.
    """
    with ThreadPoolExecutor(1, "argan-background", initializer=_step_back) as thread:
        return thread.submit(function).result()


def _step_back() -> None:
    """Lower the priority of the current thread, which elsewhere would be the whole process's."""
    if sys.platform == "linux":
        os.nice(NICENESS)
