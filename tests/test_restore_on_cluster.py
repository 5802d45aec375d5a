"""``argan --dask``: the same files, report and exit code as without."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.config
import numpy as np
import pytest
from distributed import Client, LocalCluster
from numpy.typing import NDArray
from PIL import Image, ImageFile

from argan_plugin import __version__, cluster, restore_on_cluster
from argan_plugin.batch import Job
from argan_plugin.cli import main
from argan_plugin.cluster import Expectation, check_workers, model_for_workers
from argan_plugin.errors import ArganError, DeviceError, ImageFileError
from argan_plugin.restore_file import Result, restore_file
from argan_plugin.resume import sha256_of

Argan = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Give a cluster in this process, with two threads."""
    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        protocol="tcp://",
        dashboard_address=":0",
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def argan(
    tiny_model_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    photo: NDArray[np.uint8],
) -> Argan:
    """Run ``argan in --all``, where three pictures and a note are; return exit code and lines."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.png", "deep/c.jpg"):
        path = Path("in", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo[:40, : 40 + len(name)]).save(path)
    Path("in/note.txt").touch()

    def run(*options: str | Path) -> tuple[int, list[str]]:
        words = [
            "in",
            "--all",
            *map(str, options),
            "--model",
            str(tiny_model_path),
            "--device",
            "cpu",
        ]
        code = main(words)
        return code, capsys.readouterr().err.splitlines()

    return run


def contents(folder: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_same_files_and_report_as_without(argan: Argan, address: str) -> None:
    Path("in/broken.jpg").write_bytes(b"no picture")
    for folder in ("here", "there"):
        Path(folder).mkdir()
        Path(folder, "b.png").touch()
    code, here = argan("-o", "here")
    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS

    assert argan("-o", "there", "--dask", address) == (
        code,
        [line.replace("here/", "there/").replace("on cpu", "on 1 worker") for line in here],
    )

    assert code == 1
    assert "failed: in/broken.jpg: " in "\n".join(here)
    assert len(contents("here")) == 3
    assert contents("there") == contents("here")
    assert before == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)


def test_one_file_to_one_file(
    argan: Argan, address: str, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["in/a.jpg", "--model", str(tiny_model_path), "-o"]
    assert main([*words, "here.png"]) == main([*words, "there.png", "--dask", address]) == 0
    assert Path("here.png").read_bytes() == Path("there.png").read_bytes()


def test_resume(argan: Argan, address: str) -> None:
    options = ("-o", "out", "--resume", "--dask", address)
    assert argan(*options)[0] == 0
    before = contents("out")
    Path("out/b.png").unlink()
    assert argan(*options)[1][-1] == "argan: 1 done on 1 worker, 3 skipped, 0 failed"
    assert contents("out").keys() == before.keys()
    # Without a cluster the list is the same, too.
    assert argan(*options[:3])[1][-1] == "argan: 0 done on cpu, 4 skipped, 0 failed"
    assert argan(*options, "--strength", "0.5")[1][-1].startswith("argan: 3 done")
    assert contents("out") != before


def test_what_fails_once_is_tried_again(
    argan: Argan, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def failing(job: Job, *arguments: Any, **options: Any) -> Result:
        tries.append(job.source.name)
        if job.source.name == "b.png" or tries.count(job.source.name) == 1:
            return Result(failed=f"{job.source}: the disk is away.")
        return restore_file(job, *arguments, **options)

    monkeypatch.setattr(restore_on_cluster, "restore_file", failing)
    code, lines = argan("-o", "out", "--dask", address)
    assert code == 1
    assert "argan: failed: in/b.png: the disk is away." in lines
    assert sorted(contents("out")) == ["a.png", "deep/c.png"]
    assert sorted(tries) == ["a.jpg"] * 2 + ["b.png"] * 3 + ["c.jpg"] * 2


def test_what_a_worker_wrote_before_it_died_is_done(
    argan: Argan, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(job: Job, *arguments: Any, **options: Any) -> Result:
        restore_file(job, *arguments, **options)
        return Result(failed="This cannot be said any more.")

    monkeypatch.setattr(restore_on_cluster, "restore_file", dying)
    code, lines = argan("-o", "out", "--dask", address)
    assert code == 0
    assert lines[-1] == "argan: 3 done on 1 worker, 1 skipped, 0 failed"
    assert any("was whole already" in line for line in lines)


def test_two_names_of_one_file_are_not_written_at_once() -> None:
    jobs = [Job(Path(name), Path("out", name)) for name in ("a.png", "b.png", "A.png", "B.png")]
    passes = list(restore_on_cluster._without_collisions(jobs))
    assert passes == [jobs[:2], jobs[2:]]


def test_interruption(argan: Argan, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(restore_on_cluster._Tasks, "_note", interrupt)
    code, lines = argan("-o", "out", "--dask", address)
    assert code == 130
    assert lines[-1].endswith("stopped by Ctrl-C")


def test_no_library(argan: Argan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, lines = argan("-o", "out", "--dask", "tcp://localhost:1")
    assert code == 1
    assert 'pip install "argan-plugin[scale]"' in lines[0]
    assert not Path("out").exists()


def test_no_scheduler_and_no_worker(argan: Argan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS", 0.3)
    for address in ("tcp://localhost:1", "nonsense://localhost:1"):
        code, lines = argan("-o", "out", "--dask", address)
        assert code == 1
        assert f"There is no dask scheduler at {address}" in lines[0]
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp://", dashboard_address=":0"
    ) as empty:
        code, lines = argan("-o", "out", "--dask", empty.scheduler_address)
    assert code == 1
    assert "has no worker" in lines[0]


@pytest.fixture
def expected(tiny_model_path: Path, tmp_path: Path, jpeg_photo: Path) -> dict[str, Any]:
    (tmp_path / "probe").touch()
    return {
        "version": __version__,
        "model": str(tiny_model_path),
        "model_sha256": sha256_of(tiny_model_path),
        "sources": [(str(jpeg_photo), jpeg_photo.stat().st_size)],
        "written": str(tmp_path / "probe"),
    }


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"version": "0.0"}, DeviceError, "0.0 is needed"),
        ({"model_sha256": "0"}, DeviceError, "another than the one here"),
        ({"model": "/nowhere.onnx"}, ImageFileError, "cannot see the model"),
        ({"sources": [("/nowhere.jpg", 1)]}, ImageFileError, "cannot see /nowhere.jpg.*same paths"),
        ({"sources": [(__file__, 1)]}, ImageFileError, "another file.*same paths"),
        ({"written": "/nowhere/probe"}, ImageFileError, "/nowhere is not the one here"),
    ],
)
def test_what_is_amiss_on_a_worker(
    expected: dict[str, Any],
    wrong: dict[str, Any],
    error: type[ArganError],
    words: str,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert cluster._problem(Expectation(**expected)) is None
    problem = cluster._problem(Expectation(**expected | wrong))
    monkeypatch.setattr(cluster, "_problem", lambda _: problem)
    with Client(address) as client, pytest.raises(error, match=f"worker tcp://.*{words}"):
        check_workers(client, expected["model"], [], tmp_path / "out")


def test_shipped_models_are_known_by_name(tiny_model_path: Path) -> None:
    assert model_for_workers(None) == "argan"
    assert model_for_workers(tiny_model_path) == str(tiny_model_path)


@pytest.mark.slow
def test_a_lost_scheduler_leaves_a_report(argan: Argan, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        LocalCluster(
            n_workers=1, processes=False, protocol="tcp://", dashboard_address=":0"
        ) as cluster,
    ):

        def note(*_: object) -> None:
            cluster.sync(cluster.scheduler.close)

        monkeypatch.setattr(restore_on_cluster._Tasks, "_note", note)
        code, lines = argan("-o", "out", "--dask", cluster.scheduler_address)
    assert code == 1
    assert any("the scheduler was lost" in line for line in lines)


@pytest.mark.slow
def test_a_killed_worker_loses_no_file(
    argan: Argan, monkeypatch: pytest.MonkeyPatch, photo: NDArray[np.uint8]
) -> None:
    for number in range(30):
        pixels = np.tile(np.roll(photo, number, axis=1), (5, 5, 1))
        Image.fromarray(pixels).save(f"in/{number}.jpg")
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        pids = list(client.run(os.getpid).values())
        note = restore_on_cluster._Tasks._note
        seen = []

        def killing_note(tasks: Any, future: Any) -> None:
            note(tasks, future)
            seen.append(future)
            if len(seen) == 6:
                os.kill(pids[0], signal.SIGKILL)

        monkeypatch.setattr(restore_on_cluster._Tasks, "_note", killing_note)
        code, lines = argan("-o", "there", "--dask", cluster.scheduler_address)
        assert pids[0] not in client.run(os.getpid).values()
    assert (code, lines[-1]) == (0, "argan: 33 done on 3 workers, 1 skipped, 0 failed")
    argan("-o", "here")
    assert contents("there") == contents("here")
