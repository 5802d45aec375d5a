"""The standard error is silent for a while, and then what it was."""

from __future__ import annotations

import os
import threading

import pytest

from argan_plugin.native_stderr import heard, silenced


def test_silent_inside_and_not_outside(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with silenced():
        os.write(2, b"inside ")
    with pytest.raises(ZeroDivisionError), silenced():
        1 / 0  # noqa: B018
    os.write(2, b"after")

    assert capfd.readouterr().err == "before after"


def test_threads_that_overlap(capfd: pytest.CaptureFixture[str]) -> None:
    entered, first_left = threading.Event(), threading.Event()

    def second() -> None:
        with silenced():
            entered.set()
            first_left.wait(10)
            os.write(2, b"inside the second ")

    thread = threading.Thread(target=second)
    with silenced():
        thread.start()
        assert entered.wait(10)
    first_left.set()
    thread.join()
    os.write(2, b"after both")

    assert capfd.readouterr().err == "after both"


def test_without_a_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    kept = os.dup(2)
    os.close(2)
    try:
        with silenced():
            pass
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(2)
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def test_what_is_to_be_heard_is_heard_while_another_thread_is_silent(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with heard():
        os.write(2, b"before ")
    with silenced():
        os.write(2, b"inside ")
        with heard(), heard():
            os.write(2, b"heard ")
        os.write(2, b"inside again ")
    os.write(2, b"after")

    assert capfd.readouterr().err == "before heard after"
