"""The background: results and errors come through, and its threads let others go first."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from argan_plugin import RestorationModel
from argan_plugin._background import NICENESS, run_in_background


def test_results_and_errors_come_through() -> None:
    caller = threading.get_ident()
    assert run_in_background(threading.get_ident) != caller
    with pytest.raises(ZeroDivisionError):
        run_in_background(lambda: 1 // 0)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no nice value of their own")
def test_threads_of_a_session_let_others_go_first(tiny_model_path: Path) -> None:
    def nice_values() -> dict[str, int]:
        threads = [path.name for path in Path("/proc/self/task").iterdir()]
        return {number: os.getpriority(os.PRIO_PROCESS, int(number)) for number in threads}

    before = nice_values()
    # The model is returned, so that its threads are still there.
    model = run_in_background(lambda: RestorationModel(tiny_model_path, device="cpu", threads=3))
    after = nice_values()
    new = [nice for number, nice in after.items() if number not in before]
    assert len(new) >= 2
    assert set(new) == {min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)}
    # others of an earlier test may end meanwhile
    assert all(nice == before[number] for number, nice in after.items() if number in before)
    del model
