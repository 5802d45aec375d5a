"""Files overlap by the order of events, and come to their end in their turn."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import overlap, restore_file
from argan_plugin.bands import restore_bands
from argan_plugin.batch import plan_batch
from argan_plugin.errors import ImageFileError
from argan_plugin.files import read_picture
from argan_plugin.model import RestorationModel
from argan_plugin.overlap import Overlap
from argan_plugin.restore_files import restore_files
from argan_plugin.settings import Settings
from argan_plugin.writing import write_picture

Event = tuple[str, int]


class _Journal:
    """What happened, in which order, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._happened: defaultdict[Event, threading.Event] = defaultdict(threading.Event)

    def note(self, *event: Any) -> None:
        self.events.append(event)
        self._happened[event].set()

    def wait(self, *event: Any) -> None:
        assert self._happened[event].wait(20), f"{event} does not happen beside {self.events[-1]}"


class _Steps:
    """Steps that end only when what should overlap with them has begun."""

    def __init__(self, journal: _Journal, number: int, of: int, size: int = 1) -> None:
        self.journal, self.number, self.of, self.size = journal, number, of, size

    def read(self) -> None:
        self.journal.note("read", self.number)

    def restore(self) -> None:
        self.journal.note("restore", self.number)
        if self.number + 1 < self.of:
            self.journal.wait("read", self.number + 1)
        if self.number > 0:
            self.journal.wait("write", self.number - 1)
        self.journal.note("restored", self.number)

    def write(self) -> None:
        self.journal.note("write", self.number)
        if self.number + 1 < self.of:
            self.journal.wait("restored", self.number + 1)
        self.journal.note("written", self.number)


def test_the_next_is_read_and_the_one_before_written_while_one_is_restored() -> None:
    journal, count = _Journal(), 4
    ended: list[int] = []

    def end() -> None:
        ended.append(sum(name == "written" for name, _ in journal.events))

    with Overlap(end) as all_:
        for number in range(count):
            all_.add(_Steps(journal, number, count))
    assert ended == [1, 2, 3, 4]
    for step in ("read", "restore", "write"):
        assert [number for name, number in journal.events if name == step] == list(range(count))
    for number in range(2, count):  # or memory would fill with what was read
        before = journal.events[: journal.events.index(("read", number))]
        assert ("restored", number - 2) in before


def test_large_pictures_are_worked_on_alone() -> None:
    journal = _Journal()
    with Overlap(lambda: None) as all_:
        for number in range(3):
            all_.add(_Steps(journal, number, of=0, size=overlap.MOST_BYTES + 1))
    steps = ("read", "restore", "restored", "write", "written")
    assert [event for event in journal.events if event[1] == 2] == [(name, 2) for name in steps]
    assert journal.events.index(("read", 1)) > journal.events.index(("written", 0))
    assert journal.events.index(("read", 2)) > journal.events.index(("written", 1))


def test_after_an_exception_what_is_being_written_is_ended_and_nothing_else() -> None:
    journal = _Journal()
    ended: list[None] = []

    class Interrupted(_Steps):
        def restore(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Overlap(lambda: ended.append(None)) as all_:
        for number in range(4):
            kind = Interrupted if number == 1 else _Steps
            all_.add(kind(journal, number, of=0))
    assert ("written", 0) in journal.events
    assert len(ended) == 1
    assert not {("write", 1), ("restore", 2), ("read", 3)} & set(journal.events)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("argan-")]


def test_a_batch_overlaps_and_its_report_has_the_order_of_the_plan(
    tmp_path: Path,
    photo: NDArray[np.uint8],
    tiny_model_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = _Journal()
    (tmp_path / "in").mkdir()
    for number in range(4):
        pixels = photo[: 20 + number]
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.jpg")

    def noted_read(path: Path) -> Any:
        journal.note("read", int(path.stem))
        if path.stem == "1":
            raise ImageFileError(f"{path}: cannot be read")
        return read_picture(path)

    def noted_restore(frame: NDArray[Any], *arguments: Any, **options: Any) -> NDArray[Any]:
        number = len(frame) - 20
        journal.note("restore", number)
        if number < 3:
            journal.wait("read", number + 1)
        if number == 3:
            journal.wait("write", 2)
        return restore_bands(frame, *arguments, **options)

    def noted_write(path: Path, *arguments: Any, **options: Any) -> str:
        journal.note("write", int(path.stem))
        if path.stem == "2":
            journal.wait("restore", 3)
        if path.stem == "3":
            raise ImageFileError(f"{path}: cannot be written")
        return write_picture(path, *arguments, **options)

    monkeypatch.setattr(restore_file, "read_picture", noted_read)
    monkeypatch.setattr(restore_file, "restore_bands", noted_restore)
    monkeypatch.setattr(restore_file, "write_picture", noted_write)
    plan = plan_batch([str(tmp_path / "in")], str(tmp_path / "out"))
    model = RestorationModel(tiny_model_path, device="cpu")
    report = restore_files(plan, model, Settings(show_progress=False))
    assert [path.name for path in report.done] == ["0.png", "2.png"]
    assert [Path(message.split(":")[0]).name for message in report.failed] == ["1.jpg", "3.png"]
    assert not report.interrupted
    journal.events.clear()
    report = restore_files(plan, model, Settings(show_progress=False))
    assert [path.name for path in report.existing] == ["0.png", "2.png"]
    assert ("read", 0) not in journal.events, "nothing is decoded for an output that is there"


def test_a_name_that_may_be_the_same_file_waits_until_it_is_known(
    tmp_path: Path,
    photo: NDArray[np.uint8],
    tiny_model_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = _Journal()
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "A.jpg"):
        Image.fromarray(photo[:20]).save(tmp_path / "in" / name)
    if len(list((tmp_path / "in").iterdir())) == 1:
        pytest.skip("this disk takes both names for one file")

    def noted_read(path: Path) -> Any:
        journal.note(f"read {path.name}", 0)
        return read_picture(path)

    def noted_write(path: Path, *arguments: Any, **options: Any) -> str:
        said = write_picture(path, *arguments, **options)
        journal.note(f"written {path.name}", 0)
        return said

    monkeypatch.setattr(restore_file, "read_picture", noted_read)
    monkeypatch.setattr(restore_file, "write_picture", noted_write)
    plan = plan_batch([str(tmp_path / "in")], str(tmp_path / "out"))
    model = RestorationModel(tiny_model_path, device="cpu")
    report = restore_files(plan, model, Settings(show_progress=False))
    assert len(report.done) == 2
    assert [name for name, _ in journal.events] == [
        "read A.jpg",
        "written A.png",
        "read a.jpg",
        "written a.png",
    ]
