"""Measure how long napari's window does not answer while a 12-megapixel image is restored.

A Qt timer ticks in the GUI thread each 5 ms; the longest time between two ticks is the longest
stall. Between the ticks the thread sleeps, as it does under a user's hands. The control, threads
that multiply matrices for as long, says how much of it is the operating system's: on a machine with
other work the GUI thread has to wait for a processor, whoever else runs.

Run ``python benchmarks/napari_stall.py`` where there is a display, or
``xvfb-run -a -s "-screen 0 1400x1000x24 +extension GLX" python benchmarks/napari_stall.py``.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from typing import Any, get_args

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer

from argan_plugin import _widget
from argan_plugin.devices import Device


class StallMeter:
    """Measures how long the Qt event loop is busy with something else."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    def restart(self) -> float:
        """Return the longest stall up to now in seconds, and measure anew."""
        self._tick()
        longest, self._longest = self._longest, 0.0
        return longest


def wait_until(condition: Callable[[], bool]) -> None:
    """Let Qt work until the condition holds."""
    loop = QEventLoop()
    check = QTimer()
    check.timeout.connect(lambda: loop.quit() if condition() else None)
    check.start(20)
    loop.exec()


def wait(seconds: float) -> None:
    """Let Qt work for a time."""
    end = time.perf_counter() + seconds
    wait_until(lambda: time.perf_counter() > end)


def multiply_for(seconds: float) -> None:
    """Keep the processors busy, and Qt waiting for nothing, for a time."""
    matrix = np.ones((1500, 1500), np.float32)
    end = time.perf_counter() + seconds

    def multiply() -> None:
        while time.perf_counter() < end:
            matrix @ matrix

    thread = threading.Thread(target=multiply)
    thread.start()
    wait_until(lambda: not thread.is_alive())


def main() -> None:
    """Measure, and print a line for each phase."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--device", choices=get_args(Device), default="auto")
    options = parser.parse_args()

    viewer = napari.Viewer()
    shape = (options.height, options.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    viewer.add_image(pixels, name="photo")
    stalls: dict[str, list[float]] = {}
    meter = StallMeter()

    def note(phase: str) -> None:
        stalls.setdefault(phase, []).append(meter.restart())

    def before_adding(*args: Any) -> Any:
        # What follows is napari's: copying the pixels to the graphics card, thumbnail, drawing.
        note("restoring")
        return new_layer(*args)

    new_layer, _widget.new_layer = _widget.new_layer, before_adding
    wait(3)  # for the first drawing
    meter.restart()
    wait(3)
    note("nothing")
    widget = _widget.RestorationWidget(viewer)
    widget["settings"]["device"].value = options.device
    viewer.window.add_dock_widget(widget)
    meter.restart()
    wait_until(lambda: widget["settings"]["device_found"].value.startswith("Runs on"))
    note("opening the model")
    for _ in range(options.repeat):
        start = time.perf_counter()
        meter.restart()
        widget["buttons"]["run"].native.click()
        wait_until(lambda: not widget["buttons"]["cancel"].enabled)
        note("napari's adding of the layer")
        seconds = time.perf_counter() - start
        print(f"one run: {seconds:.1f} s")
        for strength in (0.5, 1.0):
            widget["settings"]["strength"].value = strength
            wait_until(lambda: not widget["buttons"]["cancel"].enabled)
            note("mixing another strength, and showing it")
        meter.restart()
        multiply_for(seconds)
        note("control: multiplying matrices")
    print("longest stalls in ms, one a run")
    for phase, longest in stalls.items():
        print(f"{phase}: " + ", ".join(f"{1000 * stall:.0f}" for stall in longest))
    viewer.close()


if __name__ == "__main__":
    main()
