"""Bad conditions: the input stays intact, nothing half-done is left, and one line tells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin.cli import main
from argan_plugin.resume import LIST_NAME
from tests.fuzz.__main__ import CORPUS
from tests.fuzz.mutations import mutated

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX system")

_WRITER = Path(__file__).with_name("killed_writer.py")
_COMMAND = Path(__file__).with_name("killed_command.py")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """Give a picture of 120 kB, which must not change."""
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    path = tmp_path / "in" / "noise.png"
    path.parent.mkdir()
    Image.fromarray(noise).save(path)
    before = path.read_bytes()
    yield path
    assert path.read_bytes() == before


def run(words: Sequence[object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, timeout=200
    )


def argan(source: Path, output: Path, model: Path) -> list[object]:
    arguments: list[object] = [source, "-o", output, "--model", model, "--device", "cpu"]
    return [sys.executable, "-m", "argan_plugin", *arguments]


def in_namespace(script: str) -> list[str]:
    """Return a command that mounts what it likes and nobody else sees it; skip if it may not."""
    unshare = ["unshare", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or run([*unshare, "true"]).returncode:
        pytest.skip("mounting in a namespace of its own is not possible here")
    return [*unshare, "sh", "-ec", script]


@pytest.mark.parametrize("overwrite", ["keep", "overwrite"])
@pytest.mark.parametrize("name", ["nameless", "named"])
def test_killed_at_any_moment(tmp_path: Path, overwrite: str, name: str) -> None:
    result = run([sys.executable, _WRITER, tmp_path, overwrite, name])

    assert result.returncode == 0, result.stderr
    states = [line.split() for line in result.stdout.splitlines()]
    before = "old" if overwrite == "overwrite" else "nothing"
    assert {state for _, state, _ in states} == {before, "new"}
    assert len(states) > 20
    assert states[-1] == ["ended", "new", "0"]
    beside = max(int(others) for *_, others in states)
    assert beside <= 1  # a hidden one
    if sys.platform == "linux" and (overwrite, name) == ("keep", "nameless"):
        assert beside == 0


def test_full_disk(source: Path, tmp_path: Path, tiny_model_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=64k tmpfs "$0"; "$@" || echo "exit $?"; ls -A "$0"'

    result = run([*in_namespace(script), disk, *argan(source, disk / "noise.png", tiny_model_path)])

    assert result.stdout == "exit 1\n"
    assert result.stderr.splitlines() == [
        f"argan: failed: {disk}/noise.png: cannot be written: No space left on device.",
        "argan: 0 done on cpu, 0 skipped, 1 failed",
    ]


def test_read_only_disk(source: Path, tmp_path: Path, tiny_model_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o ro tmpfs "$0"; "$@" || echo "exit $?"; ls -A "$0"'

    result = run([*in_namespace(script), disk, *argan(source, disk / "noise.png", tiny_model_path)])

    assert result.stdout == "exit 1\n"
    assert "noise.png: cannot be written: Read-only file system.\n" in result.stderr
    assert result.stderr.count("\n") == 2


def test_folder_without_permission(source: Path, tmp_path: Path, tiny_model_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    without: list[str] = []
    if os.geteuid() == 0:  # whom permissions do not bind, unless it gives up its capabilities
        without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        if not shutil.which("setpriv"):
            pytest.skip("root cannot give up its rights here")

    result = run([*without, *argan(source, closed / "noise.png", tiny_model_path)])

    assert result.returncode == 1
    assert "noise.png: cannot be written: Permission denied.\n" in result.stderr
    assert result.stderr.count("\n") == 2
    assert not list(closed.iterdir())


def test_file_that_becomes_too_large(source: Path, tmp_path: Path, tiny_model_path: Path) -> None:
    output = tmp_path / "out.png"
    limited = ["sh", "-c", 'ulimit -f 64; exec "$@"', "sh"]  # blocks of 512 bytes

    result = run([*limited, *argan(source, output, tiny_model_path)])

    assert result.returncode == 1
    assert "out.png: cannot be written: File too large.\n" in result.stderr
    assert sorted(tmp_path.iterdir()) == [source.parent]


def test_three_runs_at_once(tmp_path: Path, photo: NDArray[np.uint8], models: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(12):
        Image.fromarray(photo[number:]).save(tmp_path / "in" / f"{number}.jpg")
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    words = argan(tmp_path / "in", tmp_path / "out", models / "tiny.onnx")

    processes = [
        subprocess.Popen(list(map(str, [*words, *option])), stderr=subprocess.PIPE, text=True)
        for option in ([], ["--overwrite"], ["--resume"])
    ]
    errors = [process.communicate(timeout=200)[1] for process in processes]

    assert {process.returncode for process in processes} <= {0, 1}
    for line in "".join(errors).splitlines():
        assert "already" in line or "up to date" in line or " done on cpu, " in line, line
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before
    outputs = {path.name for path in (tmp_path / "out").iterdir()}
    assert outputs - {LIST_NAME} == {f"{number}.png" for number in range(12)}
    for number in range(12):
        with Image.open(tmp_path / "out" / f"{number}.png") as image:
            image.load()
            assert image.height == len(photo) - number


@pytest.mark.slow
def test_command_killed_fifty_times(photo: NDArray[np.uint8], tiny_model_path: Path) -> None:
    # Where there is a disk in memory, nobody waits for a real one.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        for number in range(8):
            path = Path(folder, "in", "deep" if number % 3 else ".", f"{number}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.tile(photo, (3, 3, 1))[number:]).save(path)

        result = run([sys.executable, _COMMAND, folder, tiny_model_path, 50, 0])

    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 20  # were stopped before their end


@pytest.mark.slow
def test_a_thousand_mixed_files(
    tmp_path: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    seeds = {path: path.read_bytes() for path in sorted(CORPUS.iterdir())}
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    good = set()
    for number in range(400):
        path = folder / f"{number % 20}" / f"good-{number}.{('jpg', 'png', 'tif')[number % 3]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        good.add(path)
    for number in range(300):
        path = folder / f"damaged-{number}.jpg"
        path.write_bytes(mutated(Random(number), list(seeds.values())))
    for number in range(200):
        seed = list(seeds)[number % len(seeds)]
        (folder / f"odd-{number}{seed.suffix}").write_bytes(seeds[seed])
    for number in range(94):
        (folder / f"notes-{number}.txt").write_text("no picture")
    (folder / "empty.jpg").touch()
    (folder / "folder.jpg").mkdir()
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.jpg")
    Path(os.fsdecode(bytes(folder) + b"/\xff.jpg")).write_bytes(seeds[CORPUS / "420.jpg"])
    names = [path for path in folder.rglob("*") if not path.is_dir()]
    assert len(names) == 999  # and the folder that looks like a picture
    before = {path: path.read_bytes() for path in names if path.is_file()}
    words = [folder, "--all", "-o", tmp_path / "out", "--model", tiny_model_path, "--device", "cpu"]

    code = main(list(map(str, words)))

    assert code == 1
    *lines, summary = capsys.readouterr().err.splitlines()
    counts = re.fullmatch(r"argan: (\d+) done on cpu, (\d+) skipped, (\d+) failed", summary)
    assert counts is not None
    done, skipped, failed = map(int, counts.groups())
    assert done + skipped + failed == len(names)
    assert failed == len([line for line in lines if line.startswith("argan: failed: ")])
    told = re.compile(r"argan: (failed: |skipped |note: ).+: .+")
    assert [line for line in lines if not told.fullmatch(line)] == []
    assert not [line for line in lines if "not foreseen" in line]
    outputs = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len(outputs) == done
    for path in good:
        suffix = ".png" if path.suffix == ".jpg" else path.suffix
        assert (tmp_path / "out" / path.relative_to(folder)).with_suffix(suffix) in outputs
    assert {path: path.read_bytes() for path in names if path.is_file()} == before
