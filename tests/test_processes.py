"""One model in many processes and threads, and what Ctrl-C leaves behind."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from argan_plugin import RestorationModel, restore


@pytest.mark.parametrize("kind", ["loader", "dask"])
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_that_are_started_while_a_session_is_open(
    kind: str, start: str, tiny_model_path: Path
) -> None:
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start} on this system")
    done = subprocess.run(
        [sys.executable, "-m", "tests.started_processes", kind, start, str(tiny_model_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr


def test_eight_threads_give_the_bits_of_one_with_the_shipped_model() -> None:
    model = RestorationModel(device="cpu")
    random = np.random.default_rng(5)
    pictures = [random.random((60 + side, 80), np.float32) for side in range(16)]
    expected = [restore(picture, model=model) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        restored = list(pool.map(lambda picture: restore(picture, model=model), pictures))
    for one, other in zip(restored, expected, strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_bits_do_not_depend_on_the_threads_of_the_session() -> None:
    picture = np.random.default_rng(6).random((90, 130), np.float32)
    results = {
        restore(picture, model=RestorationModel(device="cpu", threads=threads)).tobytes()
        for threads in (1, 2, 3)
    }
    assert len(results) == 1


# Restores again and again; whenever it is interrupted, it sees to it that all is as before.
_INTERRUPTED = """
import signal, sys, threading
import numpy as np
from argan_plugin import RestorationModel, restore

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background inherit none
model = RestorationModel(sys.argv[1], device="cpu")
picture = np.random.default_rng(0).integers(0, 256, (400, 300), np.uint8)
expected = restore(picture, model=model, tile_size=100)
interrupts = 0
while interrupts < 10:
    try:
        print("running", flush=True)
        with_cancel = threading.Event() if interrupts % 2 else None
        while True:
            restore(picture, model=model, tile_size=100, cancel=with_cancel)
    except KeyboardInterrupt:
        interrupts += 1
        again = restore(picture, model=model, tile_size=100)
        assert np.array_equal(again, expected)
# What Python itself keeps of a thread whose start was interrupted is no thread: it has no identity.
watchers = [thread for thread in threading.enumerate() if thread.name == "argan-cancel"]
for thread in watchers:
    if thread.ident is not None:
        thread.join(10)
        assert not thread.is_alive()
print("done", flush=True)
"""


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C until something comes of it.

    Python drops the exception of a signal handler that runs inside a finalizer (`signal`'s
    documentation, "Note on Signal Handlers and Exceptions"), as a user's first Ctrl-C may be.
    """
    assert process.stdout is not None
    for _ in range(4):
        process.send_signal(signal.SIGINT)
        answered, _, _ = select.select([process.stdout], [], [], 20)
        if answered:
            return


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to one process")
def test_ctrl_c_at_any_moment_leaves_model_and_process_usable(tiny_model_path: Path) -> None:
    random = np.random.default_rng(1)
    with subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, str(tiny_model_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for _ in range(10):
                assert process.stdout.readline() == "running\n", process.stderr.read()
                time.sleep(random.uniform(0, 0.05))
                _interrupt(process)
            assert process.stdout.readline() == "done\n", process.stderr.read()
        except BaseException:  # the test's time is up, too: the process would run for ever
            process.kill()
            raise
    assert process.returncode == 0


def test_a_pickled_model_is_its_path_and_settings(tiny_model_path: Path) -> None:
    model = RestorationModel(tiny_model_path, device="cpu")
    reopen, arguments = model.__reduce__()
    assert arguments == (model.path,)
    settings: Any = reopen.keywords
    assert settings == {"device": "cpu", "threads": None}
