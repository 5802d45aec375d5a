"""Lazy arrays on a cluster of worker processes, against `restore` in this one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster, wait
from numpy.typing import NDArray

from argan_plugin import RestorationModel, restore
from argan_plugin.model import _open_models
from argan_plugin.stacks import restore_lazy, restore_stack

pytestmark = pytest.mark.slow

_WORKERS, _THREADS = 3, 2


@pytest.fixture
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=_WORKERS, threads_per_worker=_THREADS, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def movie(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give forty different RGB pictures."""
    return np.stack([np.roll(photo, 3 * shift, axis=1) for shift in range(40)])


def opened() -> list[int]:
    """Return the threads of the sessions that this worker has open."""
    sessions: list[Any] = [model._session for model in _open_models]
    return [session._session.get_session_options().intra_op_num_threads for session in sessions]


@pytest.mark.parametrize("kind", ["path", "open model"])
def test_one_session_a_worker(
    client: Client, movie: NDArray[np.uint8], tiny_model_path: Path, kind: str
) -> None:
    here = RestorationModel(tiny_model_path, device="cpu")
    model = tiny_model_path if kind == "path" else here
    lazy = da.from_array(movie, chunks=(2, -1, -1, -1))
    restored = restore_lazy(lazy, rgb=True, model=model, device="cpu")
    assert (restored.chunks, restored.dtype) == (lazy.chunks, lazy.dtype)
    np.testing.assert_array_equal(restored.compute(), restore_stack(movie, rgb=True, model=here))
    assert client.run(opened) == {worker: [_THREADS] for worker in client.run(os.getpid)}


def test_workers_with_openvino_give_the_bits_of_this_process(
    client: Client, movie: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # conftest.py hides OpenVINO from this process, but not from the workers
    here = RestorationModel(threads=1)
    assert here.device == "openvino"
    lazy = da.from_array(movie[:6], chunks=(1, -1, -1, -1))
    restored = restore_lazy(lazy, rgb=True)
    np.testing.assert_array_equal(
        restored.compute(), restore_stack(movie[:6], rgb=True, model=here)
    )


def test_a_large_plane_in_parts(client: Client, tiny_model_path: Path) -> None:
    plane = np.random.default_rng(2).random((700, 900), np.float32)
    lazy = da.from_array(plane, chunks=(300, 256))
    restored = restore_lazy(lazy, model=tiny_model_path, device="cpu", chunk_size=200)
    assert restored.chunks == lazy.chunks
    # In noise a grid can be found by chance; parts of a plane take that of its corner.
    expected = restore(plane, model=tiny_model_path, device="cpu", grid=(0, 0))
    np.testing.assert_allclose(restored.compute(), expected, atol=1e-6)


def test_a_killed_worker_loses_nothing(
    client: Client, movie: NDArray[np.uint8], tiny_model_path: Path
) -> None:
    def slowly(block: NDArray[np.uint8]) -> NDArray[np.uint8]:
        time.sleep(0.2)
        return block

    lazy = da.from_array(movie, chunks=(1, -1, -1, -1)).map_blocks(slowly, dtype=movie.dtype)
    how: dict[str, Any] = {"rgb": True, "model": tiny_model_path, "device": "cpu"}
    restored = client.persist(restore_lazy(lazy, **how))
    futures = client.futures_of(restored)
    wait(futures, return_when="FIRST_COMPLETED")
    pids = client.run(os.getpid)
    holders = {address for places in client.who_has(futures).values() for address in places}
    victim = holders.pop()  # it has results, and others to compute
    os.kill(pids[victim], signal.SIGKILL)
    assert not all(future.done() for future in futures)
    np.testing.assert_array_equal(restored.compute(), restore_stack(movie, **how))
    assert pids[victim] not in client.run(os.getpid).values()
